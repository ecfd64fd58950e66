//! Seals what people consented to, and opens it at the moment of use. As with secrets, nothing here keeps a plain value or a
//! key.

use super::{MasterKeyFault, MasterKeys, VaultFault};
use crate::ports::ConsentKeys;
use deputy_core::{Secret, TenantId};
use deputy_vault::{PersonPlace, Sealed, TenantKey};
use std::sync::Arc;

/// How often a key is looked up anew that was replaced while it was looked up.
const TRIES: u8 = 3;

/// The keys for what people consented to.
pub struct PersonVault {
    table: Arc<dyn ConsentKeys>,
    keys: Arc<dyn MasterKeys>,
}

impl PersonVault {
    /// Over its table and the vault's master key.
    #[must_use]
    pub fn new(table: Arc<dyn ConsentKeys>, keys: Arc<dyn MasterKeys>) -> Self {
        Self { table, keys }
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// No master key; it is too long; the table.
    pub async fn seal(&self, place: &PersonPlace, value: &Secret<Vec<u8>>) -> Result<Sealed, VaultFault> {
        let key = self.key_of(&place.tenant).await?;
        Ok(Sealed::seal(&key, place, value)?)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// No master key; it was sealed for something else, or was changed.
    pub async fn open(&self, place: &PersonPlace, sealed: &Sealed) -> Result<Secret<Vec<u8>>, VaultFault> {
        let key = self.key_of(&place.tenant).await?;
        Ok(sealed.open(&key, place)?)
    }

    async fn key_of(&self, tenant: &TenantId) -> Result<TenantKey, VaultFault> {
        for _ in 1..TRIES {
            match self.look_up(tenant).await {
                // The master key may have been rotated between reading the table and reading the key, or somebody else began.
                Ok(None) | Err(VaultFault::MasterKey(MasterKeyFault::Other { .. })) => {}
                Ok(Some(key)) => return Ok(key),
                Err(fault) => return Err(fault),
            }
        }
        self.look_up(tenant).await?.ok_or_else(|| VaultFault::NoTenantKey(tenant.clone()))
    }

    /// `None`: somebody else has just made one.
    async fn look_up(&self, tenant: &TenantId) -> Result<Option<TenantKey>, VaultFault> {
        if let Some(sealed) = self.table.consent_key(tenant).await? {
            return Ok(Some(sealed.open(&self.keys.with_id(&sealed.under)?)?));
        }
        let key = TenantKey::generate(tenant.clone())?;
        let sealed = key.seal(&self.keys.current()?)?;
        Ok(self.table.begin_consents(sealed).await?.then_some(key))
    }
}
