//! The keys above what people consented to. What is sealed under them stands among the rows of `access`.

use super::job::Change;
use super::line::Line;
use super::tickets::{from_text, to_text};
use super::{SqliteStore, unreadable};
use async_trait::async_trait;
use deputy_core::TenantId;
use deputy_hub::ports::{ConsentKeys, StoreError};
use deputy_vault::SealedTenantKey;
use sqlx::SqliteConnection;

#[async_trait]
impl ConsentKeys for SqliteStore {
    async fn consent_key(&self, tenant: &TenantId) -> Result<Option<SealedTenantKey>, StoreError> {
        let record: Option<String> = sqlx::query_scalar("SELECT record FROM consent_key WHERE tenant = ?")
            .bind(tenant.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
        record.map(|record| from_text(&record)).transpose()
    }

    async fn begin_consents(&self, key: SealedTenantKey) -> Result<bool, StoreError> {
        let record = to_text(&key)?;
        self.change(Begin { key, record }).await
    }
}

struct Begin {
    key: SealedTenantKey,
    record: String,
}

#[async_trait]
impl Change for Begin {
    /// Whether it was kept.
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        // INVARIANT: no key comes under a master key that the others have left, for that one is about to be thrown away.
        let records: Vec<String> =
            sqlx::query_scalar("SELECT record FROM vault_key UNION ALL SELECT record FROM consent_key")
                .fetch_all(&mut *connection)
                .await?;
        for record in &records {
            let other: SealedTenantKey = from_text(record).map_err(refused)?;
            if other.under != self.key.under {
                return Ok((false, Vec::new()));
            }
        }
        let kept = sqlx::query("INSERT OR IGNORE INTO consent_key (tenant, record) VALUES (?, ?)")
            .bind(self.key.tenant.as_str())
            .bind(&self.record)
            .execute(connection)
            .await?;
        Ok((kept.rows_affected() == 1, Vec::new()))
    }
}

fn refused(error: StoreError) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}
