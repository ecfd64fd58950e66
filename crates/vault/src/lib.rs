//! Secrets at rest: bytes in, bytes out, bound to their place, so that policy can never see the vault.
//!
//! Ring 1: no IO, no clock. Three keys stand above a value, each sealing the one below it:
//!
//! ```text
//! master key   outside the database; the operator's
//!   tenant key   one for each organisation, sealed under the master key
//!     data key     one for each version of each secret, sealed under the tenant key
//!       value        the secret itself, sealed under its data key
//! ```
//!
//! All four are sealed with AES-256-GCM-SIV (RFC 8452) under a fresh random nonce. What a sealed text was made for stands in
//! its associated data ([`Place`]), so that one that is moved to another row, organisation or version does not open
//! (VLT-03). These ciphers do not commit to their key: each key has an id that is made from it, stands beside whatever it
//! sealed, and is compared first. Keys are never tried in turn.

mod cipher;
mod error;
mod key;
mod place;
mod sealed;

pub use cipher::SealedBytes;
pub use error::VaultError;
pub use key::{KeyId, MasterKey, SealedTenantKey, TenantKey};
pub use place::{LONGEST_CONSENT, PersonPlace, Place, Placed};
pub use sealed::{LONGEST_SECRET, Sealed};

#[cfg(test)]
mod tests;
