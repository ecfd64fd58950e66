//! One version of one secret, sealed: the value under a key of its own, and that key under its tenant's.

use crate::cipher::{Bound, SealedBytes, open, seal};
use crate::error::VaultError;
use crate::key::{KeyId, TenantKey, as_key, random_key};
use crate::place::Placed;
use deputy_core::{Digest, Secret};
use serde::{Deserialize, Serialize};

/// The most bytes that a secret may have.
pub const LONGEST_SECRET: usize = 16 * 1024;

/// What the database keeps of a secret's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The tenant key that sealed the data key.
    pub tenant_key: KeyId,
    /// The data key.
    pub data_key_id: KeyId,
    /// The data key, sealed. Without it the value is gone for good (VLT-08).
    pub data_key: SealedBytes,
    /// The value, sealed under the data key.
    pub value: SealedBytes,
}

impl Sealed {
    /// Seals a value for one place, under a data key that is used for nothing else (VLT-04).
    ///
    /// # Errors
    /// Nothing to seal, or more than [`Placed::LONGEST`]; a key of another tenant; no randomness.
    pub fn seal<P: Placed>(key: &TenantKey, place: &P, value: &Secret<Vec<u8>>) -> Result<Self, VaultError> {
        let bytes = value.expose().len();
        if !(1..=P::LONGEST).contains(&bytes) {
            return Err(VaultError::Length { bytes, most: P::LONGEST });
        }
        of_its_tenant(key, place)?;
        let data_key = random_key()?;
        let data_key_id = KeyId::of(&data_key);
        Ok(Self {
            tenant_key: key.id,
            data_key_id,
            data_key: seal(&key.key, &key_bound(place, &key.id, &data_key_id), data_key.expose())?,
            value: seal(&data_key, &value_bound(place, &data_key_id), value.expose())?,
        })
    }

    /// Opens what was sealed for exactly this place.
    ///
    /// # Errors
    /// [`VaultError::OtherKey`], or [`VaultError::Invalid`] for anything that was changed, moved or cut.
    pub fn open<P: Placed>(&self, key: &TenantKey, place: &P) -> Result<Secret<Vec<u8>>, VaultError> {
        let data_key = self.open_data_key(key, place)?;
        open(&data_key, &value_bound(place, &self.data_key_id), &self.value)
            .ok_or_else(|| VaultError::Invalid(place.to_string()))
    }

    /// The same version under another key of the tenant. The value is not opened.
    ///
    /// # Errors
    /// As [`Sealed::open`].
    pub fn reseal<P: Placed>(&self, old: &TenantKey, new: &TenantKey, place: &P) -> Result<Self, VaultError> {
        of_its_tenant(new, place)?;
        let data_key = self.open_data_key(old, place)?;
        let bound = key_bound(place, &new.id, &self.data_key_id);
        let data_key = seal(&new.key, &bound, data_key.expose())?;
        Ok(Self { tenant_key: new.id, data_key, ..self.clone() })
    }

    /// What an audit line says of this version, so that an older one put back is found out (VLT-07). Keys above it may be
    /// rotated without changing it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_parts(&[self.data_key_id.as_bytes(), self.value.as_bytes()])
    }

    fn open_data_key<P: Placed>(&self, key: &TenantKey, place: &P) -> Result<Secret<[u8; 32]>, VaultError> {
        of_its_tenant(key, place)?;
        if self.tenant_key != key.id {
            let (needed, given) = (self.tenant_key, key.id);
            return Err(VaultError::OtherKey { what: place.to_string(), needed, given });
        }
        let opened = open(&key.key, &key_bound(place, &key.id, &self.data_key_id), &self.data_key);
        let data_key = opened.as_ref().and_then(as_key);
        data_key
            .filter(|data_key| KeyId::of(data_key) == self.data_key_id)
            .ok_or_else(|| VaultError::Invalid(place.to_string()))
    }
}

fn of_its_tenant<P: Placed>(key: &TenantKey, place: &P) -> Result<(), VaultError> {
    if key.tenant == *place.tenant() { Ok(()) } else { Err(VaultError::Invalid(place.to_string())) }
}

fn key_bound<P: Placed>(place: &P, tenant_key: &KeyId, data_key: &KeyId) -> Bound {
    bound("data key", place, &[tenant_key.as_bytes(), data_key.as_bytes()])
}

fn value_bound<P: Placed>(place: &P, data_key: &KeyId) -> Bound {
    bound("value", place, &[data_key.as_bytes()])
}

fn bound<P: Placed>(purpose: &str, place: &P, keys: &[&[u8; 32]]) -> Bound {
    let of_place = place.parts();
    let of_place = of_place.iter().map(Vec::as_slice);
    let parts: Vec<&[u8]> = of_place.chain(keys.iter().map(|key| key.as_slice())).collect();
    Bound::to(&format!("{}{purpose}", P::PURPOSE), &parts)
}
