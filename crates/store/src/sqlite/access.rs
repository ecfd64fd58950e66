//! Logins, grants, registered clients and revocations; and wishes of somebody on this machine to revoke.

use super::desk::{Desk, Wished};
use super::job::Change;
use super::line::Line;
use super::tickets::{from_text, millis, to_text};
use super::{SqliteStore, unreadable};
use crate::OpenError;
use async_trait::async_trait;
use deputy_core::User;
use deputy_hub::ports::{
    AccessChange, AccessKey, AccessRecord, AccessTable, RevocationOrder, RevocationWish, StoreError,
};
use sqlx::{Row as _, SqliteConnection};

#[async_trait]
impl AccessTable for SqliteStore {
    async fn access(&self) -> Result<Vec<AccessRecord>, StoreError> {
        let records: Vec<String> = sqlx::query_scalar("SELECT record FROM access ORDER BY kind, id")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
        records.iter().map(|record| from_text(record)).collect()
    }

    async fn change_access(&self, change: AccessChange) -> Result<(), StoreError> {
        let rows = change.put.iter().map(Row::of).collect::<Result<_, _>>()?;
        let lines = Line::all(&change.events)?;
        self.change(Turn { rows, remove: change.remove, wish: change.wish, lines }).await
    }

    async fn revocation_wishes(&self) -> Result<Vec<RevocationWish>, StoreError> {
        let rows = sqlx::query("SELECT id, record FROM revocation_wish ORDER BY id")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
        rows.iter()
            .map(|row| {
                let id: i64 = row.try_get(0).map_err(|error| unreadable(&error))?;
                let record: String = row.try_get(1).map_err(|error| unreadable(&error))?;
                Ok(RevocationWish { id: u64::try_from(id).unwrap_or(0), order: from_text(&record)? })
            })
            .collect()
    }
}

struct Row {
    key: AccessKey,
    tenant: Option<String>,
    person: Option<String>,
    ends_at: Option<i64>,
    record: String,
}

impl Row {
    fn of(record: &AccessRecord) -> Result<Self, StoreError> {
        Ok(Self {
            key: record.key(),
            tenant: record.person().map(|user| user.tenant.as_str().to_owned()),
            person: record.person().map(User::key),
            ends_at: record.ends_at().map(millis),
            record: to_text(record)?,
        })
    }
}

struct Turn {
    rows: Vec<Row>,
    remove: Vec<AccessKey>,
    wish: Option<u64>,
    lines: Vec<Line>,
}

#[async_trait]
impl Change for Turn {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        for key in &self.remove {
            sqlx::query("DELETE FROM access WHERE kind = ? AND id = ?")
                .bind(key.kind)
                .bind(&key.id)
                .execute(&mut *connection)
                .await?;
        }
        for row in &self.rows {
            sqlx::query(
                "INSERT OR REPLACE INTO access (kind, id, tenant, person, ends_at, record) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(row.key.kind)
            .bind(&row.key.id)
            .bind(&row.tenant)
            .bind(&row.person)
            .bind(row.ends_at)
            .bind(&row.record)
            .execute(&mut *connection)
            .await?;
        }
        if let Some(wish) = self.wish {
            sqlx::query("DELETE FROM revocation_wish WHERE id = ?")
                .bind(i64::try_from(wish).unwrap_or(i64::MAX))
                .execute(&mut *connection)
                .await?;
        }
        Ok(((), std::mem::take(&mut self.lines)))
    }
}

/// An erased person's logins and grants go. That they are shut out stays: it names them, and is what keeps them out.
pub(super) async fn forget(connection: &mut SqliteConnection, user: &User) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM access WHERE tenant = ? AND person = ?")
        .bind(user.tenant.as_str())
        .bind(user.key())
        .execute(connection)
        .await?;
    Ok(())
}

/// Logins, grants and revocations of a data directory, beside the hub that may run on it.
pub type AccessDesk = Desk<RevocationOrder>;

impl Wished for RevocationOrder {
    const PUT: &'static str = "INSERT INTO revocation_wish (record) VALUES (?)";
    const IS_OPEN: &'static str = "SELECT EXISTS (SELECT 1 FROM revocation_wish WHERE id = ?)";
}

impl AccessDesk {
    /// All rows.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn rows(&mut self) -> Result<Vec<AccessRecord>, OpenError> {
        let records: Vec<String> = sqlx::query_scalar("SELECT record FROM access ORDER BY kind, id")
            .fetch_all(&mut self.connection)
            .await?;
        records.iter().map(|r| from_text(r).map_err(|error| OpenError::Corrupt(error.to_string()))).collect()
    }
}
