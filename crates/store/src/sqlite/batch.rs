//! The lines of one commit: numbered and hashed in memory, then written with few statements.

use super::line::{CallEffect, Line};
use super::log::{Log, number};
use crate::OpenError;
use deputy_audit::{Record, tree};
use deputy_core::{CallId, TenantId};
use serde_json::json;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::BTreeMap;

/// The most rows per INSERT: few enough bound values for any SQLite.
const ROWS: usize = 256;

/// When, of which call, and the line itself.
type Numbered = (u64, Option<CallId>, Record);

/// What one commit appends, per tenant.
#[derive(Default)]
pub(crate) struct Batch(BTreeMap<TenantId, Part>);

/// What one commit appends to one log.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) events: Vec<Numbered>,
    /// Where the first of the hashes is stored.
    pub(crate) first_index: u64,
    /// 32 bytes each, in the order of their indexes.
    pub(crate) hashes: Vec<u8>,
    /// Calls whose outcome is owed from here on, with the number of the intent's line.
    pub(crate) opened: BTreeMap<CallId, u64>,
    pub(crate) closed: Vec<CallId>,
}

impl Batch {
    /// Numbers a line and adds it. Returns its number.
    pub(crate) fn add(&mut self, log: &mut Log, line: Line) -> Result<u64, OpenError> {
        let seq = log.edge.size();
        let record = line.draft.number(seq)?;
        let part = self
            .0
            .entry(line.tenant)
            .or_insert_with(|| Part { first_index: tree::first_index(seq), ..Part::default() });
        for hash in log.edge.append(record.leaf) {
            part.hashes.extend_from_slice(&hash.0);
        }
        match (line.effect, &line.call) {
            (CallEffect::Opens, Some(call)) => drop(part.opened.insert(call.clone(), seq)),
            // A call that opens and closes within one commit never enters the table.
            (CallEffect::Closes, Some(call)) if part.opened.remove(call).is_none() => {
                part.closed.push(call.clone())
            }
            _ => {}
        }
        part.events.push((line.at, line.call, record));
        Ok(seq)
    }

    /// What is appended to each log.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&TenantId, &Part)> {
        self.0.iter()
    }

    /// Writes everything. The caller holds the transaction.
    pub(crate) async fn write(self, connection: &mut SqliteConnection) -> Result<(), OpenError> {
        for (tenant, part) in self.0 {
            let mut events = part.events.as_slice();
            while let Some((rows, rest)) = events.split_at_checked(rows_of(events.len())) {
                if rows.is_empty() {
                    break;
                }
                write_events(connection, &tenant, rows).await?;
                events = rest;
            }
            write_hashes(connection, &tenant, part.first_index, part.hashes).await?;
            if !part.opened.is_empty() {
                sqlx::query(
                    "INSERT OR REPLACE INTO open_call (tenant, call_id, seq)
                     SELECT ?, key, value FROM json_each(?)",
                )
                .bind(tenant.as_str())
                .bind(
                    json!(part.opened.iter().map(|(c, s)| (c.as_str(), s)).collect::<BTreeMap<_, _>>())
                        .to_string(),
                )
                .execute(&mut *connection)
                .await?;
            }
            if !part.closed.is_empty() {
                sqlx::query(
                    "DELETE FROM open_call WHERE tenant = ? AND call_id IN (SELECT value FROM json_each(?))",
                )
                .bind(tenant.as_str())
                .bind(json!(part.closed).to_string())
                .execute(&mut *connection)
                .await?;
            }
        }
        Ok(())
    }
}

/// How many of `left` rows the next INSERT takes: a power of two, so that a handful of prepared statements serve every
/// batch.
fn rows_of(left: usize) -> usize {
    left.checked_ilog2().map_or(0, |log| ROWS.min(1 << log))
}

async fn write_events(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    rows: &[Numbered],
) -> Result<(), OpenError> {
    let mut insert: QueryBuilder<Sqlite> =
        QueryBuilder::new("INSERT INTO audit_event (tenant, seq, at, call, public, leaf, personal, salt) ");
    let mut numbers = Vec::with_capacity(rows.len());
    for (at, _, record) in rows {
        numbers.push((number(record.seq)?, number(*at)?));
    }
    insert.push_values(rows.iter().zip(numbers), |mut row, ((_, call, record), (seq, at))| {
        row.push_bind(tenant.as_str())
            .push_bind(seq)
            .push_bind(at)
            .push_bind(call.as_ref().map(CallId::as_str))
            .push_bind(record.bytes.as_slice())
            .push_bind(record.leaf.0.as_slice())
            .push_bind(record.personal.as_ref().map(|personal| personal.bytes.as_slice()))
            .push_bind(record.personal.as_ref().map(|personal| personal.salt.as_slice()));
    });
    insert.build().execute(connection).await?;
    Ok(())
}

/// All hashes of one commit in one statement and one bound value, which SQLite cuts into rows.
async fn write_hashes(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    first_index: u64,
    hashes: Vec<u8>,
) -> Result<(), OpenError> {
    let count = number(u64::try_from(hashes.len() / 32).unwrap_or(0))?;
    sqlx::query(
        "WITH RECURSIVE row(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM row WHERE at + 1 < ?1)
         INSERT INTO audit_hash (tenant, idx, hash) SELECT ?2, ?3 + at, substr(?4, at * 32 + 1, 32) FROM row",
    )
    .bind(count)
    .bind(tenant.as_str())
    .bind(number(first_index)?)
    .bind(hashes)
    .execute(connection)
    .await?;
    Ok(())
}
