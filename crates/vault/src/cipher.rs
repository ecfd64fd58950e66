//! The one cipher: AES-256-GCM-SIV with a random nonce, which stands before the sealed text.

use crate::error::VaultError;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use deputy_core::{Digest, Secret};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const TAG_LEN: usize = 16;

/// Bytes that are sealed, and so may be stored: a format, a nonce, the sealed text, its tag. In JSON base64.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBytes(Vec<u8>);

impl SealedBytes {
    /// What was stored. Whether it opens shows when it is opened.
    #[must_use]
    pub const fn stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SealedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedBytes({} bytes)", self.0.len())
    }
}

impl Serialize for SealedBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for SealedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD_NO_PAD.decode(text).map(Self).map_err(|_| D::Error::custom("not base64"))
    }
}

/// What something is sealed for: purpose, place, key. Each part is hashed with its length before it, so that no two lists
/// of parts are one.
pub(crate) struct Bound(Digest);

impl Bound {
    pub(crate) fn to(purpose: &str, parts: &[&[u8]]) -> Self {
        let fixed: [&[u8]; 3] = [b"deputy-vault", &[FORMAT], purpose.as_bytes()];
        let all: Vec<&[u8]> = fixed.into_iter().chain(parts.iter().copied()).collect();
        Self(Digest::of_parts(&all))
    }
}

pub(crate) fn seal(key: &Secret<[u8; 32]>, bound: &Bound, plain: &[u8]) -> Result<SealedBytes, VaultError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|_| VaultError::Sealing)?;
    // Room for the tag from the beginning: a buffer that grew would leave the plain text behind in the old one.
    let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + TAG_LEN));
    body.extend_from_slice(plain);
    let aad = Aad::from(bound.0.as_bytes());
    let nonce = key.seal_in_place_append_tag(aad, &mut *body).map_err(|_| VaultError::Sealing)?;
    Ok(SealedBytes([&[FORMAT][..], nonce.as_ref(), &body].concat()))
}

/// `None`: it was sealed under another key or for something else, was changed, or never was one.
pub(crate) fn open(key: &Secret<[u8; 32]>, bound: &Bound, sealed: &SealedBytes) -> Option<Secret<Vec<u8>>> {
    let (&[FORMAT], rest) = sealed.0.split_first_chunk::<1>()? else { return None };
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
    let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.expose()).ok()?;
    let mut body = Zeroizing::new(body.to_vec());
    let aad = Aad::from(bound.0.as_bytes());
    let plain = key.open_in_place(Nonce::from(nonce), aad, &mut body).ok()?;
    Some(Secret::new(plain.to_vec()))
}
