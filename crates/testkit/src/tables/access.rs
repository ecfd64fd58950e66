//! Logins, grants, clients and revocations in memory.

use super::Memory;
use async_trait::async_trait;
use deputy_core::TenantId;
use deputy_hub::ports::{
    AccessChange, AccessRecord, AccessTable, ConsentKeys, RevocationOrder, RevocationWish, StoreError,
};
use deputy_vault::SealedTenantKey;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering;

#[async_trait]
impl AccessTable for Memory {
    async fn access(&self) -> Result<Vec<AccessRecord>, StoreError> {
        self.read()?;
        Ok(self.access.lock().unwrap().values().cloned().collect())
    }

    async fn change_access(&self, change: AccessChange) -> Result<(), StoreError> {
        self.unstalled().await;
        self.write(change.events)?;
        let mut rows = self.access.lock().unwrap();
        for key in change.remove {
            rows.remove(&key);
        }
        rows.extend(change.put.into_iter().map(|record| (record.key(), record)));
        if let Some(wish) = change.wish {
            self.revocation_wishes.lock().unwrap().retain(|one| one.id != wish);
        }
        Ok(())
    }

    async fn revocation_wishes(&self) -> Result<Vec<RevocationWish>, StoreError> {
        self.read()?;
        Ok(self.revocation_wishes.lock().unwrap().clone())
    }
}

#[async_trait]
impl ConsentKeys for Memory {
    async fn consent_key(&self, tenant: &TenantId) -> Result<Option<SealedTenantKey>, StoreError> {
        self.read()?;
        Ok(self.consent_keys.lock().unwrap().get(tenant).cloned())
    }

    async fn begin_consents(&self, key: SealedTenantKey) -> Result<bool, StoreError> {
        self.write(Vec::new())?;
        let mut keys = self.consent_keys.lock().unwrap();
        if keys.values().any(|other| other.under != key.under) {
            return Ok(false);
        }
        match keys.entry(key.tenant.clone()) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(place) => {
                place.insert(key);
                Ok(true)
            }
        }
    }
}

impl Memory {
    /// Leaves a wish, as `deputy revoke` does beside a hub that runs.
    pub fn wish_revoked(&self, order: RevocationOrder) {
        let id = self.wished.fetch_add(1, Ordering::SeqCst) + 1;
        self.revocation_wishes.lock().unwrap().push(RevocationWish { id, order });
    }

    /// The rows as they are kept.
    #[must_use]
    pub fn access_rows(&self) -> Vec<AccessRecord> {
        self.access.lock().unwrap().values().cloned().collect()
    }
}
