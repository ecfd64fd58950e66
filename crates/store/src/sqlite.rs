//! SQLite: one file, one writer, a few readers.

pub mod access;
mod approvals;
mod batch;
mod consents;
pub mod desk;
pub mod erasure;
mod health;
mod job;
mod line;
mod log;
mod open_calls;
mod past_intents;
pub mod pins;
pub mod reader;
pub mod retention;
mod schema;
mod standing;
pub mod switches;
mod tickets;
pub mod vault;
pub(crate) mod writer;

use crate::{OpenError, Place};
use deputy_core::{Event, TenantId};
use deputy_hub::Supervisor;
use deputy_hub::ports::{Appended, AuditLog, StoreError};
use health::Health;
use job::{Append, Change, Message, Waiting};
use line::Line;
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many pieces of work may wait. More than that is refused: a queue that only grows helps nobody.
const LONGEST_QUEUE: usize = 16_384;

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A checkpoint is signed after this many new lines,
    pub checkpoint_lines: u64,
    /// or when the oldest new line is this old.
    pub checkpoint_after: Duration,
    /// Connections for reading.
    pub readers: u32,
    /// After a failed commit, how often it is tried whether the disk takes one again.
    pub probe_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            checkpoint_lines: 4096,
            checkpoint_after: Duration::from_secs(10),
            readers: 4,
            probe_after: Duration::from_secs(1),
        }
    }
}

/// The hub's tables in one SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    place: Place,
    queue: mpsc::Sender<Message>,
    readers: SqlitePool,
    health: Health,
    /// How long each log was at the start: intents before that belong to an earlier process.
    sizes_at_start: BTreeMap<TenantId, u64>,
}

impl SqliteStore {
    /// Opens or makes the database of a data directory and starts its writer.
    ///
    /// The `supervisor` must be the store's own, shut down after everything that writes: at its shutdown the writer
    /// finishes what waits, signs, and closes the database.
    ///
    /// # Errors
    /// An unsound SQLite (STO-02), a database that was rolled back or changed (AUD-05), a missing key, no disk.
    pub async fn open(place: Place, settings: Settings, supervisor: &Supervisor) -> Result<Self, OpenError> {
        let writer = writer::Writer::open(place.clone(), settings.clone(), supervisor).await?;
        let (sizes_at_start, health) = (writer.sizes(), writer.health());
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers.max(1))
            .connect_with(schema::for_reading(&place.database()))
            .await?;
        let (queue, received) = mpsc::channel(LONGEST_QUEUE);
        supervisor.start(writer.run(received, supervisor.stopping().clone()));
        let store = Self { place, queue, readers, health, sizes_at_start };
        supervisor.start_until_shutdown(store.clone().grant_erasures());
        supervisor.start_until_shutdown(store.clone().keep_carrying_out());
        Ok(store)
    }

    /// Reads the audit log beside the writer.
    #[must_use]
    pub fn audit(&self) -> reader::AuditReader {
        reader::AuditReader::over(self.readers.clone(), self.place.clone())
    }

    /// Signs what is committed of a tenant's log now. Gives the note of the newest checkpoint, `None` if the log is empty.
    ///
    /// # Errors
    /// The store is closed, or the checkpoint cannot be written.
    pub async fn checkpoint(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.send(Message::Checkpoint(tenant.clone(), waiter))?;
        answer.await.map_err(|_| closed())?
    }

    /// Hands a change to the writer and waits until it is committed.
    async fn change<C: Change>(&self, change: C) -> Result<C::Answer, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.send(Message::Job(Box::new(Waiting { change, answer: None, waiter })))?;
        answer.await.map_err(|_| closed())?
    }

    fn send(&self, message: Message) -> Result<(), StoreError> {
        self.queue.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                StoreError::Unavailable("too much waits to be written".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => closed(),
        })
    }
}

impl AuditLog for SqliteStore {
    fn append(&self, events: Vec<Event>) -> Appended {
        self.append_kept(&events)
    }

    fn append_kept(&self, events: &[Event]) -> Appended {
        let queued = Line::all(events).and_then(|lines| {
            let (waiter, answer) = oneshot::channel();
            self.send(Message::Job(Box::new(Append { lines, waiter })))?;
            Ok(answer)
        });
        Box::pin(async move { queued?.await.map_err(|_| closed())? })
    }

    fn fault(&self) -> Option<String> {
        self.health.fault()
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// What a reader's failure is to the hub.
fn unreadable(error: &sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests;
