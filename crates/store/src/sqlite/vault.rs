//! The vault's tables. What they hold came here sealed.

mod change;
mod desk;

pub use desk::VaultDesk;

use super::tickets::from_text;
use super::{SqliteStore, retention, unreadable};
use async_trait::async_trait;
use change::CarryOut;
use deputy_core::{Event, HeaderName, SourceName, TenantId, User};
use deputy_hub::ports::{
    Kept, KeptSecret, Recorded, SealedSecret, SealedSecrets, StoreError, VaultOrder, VaultOrders,
};
use deputy_vault::SealedTenantKey;
use sqlx::{SqliteConnection, SqlitePool};
use std::time::Duration;

/// How often a running hub looks for orders.
const LOOK: Duration = Duration::from_millis(250);

/// Reads the vault's tables, beside whoever writes.
#[derive(Clone)]
pub struct SecretReader(SqlitePool);

#[async_trait]
impl SealedSecrets for SecretReader {
    async fn kept(&self, tenant: &TenantId, server: Option<&SourceName>) -> Result<Kept, StoreError> {
        // One snapshot: key, secrets and log as of one moment.
        let mut snapshot = self.0.begin().await.map_err(|error| unreadable(&error))?;
        kept(&mut snapshot, tenant, server).await
    }

    async fn newest_version(
        &self,
        tenant: &TenantId,
        server: &SourceName,
        name: &HeaderName,
    ) -> Result<u64, StoreError> {
        let version: Option<i64> = sqlx::query_scalar(
            "SELECT version FROM vault_secret WHERE tenant = ? AND server = ? AND name = ?",
        )
        .bind(tenant.as_str())
        .bind(server.as_str())
        .bind(name.as_str())
        .fetch_optional(&self.0)
        .await
        .map_err(|error| unreadable(&error))?;
        let mut connection = self.0.acquire().await.map_err(|error| unreadable(&error))?;
        let last = last_word(&mut connection, tenant, server, name).await?;
        // A row that was put back forgot a version; the log did not.
        let logged = last.as_ref().and_then(|event| event.detail.get("version")?.as_u64()).unwrap_or(0);
        Ok(u64::try_from(version.unwrap_or(0)).unwrap_or(0).max(logged))
    }

    async fn tenant_keys(&self) -> Result<Vec<SealedTenantKey>, StoreError> {
        let records: Vec<String> = sqlx::query_scalar("SELECT record FROM vault_key ORDER BY tenant")
            .fetch_all(&self.0)
            .await
            .map_err(|error| unreadable(&error))?;
        records.iter().map(|record| from_text(record)).collect()
    }

    async fn consent_keys(&self) -> Result<Vec<SealedTenantKey>, StoreError> {
        let records: Vec<String> = sqlx::query_scalar("SELECT record FROM consent_key ORDER BY tenant")
            .fetch_all(&self.0)
            .await
            .map_err(|error| unreadable(&error))?;
        records.iter().map(|record| from_text(record)).collect()
    }
}

#[async_trait]
impl SealedSecrets for SqliteStore {
    async fn kept(&self, tenant: &TenantId, server: Option<&SourceName>) -> Result<Kept, StoreError> {
        SecretReader(self.readers.clone()).kept(tenant, server).await
    }

    async fn newest_version(
        &self,
        tenant: &TenantId,
        server: &SourceName,
        name: &HeaderName,
    ) -> Result<u64, StoreError> {
        SecretReader(self.readers.clone()).newest_version(tenant, server, name).await
    }

    async fn tenant_keys(&self) -> Result<Vec<SealedTenantKey>, StoreError> {
        SecretReader(self.readers.clone()).tenant_keys().await
    }

    async fn consent_keys(&self) -> Result<Vec<SealedTenantKey>, StoreError> {
        SecretReader(self.readers.clone()).consent_keys().await
    }
}

#[async_trait]
impl VaultOrders for SqliteStore {
    async fn carry_out(&self, order: VaultOrder) -> Result<bool, StoreError> {
        self.change(CarryOut { order: Some(order), left: None }).await
    }
}

impl SqliteStore {
    /// Carries out what [`VaultDesk`] left.
    ///
    /// # Errors
    /// The table does not read, or an order cannot be carried out now; it stays.
    pub async fn carry_out_left(&self) -> Result<(), StoreError> {
        let left: Vec<(i64, String)> = sqlx::query_as("SELECT id, record FROM vault_order ORDER BY id")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
        for (id, record) in left {
            let order: Option<VaultOrder> = from_text(&record).ok();
            // Whoever left it looks whether it was done; what came too late is gone either way.
            if !self.change(CarryOut { order, left: Some(id) }).await? {
                tracing::warn!(
                    "an order for the vault does not fit what is there now, or does not read: nothing was done"
                );
            }
        }
        Ok(())
    }

    /// The same for as long as the hub runs.
    pub(super) async fn keep_carrying_out(self) {
        let mut every = tokio::time::interval(LOOK);
        let mut works = true;
        loop {
            every.tick().await;
            match self.carry_out_left().await {
                Ok(()) => works = true,
                Err(error) if std::mem::take(&mut works) => {
                    tracing::error!(%error, "orders for the vault cannot be carried out; it is tried again");
                }
                Err(_) => {}
            }
        }
    }
}

async fn kept(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    server: Option<&SourceName>,
) -> Result<Kept, StoreError> {
    let failed = |error: sqlx::Error| unreadable(&error);
    let key: Option<String> = sqlx::query_scalar("SELECT record FROM vault_key WHERE tenant = ?")
        .bind(tenant.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let rows: Vec<(String, String, i64, String)> = sqlx::query_as(
        "SELECT server, name, version, record FROM vault_secret
         WHERE tenant = ?1 AND (?2 IS NULL OR server = ?2) AND record IS NOT NULL ORDER BY server, name",
    )
    .bind(tenant.as_str())
    .bind(server.map(SourceName::as_str))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let mut secrets = Vec::with_capacity(rows.len());
    for (server, name, version, record) in rows {
        let secret: SealedSecret = from_text(&record)?;
        let is_of_its_row = secret.tenant == *tenant
            && secret.server.as_str() == server
            && secret.name.as_str() == name
            && i64::try_from(secret.version).is_ok_and(|said| said == version);
        if !is_of_its_row {
            return Err(StoreError::Corrupt(format!("the secret of `{server}` `{name}` is another one's")));
        }
        let recorded = recorded(connection, &secret).await?;
        secrets.push(KeptSecret { secret, recorded });
    }
    let tenant_key = key.map(|record| from_text(&record)).transpose()?;
    Ok(Kept { tenant_key, secrets })
}

/// The newest line about a secret.
pub(super) const LAST_WORD: &str = "SELECT public, personal FROM audit_event
     WHERE tenant = ?1 AND json_extract(CAST(public AS TEXT), '$.source') = ?2
       AND json_extract(CAST(public AS TEXT), '$.detail.name') = ?3
       AND call IS NULL AND instr(public, x'226b696e64223a227365637265745f') > 0
     ORDER BY seq DESC LIMIT 1";

async fn last_word(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    server: &SourceName,
    name: &HeaderName,
) -> Result<Option<Event>, StoreError> {
    let line: Option<(Vec<u8>, Option<Vec<u8>>)> = sqlx::query_as(LAST_WORD)
        .bind(tenant.as_str())
        .bind(server.as_str())
        .bind(name.as_str())
        .fetch_optional(connection)
        .await
        .map_err(|error| unreadable(&error))?;
    line.map(|(public, personal)| deputy_audit::record::event(&public, personal.as_deref()))
        .transpose()
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

async fn recorded(connection: &mut SqliteConnection, secret: &SealedSecret) -> Result<Recorded, StoreError> {
    let SealedSecret { tenant, server, name, .. } = secret;
    if let Some(event) = last_word(connection, tenant, server, name).await? {
        return Ok(Recorded::Line(Box::new(event)));
    }
    let pruned = retention::gone(connection, tenant).await.map_err(|error| unreadable(&error))?;
    Ok(if pruned.is_some() { Recorded::Pruned } else { Recorded::Nothing })
}

/// An erased person's secrets stay, but no longer say that it was they who put them.
pub(super) async fn forget(connection: &mut SqliteConnection, user: &User) -> Result<(), sqlx::Error> {
    change::forget(connection, user).await
}
