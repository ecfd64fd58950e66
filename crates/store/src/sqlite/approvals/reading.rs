//! Questions as they stand now: what was asked, and what happened to it since.

use crate::sqlite::tickets::{from_text, millis};
use crate::sqlite::unreadable;
use deputy_core::{ApprovalId, Digest, TenantId, Timestamp, User};
use deputy_hub::ports::{ApprovalRecord, ApprovalState, Cast, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

/// Questions that one list holds at most.
const LONGEST_LIST: i64 = 500;

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT record, state, decided_by, decided_reason, execution_expires_at, expires_at, rule, broke_glass,
                    replaced_by, (SELECT json_group_array(json(c.\"cast\")) FROM
                        (SELECT \"cast\" FROM approval_cast WHERE tenant = approval.tenant AND id = approval.id
                         ORDER BY rowid) AS c)
             FROM approval WHERE ",
            $condition
        )
    };
}

pub(super) async fn one(
    readers: &SqlitePool,
    tenant: &TenantId,
    id: &ApprovalId,
) -> Result<Option<ApprovalRecord>, StoreError> {
    let row = sqlx::query(select!("tenant = ? AND id = ?"))
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(readers)
        .await
        .map_err(|error| unreadable(&error))?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn pending(
    readers: &SqlitePool,
    requester: &User,
    now: Timestamp,
) -> Result<Vec<ApprovalRecord>, StoreError> {
    let rows = sqlx::query(select!(
        "tenant = ? AND requester = ? AND state = 'pending' AND expires_at > ? ORDER BY created_at, id"
    ))
    .bind(requester.tenant.as_str())
    .bind(requester.key())
    .bind(millis(now))
    .fetch_all(readers)
    .await
    .map_err(|error| unreadable(&error))?;
    rows.iter().map(read).collect()
}

pub(super) async fn pending_for_others(
    readers: &SqlitePool,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Vec<ApprovalRecord>, StoreError> {
    let rows = sqlx::query(select!(
        "tenant = ? AND state = 'pending' AND others_decide = 1 AND expires_at > ? ORDER BY created_at, id LIMIT ?"
    ))
    .bind(tenant.as_str())
    .bind(millis(now))
    .bind(LONGEST_LIST)
    .fetch_all(readers)
    .await
    .map_err(|error| unreadable(&error))?;
    rows.iter().map(read).collect()
}

pub(super) async fn latest(
    readers: &SqlitePool,
    requester: &User,
    call_digest: &Digest,
) -> Result<Option<ApprovalRecord>, StoreError> {
    let row = sqlx::query(select!(
        "tenant = ? AND requester = ? AND call_digest = ? ORDER BY created_at DESC, rowid DESC LIMIT 1"
    ))
    .bind(requester.tenant.as_str())
    .bind(requester.key())
    .bind(call_digest.as_bytes().as_slice())
    .fetch_optional(readers)
    .await
    .map_err(|error| unreadable(&error))?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn unreviewed(
    readers: &SqlitePool,
    tenant: &TenantId,
) -> Result<Vec<ApprovalRecord>, StoreError> {
    let rows = sqlx::query(select!(
        "tenant = ? AND broke_glass = 1 AND reviewed_at IS NULL ORDER BY created_at, id LIMIT ?"
    ))
    .bind(tenant.as_str())
    .bind(LONGEST_LIST)
    .fetch_all(readers)
    .await
    .map_err(|error| unreadable(&error))?;
    rows.iter().map(read).collect()
}

/// The question as it was asked, with what happened to it since.
fn read(row: &SqliteRow) -> Result<ApprovalRecord, StoreError> {
    let failed = |error: sqlx::Error| unreadable(&error);
    let moment = |at: i64| Timestamp::from_millis(u64::try_from(at).unwrap_or(0));
    let mut record: ApprovalRecord = from_text(row.try_get(0).map_err(failed)?)?;
    record.state = state(row.try_get(1).map_err(failed)?)?;
    let decided_by: Option<&str> = row.try_get(2).map_err(failed)?;
    record.decided_by = decided_by.map(from_text).transpose()?;
    record.decided_reason = row.try_get(3).map_err(failed)?;
    let usable_until: Option<i64> = row.try_get(4).map_err(failed)?;
    record.execution_expires_at = usable_until.map(moment);
    record.expires_at = moment(row.try_get(5).map_err(failed)?);
    record.rule = from_text(row.try_get(6).map_err(failed)?)?;
    record.broke_glass = row.try_get(7).map_err(failed)?;
    let replaced_by: Option<String> = row.try_get(8).map_err(failed)?;
    let id = |text: String| ApprovalId::new(text).map_err(|error| StoreError::Corrupt(error.to_string()));
    record.replaced_by = replaced_by.map(id).transpose()?;
    record.cast = from_text::<Vec<Cast>>(row.try_get(9).map_err(failed)?)?;
    Ok(record)
}

fn state(code: &str) -> Result<ApprovalState, StoreError> {
    let found = ApprovalState::ALL.into_iter().find(|(_, known)| *known == code);
    found
        .map(|(state, _)| state)
        .ok_or_else(|| StoreError::Corrupt(format!("`{code}` is no state of an approval")))
}
