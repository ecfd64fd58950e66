//! What an administrator accepts on the hub's own machine: at once where no hub runs, else left in the database for the
//! hub that does.

use super::change::{end_wait, written};
use crate::sqlite::job::Change;
use crate::sqlite::line::Line;
use crate::sqlite::tickets::millis;
use crate::sqlite::{SqliteStore, schema};
use crate::{OpenError, Place};
use async_trait::async_trait;
use deputy_core::{
    DefinitionHash, Digest, Event, EventKind, Origin, SourceName, TenantId, Timestamp, ToolName,
};
use deputy_hub::ports::{Pins as _, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use std::time::Duration;

/// A definition that an administrator accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedTool {
    /// For whom.
    pub tenant: TenantId,
    /// The app.
    pub source: SourceName,
    /// The origin.
    pub origin: Origin,
    /// The tool's own name.
    pub tool: ToolName,
    /// The definition.
    pub hash: DefinitionHash,
}

impl SqliteStore {
    /// Accepts a definition for its tenant, with its line; for a process that has the database alone.
    ///
    /// # Errors
    /// Nothing was accepted.
    pub async fn accept_tool(&self, tool: &AcceptedTool, now: Timestamp) -> Result<(), StoreError> {
        self.change(Leave { tool: tool.clone(), now }).await?;
        self.take_up_accepted(now).await.map(drop)
    }
}

/// Leaves what is accepted for the hub that runs on this data directory, and waits until it took it up. `false`: it did
/// not within `patience`; it stays there for it.
///
/// # Errors
/// There is no database, it is of an older program, or it cannot be written.
pub async fn leave_accepted(
    place: &Place,
    tool: &AcceptedTool,
    now: Timestamp,
    patience: Duration,
) -> Result<bool, OpenError> {
    let database = place.database();
    if !database.exists() {
        return Err(OpenError::NoDatabase(database));
    }
    let mut connection = schema::for_writing(&database).create_if_missing(false).connect().await?;
    leave(&mut connection, tool, now).await?;
    let deadline = tokio::time::Instant::now() + patience;
    let mut every = tokio::time::interval(Duration::from_millis(50));
    let taken = loop {
        every.tick().await;
        let open: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM accepted_tool WHERE tenant = ? AND source = ? AND tool = ? AND hash = ?)",
        )
        .bind(tool.tenant.as_str())
        .bind(tool.source.as_str())
        .bind(tool.tool.as_str())
        .bind(tool.hash.as_bytes().as_slice())
        .fetch_one(&mut connection)
        .await?;
        if !open || tokio::time::Instant::now() >= deadline {
            break !open;
        }
    };
    connection.close().await?;
    Ok(taken)
}

async fn leave(
    connection: &mut SqliteConnection,
    tool: &AcceptedTool,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO accepted_tool (tenant, source, origin, tool, hash, asked_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(tool.tenant.as_str())
    .bind(tool.source.as_str())
    .bind(tool.origin.as_str())
    .bind(tool.tool.as_str())
    .bind(tool.hash.as_bytes().as_slice())
    .bind(millis(now))
    .execute(connection)
    .await?;
    Ok(())
}

struct Leave {
    tool: AcceptedTool,
    now: Timestamp,
}

#[async_trait]
impl Change for Leave {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        leave(connection, &self.tool, self.now).await?;
        Ok(((), Vec::new()))
    }
}

pub(super) struct TakeUp {
    pub(super) now: Timestamp,
}

#[async_trait]
impl Change for TakeUp {
    type Answer = Vec<(TenantId, SourceName)>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Self::Answer, Vec<Line>), sqlx::Error> {
        let rows = sqlx::query("DELETE FROM accepted_tool RETURNING tenant, source, origin, tool, hash")
            .fetch_all(&mut *connection)
            .await?;
        let (mut changed, mut lines) = (Vec::new(), Vec::new());
        for row in &rows {
            let tool = accepted(row)?;
            let done = sqlx::query(
                "INSERT OR IGNORE INTO tenant_pin (tenant, source, origin, tool, hash, pinned_by, at)
                 SELECT ?1, ?2, ?3, ?4, ?5, 'admin', ?6
                 WHERE EXISTS (SELECT 1 FROM definition WHERE tenant = ?1 AND hash = ?5)",
            )
            .bind(tool.tenant.as_str())
            .bind(tool.source.as_str())
            .bind(tool.origin.as_str())
            .bind(tool.tool.as_str())
            .bind(tool.hash.as_bytes().as_slice())
            .bind(millis(self.now))
            .execute(&mut *connection)
            .await?;
            if done.rows_affected() == 1 {
                end_wait(connection, &tool.tenant, &tool.source, &tool.hash).await?;
                lines.push(written(&told(&tool, self.now))?);
                changed.push((tool.tenant, tool.source));
            }
        }
        changed.sort();
        changed.dedup();
        Ok((changed, lines))
    }
}

fn told(tool: &AcceptedTool, now: Timestamp) -> Event {
    let mut event = Event::new(now, tool.tenant.clone(), EventKind::DefinitionDecided);
    event.source = Some(tool.source.clone());
    event.tool = Some(tool.tool.clone());
    event.definition = Some(tool.hash);
    event
        .with_detail("origin", tool.origin.as_str())
        .with_detail("by", "admin")
        .with_detail("state", "accepted")
}

pub(super) fn accepted(row: &SqliteRow) -> Result<AcceptedTool, sqlx::Error> {
    fn read<T, E: std::error::Error + Send + Sync + 'static>(read: Result<T, E>) -> Result<T, sqlx::Error> {
        read.map_err(|error| sqlx::Error::Decode(error.into()))
    }
    let text = |at: usize| row.try_get::<String, _>(at);
    let hash: Vec<u8> = row.try_get(4)?;
    let hash: [u8; 32] =
        hash.try_into().map_err(|_| sqlx::Error::Decode("a definition's hash is not 32 bytes".into()))?;
    Ok(AcceptedTool {
        tenant: read(TenantId::new(text(0)?))?,
        source: read(SourceName::new(text(1)?))?,
        origin: read(Origin::new(text(2)?))?,
        tool: read(ToolName::new(text(3)?))?,
        hash: Digest::from_bytes(hash),
    })
}
