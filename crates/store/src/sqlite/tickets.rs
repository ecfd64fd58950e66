//! Single-use tickets: put in with their audit line, taken out once.

use super::SqliteStore;
use super::job::Change;
use super::line::Line;
use async_trait::async_trait;
use deputy_core::{Digest, Event, Timestamp};
use deputy_hub::ports::{StoreError, TicketRecord, Tickets};
use sqlx::SqliteConnection;

#[async_trait]
impl Tickets for SqliteStore {
    async fn put_ticket(&self, ticket: TicketRecord, now: Timestamp, event: Event) -> Result<(), StoreError> {
        let record = to_text(&ticket)?;
        self.change(Put { ticket, record, now, line: Some(Line::of(&event)?) }).await
    }

    async fn take_ticket(&self, hash: &Digest) -> Result<Option<TicketRecord>, StoreError> {
        let text = self.change(Take { hash: *hash }).await?;
        text.map(|text| from_text(&text)).transpose()
    }

    async fn drop_ended_tickets(&self, now: Timestamp) -> Result<(), StoreError> {
        self.change(Drop { now }).await
    }
}

struct Put {
    ticket: TicketRecord,
    record: String,
    now: Timestamp,
    line: Option<Line>,
}

#[async_trait]
impl Change for Put {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        drop_ended(connection, self.now).await?;
        sqlx::query("INSERT INTO ticket (hash, tenant, record, expires_at) VALUES (?, ?, ?, ?)")
            .bind(self.ticket.hash.as_bytes().as_slice())
            .bind(self.ticket.user.tenant.as_str())
            .bind(&self.record)
            .bind(millis(self.ticket.expires_at))
            .execute(connection)
            .await?;
        Ok(((), self.line.take().into_iter().collect()))
    }
}

struct Drop {
    now: Timestamp,
}

#[async_trait]
impl Change for Drop {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        drop_ended(connection, self.now).await?;
        Ok(((), Vec::new()))
    }
}

async fn drop_ended(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM ticket WHERE expires_at <= ?").bind(millis(now));
    query.execute(connection).await.map(|_| ())
}

struct Take {
    hash: Digest,
}

#[async_trait]
impl Change for Take {
    type Answer = Option<String>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Option<String>, Vec<Line>), sqlx::Error> {
        let record = sqlx::query_scalar("DELETE FROM ticket WHERE hash = ? RETURNING record")
            .bind(self.hash.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
        Ok((record, Vec::new()))
    }
}

/// A moment as SQLite holds it; one beyond its range is as good as never.
pub(super) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.millis()).unwrap_or(i64::MAX)
}

pub(super) fn to_text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.to_string()))
}

pub(super) fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}
