//! Who may decide in whose place.

use super::once;
use crate::sqlite::job::Change;
use crate::sqlite::line::Line;
use crate::sqlite::tickets::{from_text, millis};
use crate::sqlite::unreadable;
use async_trait::async_trait;
use deputy_core::{Timestamp, User};
use deputy_hub::ports::{Delegation, StoreError};
use sqlx::{SqliteConnection, SqlitePool};

pub(super) struct Give {
    pub(super) delegation: Delegation,
    pub(super) record: String,
    pub(super) line: Option<Line>,
}

#[async_trait]
impl Change for Give {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        sqlx::query(
            "INSERT OR REPLACE INTO delegation (tenant, giver, receiver, record, until) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(self.delegation.giver.tenant.as_str())
        .bind(self.delegation.giver.key())
        .bind(self.delegation.receiver.key())
        .bind(&self.record)
        .bind(millis(self.delegation.until))
        .execute(connection)
        .await?;
        Ok(((), self.line.take().into_iter().collect()))
    }
}

pub(super) struct Take {
    pub(super) giver: User,
    pub(super) receiver: User,
    pub(super) line: Option<Line>,
}

#[async_trait]
impl Change for Take {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let done = sqlx::query("DELETE FROM delegation WHERE tenant = ? AND giver = ? AND receiver = ?")
            .bind(self.giver.tenant.as_str())
            .bind(self.giver.key())
            .bind(self.receiver.key())
            .execute(connection)
            .await?;
        Ok(once(done.rows_affected(), &mut self.line))
    }
}

pub(super) async fn of(
    readers: &SqlitePool,
    person: &User,
    now: Timestamp,
) -> Result<Vec<Delegation>, StoreError> {
    let records: Vec<String> = sqlx::query_scalar(
        "SELECT record FROM delegation WHERE tenant = ?1 AND (giver = ?2 OR receiver = ?2) AND until > ?3
         ORDER BY until, giver, receiver LIMIT 100",
    )
    .bind(person.tenant.as_str())
    .bind(person.key())
    .bind(millis(now))
    .fetch_all(readers)
    .await
    .map_err(|error| unreadable(&error))?;
    records.iter().map(|record| from_text(record)).collect()
}
