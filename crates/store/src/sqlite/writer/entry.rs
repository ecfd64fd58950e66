//! One job inside a transaction of many: what is wrong with it alone leaves the others' transaction standing.

use super::Writer;
use crate::OpenError;
use crate::sqlite::job::Job;
use crate::sqlite::line::Line;
use deputy_hub::ports::StoreError;
use sqlx::SqliteConnection;

pub(super) struct Entry {
    pub(super) job: Box<dyn Job>,
    /// The number of its first line, or why this one alone was refused.
    pub(super) result: Result<u64, StoreError>,
}

impl Writer {
    /// Runs one job, in a savepoint if it changes tables. The inner error is this job's alone (a constraint, a log that
    /// is not good); the outer one ends the transaction.
    pub(super) async fn try_job(
        &mut self,
        job: &mut dyn Job,
        connection: &mut SqliteConnection,
    ) -> Result<Result<Vec<Line>, StoreError>, OpenError> {
        if job.lines().is_some() {
            let lines = job.apply(connection).await?;
            return Ok(self.taken(&lines, connection).await?.map(|()| lines));
        }
        sqlx::query("SAVEPOINT job").execute(&mut *connection).await?;
        let applied = match job.apply(&mut *connection).await {
            Ok(lines) => self.taken(&lines, connection).await?.map(|()| lines),
            Err(error) if is_this_jobs_alone(&error) => Err(StoreError::Unavailable(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        if applied.is_err() {
            sqlx::query("ROLLBACK TO job").execute(&mut *connection).await?;
        }
        sqlx::query("RELEASE job").execute(connection).await?;
        Ok(applied)
    }

    /// Whether the logs of these lines take them. One tenant's log that is not good refuses its own lines alone.
    async fn taken(
        &mut self,
        lines: &[Line],
        connection: &mut SqliteConnection,
    ) -> Result<Result<(), StoreError>, OpenError> {
        for line in lines {
            if let Some(error) = self.poisoned.get(&line.tenant) {
                return Ok(Err(error.clone()));
            }
            if let Err(error) = self.load(connection, &line.tenant).await {
                if !is_this_logs_alone(&error) {
                    return Err(error);
                }
                tracing::error!(%error, tenant = %line.tenant, "a log takes no lines until this is mended");
                return Ok(Err(StoreError::Corrupt(error.to_string())));
            }
        }
        Ok(Ok(()))
    }
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

/// A checkpoint file that is missing, damaged or ahead of the tables: nothing else suffers from it.
fn is_this_logs_alone(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Missing { .. }
            | OpenError::File { .. }
            | OpenError::RolledBack { .. }
            | OpenError::Audit(_)
    )
}
