//! What waits for the writer: a change, its lines, and somebody who wants to know.

use super::line::Line;
use async_trait::async_trait;
use deputy_core::TenantId;
use deputy_hub::ports::StoreError;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

/// A change to the tables, and the lines that say so.
#[async_trait]
pub(crate) trait Change: Send + 'static {
    /// What the asker is told once it is committed.
    type Answer: Send + 'static;

    /// Runs inside a savepoint of the writer's transaction. The lines commit with it.
    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Self::Answer, Vec<Line>), sqlx::Error>;
}

/// One piece of work, whatever its answer is.
#[async_trait]
pub(crate) trait Job: Send {
    /// Its lines, if they are all it is; `None`: it changes tables of its own, and so needs a savepoint.
    fn lines(&self) -> Option<&[Line]> {
        None
    }
    /// Its lines, if they are all it is, to be written.
    fn take_lines(&mut self) -> Vec<Line> {
        Vec::new()
    }
    /// Does it and gives its lines.
    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Vec<Line>, sqlx::Error>;
    /// Tells whoever waits: the number of the first line, or why nothing was written.
    fn answer(self: Box<Self>, result: Result<u64, StoreError>);
}

/// What the writer is sent.
pub(crate) enum Message {
    /// Work that commits with whatever else waits.
    Job(Box<dyn Job>),
    /// Sign the log of this tenant now; answers with the note of the newest checkpoint.
    Checkpoint(TenantId, oneshot::Sender<Result<Option<String>, StoreError>>),
    /// Fold the write-ahead log into the database and empty it.
    Fold(oneshot::Sender<Result<(), StoreError>>),
    /// Run a statement where lines are appended.
    #[cfg(test)]
    OnAppender(&'static str, oneshot::Sender<Vec<i64>>),
}

/// Lines alone.
pub(crate) struct Append {
    pub(crate) lines: Vec<Line>,
    pub(crate) waiter: oneshot::Sender<Result<u64, StoreError>>,
}

#[async_trait]
impl Job for Append {
    fn lines(&self) -> Option<&[Line]> {
        Some(&self.lines)
    }
    fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }
    async fn apply(&mut self, _: &mut SqliteConnection) -> Result<Vec<Line>, sqlx::Error> {
        Ok(self.take_lines())
    }
    fn answer(self: Box<Self>, result: Result<u64, StoreError>) {
        // Whoever dropped the future does not want to know.
        let _ = self.waiter.send(result);
    }
}

/// A change and who waits for it.
pub(crate) struct Waiting<C: Change> {
    pub(crate) change: C,
    pub(crate) answer: Option<C::Answer>,
    pub(crate) waiter: oneshot::Sender<Result<C::Answer, StoreError>>,
}

#[async_trait]
impl<C: Change> Job for Waiting<C>
where
    C::Answer: Send,
{
    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Vec<Line>, sqlx::Error> {
        let (answer, lines) = self.change.apply(connection).await?;
        self.answer = Some(answer);
        Ok(lines)
    }
    fn answer(self: Box<Self>, result: Result<u64, StoreError>) {
        let missing = || StoreError::Unavailable("the change was not made".to_owned());
        let Self { answer, waiter, .. } = *self;
        let _ = waiter.send(result.and_then(|_| answer.ok_or_else(missing)));
    }
}
