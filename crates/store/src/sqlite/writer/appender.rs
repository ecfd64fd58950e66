//! Lines alone go to the disk on a thread of their own, row by row, by statements that stay prepared. Of what a single line
//! costs, messages between threads and the making of statements were the most; here a commit of any size is one message.

use super::schema;
use crate::OpenError;
use crate::sqlite::batch::{Batch, Part};
use crate::sqlite::log::number;
use deputy_core::{CallId, TenantId};
use deputy_hub::Supervisor;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

const EVENT: &str = "INSERT INTO audit_event (tenant, seq, at, call, public, leaf, personal, salt)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const HASH: &str = "INSERT INTO audit_hash (tenant, idx, hash) VALUES (?1, ?2, ?3)";
const OPENED: &str = "INSERT OR REPLACE INTO open_call (tenant, call_id, seq) VALUES (?1, ?2, ?3)";
const CLOSED: &str = "DELETE FROM open_call WHERE tenant = ?1 AND call_id = ?2";

/// What the thread is told; each answers once it is done.
enum Order {
    Commit(Batch, oneshot::Sender<Result<(), OpenError>>),
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Run(&'static str, oneshot::Sender<Vec<i64>>),
}

/// The thread that commits lines, with a connection of its own. Whoever tells it something waits for the answer, so it and the
/// writer's other connection never write at once.
pub(crate) struct Appender(mpsc::Sender<Order>);

impl Appender {
    /// Starts the thread; it connects when it is first needed. It ends with this.
    pub(crate) fn start(database: PathBuf, supervisor: &Supervisor) -> Self {
        let (orders, received) = mpsc::channel(1);
        supervisor.start_blocking(move || work(&database, received));
        Self(orders)
    }

    /// One transaction for all lines of a batch, on disk when this returns.
    ///
    /// # Errors
    /// Nothing was written; the connection is made anew for the next batch.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), OpenError> {
        let (done, answer) = oneshot::channel();
        self.tell(Order::Commit(batch, done)).await?;
        answer.await.map_err(|_| gone())?
    }

    /// Closes its connection; the next batch would make another.
    pub(crate) async fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.tell(Order::Close(done)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Runs a statement on its connection and gives the first column of what it says.
    #[cfg(test)]
    pub(crate) async fn run(&self, sql: &'static str) -> Vec<i64> {
        let (done, answer) = oneshot::channel();
        self.tell(Order::Run(sql, done)).await.expect("the thread lives");
        answer.await.expect("answered")
    }

    async fn tell(&self, order: Order) -> Result<(), OpenError> {
        self.0.send(order).await.map_err(|_| gone())
    }
}

fn gone() -> OpenError {
    OpenError::Corrupt("the thread that writes lines has ended".to_owned())
}

fn work(database: &Path, mut orders: mpsc::Receiver<Order>) {
    let mut connection = None;
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Commit(batch, done) => {
                let committed = commit(&mut connection, database, &batch);
                if committed.is_err() {
                    // SQLite may have ended the transaction by itself, or not.
                    connection = None;
                }
                let _ = done.send(committed);
            }
            Order::Close(done) => {
                connection = None;
                let _ = done.send(());
            }
            #[cfg(test)]
            Order::Run(sql, done) => {
                let connection = connected(&mut connection, database).expect("connects");
                let mut statement = connection.prepare(sql).expect("a statement");
                let rows = statement.query_map([], |row| row.get(0)).expect("runs");
                let _ = done.send(rows.filter_map(Result::ok).collect());
            }
        }
    }
}

fn connected<'a>(held: &'a mut Option<Connection>, database: &Path) -> Result<&'a mut Connection, OpenError> {
    match held {
        Some(connection) => Ok(connection),
        None => Ok(held.insert(schema::for_appending(database)?)),
    }
}

fn commit(held: &mut Option<Connection>, database: &Path, batch: &Batch) -> Result<(), OpenError> {
    let connection = connected(held, database)?;
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for (tenant, part) in batch.parts() {
        write(connection, tenant, part)?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

fn write(connection: &Connection, tenant: &TenantId, part: &Part) -> Result<(), OpenError> {
    let tenant = tenant.as_str();
    let mut event = connection.prepare_cached(EVENT)?;
    for (at, call, record) in &part.events {
        let personal = record.personal.as_ref();
        event.execute(params![
            tenant,
            number(record.seq)?,
            number(*at)?,
            call.as_ref().map(CallId::as_str),
            record.bytes.as_slice(),
            record.leaf.0.as_slice(),
            personal.map(|personal| personal.bytes.as_slice()),
            personal.map(|personal| personal.salt.as_slice()),
        ])?;
    }
    let mut stored = connection.prepare_cached(HASH)?;
    for (index, hash) in (number(part.first_index)?..).zip(part.hashes.chunks_exact(32)) {
        stored.execute(params![tenant, index, hash])?;
    }
    let mut opened = connection.prepare_cached(OPENED)?;
    for (call, seq) in &part.opened {
        opened.execute(params![tenant, call.as_str(), number(*seq)?])?;
    }
    let mut closed = connection.prepare_cached(CLOSED)?;
    for call in &part.closed {
        closed.execute(params![tenant, call.as_str()])?;
    }
    Ok(())
}
