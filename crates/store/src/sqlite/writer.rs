//! The one writer: takes everything that waits, commits once, then answers everybody.

use super::batch::Batch;
use super::health::Health;
use super::job::{Job, Message};
use super::log::{self, Log};
use super::schema;
use crate::{OpenError, Place, Settings};
use deputy_audit::{AuditError, LogKey};
use deputy_core::TenantId;
use deputy_hub::ports::StoreError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The most that one commit takes at once, so that the first of many does not wait for ever.
const LARGEST_BATCH: usize = 2048;

/// Writes for everybody, alone.
pub(crate) struct Writer {
    place: Place,
    settings: Settings,
    key: Arc<LogKey>,
    options: SqliteConnectOptions,
    /// Gone after a failure; made anew for the next batch.
    connection: Option<SqliteConnection>,
    /// As of the last commit. Empty after a failure: what was not committed must not be built upon.
    logs: BTreeMap<TenantId, Log>,
    health: Health,
    /// When to try again whether the disk takes a commit.
    probe_at: Option<Instant>,
    /// Held for as long as this writer lives, so that there is no second one.
    _lock: File,
    /// Set when the log on disk is not the one that was signed: then nothing is written any more.
    poisoned: Option<StoreError>,
}

impl Writer {
    /// Connects, brings the tables up to date, and checks every log against its checkpoint outside the database.
    pub(crate) async fn open(place: Place, settings: Settings) -> Result<Self, OpenError> {
        place.prepare()?;
        let lock = alone(&place).await?;
        let options = schema::for_writing(&place.database());
        let mut connection = options.connect().await?;
        schema::assert_version(&mut connection).await?;
        schema::migrate(&mut connection).await?;
        let mut tenants = log::tenants(&mut connection).await?;
        tenants.extend(place.tenants()?);
        tenants.sort();
        tenants.dedup();
        let key = match place.read_key()? {
            Some(key) => key,
            None if tenants.is_empty() => place.make_key()?,
            None => return Err(OpenError::Missing { file: place.key() }),
        };
        let key = Arc::new(key);
        let mut logs = BTreeMap::new();
        for tenant in tenants {
            let log = Log::load(&mut connection, &place, &key, &tenant).await?;
            logs.insert(tenant, log);
        }
        Ok(Self {
            place,
            settings,
            key,
            options,
            connection: Some(connection),
            logs,
            health: Health::default(),
            probe_at: None,
            _lock: lock,
            poisoned: None,
        })
    }

    /// How long each log was when the writer was opened.
    pub(crate) fn sizes(&self) -> BTreeMap<TenantId, u64> {
        self.logs.iter().map(|(tenant, log)| (tenant.clone(), log.edge.size())).collect()
    }

    /// Whether commits work.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    /// Works until nobody can send any more, or until `stop`; then finishes what waits, signs, and closes the database.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Message>, stop: CancellationToken) {
        let mut messages = Vec::with_capacity(LARGEST_BATCH);
        loop {
            let due = self.next_due();
            tokio::select! {
                received = queue.recv_many(&mut messages, LARGEST_BATCH) => {
                    if received == 0 {
                        break;
                    }
                    self.serve(&mut messages).await;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = stop.cancelled(), if !queue.is_closed() => queue.close(),
            }
            self.probe().await;
            self.sign_due(false).await;
        }
        self.sign_due(true).await;
        if let Some(connection) = self.connection.take()
            && let Err(error) = close(connection).await
        {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    async fn serve(&mut self, messages: &mut Vec<Message>) {
        let (mut jobs, mut checkpoints, mut folds) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Job(job) => jobs.push(Entry { job, result: Ok(0) }),
                Message::Checkpoint(tenant, waiter) => checkpoints.push((tenant, waiter)),
                Message::Fold(waiter) => folds.push(waiter),
            }
        }
        if !jobs.is_empty() {
            self.commit(jobs).await;
        }
        for (tenant, waiter) in checkpoints {
            self.checkpoint(&tenant, waiter).await;
        }
        for waiter in folds {
            let folded = self.fold().await.map_err(|error| StoreError::Unavailable(error.to_string()));
            let _ = waiter.send(folded);
        }
    }

    async fn fold(&mut self) -> Result<(), OpenError> {
        let mut connection = self.connected().await?;
        let busy: i64 =
            sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
        self.connection = Some(connection);
        if busy != 0 {
            tracing::warn!("a reader keeps the write-ahead log from being folded; the next fold does it");
        }
        Ok(())
    }

    /// One transaction for all jobs. Nobody is answered before the commit has returned.
    async fn commit(&mut self, mut jobs: Vec<Entry>) {
        let outcome = match &self.poisoned {
            Some(error) => Err(error.clone()),
            None => {
                self.transact(&mut jobs).await.map_err(|error| StoreError::Unavailable(error.to_string()))
            }
        };
        match &outcome {
            Ok(()) => self.health.works(),
            Err(error) => self.failed(error),
        }
        for entry in jobs {
            entry.job.answer(outcome.clone().and(entry.result));
        }
    }

    /// Said before anybody is answered, so that whoever was refused finds the reason.
    fn failed(&mut self, error: &StoreError) {
        tracing::error!(%error, "a commit failed; nothing of it was written");
        self.health.failed(&error.to_string());
        // What is in memory may be ahead of the disk, and SQLite may have ended the transaction by itself.
        self.connection = None;
        self.logs.clear();
        self.probe_at = self.poisoned.is_none().then(|| Instant::now() + self.settings.probe_after);
    }

    /// After a failure, finds out by itself whether commits work again: no call may come that would find out, because
    /// whoever routes calls was told that they fail.
    async fn probe(&mut self) {
        if self.probe_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.probe_at = None;
        if self.health.fault().is_none() {
            return;
        }
        match self.try_commit().await {
            Ok(()) => self.health.works(),
            Err(error) => {
                self.connection = None;
                self.health.failed(&error.to_string());
                self.probe_at = Some(Instant::now() + self.settings.probe_after);
            }
        }
    }

    /// A commit that changes nothing but is written and synced as any other.
    async fn try_commit(&mut self) -> Result<(), OpenError> {
        let mut connection = self.connected().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        sqlx::query("DELETE FROM write_probe").execute(&mut connection).await?;
        sqlx::query("INSERT INTO write_probe (room) VALUES (zeroblob(65536))")
            .execute(&mut connection)
            .await?;
        sqlx::query("COMMIT").execute(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn transact(&mut self, jobs: &mut [Entry]) -> Result<(), OpenError> {
        let mut connection = self.connected().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        let mut batch = Batch::default();
        for entry in jobs {
            match run(entry.job.as_mut(), &mut connection).await? {
                Ok(lines) => {
                    for (at, line) in lines.into_iter().enumerate() {
                        let log = self.log(&mut connection, &line.tenant).await?;
                        let seq = batch.add(log, line)?;
                        if at == 0 {
                            entry.result = Ok(seq);
                        }
                    }
                }
                Err(refused) => entry.result = Err(refused),
            }
        }
        batch.write(&mut connection).await?;
        sqlx::query("COMMIT").execute(&mut connection).await?;
        self.connection = Some(connection);
        let now = Instant::now();
        for log in self.logs.values_mut().filter(|log| log.unsigned() > 0) {
            log.unsigned_since.get_or_insert(now);
        }
        Ok(())
    }

    async fn log(
        &mut self,
        connection: &mut SqliteConnection,
        tenant: &TenantId,
    ) -> Result<&mut Log, OpenError> {
        if !self.logs.contains_key(tenant) {
            let log = Log::load(connection, &self.place, &self.key, tenant).await?;
            self.logs.insert(tenant.clone(), log);
        }
        self.logs.get_mut(tenant).ok_or_else(|| OpenError::Corrupt(format!("the log of `{tenant}` is gone")))
    }

    fn next_due(&self) -> Option<Instant> {
        let oldest = self.logs.values().filter_map(|log| log.unsigned_since).min();
        let signing = oldest.map(|oldest| oldest + self.settings.checkpoint_after);
        signing.into_iter().chain(self.probe_at).min()
    }

    /// Signs the logs that have enough new lines, or have had some for long enough.
    async fn sign_due(&mut self, all: bool) {
        let now = Instant::now();
        let is_due = |log: &Log| {
            let waited =
                log.unsigned_since.is_some_and(|since| now >= since + self.settings.checkpoint_after);
            log.unsigned() > 0 && (all || waited || log.unsigned() >= self.settings.checkpoint_lines)
        };
        let due: Vec<TenantId> =
            self.logs.iter().filter(|(_, log)| is_due(log)).map(|(tenant, _)| tenant.clone()).collect();
        for tenant in due {
            if let Err(error) = self.sign(&tenant).await {
                tracing::error!(%error, %tenant, "a checkpoint was not signed");
            }
        }
    }

    /// Signs a log if it has lines that are not signed.
    async fn sign(&mut self, tenant: &TenantId) -> Result<(), OpenError> {
        let mut connection = self.connected().await?;
        let place = self.place.clone();
        let log = self.log(&mut connection, tenant).await?;
        let signed = log.sign(&mut connection, &place, tenant).await;
        // Not before the next interval, whether it worked or not.
        log.unsigned_since = (log.unsigned() > 0).then(Instant::now);
        self.connection = Some(connection);
        if let Err(OpenError::Audit(
            AuditError::Inconsistent { .. } | AuditError::HashMissing(_) | AuditError::Proof(_),
        )) = &signed
        {
            let why = format!("the log of `{tenant}` on disk is not the one that was signed");
            self.poisoned = Some(StoreError::Corrupt(why));
        }
        signed.map(|_| ())
    }

    async fn connected(&mut self) -> Result<SqliteConnection, OpenError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.options.connect().await?),
        }
    }

    async fn checkpoint(
        &mut self,
        tenant: &TenantId,
        waiter: oneshot::Sender<Result<Option<String>, StoreError>>,
    ) {
        let result = match self.sign(tenant).await {
            Ok(()) => self.place.read_checkpoint(tenant),
            Err(error) => Err(error),
        };
        let _ = waiter.send(result.map_err(|error| StoreError::Unavailable(error.to_string())));
    }
}

/// How long a writer waits for the one before it, which may be about to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Two writers over one database would number the same lines.
async fn alone(place: &Place) -> Result<File, OpenError> {
    let path = place.lock();
    let failed = |source| OpenError::File { file: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { file: path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

/// Leaves one file behind: what the write-ahead log holds goes into the database, also if a reader is still connected.
async fn close(mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await
}

struct Entry {
    job: Box<dyn Job>,
    /// The number of its first line, or why this one alone was refused.
    result: Result<u64, StoreError>,
}

/// Runs one job in a savepoint. The inner error is this job's alone (a constraint); the outer one ends the transaction.
async fn run(
    job: &mut dyn Job,
    connection: &mut SqliteConnection,
) -> Result<Result<Vec<super::line::Line>, StoreError>, OpenError> {
    if !job.changes_tables() {
        return Ok(Ok(job.apply(connection).await?));
    }
    sqlx::query("SAVEPOINT job").execute(&mut *connection).await?;
    let applied = match job.apply(&mut *connection).await {
        Ok(lines) => Ok(lines),
        Err(error) if is_this_jobs_alone(&error) => {
            sqlx::query("ROLLBACK TO job").execute(&mut *connection).await?;
            Err(StoreError::Unavailable(error.to_string()))
        }
        Err(error) => return Err(error.into()),
    };
    sqlx::query("RELEASE job").execute(connection).await?;
    Ok(applied)
}

/// A broken constraint, or a record that does not read or write: the transaction stands. Anything else (full disk, input
/// or output error) may have ended it.
fn is_this_jobs_alone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => !matches!(database.kind(), sqlx::error::ErrorKind::Other),
        sqlx::Error::Decode(_) | sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } => true,
        _ => false,
    }
}
