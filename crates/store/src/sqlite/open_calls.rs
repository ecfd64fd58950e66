//! Intents that an earlier process left without an outcome (SCH-06).

use super::{SqliteStore, unreadable};
use async_trait::async_trait;
use deputy_core::{CallId, Event};
use deputy_hub::ports::{OpenCalls, StoreError};
use sqlx::Row as _;

#[async_trait]
impl OpenCalls for SqliteStore {
    async fn open_calls(&self) -> Result<Vec<(CallId, Event)>, StoreError> {
        let mut open = Vec::new();
        for (tenant, size) in &self.sizes_at_start {
            let rows = sqlx::query(
                "SELECT open_call.call_id, audit_event.public, audit_event.personal
                 FROM open_call JOIN audit_event USING (tenant, seq)
                 WHERE open_call.tenant = ? AND open_call.seq < ? ORDER BY open_call.seq",
            )
            .bind(tenant.as_str())
            .bind(i64::try_from(*size).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
            for row in rows {
                let id: String = row.try_get(0).map_err(|error| unreadable(&error))?;
                let public: Vec<u8> = row.try_get(1).map_err(|error| unreadable(&error))?;
                let personal: Option<Vec<u8>> = row.try_get(2).map_err(|error| unreadable(&error))?;
                let id = CallId::new(id).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                let event = deputy_audit::record::event(&public, personal.as_deref())
                    .map_err(|error| StoreError::Corrupt(error.to_string()))?;
                open.push((id, event));
            }
        }
        Ok(open)
    }
}
