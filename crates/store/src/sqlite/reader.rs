//! Reads the audit log: for the command line without a hub, and for the hub beside its writer.

use super::log::{self, number};
use super::retention::{Gone, gone};
use super::schema;
use crate::{OpenError, Place};
use deputy_audit::{Fault, Proof, Report, Verifier, VerifierKeys, export, tree};
use deputy_core::{CallId, Event, EventKind, SourceName, TenantId, Timestamp, ToolName, User};
use sqlx::sqlite::{SqlitePoolOptions, SqliteRow};
use sqlx::{Row as _, SqliteConnection, SqlitePool};

mod bundle;
mod feed;

/// Lines read at once.
const PAGE: i64 = 1000;

/// A database's audit logs.
#[derive(Clone)]
pub struct AuditReader {
    readers: SqlitePool,
    place: Place,
}

/// Which lines [`AuditReader::list`] gives: those that fit everything that is set.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this person.
    pub user: Option<User>,
    /// About this call.
    pub call: Option<CallId>,
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// Of this source.
    pub source: Option<SourceName>,
    /// Of this tool.
    pub tool: Option<ToolName>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only lines with a lower number: the next page.
    pub before: Option<u64>,
    /// At most so many; 0 is no limit.
    pub limit: usize,
}

/// A line that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its number.
    pub seq: u64,
    /// What it says.
    pub event: Event,
}

/// Which lines [`AuditReader::forward`] gives.
#[derive(Debug, Clone, Default)]
pub struct Onward {
    /// The first number to look at.
    pub next: u64,
    /// Not before this moment.
    pub from: Option<Timestamp>,
}

/// Which line to prove.
#[derive(Debug, Clone)]
pub enum Which {
    /// The one with this number.
    Seq(u64),
    /// All of this call.
    Call(CallId),
}

impl AuditReader {
    /// Opens the database of a data directory for reading; a hub may be running or not.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn open(place: Place) -> Result<Self, OpenError> {
        let database = place.database();
        if !database.exists() {
            return Err(OpenError::NoDatabase(database));
        }
        let readers =
            SqlitePoolOptions::new().max_connections(1).connect_with(schema::for_reading(&database)).await?;
        schema::assert_version(&mut *readers.acquire().await?).await?;
        Ok(Self::over(readers, place))
    }

    pub(crate) const fn over(readers: SqlitePool, place: Place) -> Self {
        Self { readers, place }
    }

    /// Where keys and checkpoints lie.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Whose logs there are.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, OpenError> {
        log::tenants(&mut *self.readers.acquire().await?).await
    }

    /// The lines of a tenant's log that fit, newest first.
    ///
    /// # Errors
    /// The database does not read, or a line does not.
    pub async fn list(&self, tenant: &TenantId, filter: &Filter) -> Result<Vec<Listed>, OpenError> {
        let mut connection = self.readers.acquire().await?;
        let mut found = Vec::new();
        let mut before = filter.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        loop {
            let rows = page_before(&mut connection, tenant, before, filter).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            before = last.try_get(0)?;
            for row in &rows {
                let line = listed(row)?;
                if fits(filter, &line.event) {
                    found.push(line);
                }
                if filter.limit > 0 && found.len() == filter.limit {
                    return Ok(found);
                }
            }
        }
    }

    /// The next lines of a tenant's log, oldest first; few enough to hold in memory. Empty at the end.
    ///
    /// # Errors
    /// The database does not read, or a line does not.
    pub async fn forward(&self, tenant: &TenantId, onward: &Onward) -> Result<Vec<export::Line>, OpenError> {
        let from = onward.from.map(|from| i64::try_from(from.millis()).unwrap_or(i64::MAX));
        let rows = sqlx::query(
            "SELECT seq, public, personal FROM audit_event
             WHERE tenant = ?1 AND seq >= ?2 AND (?3 IS NULL OR at >= ?3) ORDER BY seq LIMIT ?4",
        )
        .bind(tenant.as_str())
        .bind(number(onward.next)?)
        .bind(from)
        .bind(PAGE)
        .fetch_all(&mut *self.readers.acquire().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let (seq, public): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
                let personal: Option<Vec<u8>> = row.try_get(2)?;
                let number = u64::try_from(seq).unwrap_or(u64::MAX);
                export::Line::of(number, &public, personal.as_deref())
                    .map_err(|error| OpenError::Corrupt(format!("line {seq}: {error}")))
            })
            .collect()
    }

    /// How many lines a tenant's log has.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn size(&self, tenant: &TenantId) -> Result<u64, OpenError> {
        log::size(&mut *self.readers.acquire().await?, tenant).await
    }

    /// How many lines an erasure of this person would be about.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn lines_about(&self, user: &User) -> Result<u64, OpenError> {
        super::erasure::count(&mut *self.readers.acquire().await?, user).await
    }

    /// Recomputes a tenant's whole log and compares it with every checkpoint in the database and with `external`, one that
    /// was kept elsewhere (AUD-03).
    ///
    /// # Errors
    /// The database does not read. That the log is not good is the inner `Fault`.
    pub async fn verify(
        &self,
        tenant: &TenantId,
        keys: &VerifierKeys,
        external: Option<&str>,
    ) -> Result<Result<Report, Fault>, OpenError> {
        // One snapshot, so that a running hub does not add lines between two pages.
        let mut snapshot = self.readers.begin().await?;
        let notes: Vec<String> =
            sqlx::query_scalar("SELECT note FROM audit_checkpoint WHERE tenant = ? ORDER BY size")
                .bind(tenant.as_str())
                .fetch_all(&mut *snapshot)
                .await?;
        let mut verifier = match Verifier::new(keys, notes.iter().map(String::as_str), external) {
            Ok(verifier) => verifier,
            Err(fault) => return Ok(Err(fault)),
        };
        if let Err(fault) = feed::all(&mut snapshot, tenant, &mut verifier).await? {
            return Ok(Err(fault));
        }
        Ok(verifier.finish())
    }

    /// How far a tenant's log is pruned.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn pruned(&self, tenant: &TenantId) -> Result<Option<Gone>, OpenError> {
        Ok(gone(&mut *self.readers.acquire().await?, tenant).await?)
    }

    /// Proves lines against the newest checkpoint that covers them. Empty if there is no such line.
    ///
    /// # Errors
    /// The database does not read, or a line is newer than every checkpoint, or was pruned.
    pub async fn prove(&self, tenant: &TenantId, which: &Which) -> Result<Vec<Proof>, OpenError> {
        let keys = self.place.verifier_keys_of(tenant)?;
        let mut snapshot = self.readers.begin().await?;
        if let Which::Seq(seq) = which
            && let Some(gone) = gone(&mut snapshot, tenant).await?.filter(|gone| *seq <= gone.last)
        {
            return Err(OpenError::Pruned { seq: *seq, at: gone.at });
        }
        let rows = match which {
            Which::Seq(seq) => {
                sqlx::query("SELECT seq, public FROM audit_event WHERE tenant = ? AND seq = ?")
                    .bind(tenant.as_str())
                    .bind(number(*seq)?)
                    .fetch_all(&mut *snapshot)
                    .await?
            }
            Which::Call(call) => {
                sqlx::query("SELECT seq, public FROM audit_event WHERE tenant = ? AND call = ? ORDER BY seq")
                    .bind(tenant.as_str())
                    .bind(call.as_str())
                    .fetch_all(&mut *snapshot)
                    .await?
            }
        };
        let newest: Option<(i64, String)> = sqlx::query_as(
            "SELECT size, note FROM audit_checkpoint WHERE tenant = ? ORDER BY size DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .fetch_optional(&mut *snapshot)
        .await?;
        let mut proofs = Vec::new();
        for row in rows {
            let (seq, public): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let covering = newest.as_ref().filter(|(size, _)| seq < *size);
            let (size, note) = covering.ok_or_else(|| {
                OpenError::Audit(deputy_audit::AuditError::Proof(format!("line {seq} is not signed yet")))
            })?;
            let (seq, size) = (u64::try_from(seq).unwrap_or(u64::MAX), u64::try_from(*size).unwrap_or(0));
            let hashes = log::hashes(&mut snapshot, tenant, &tree::indexes_for_line_proof(size, seq)).await?;
            proofs.push(Proof::make(seq, &public, note, &keys, &hashes)?);
        }
        Ok(proofs)
    }
}

async fn page_before(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    before: i64,
    filter: &Filter,
) -> Result<Vec<SqliteRow>, OpenError> {
    let moment = |at: Option<Timestamp>| at.map(|at| i64::try_from(at.millis()).unwrap_or(i64::MAX));
    Ok(sqlx::query(
        "SELECT seq, public, personal FROM audit_event
         WHERE tenant = ?1 AND seq < ?2 AND (?3 IS NULL OR call = ?3)
           AND (?4 IS NULL OR at >= ?4) AND (?5 IS NULL OR at < ?5)
         ORDER BY seq DESC LIMIT ?6",
    )
    .bind(tenant.as_str())
    .bind(before)
    .bind(filter.call.as_ref().map(CallId::as_str))
    .bind(moment(filter.from))
    .bind(moment(filter.until))
    .bind(PAGE)
    .fetch_all(connection)
    .await?)
}

fn listed(row: &SqliteRow) -> Result<Listed, OpenError> {
    let (seq, public): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    let personal: Option<Vec<u8>> = row.try_get(2)?;
    let event = deputy_audit::record::event(&public, personal.as_deref())
        .map_err(|error| OpenError::Corrupt(format!("line {seq}: {error}")))?;
    Ok(Listed { seq: u64::try_from(seq).unwrap_or(0), event })
}

fn fits(filter: &Filter, event: &Event) -> bool {
    fn same<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
        wanted.is_none() || wanted == found
    }
    same(&filter.user, &event.user)
        && same(&filter.kind, &Some(event.kind))
        && same(&filter.source, &event.source)
        && same(&filter.tool, &event.tool)
}
