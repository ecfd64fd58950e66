//! Sealed strings: what the hub gives away and wants back unread and unchanged, as continuation handles and MCP
//! `requestState` (R3). Bound to a purpose, to whom and what it was made for, and to a time.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Digest, Secret, Timestamp};

/// Longest sealed string that is read at all.
pub const MAX_SEALED_BYTES: usize = 64 * 1024;

const VERSION: u8 = 1;
const SALT_LEN: usize = 32;
const EXPIRY_LEN: usize = 8;

/// Why a string did not open, or none was made. Nothing more is said, for a stranger may be asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not ours, changed, or made for something else.
    #[error("the sealed string is not valid here")]
    Invalid,
    /// It was good once.
    #[error("the sealed string expired at {expired_at}")]
    Expired {
        /// When.
        expired_at: Timestamp,
    },
    /// The library has no randomness to give.
    #[error("sealing failed")]
    Sealing,
}

impl SealError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "seal_invalid",
            Self::Expired { .. } => "seal_expired",
            Self::Sealing => "seal_failed",
        }
    }
}

/// Seals and opens with one key. AES-256-GCM under a key that HKDF derives from 256 fresh random bits per string, so
/// that no number of strings wears the key out.
pub struct Sealer(Prk);

impl Sealer {
    /// Over a root key that is used for nothing else.
    #[must_use]
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(Salt::new(HKDF_SHA256, b"deputy-seal-v1").extract(key.expose()))
    }

    /// Seals a payload that opens only for the same purpose and binding, until `expires_at`. Never empty, base64url.
    ///
    /// # Errors
    /// [`SealError::Sealing`].
    pub fn seal(
        &self,
        purpose: &str,
        binding: &[&[u8]],
        payload: &[u8],
        expires_at: Timestamp,
    ) -> Result<String, SealError> {
        let mut salt = [0_u8; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| SealError::Sealing)?;
        let mut body = [&expires_at.millis().to_be_bytes()[..], payload].concat();
        self.key(&salt)?
            .seal_in_place_append_tag(nonce(), Aad::from(associated(purpose, binding)), &mut body)
            .map_err(|_| SealError::Sealing)?;
        Ok(URL_SAFE_NO_PAD.encode([&[VERSION][..], &salt, &body].concat()))
    }

    /// Opens what [`Sealer::seal`] made for this purpose and binding.
    ///
    /// # Errors
    /// [`SealError::Invalid`] for any other string, [`SealError::Expired`] from the very moment it expires.
    pub fn open(
        &self,
        purpose: &str,
        binding: &[&[u8]],
        text: &str,
        now: Timestamp,
    ) -> Result<Vec<u8>, SealError> {
        if text.len() > MAX_SEALED_BYTES {
            return Err(SealError::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Invalid)?;
        let (&[VERSION], rest) = bytes.split_first_chunk::<1>().ok_or(SealError::Invalid)? else {
            return Err(SealError::Invalid);
        };
        let (salt, body) = rest.split_first_chunk::<SALT_LEN>().ok_or(SealError::Invalid)?;
        let mut body = body.to_vec();
        let aad = Aad::from(associated(purpose, binding));
        let opened =
            self.key(salt)?.open_in_place(nonce(), aad, &mut body).map_err(|_| SealError::Invalid)?;
        let (expiry, payload) = opened.split_first_chunk::<EXPIRY_LEN>().ok_or(SealError::Invalid)?;
        let expired_at = Timestamp::from_millis(u64::from_be_bytes(*expiry));
        if now >= expired_at {
            return Err(SealError::Expired { expired_at });
        }
        Ok(payload.to_vec())
    }

    fn key(&self, salt: &[u8; SALT_LEN]) -> Result<LessSafeKey, SealError> {
        let info = [&salt[..]];
        let derived = self.0.expand(&info, &AES_256_GCM).map_err(|_| SealError::Sealing)?;
        Ok(LessSafeKey::new(UnboundKey::from(derived)))
    }
}

// INVARIANT: a derived key seals one string, so one nonce is enough.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn associated(purpose: &str, binding: &[&[u8]]) -> [u8; 32] {
    let parts: Vec<&[u8]> = [purpose.as_bytes()].into_iter().chain(binding.iter().copied()).collect();
    *Digest::of_parts(&parts).as_bytes()
}

#[cfg(test)]
mod tests;
