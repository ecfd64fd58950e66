//! Several statements of one change that count together, or not at all: a savepoint within the writer's transaction.

use sqlx::SqliteConnection;

pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SAVEPOINT together").execute(connection).await.map(drop)
}

/// Nothing of them happened.
pub(super) async fn undo(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("ROLLBACK TO together").execute(&mut *connection).await?;
    keep(connection).await
}

/// All of them happen, with whatever else the transaction holds.
pub(super) async fn keep(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("RELEASE together").execute(connection).await.map(drop)
}
