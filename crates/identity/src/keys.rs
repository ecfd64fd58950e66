//! Verification keys: one JWK Set read into keys that are parsed once ([`KeySet`]), and the keys of one issuer over
//! time ([`KeyRing`]).

mod jwk;
mod ring;

pub use jwk::Key;
pub(crate) use ring::Missing;
pub use ring::{Begun, KeyRing, Loaded, RefreshId, RingHealth};

use crate::jws::{Algorithm, KeyId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Longest set that is read at all (B1).
pub const MAX_SET_BYTES: usize = 256 * 1024;
/// Most keys in a set that is read at all (B1).
pub const MAX_SET_KEYS: usize = 100;

/// What a fetch of an issuer's keys brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The JWK Set, as it came.
    pub set: Vec<u8>,
    /// Where it came from; a change is audited (B2).
    pub jwks_uri: String,
    /// `max-age` of its `Cache-Control`.
    pub max_age: Option<Duration>,
}

/// Why a JWK Set is of no use as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`MAX_SET_BYTES`].
    #[error("the key set is longer than 256 KiB")]
    TooLong,
    /// Not JSON with a member `keys` that is an array.
    #[error("the key set is not a JSON object with an array `keys`")]
    NotASet,
    /// More than [`MAX_SET_KEYS`].
    #[error("the key set has more than 100 keys")]
    TooMany,
    /// Not one key that we can use: such a set never wipes good keys (B3).
    #[error("the key set has no usable key")]
    NoUsableKey,
}

/// The usable keys of one JWK Set (RFC 7517), parsed.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<Key>>,
    disabled: HashSet<KeyId>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    /// Reads a set. A bad key is skipped and never spoils the others; two usable keys with one `kid` for one
    /// algorithm disable that `kid` (A4).
    ///
    /// # Errors
    /// Only if nothing in it can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAX_SET_BYTES {
            return Err(KeySetError::TooLong);
        }
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|_| KeySetError::NotASet)?;
        if envelope.keys.len() > MAX_SET_KEYS {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<_> =
            envelope.keys.iter().filter_map(|raw| Key::parse(raw.get().as_bytes())).map(Arc::new).collect();
        let disabled = ambiguous(&keys);
        let usable = |key: &Arc<Key>| key.id().is_none_or(|id| !disabled.contains(id));
        let keys: Vec<_> = keys.into_iter().filter(usable).collect();
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self { keys, disabled })
    }

    /// The one key for a token with this header; none if there is no candidate, or more than one (A5).
    #[must_use]
    pub fn find(&self, key_id: Option<&KeyId>, algorithm: Algorithm) -> Option<&Arc<Key>> {
        let fits =
            |key: &&Arc<Key>| key.serves(algorithm) && key_id.is_none_or(|wanted| key.id() == Some(wanted));
        let mut candidates = self.keys.iter().filter(fits);
        match (candidates.next(), candidates.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// Whether any key can check signatures of this algorithm.
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.serves(algorithm))
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it is the set that has never been loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// Whether the set says anything about this `kid`.
    fn names(&self, key_id: &KeyId) -> bool {
        self.disabled.contains(key_id) || self.keys.iter().any(|key| key.id() == Some(key_id))
    }
}

/// Every `kid` under which two keys serve one algorithm.
fn ambiguous(keys: &[Arc<Key>]) -> HashSet<KeyId> {
    let mut taken = HashSet::new();
    let mut ambiguous = HashSet::new();
    for key in keys {
        let Some(id) = key.id() else { continue };
        for algorithm in key.algorithms() {
            if !taken.insert((id, algorithm)) {
                ambiguous.insert(id.clone());
            }
        }
    }
    ambiguous
}

#[cfg(test)]
mod tests;
