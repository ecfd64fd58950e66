//! What definitions there are, for the command line without a hub: nobody is named.

use super::accept::{AcceptedTool, accepted};
use crate::sqlite::schema;
use crate::{OpenError, Place};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Row as _, SqlitePool};

/// A definition and for whom it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedTool {
    /// Which.
    pub tool: AcceptedTool,
    /// The app's manifest has it.
    pub manifest: bool,
    /// An administrator accepted it.
    pub accepted: bool,
    /// Users for whom it is pinned.
    pub pinned_for: u64,
    /// Users for whom it waits.
    pub waiting_for: u64,
    /// Its words, as JSON.
    pub definition: String,
}

/// Reads the pins of a database; a hub may be running or not.
pub struct PinReader(SqlitePool);

impl PinReader {
    /// Opens the database of a data directory for reading.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn open(place: &Place) -> Result<Self, OpenError> {
        let database = place.database();
        if !database.exists() {
            return Err(OpenError::NoDatabase(database));
        }
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(schema::for_reading(&database));
        Ok(Self(pool.await?))
    }

    /// Every definition that counts for somebody or waits for somebody, by tenant, app, tool and origin.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn tools(&self) -> Result<Vec<PinnedTool>, OpenError> {
        let rows = sqlx::query(
            "SELECT tenant, source, origin, tool, hash, max(manifest), max(admin), sum(pinned), sum(waiting), record
             FROM (
                 SELECT tenant, source, origin, tool, hash, pinned_by = 'manifest' AS manifest,
                        pinned_by = 'admin' AS admin, 0 AS pinned, 0 AS waiting FROM tenant_pin
                 UNION ALL
                 SELECT tenant, source, origin, tool, hash, 0, 0, 1, 0 FROM user_pin
                 UNION ALL
                 SELECT tenant, source, origin, tool, hash, 0, 0, 0, state = 'waiting' FROM waiting_definition)
             JOIN definition USING (tenant, hash)
             GROUP BY tenant, source, origin, tool, hash ORDER BY tenant, source, tool, origin, hash",
        )
        .fetch_all(&self.0)
        .await?;
        rows.iter()
            .map(|row| {
                let count =
                    |at: usize| Ok::<_, OpenError>(u64::try_from(row.try_get::<i64, _>(at)?).unwrap_or(0));
                Ok(PinnedTool {
                    tool: accepted(row)?,
                    manifest: count(5)? > 0,
                    accepted: count(6)? > 0,
                    pinned_for: count(7)?,
                    waiting_for: count(8)?,
                    definition: row.try_get(9)?,
                })
            })
            .collect()
    }
}
