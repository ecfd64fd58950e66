//! Takes a person out: personal parts and salts of the log's lines, questions, tickets. The lines' public parts, and with
//! them every hash, checkpoint and proof, stay as they are; a line of the log says which lines it was (AUD-06).

use super::job::{Change, Message};
use super::line::Line;
use super::tickets::millis;
use super::{SqliteStore, closed, schema};
use crate::{OpenError, Place};
use async_trait::async_trait;
use deputy_audit::erasure;
use deputy_core::{Event, EventKind, Issuer, Subject, TenantId, Timestamp, User};
use deputy_hub::ports::StoreError;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a running hub looks whether somebody is to be erased.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// Lines of the log that lost their personal part.
    pub lines: u64,
    /// Questions that the person's calls had asked.
    pub approvals: u64,
    /// Tickets that were not used yet.
    pub tickets: u64,
}

impl SqliteStore {
    /// Erases what the tables hold about a person up to now, and says so in the log. What the person does afterwards is
    /// recorded as before: take their rights away first.
    ///
    /// # Errors
    /// Nothing was erased.
    pub async fn erase(&self, user: &User, at: Timestamp) -> Result<Erased, StoreError> {
        let erased = self.change(Erase { user: user.clone(), at }).await?;
        // What was overwritten still stands in the write-ahead log until that is folded into the database.
        let (waiter, answer) = oneshot::channel();
        self.send(Message::Fold(waiter))?;
        answer.await.map_err(|_| closed())??;
        Ok(erased)
    }

    /// Grants what [`wish`] left, for as long as the hub runs.
    pub(super) async fn grant_erasures(self) {
        let mut every = tokio::time::interval(LOOK);
        loop {
            every.tick().await;
            match wishes(&self.readers).await {
                Ok(wishes) => {
                    for (user, at) in wishes {
                        if let Err(error) = self.erase(&user, at).await {
                            tracing::error!(%error, "a person could not be erased; it is tried again");
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "wishes to erase somebody cannot be read"),
            }
        }
    }
}

/// Leaves the wish to erase a person for the hub that runs on this data directory, and waits until it is granted.
/// `false`: nobody granted it within `patience`; the wish stays.
///
/// # Errors
/// There is no database, it is of an older program, or it cannot be written.
pub async fn wish(place: &Place, user: &User, at: Timestamp, patience: Duration) -> Result<bool, OpenError> {
    let database = place.database();
    if !database.exists() {
        return Err(OpenError::NoDatabase(database));
    }
    let mut connection = schema::for_writing(&database).create_if_missing(false).connect().await?;
    sqlx::query(
        "INSERT OR REPLACE INTO erasure_wish (tenant, issuer, subject, asked_at) VALUES (?, ?, ?, ?)",
    )
    .bind(user.tenant.as_str())
    .bind(user.issuer.as_str())
    .bind(user.subject.as_str())
    .bind(millis(at))
    .execute(&mut connection)
    .await?;
    let deadline = tokio::time::Instant::now() + patience;
    let mut every = tokio::time::interval(Duration::from_millis(100));
    let granted = loop {
        every.tick().await;
        let open: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM erasure_wish WHERE tenant = ? AND issuer = ? AND subject = ?)",
        )
        .bind(user.tenant.as_str())
        .bind(user.issuer.as_str())
        .bind(user.subject.as_str())
        .fetch_one(&mut connection)
        .await?;
        if !open || tokio::time::Instant::now() >= deadline {
            break !open;
        }
    };
    connection.close().await?;
    Ok(granted)
}

async fn wishes(readers: &sqlx::SqlitePool) -> Result<Vec<(User, Timestamp)>, OpenError> {
    let rows =
        sqlx::query("SELECT tenant, issuer, subject, asked_at FROM erasure_wish").fetch_all(readers).await?;
    let corrupt = |error: deputy_core::IdError| OpenError::Corrupt(error.to_string());
    rows.iter()
        .map(|row| {
            let text = |at: usize| row.try_get::<String, _>(at);
            let user = User {
                tenant: TenantId::new(text(0)?).map_err(corrupt)?,
                issuer: Issuer::new(text(1)?).map_err(corrupt)?,
                subject: Subject::new(text(2)?).map_err(corrupt)?,
            };
            let at: i64 = row.try_get(3)?;
            Ok((user, Timestamp::from_millis(u64::try_from(at).unwrap_or(0))))
        })
        .collect()
}

/// The lines with a personal part about a person: on whose behalf, or named in a detail. `?1` tenant, `?2` issuer, `?3`
/// subject, `?4` the person's key.
pub(super) const ABOUT: &str = "SELECT seq FROM audit_event
    WHERE tenant = ?1 AND personal IS NOT NULL AND (
        (json_extract(CAST(personal AS TEXT), '$.user.issuer') = ?2
            AND json_extract(CAST(personal AS TEXT), '$.user.subject') = ?3)
        OR EXISTS (SELECT 1 FROM json_tree(CAST(personal AS TEXT), '$.detail') WHERE atom IN (?3, ?4)))
    ORDER BY seq";

struct Erase {
    user: User,
    at: Timestamp,
}

#[async_trait]
impl Change for Erase {
    type Answer = Erased;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(Erased, Vec<Line>), sqlx::Error> {
        let User { tenant, issuer, subject } = &self.user;
        let key = self.user.key();
        let found: Vec<i64> = sqlx::query_scalar(ABOUT)
            .bind(tenant.as_str())
            .bind(issuer.as_str())
            .bind(subject.as_str())
            .bind(&key)
            .fetch_all(&mut *connection)
            .await?;
        let seqs: Vec<u64> = found.iter().filter_map(|seq| u64::try_from(*seq).ok()).collect();
        sqlx::query(
            "UPDATE audit_event SET personal = NULL, salt = NULL
             WHERE tenant = ? AND seq IN (SELECT value FROM json_each(?))",
        )
        .bind(tenant.as_str())
        .bind(serde_json::json!(found).to_string())
        .execute(&mut *connection)
        .await?;
        let approvals = forget_questions(connection, &self.user, &key).await?;
        super::pins::forget_pins(connection, &self.user).await?;
        let tickets = forget_rows(
            connection,
            "DELETE FROM ticket WHERE tenant = ?1 AND json_extract(record, '$.user.issuer') = ?2
               AND json_extract(record, '$.user.subject') = ?3",
            &self.user,
        )
        .await?;
        super::switches::forget(connection, &self.user).await?;
        super::vault::forget(connection, &self.user).await?;
        super::access::forget(connection, &self.user).await?;
        forget_rows(
            connection,
            "DELETE FROM erasure_wish WHERE tenant = ?1 AND issuer = ?2 AND subject = ?3",
            &self.user,
        )
        .await?;
        let lines = erasure::texts(&seqs)
            .into_iter()
            .map(|lines| {
                let event = Event::new(self.at, tenant.clone(), EventKind::PersonErased);
                Line::of(&event.with_detail(erasure::LINES, lines))
                    .map_err(|error| sqlx::Error::Encode(error.into()))
            })
            .collect::<Result<_, _>>()?;
        Ok((Erased { lines: seqs.len() as u64, approvals, tickets }, lines))
    }
}

/// The person's own questions and standing grants go; of others' questions that the person decided, who and why goes, and
/// with it their word: what nobody else has decided by then is left to others.
async fn forget_questions(
    connection: &mut SqliteConnection,
    user: &User,
    key: &str,
) -> Result<u64, sqlx::Error> {
    let gone = sqlx::query("DELETE FROM approval WHERE tenant = ? AND requester = ?")
        .bind(user.tenant.as_str())
        .bind(key)
        .execute(&mut *connection)
        .await?;
    for table in [
        "DELETE FROM standing_grant WHERE tenant = ? AND person = ?",
        "DELETE FROM delegation WHERE tenant = ? AND giver = ?",
        "DELETE FROM delegation WHERE tenant = ? AND receiver = ?",
        "DELETE FROM approval_cast WHERE tenant = ? AND place = ?",
        "DELETE FROM approval_cast WHERE tenant = ? AND person = ?",
    ] {
        sqlx::query(table).bind(user.tenant.as_str()).bind(key).execute(&mut *connection).await?;
    }
    forget_rows(
        connection,
        "UPDATE approval SET reviewed_by = NULL
         WHERE tenant = ?1 AND json_extract(reviewed_by, '$.issuer') = ?2
           AND json_extract(reviewed_by, '$.subject') = ?3",
        user,
    )
    .await?;
    forget_rows(
        connection,
        "UPDATE approval SET decided_by = NULL, decided_reason = NULL
         WHERE tenant = ?1 AND json_extract(decided_by, '$.issuer') = ?2
           AND json_extract(decided_by, '$.subject') = ?3",
        user,
    )
    .await?;
    Ok(gone.rows_affected())
}

async fn forget_rows(
    connection: &mut SqliteConnection,
    sql: &'static str,
    user: &User,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(sql)
        .bind(user.tenant.as_str())
        .bind(user.issuer.as_str())
        .bind(user.subject.as_str())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// How many lines of the log are about a person.
pub(super) async fn count(connection: &mut SqliteConnection, user: &User) -> Result<u64, OpenError> {
    let found: Vec<i64> = sqlx::query_scalar(ABOUT)
        .bind(user.tenant.as_str())
        .bind(user.issuer.as_str())
        .bind(user.subject.as_str())
        .bind(user.key())
        .fetch_all(connection)
        .await?;
    Ok(found.len() as u64)
}
