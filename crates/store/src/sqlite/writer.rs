//! The one writer: takes everything that waits, commits once, then answers everybody.

mod appender;
mod disk;
mod entry;
mod lock;
mod rotation;

pub use rotation::{Rotated, rotate_key};

use super::batch::Batch;
use super::health::Health;
use super::job::{Job, Message};
use super::line::Line;
use super::log::{self, Log};
use super::schema;
use crate::{OpenError, Place, Settings};
use appender::Appender;
use deputy_audit::{AuditError, LogKey};
use deputy_core::TenantId;
use deputy_hub::Supervisor;
use deputy_hub::ports::StoreError;
use entry::Entry;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
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
    /// Commits what is lines alone.
    appender: Appender,
    /// As of the last commit. Empty after a failure: what was not committed must not be built upon.
    logs: BTreeMap<TenantId, Log>,
    health: Health,
    /// When to try again whether the disk takes a commit.
    probe_at: Option<Instant>,
    /// Held for as long as this writer lives, so that there is no second one.
    _lock: File,
    /// The logs that are not what was signed: in those nothing is written any more. The others go on.
    poisoned: BTreeMap<TenantId, StoreError>,
}

impl Writer {
    /// Connects, brings the tables up to date, and checks every log against its checkpoint outside the database.
    pub(crate) async fn open(
        place: Place,
        settings: Settings,
        supervisor: &Supervisor,
    ) -> Result<Self, OpenError> {
        place.prepare()?;
        let lock = lock::alone(&place).await?;
        let next = place.next_key();
        if next.exists() {
            return Err(OpenError::Rotating { file: next });
        }
        Self::open_locked(place, settings, lock, supervisor).await
    }

    async fn open_locked(
        place: Place,
        settings: Settings,
        lock: File,
        supervisor: &Supervisor,
    ) -> Result<Self, OpenError> {
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
        let appender = Appender::start(place.database(), supervisor);
        Ok(Self {
            place,
            settings,
            key,
            options,
            connection: Some(connection),
            appender,
            logs,
            health: Health::default(),
            probe_at: None,
            _lock: lock,
            poisoned: BTreeMap::new(),
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
        self.appender.close().await;
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
                #[cfg(test)]
                Message::OnAppender(sql, waiter) => drop(waiter.send(self.appender.run(sql).await)),
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

    /// One transaction for all jobs. Nobody is answered before the commit has returned.
    async fn commit(&mut self, mut jobs: Vec<Entry>) {
        let outcome = self.transact(&mut jobs).await;
        let outcome = outcome.map_err(|error| StoreError::Unavailable(error.to_string()));
        match &outcome {
            Ok(()) => self.health.works(),
            Err(error) => self.failed(error),
        }
        for entry in jobs {
            entry.job.answer(outcome.clone().and(entry.result));
        }
    }

    async fn transact(&mut self, jobs: &mut [Entry]) -> Result<(), OpenError> {
        let mut batch = Batch::default();
        if jobs.iter().all(|entry| self.are_lines_alone(entry.job.as_ref())) {
            for entry in jobs {
                entry.result = Ok(self.add(&mut batch, entry.job.take_lines())?);
            }
            self.appender.commit(batch).await?;
        } else {
            let mut connection = self.connected().await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            for entry in jobs {
                entry.result = match self.try_job(entry.job.as_mut(), &mut connection).await? {
                    Ok(lines) => Ok(self.add(&mut batch, lines)?),
                    Err(refused) => Err(refused),
                };
            }
            batch.write(&mut connection).await?;
            sqlx::query("COMMIT").execute(&mut connection).await?;
            self.connection = Some(connection);
        }
        let now = Instant::now();
        for log in self.logs.values_mut().filter(|log| log.unsigned() > 0) {
            log.unsigned_since.get_or_insert(now);
        }
        Ok(())
    }

    /// Whether a job changes no tables, and its lines go to logs that are read and good.
    fn are_lines_alone(&self, job: &dyn Job) -> bool {
        let takes = |tenant: &TenantId| self.logs.contains_key(tenant) && !self.poisoned.contains_key(tenant);
        job.lines().is_some_and(|lines| lines.iter().all(|line| takes(&line.tenant)))
    }

    /// Numbers lines. Gives the number of the first.
    fn add(&mut self, batch: &mut Batch, lines: Vec<Line>) -> Result<u64, OpenError> {
        let mut first = None;
        for line in lines {
            let seq = batch.add(self.loaded(&line.tenant)?, line)?;
            first.get_or_insert(seq);
        }
        Ok(first.unwrap_or_default())
    }

    /// Reads a log, if it was not read since the last failure.
    async fn load(&mut self, connection: &mut SqliteConnection, tenant: &TenantId) -> Result<(), OpenError> {
        if !self.logs.contains_key(tenant) {
            let log = Log::load(connection, &self.place, &self.key, tenant).await?;
            self.logs.insert(tenant.clone(), log);
        }
        Ok(())
    }

    fn loaded(&mut self, tenant: &TenantId) -> Result<&mut Log, OpenError> {
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
        if let Err(error) = self.load(&mut connection, tenant).await {
            self.connection = Some(connection);
            return Err(error);
        }
        let log = self.loaded(tenant)?;
        let signed = log.sign(&mut connection, &place, tenant).await;
        // Not before the next interval, whether it worked or not.
        log.unsigned_since = (log.unsigned() > 0).then(Instant::now);
        self.connection = Some(connection);
        if let Err(OpenError::Audit(
            AuditError::Inconsistent { .. } | AuditError::HashMissing(_) | AuditError::Proof(_),
        )) = &signed
        {
            let why = format!("the log of `{tenant}` on disk is not the one that was signed");
            self.poisoned.insert(tenant.clone(), StoreError::Corrupt(why));
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

/// Leaves one file behind: what the write-ahead log holds goes into the database, also if a reader is still connected.
async fn close(mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await
}
