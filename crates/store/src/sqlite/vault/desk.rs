//! The vault of a data directory, beside the hub that may run on it.

use super::SecretReader;
use crate::sqlite::schema;
use crate::sqlite::tickets::to_text;
use crate::{OpenError, Place};
use deputy_hub::ports::VaultOrder;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::time::Duration;

/// Reads what is kept, and leaves orders for whoever writes.
pub struct VaultDesk {
    connection: SqliteConnection,
    reader: SecretReader,
}

impl VaultDesk {
    /// Opens the database of a data directory.
    ///
    /// # Errors
    /// There is none, it is of an older program, or it cannot be opened.
    pub async fn open(place: &Place) -> Result<Self, OpenError> {
        let database = place.database();
        if !database.exists() {
            return Err(OpenError::NoDatabase(database));
        }
        let mut connection = schema::for_writing(&database).create_if_missing(false).connect().await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
        let known = schema::known();
        if found < known {
            connection.close().await?;
            return Err(OpenError::SchemaTooOld { found, known });
        }
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(schema::for_reading(&database));
        Ok(Self { connection, reader: SecretReader(pool.await?) })
    }

    /// What is kept, read anew each time.
    #[must_use]
    pub fn reader(&self) -> SecretReader {
        self.reader.clone()
    }

    /// Leaves an order, and gives its number.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn leave(&mut self, order: &VaultOrder) -> Result<u64, OpenError> {
        let record = to_text(order).map_err(|error| OpenError::Corrupt(error.to_string()))?;
        let done = sqlx::query("INSERT INTO vault_order (record) VALUES (?)")
            .bind(record)
            .execute(&mut self.connection)
            .await?;
        Ok(u64::try_from(done.last_insert_rowid()).unwrap_or(0))
    }

    /// Takes an order back. `false`: somebody has taken it up.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn take_back(&mut self, order: u64) -> Result<bool, OpenError> {
        let done = sqlx::query("DELETE FROM vault_order WHERE id = ?")
            .bind(i64::try_from(order).unwrap_or(i64::MAX))
            .execute(&mut self.connection)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Waits until an order is taken up. `false`: nobody did within `patience`; it stays.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn taken_up(&mut self, order: u64, patience: Duration) -> Result<bool, OpenError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut every = tokio::time::interval(Duration::from_millis(50));
        loop {
            every.tick().await;
            let open: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM vault_order WHERE id = ?)")
                .bind(i64::try_from(order).unwrap_or(i64::MAX))
                .fetch_one(&mut self.connection)
                .await?;
            if !open || tokio::time::Instant::now() >= deadline {
                return Ok(!open);
            }
        }
    }

    /// Lets go of the database.
    ///
    /// # Errors
    /// It does not close cleanly.
    pub async fn close(self) -> Result<(), OpenError> {
        self.reader.0.close().await;
        Ok(self.connection.close().await?)
    }
}
