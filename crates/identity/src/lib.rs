//! From strings somebody sent us to identities we may rely on, so that a token can be checked without a database or
//! a network.
//!
//! [`jws::Unverified`] → [`Verifier::verify`] → [`Verified`]. No other road leads to a `Verified` of an access or ID token.
//! Every other kind of token has a door of its own, which takes no other kind (A10): [`Verifier::login`],
//! [`Verifier::id_jag`], [`Verifier::logout_token`], [`Verifier::security_event`], [`client_assertion::verify`],
//! [`mint::OwnKeys::verify`].
//!
//! Beside them, pure as well: what is sent to identity providers and authorization servers and what of their answers is
//! believed ([`login`], [`exchange`], [`client_authentication`]), and the same from the other side ([`authorization`],
//! [`client_document`]).
//! Ring 1: no IO and no clock; time comes as an argument. Signatures, AEAD and key generation are aws-lc's.

pub mod authorization;
pub mod claims;
pub mod client_assertion;
pub mod client_authentication;
pub mod client_document;
mod error;
pub mod exchange;
pub mod form;
pub mod id_jag;
pub mod jws;
pub mod keys;
pub mod login;
mod members;
pub mod mint;
pub mod pkce;
pub mod provider;
pub mod revocation;
pub mod seal;
pub mod secret_hash;
pub mod token_response;
mod verifier;

#[cfg(test)]
mod fixtures;

pub use claims::{Audiences, Claims, Expectations, TokenKind, Verified};
pub use error::TokenError;
pub use jws::Algorithm;
pub use keys::{Fetched, KeyRing};
pub use provider::{Provider, ProviderName};
pub use verifier::{Attempt, Verifier};
