//! The store as its callers see it.

mod approvals;
mod erasure;
mod faults;
mod log;
mod pins;
mod retention;
mod rollback;
mod rotation;
mod switches;
mod tamper;
mod vault;

use super::*;
use crate::{AuditReader, Filter};
use deputy_audit::{Fault, Report};
use deputy_core::{
    Agent, CallId, Client, Digest, EventKind, Issuer, Outcome, SourceName, Subject, Timestamp, User,
};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// One run of a hub's store over a data directory that outlives it.
struct Process {
    runtime: Runtime,
    supervisor: Supervisor,
    store: Arc<SqliteStore>,
}

impl Process {
    fn start(directory: &TempDir) -> Self {
        Self::try_start(directory).expect("the store opens")
    }

    fn try_start(directory: &TempDir) -> Result<Self, OpenError> {
        // An hour: checkpoints come when a test asks for them, or at the end.
        let settings = Settings { checkpoint_after: Duration::from_secs(3600), ..Settings::default() };
        Self::start_with(directory, settings)
    }

    fn start_with(directory: &TempDir, settings: Settings) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("runtime");
        let supervisor = Supervisor::new(CancellationToken::new());
        let store = runtime.block_on(SqliteStore::open(place(directory), settings, &supervisor))?;
        Ok(Self { runtime, supervisor, store: Arc::new(store) })
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Ends as the hub does.
    fn stop(self) {
        self.runtime.block_on(self.supervisor.shut_down());
        self.runtime.shutdown_timeout(Duration::from_secs(10));
    }

    /// Ends as a killed process does: nothing is finished, signed or closed.
    fn crash(self) {
        self.runtime.shutdown_background();
    }

    fn append(&self, events: Vec<Event>) -> Result<u64, StoreError> {
        self.run(self.store.append(events))
    }

    fn verify(&self, external: Option<&str>) -> Result<Report, Fault> {
        let keys = self.store.place.verifier_keys_of(&tenant()).expect("keys");
        self.run(self.store.audit().verify(&tenant(), &keys, external)).expect("reads")
    }

    fn list(&self, filter: &Filter) -> Vec<crate::Listed> {
        self.run(self.store.audit().list(&tenant(), filter)).expect("reads")
    }

    fn lines(&self) -> u64 {
        self.list(&Filter { limit: 1, ..Filter::default() }).first().map_or(0, |line| line.seq + 1)
    }

    fn checkpoint(&self) -> Option<String> {
        self.run(self.store.checkpoint(&tenant())).expect("signs")
    }

    /// The same where lines alone are appended.
    fn on_appender(&self, sql: &'static str) -> Vec<i64> {
        let (waiter, answer) = oneshot::channel();
        self.store.send(Message::OnAppender(sql, waiter)).expect("sent");
        self.run(answer).expect("answered")
    }

    /// From here on the database may not grow. The limit holds for the connections of now; the ones that are made after a
    /// failure have room again.
    fn fill_the_disk(&self) {
        self.on_writer("PRAGMA max_page_count = 1").expect("limit");
        self.on_appender("PRAGMA max_page_count = 1");
    }

    /// Runs SQL on the connection of the writer that changes tables.
    fn on_writer(&self, sql: &'static str) -> Result<Vec<i64>, StoreError> {
        self.run(self.store.change(Raw(sql)))
    }
}

struct Raw(&'static str);

#[async_trait::async_trait]
impl Change for Raw {
    type Answer = Vec<i64>;
    async fn apply(
        &mut self,
        connection: &mut sqlx::SqliteConnection,
    ) -> Result<(Vec<i64>, Vec<Line>), sqlx::Error> {
        Ok((sqlx::query_scalar(self.0).fetch_all(connection).await?, Vec::new()))
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("directory")
}

fn place(directory: &TempDir) -> Place {
    Place::new(directory.path())
}

fn tenant() -> TenantId {
    TenantId::single()
}

fn user(name: &str) -> User {
    User {
        tenant: tenant(),
        issuer: Issuer::new("https://id.acme.example").expect("issuer"),
        subject: Subject::new(name).expect("subject"),
    }
}

fn call(number: usize) -> CallId {
    CallId::new(format!("call_{number:032}")).expect("call")
}

/// A line as large as a real one.
fn event(kind: EventKind, number: usize) -> Event {
    let mut event = Event::new(Timestamp::from_millis(1_795_303_770_000 + number as u64), tenant(), kind);
    event.user = Some(user("alice"));
    event.agent = Some(Agent { name: Some("Some Agent".to_owned()), ..Agent::default() });
    event.client = Some(Client("some-client".to_owned()));
    event.call = Some(call(number));
    event.source = Some(SourceName::new("crm").expect("source"));
    event.definition = Some(Digest::of_bytes(b"definition"));
    event.arguments = Some(Digest::of_bytes(b"arguments"));
    event.policy_version = Some(Digest::of_bytes(b"policy"));
    if kind == EventKind::Outcome {
        event.outcome = Some(Outcome::Succeeded);
    }
    event
}

fn outcomes(count: usize) -> Vec<Event> {
    (0..count).map(|number| event(EventKind::Outcome, number)).collect()
}

/// Runs SQL on the database file while no store has it open, as an attacker with the disk would.
fn on_disk(directory: &TempDir, sql: &'static str) {
    let runtime = Runtime::new().expect("runtime");
    runtime.block_on(async {
        use sqlx::{ConnectOptions as _, Connection as _};
        let mut connection =
            schema::for_writing(&place(directory).database()).connect().await.expect("connects");
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("runs");
        connection.close().await.expect("closes");
    });
}

/// The log as `deputy audit verify` reads it, without a store.
fn verify_offline(directory: &TempDir, external: Option<&str>) -> Result<Report, Fault> {
    let runtime = Runtime::new().expect("runtime");
    runtime.block_on(async {
        let reader = AuditReader::open(place(directory)).await.expect("opens");
        let keys = reader.place().verifier_keys_of(&tenant()).expect("keys");
        reader.verify(&tenant(), &keys, external).await.expect("reads")
    })
}
