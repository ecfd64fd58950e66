//! Connections and tables.

use crate::OpenError;
use rusqlite::{Connection, OpenFlags};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// The oldest SQLite without the WAL-reset bug (STO-02).
const OLDEST: [u64; 3] = [3, 51, 3];

/// The steps from nothing to the tables of today. Steps are only ever added (STO-07).
const STEPS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
    include_str!("schema/10.sql"),
    include_str!("schema/11.sql"),
];

/// How the writer connects: every commit is on disk before it returns (STO-04).
pub(crate) fn for_writing(database: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Freed bytes are overwritten, not only forgotten: who is erased is in no unused corner of a page (AUD-06).
        .pragma("secure_delete", "ON")
        .busy_timeout(Duration::from_secs(5))
        // What every commit touches stays in memory, and a page that many commits change is folded once, not each time.
        .pragma("cache_size", "-2048")
        .pragma("wal_autocheckpoint", "8192")
        .statement_cache_capacity(256)
}

/// How lines are appended: a connection of its own with the same promises.
///
/// # Errors
/// There is no such database, or it does not open.
pub(crate) fn for_appending(database: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(
        database,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;
         PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = 8192;",
    )?;
    Ok(connection)
}

/// How readers connect.
pub(crate) fn for_reading(database: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .read_only(true)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
}

/// STO-02: refuses to go on with a SQLite that can corrupt the database.
pub(crate) async fn assert_version(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    if is_sound(&found) { Ok(()) } else { Err(OpenError::SqliteTooOld { found }) }
}

fn is_sound(version: &str) -> bool {
    let parts: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
    parts.is_some_and(|parts| parts.as_slice() >= &OLDEST[..])
}

/// The schema of today.
pub(crate) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Brings the tables up to date, alone (the write lock is held from before the version is read).
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    let known = known();
    if found > known {
        return Err(OpenError::SchemaTooNew { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_sound;

    #[test]
    fn sto_02_versions_before_3_51_3_are_refused() {
        for good in ["3.51.3", "3.52.0", "4.0.0", "3.51.10"] {
            assert!(is_sound(good), "{good}");
        }
        for bad in ["3.46.0", "3.51.2", "3.51", "3.9.99", "", "new"] {
            assert!(!is_sound(bad), "{bad}");
        }
    }
}
