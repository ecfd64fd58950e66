//! Beside the hub that may run on a data directory: what somebody on this machine wishes of it, and whether it was granted.

use super::schema;
use super::tickets::to_text;
use crate::{OpenError, Place};
use serde::Serialize;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::marker::PhantomData;
use std::time::Duration;

/// What can be wished: an order that a hub which runs finds in a table of its own.
pub trait Wished: Serialize {
    /// Puts one in; its record is the one parameter.
    const PUT: &'static str;
    /// Whether one is still there; its number is the one parameter.
    const IS_OPEN: &'static str;
}

/// The wishes of one kind in a data directory.
pub struct Desk<Order> {
    pub(super) connection: SqliteConnection,
    orders: PhantomData<fn(Order)>,
}

impl<Order: Wished> Desk<Order> {
    /// Opens the database of a data directory.
    ///
    /// # Errors
    /// There is none, it is of an older program, or it cannot be opened.
    pub async fn open(place: &Place) -> Result<Self, OpenError> {
        let database = place.database();
        if !database.exists() {
            return Err(OpenError::NoDatabase(database));
        }
        let options: SqliteConnectOptions = schema::for_writing(&database).create_if_missing(false);
        Ok(Self { connection: options.connect().await?, orders: PhantomData })
    }

    /// Leaves a wish, and gives its number.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn wish(&mut self, order: &Order) -> Result<u64, OpenError> {
        let record = to_text(order).map_err(|error| OpenError::Corrupt(error.to_string()))?;
        let done = sqlx::query(Order::PUT).bind(record).execute(&mut self.connection).await?;
        Ok(u64::try_from(done.last_insert_rowid()).unwrap_or(0))
    }

    /// Waits until a wish is granted. `false`: nobody did within `patience`; it stays.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn granted(&mut self, wish: u64, patience: Duration) -> Result<bool, OpenError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut every = tokio::time::interval(Duration::from_millis(50));
        loop {
            every.tick().await;
            let is_open: bool = sqlx::query_scalar(Order::IS_OPEN)
                .bind(i64::try_from(wish).unwrap_or(i64::MAX))
                .fetch_one(&mut self.connection)
                .await?;
            if !is_open || tokio::time::Instant::now() >= deadline {
                return Ok(!is_open);
            }
        }
    }

    /// Lets go of the database.
    ///
    /// # Errors
    /// It does not close cleanly.
    pub async fn close(self) -> Result<(), OpenError> {
        Ok(self.connection.close().await?)
    }
}
