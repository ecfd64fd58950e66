//! The vault: draws up orders that put, remove and rotate secrets, and opens a server's secrets at the moment of use.
//!
//! Nothing here keeps a plain secret or the master key: both are read, used and wiped within one call. Nothing gives a
//! stored value back to a person (VLT-02); [`Vault::headers_for`] is for the edge that sends it.

mod fault;
mod header;
mod person;

pub use fault::{MasterKeyFault, VaultFault};
pub use header::Header;
pub use person::PersonVault;

use crate::ports::{Kept, Rekey, SealedSecret, SealedSecrets, VaultOrder, Which};
use deputy_core::{HeaderName, Operator, Secret, SourceName, TenantId, Timestamp};
use deputy_vault::{KeyId, MasterKey, Place, Sealed, SealedTenantKey, TenantKey, VaultError};
use std::sync::Arc;

/// Where the master key is. It is read at each use.
pub trait MasterKeys: Send + Sync {
    /// The key under which things are sealed now.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    fn current(&self) -> Result<MasterKey, MasterKeyFault>;
    /// The key of this id: the current one, or the one that is about to take over.
    ///
    /// # Errors
    /// There is none, it cannot be used, or it is another.
    fn with_id(&self, id: &KeyId) -> Result<MasterKey, MasterKeyFault>;
}

/// Who changes something, and when.
#[derive(Debug, Clone)]
pub struct Change {
    /// Who.
    pub by: Operator,
    /// When.
    pub at: Timestamp,
}

/// The secrets of a hub.
pub struct Vault {
    table: Arc<dyn SealedSecrets>,
    keys: Arc<dyn MasterKeys>,
}

impl Vault {
    /// Over its table and its master key.
    #[must_use]
    pub fn new(table: Arc<dyn SealedSecrets>, keys: Arc<dyn MasterKeys>) -> Self {
        Self { table, keys }
    }

    /// The headers that a server wants, opened now. Send them and let them go; never keep them.
    ///
    /// # Errors
    /// No master key, no secret, one that the log does not know so (VLT-07), one that does not open. The caller sends
    /// nothing then.
    pub async fn headers_for(
        &self,
        tenant: &TenantId,
        server: &SourceName,
    ) -> Result<Vec<(HeaderName, Secret<String>)>, VaultFault> {
        let opened = self.open_for(tenant, server).await;
        // The master key may have been rotated between reading the table and reading the key.
        match opened {
            Err(VaultFault::MasterKey(MasterKeyFault::Other { .. })) => self.open_for(tenant, server).await,
            opened => opened,
        }
    }

    /// The headers that a server's secrets fill. Nothing is opened for it.
    ///
    /// # Errors
    /// The table does not read.
    pub async fn names_for(
        &self,
        tenant: &TenantId,
        server: &SourceName,
    ) -> Result<Vec<HeaderName>, VaultFault> {
        let kept = self.table.kept(tenant, Some(server)).await?;
        Ok(kept.secrets.into_iter().map(|one| one.secret.name).collect())
    }

    async fn open_for(
        &self,
        tenant: &TenantId,
        server: &SourceName,
    ) -> Result<Vec<(HeaderName, Secret<String>)>, VaultFault> {
        let kept = self.table.kept(tenant, Some(server)).await?;
        if kept.secrets.is_empty() {
            return Err(VaultFault::NoSecret { server: server.clone() });
        }
        let tenant_key = self.tenant_key(&kept)?.ok_or(VaultFault::NoTenantKey(tenant.clone()))?;
        let mut headers = Vec::with_capacity(kept.secrets.len());
        for one in &kept.secrets {
            let place = one.secret.place();
            // INVARIANT (VLT-07): nothing is used that the log does not say was put there last.
            if !one.recorded.confirms(&one.secret) {
                return Err(VaultFault::NotAsRecorded(place.to_string()));
            }
            let value = one.secret.sealed.open(&tenant_key, &place)?;
            headers.push((place.name.clone(), header::value(&place, &value)?));
        }
        Ok(headers)
    }

    /// Draws up the order that puts a secret, or the next version of one.
    ///
    /// # Errors
    /// No master key, or something in the table that does not open with it.
    pub async fn put(
        &self,
        tenant: &TenantId,
        server: &SourceName,
        header: &Header,
        value: Secret<String>,
        change: Change,
    ) -> Result<VaultOrder, VaultFault> {
        let value = header.checked(value)?;
        let kept = self.table.kept(tenant, Some(server)).await?;
        let version = 1 + self.table.newest_version(tenant, server, &header.name).await?;
        let (key, first) = match self.tenant_key(&kept)? {
            Some(key) => (key, None),
            None => {
                let key = TenantKey::generate(tenant.clone())?;
                let sealed = key.seal(&self.keys.current()?)?;
                (key, Some(sealed))
            }
        };
        let Header { name, prefix } = header.clone();
        let place = Place { tenant: tenant.clone(), server: server.clone(), name, version, prefix };
        let sealed = Sealed::seal(&key, &place, &value)?;
        let Place { tenant, server, name, version, prefix } = place;
        let Change { by, at } = change;
        let secret = Box::new(SealedSecret { tenant, server, name, prefix, version, sealed, by, at });
        Ok(VaultOrder::Put { secret, tenant_key: first })
    }

    /// Draws up the order that removes a secret and gives its tenant another key. The latter is left out where the old key
    /// cannot be had: a secret can be taken away without the means to open it. `None`: there is no such secret.
    ///
    /// # Errors
    /// The table does not read.
    pub async fn remove(
        &self,
        tenant: &TenantId,
        server: &SourceName,
        name: &HeaderName,
        change: Change,
    ) -> Result<Option<VaultOrder>, VaultFault> {
        let kept = self.table.kept(tenant, None).await?;
        let is_meant = |secret: &SealedSecret| secret.server == *server && secret.name == *name;
        let Some(gone) = kept.secrets.iter().map(|one| &one.secret).find(|secret| is_meant(secret)) else {
            return Ok(None);
        };
        let rekey = self.rekey(tenant, &kept, &is_meant).ok();
        let Change { by, at } = change;
        Ok(Some(VaultOrder::Remove { which: Which::of(gone), rekey, by, at }))
    }

    fn rekey(
        &self,
        tenant: &TenantId,
        kept: &Kept,
        goes: &dyn Fn(&SealedSecret) -> bool,
    ) -> Result<Rekey, VaultFault> {
        let sealed_key = kept.tenant_key.as_ref().ok_or_else(|| VaultFault::NoTenantKey(tenant.clone()))?;
        let master = self.keys.with_id(&sealed_key.under)?;
        let (old, new) = (sealed_key.open(&master)?, TenantKey::generate(tenant.clone())?);
        let stays = kept.secrets.iter().map(|one| &one.secret).filter(|secret| !goes(secret));
        let secrets: Result<Vec<(Which, Sealed)>, VaultError> =
            stays.map(|one| Ok((Which::of(one), one.sealed.reseal(&old, &new, &one.place())?))).collect();
        Ok(Rekey { before: old.id(), tenant_key: new.seal(&master)?, secrets: secrets? })
    }

    /// Draws up the order that puts everything under `next`. Secrets are not opened (VLT-05). `None`: it is so already.
    ///
    /// # Errors
    /// No master key, or a tenant's key that does not open with it.
    pub async fn replace_master_key(
        &self,
        next: &MasterKey,
        change: Change,
    ) -> Result<Option<VaultOrder>, VaultFault> {
        let kept = self.table.tenant_keys().await?;
        let consents = self.table.consent_keys().await?;
        let mut under = kept.iter().chain(&consents).map(|key| key.under);
        let Some(before) = under.find(|under| *under != next.id()) else { return Ok(None) };
        let resealed = |keys: Vec<SealedTenantKey>| -> Result<Vec<_>, VaultFault> {
            keys.iter().map(|key| Ok(key.reseal(&self.keys.with_id(&key.under)?, next)?)).collect()
        };
        let (keys, consents) = (resealed(kept)?, resealed(consents)?);
        let Change { by, at } = change;
        Ok(Some(VaultOrder::ReplaceMasterKey { keys, consents, before, by, at }))
    }

    fn tenant_key(&self, kept: &Kept) -> Result<Option<TenantKey>, VaultFault> {
        let Some(sealed) = &kept.tenant_key else { return Ok(None) };
        let master = self.keys.with_id(&sealed.under)?;
        Ok(Some(sealed.open(&master)?))
    }
}
