//! The two keys above a secret's own: the operator's master key, and one key for each organisation.

use crate::cipher::{Bound, SealedBytes, open, seal};
use crate::error::VaultError;
use deputy_core::{Digest, Secret, TenantId};
use serde::{Deserialize, Serialize};
use std::fmt;

const KEY_LEN: usize = 32;

/// Which key: made from it, and says nothing about it. It also commits to it: no two keys have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Digest);

impl KeyId {
    pub(crate) fn of(key: &Secret<[u8; KEY_LEN]>) -> Self {
        Self(Digest::of_parts(&[b"deputy-vault key id", key.expose()]))
    }

    /// The bytes of the id, for what is bound to it.
    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// The first 16 digits: enough for people to tell keys apart.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes().get(..8).unwrap_or_default()))
    }
}

pub(crate) fn random_key() -> Result<Secret<[u8; KEY_LEN]>, VaultError> {
    let mut key = zeroize::Zeroizing::new([0_u8; KEY_LEN]);
    getrandom::fill(&mut *key).map_err(|_| VaultError::Sealing)?;
    Ok(Secret::new(*key))
}

/// 32 bytes out of a sealed text.
pub(crate) fn as_key(bytes: &Secret<Vec<u8>>) -> Option<Secret<[u8; KEY_LEN]>> {
    <[u8; KEY_LEN]>::try_from(bytes.expose().as_slice()).ok().map(Secret::new)
}

/// The operator's key, which stands outside the database and its directory (VLT-06).
pub struct MasterKey {
    key: Secret<[u8; KEY_LEN]>,
    id: KeyId,
}

impl MasterKey {
    /// A new one. There is none by default.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self::new(random_key()?))
    }

    /// From its text: 64 hexadecimal digits, and white space around them.
    ///
    /// # Errors
    /// [`VaultError::NotAKey`].
    pub fn read(text: &Secret<String>) -> Result<Self, VaultError> {
        let mut key = zeroize::Zeroizing::new([0_u8; KEY_LEN]);
        hex::decode_to_slice(text.expose().trim(), &mut *key).map_err(|_| VaultError::NotAKey)?;
        Ok(Self::new(Secret::new(*key)))
    }

    fn new(key: Secret<[u8; KEY_LEN]>) -> Self {
        let id = KeyId::of(&key);
        Self { key, id }
    }

    /// Its text, for the file that keeps it.
    #[must_use]
    pub fn text(&self) -> Secret<String> {
        Secret::new(hex::encode(self.key.expose()))
    }

    /// Which key it is.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

/// A tenant's key under the master key that seals it: what the database keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTenantKey {
    /// Whose.
    pub tenant: TenantId,
    /// Which key.
    pub id: KeyId,
    /// The master key that sealed it.
    pub under: KeyId,
    /// The key, sealed.
    pub key: SealedBytes,
}

impl SealedTenantKey {
    /// The same key under another master key. No secret is touched (VLT-05).
    ///
    /// # Errors
    /// It does not open with `old`.
    pub fn reseal(&self, old: &MasterKey, new: &MasterKey) -> Result<Self, VaultError> {
        self.open(old)?.seal(new)
    }

    /// The key itself.
    ///
    /// # Errors
    /// [`VaultError::OtherKey`]: another master key sealed it. [`VaultError::Invalid`]: it was changed, or is another
    /// tenant's.
    pub fn open(&self, master: &MasterKey) -> Result<TenantKey, VaultError> {
        let what = || format!("key of {}", self.tenant);
        if self.under != master.id {
            return Err(VaultError::OtherKey { what: what(), needed: self.under, given: master.id });
        }
        let bound = tenant_bound(&self.tenant, &self.id, &self.under);
        let opened = open(&master.key, &bound, &self.key);
        let key = opened.as_ref().and_then(as_key).ok_or_else(|| VaultError::Invalid(what()))?;
        if KeyId::of(&key) != self.id {
            return Err(VaultError::Invalid(what()));
        }
        Ok(TenantKey { tenant: self.tenant.clone(), key, id: self.id })
    }
}

/// The key above all secrets of one tenant.
pub struct TenantKey {
    pub(crate) tenant: TenantId,
    pub(crate) key: Secret<[u8; KEY_LEN]>,
    pub(crate) id: KeyId,
}

impl TenantKey {
    /// A new one.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn generate(tenant: TenantId) -> Result<Self, VaultError> {
        let key = random_key()?;
        let id = KeyId::of(&key);
        Ok(Self { tenant, key, id })
    }

    /// Which key it is.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// As it may be stored.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn seal(&self, master: &MasterKey) -> Result<SealedTenantKey, VaultError> {
        let bound = tenant_bound(&self.tenant, &self.id, &master.id);
        let key = seal(&master.key, &bound, self.key.expose())?;
        Ok(SealedTenantKey { tenant: self.tenant.clone(), id: self.id, under: master.id, key })
    }
}

fn tenant_bound(tenant: &TenantId, id: &KeyId, under: &KeyId) -> Bound {
    Bound::to("tenant key", &[tenant.as_str().as_bytes(), id.as_bytes(), under.as_bytes()])
}
