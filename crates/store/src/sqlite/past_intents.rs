//! What was performed lately, for limits that count again at start.

use super::tickets::millis;
use super::{SqliteStore, unreadable};
use async_trait::async_trait;
use deputy_core::{Event, EventKind, TenantId};
use deputy_hub::ports::{IntentsFrom, PastIntents, StoreError};
use sqlx::Row as _;

/// Intents read at once.
const PAGE: i64 = 1000;

#[async_trait]
impl PastIntents for SqliteStore {
    async fn intents(&self, tenant: &TenantId, from: IntentsFrom) -> Result<Vec<(u64, Event)>, StoreError> {
        // Canonical JSON writes the member so and no text within it can: other lines are not even parsed.
        let mark = format!("\"kind\":\"{}\"", EventKind::Intent.code());
        let rows = sqlx::query(
            "SELECT seq, public, personal FROM audit_event
             WHERE tenant = ?1 AND (at, seq) > (?2, ?3) AND instr(public, ?4) > 0 ORDER BY at, seq LIMIT ?5",
        )
        .bind(tenant.as_str())
        .bind(millis(from.at))
        .bind(from.after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX)))
        .bind(mark.into_bytes())
        .bind(PAGE)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        rows.iter()
            .map(|row| {
                let seq: i64 = row.try_get(0).map_err(|error| unreadable(&error))?;
                let public: Vec<u8> = row.try_get(1).map_err(|error| unreadable(&error))?;
                let personal: Option<Vec<u8>> = row.try_get(2).map_err(|error| unreadable(&error))?;
                let event = deputy_audit::record::event(&public, personal.as_deref())
                    .map_err(|error| StoreError::Corrupt(format!("line {seq}: {error}")))?;
                Ok((u64::try_from(seq).unwrap_or(0), event))
            })
            .collect()
    }
}
