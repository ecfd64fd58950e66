//! Old lines lose their bytes, as the operator wishes (AUD-10). The rows go; the stored hashes stay, so that the tree, every
//! checkpoint and every proof of what remains hold. Only whole beginnings of a log go, only what a signed checkpoint covers,
//! never an intent whose outcome is open; and a line of the log says so in the same transaction.

use super::job::{Change, Message};
use super::line::Line;
use super::log::number;
use super::tickets::millis;
use super::{SqliteStore, closed};
use async_trait::async_trait;
use deputy_audit::{Pruning, VerifierKeys};
use deputy_core::{TenantId, Timestamp};
use deputy_hub::ports::{Clock, StoreError};
use sqlx::{Row as _, SqliteConnection};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Lines that go in one transaction, so that nobody waits long behind it.
const BATCH: i64 = 1024;
/// Between two of them, so that others come in between.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is looked for old lines.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// The beginning of a log of which only the hashes are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// The last line that was pruned.
    pub last: u64,
    /// When.
    pub at: Timestamp,
}

impl SqliteStore {
    /// Prunes what is older than `keep`, now and every hour, for as long as the hub runs.
    pub async fn keep(self: Arc<Self>, keep: Duration, clock: Arc<dyn Clock>) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            every.tick().await;
            let tenants = match self.audit().tenants().await {
                Ok(tenants) => tenants,
                Err(error) => {
                    tracing::error!(%error, "old lines cannot be looked for; it is tried again in an hour");
                    continue;
                }
            };
            for tenant in tenants {
                match self.prune(&tenant, keep, clock.as_ref()).await {
                    Ok(0) => {}
                    Ok(lines) => tracing::info!(%tenant, lines, "old lines of the log were pruned"),
                    Err(error) => tracing::error!(%error, %tenant, "old lines were not pruned"),
                }
            }
        }
    }

    /// Prunes what of a tenant's log is older than `keep`, batch by batch. Gives the number of lines.
    ///
    /// # Errors
    /// The log is not what was signed, or nothing can be written; what was pruned before is in the log.
    pub async fn prune(
        &self,
        tenant: &TenantId,
        keep: Duration,
        clock: &dyn Clock,
    ) -> Result<u64, StoreError> {
        let Ok(keys) = self.place.verifier_keys_of(tenant) else { return Ok(0) };
        let kept = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let mut lines: u64 = 0;
        loop {
            let at = clock.now();
            let before = Timestamp::from_millis(at.millis().saturating_sub(kept));
            let pruned =
                self.change(Prune { tenant: tenant.clone(), keys: keys.clone(), before, at }).await?;
            if pruned == 0 {
                break;
            }
            lines = lines.saturating_add(pruned);
            tokio::time::sleep(PAUSE).await;
        }
        if lines > 0 {
            // What was overwritten still stands in the write-ahead log until that is folded into the database.
            let (waiter, answer) = oneshot::channel();
            self.send(Message::Fold(waiter))?;
            answer.await.map_err(|_| closed())??;
        }
        Ok(lines)
    }
}

const NEWEST: &str =
    "SELECT note FROM audit_checkpoint WHERE tenant = ? AND size >= ? ORDER BY size DESC LIMIT 1";
/// The smallest that covers so many lines.
const CLOSING: &str =
    "SELECT note FROM audit_checkpoint WHERE tenant = ? AND size >= ? ORDER BY size LIMIT 1";

/// One batch of one log.
struct Prune {
    tenant: TenantId,
    keys: VerifierKeys,
    before: Timestamp,
    at: Timestamp,
}

#[async_trait]
impl Change for Prune {
    /// How many lines.
    type Answer = u64;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(u64, Vec<Line>), sqlx::Error> {
        let Some(pruning) = self.due(connection).await? else { return Ok((0, Vec::new())) };
        sqlx::query("DELETE FROM audit_event WHERE tenant = ? AND seq <= ?")
            .bind(self.tenant.as_str())
            .bind(whole(pruning.last)?)
            .execute(&mut *connection)
            .await?;
        sqlx::query("INSERT OR REPLACE INTO audit_pruned (tenant, last, at) VALUES (?, ?, ?)")
            .bind(self.tenant.as_str())
            .bind(whole(pruning.last)?)
            .bind(millis(self.at))
            .execute(&mut *connection)
            .await?;
        let line = Line::of(&pruning.event(self.at, self.tenant.clone())).map_err(refused)?;
        Ok((pruning.last - pruning.first + 1, vec![line]))
    }
}

impl Prune {
    /// The next lines that are old, signed, and owe no outcome.
    async fn due(&self, connection: &mut SqliteConnection) -> Result<Option<Pruning>, sqlx::Error> {
        let first = gone(connection, &self.tenant).await?.map_or(0, |gone| gone.last.saturating_add(1));
        let Some(newest) = self.checkpoint(connection, NEWEST, 0).await? else { return Ok(None) };
        let open: Option<i64> = sqlx::query_scalar("SELECT min(seq) FROM open_call WHERE tenant = ?")
            .bind(self.tenant.as_str())
            .fetch_one(&mut *connection)
            .await?;
        let rows =
            sqlx::query("SELECT seq, at FROM audit_event WHERE tenant = ? AND seq < ? ORDER BY seq LIMIT ?")
                .bind(self.tenant.as_str())
                .bind(open.unwrap_or(i64::MAX).min(whole(newest.size())?))
                .bind(BATCH)
                .fetch_all(&mut *connection)
                .await?;
        let (mut next, before) = (first, millis(self.before));
        for row in rows {
            let (seq, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            if at >= before {
                break;
            }
            if seq != whole(next)? {
                // A line that somebody took out must not look as if it had been pruned.
                let why = format!("line {next} is missing: run `deputy audit verify`");
                return Err(refused(StoreError::Corrupt(why)));
            }
            next += 1;
        }
        if next == first {
            return Ok(None);
        }
        let closing = self.checkpoint(connection, CLOSING, next).await?;
        Ok(closing.map(|head| Pruning { first, last: next - 1, checkpoint: head.size(), root: head.root() }))
    }

    /// The checkpoint that a query finds for at least so many lines. A bad signature is an error.
    async fn checkpoint(
        &self,
        connection: &mut SqliteConnection,
        sql: &'static str,
        at_least: u64,
    ) -> Result<Option<deputy_audit::Checkpoint>, sqlx::Error> {
        let note: Option<String> = sqlx::query_scalar(sql)
            .bind(self.tenant.as_str())
            .bind(whole(at_least)?)
            .fetch_optional(connection)
            .await?;
        note.map(|note| self.keys.open(&note).map(|(head, _)| head)).transpose().map_err(refused)
    }
}

/// How far a log is pruned.
pub(super) async fn gone(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
) -> Result<Option<Gone>, sqlx::Error> {
    // A database of an older program has no such table, and its log was never pruned.
    let known: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'audit_pruned')")
            .fetch_one(&mut *connection)
            .await?;
    if !known {
        return Ok(None);
    }
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT last, at FROM audit_pruned WHERE tenant = ?")
        .bind(tenant.as_str())
        .fetch_optional(connection)
        .await?;
    let positive = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(row.map(|(last, at)| Gone { last: positive(last), at: Timestamp::from_millis(positive(at)) }))
}

fn whole(value: u64) -> Result<i64, sqlx::Error> {
    number(value).map_err(refused)
}

/// This job's alone: the transaction of the others stands.
fn refused(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}
