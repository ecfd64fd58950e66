//! One tenant's log as the writer holds it: the tree's right edge and the signer.

use crate::{OpenError, Place};
use deputy_audit::{AuditError, Edge, Hash, LogKey, Signer, StoredHashes, tree};
use deputy_core::TenantId;
use sqlx::{Row as _, SqliteConnection};
use std::sync::Arc;
use tokio::time::Instant;

/// The state of one log after the last commit.
pub(crate) struct Log {
    pub(crate) edge: Edge,
    signer: Signer,
    /// Up to where a checkpoint is outside the database.
    published: u64,
    /// When the oldest line came that no checkpoint covers.
    pub(crate) unsigned_since: Option<Instant>,
}

impl Log {
    /// Reads a log's edge and compares it with the checkpoint that was kept outside the database (AUD-05).
    pub(crate) async fn load(
        connection: &mut SqliteConnection,
        place: &Place,
        key: &Arc<LogKey>,
        tenant: &TenantId,
    ) -> Result<Self, OpenError> {
        let size = size(connection, tenant).await?;
        let kept = place.read_checkpoint(tenant)?;
        if kept.is_none() && signed(connection, tenant).await? {
            return Err(OpenError::Missing { file: place.checkpoint(tenant) });
        }
        let signer = Signer::resume(Arc::clone(key), tenant.clone(), kept.as_deref())?;
        let published = signer.highest().map_or(0, |highest| highest.size());
        let mut wanted = tree::indexes_for_edge(size);
        if published <= size {
            wanted.extend(tree::indexes_for_edge(published));
        }
        let hashes = hashes(connection, tenant, &wanted).await?;
        signer.check(size, &hashes).map_err(|error| match error {
            AuditError::Inconsistent { size, signed } => OpenError::RolledBack {
                tenant: tenant.to_string(),
                lines: size,
                signed,
                file: place.checkpoint(tenant),
            },
            other => other.into(),
        })?;
        place.publish(&key.verifier_key(tenant)?)?;
        let edge = Edge::load(size, &hashes)?;
        Ok(Self { edge, signer, published, unsigned_since: (size > published).then(Instant::now) })
    }

    /// How many lines no checkpoint covers.
    pub(crate) const fn unsigned(&self) -> u64 {
        self.edge.size().saturating_sub(self.published)
    }

    /// Signs what was committed: first into the file outside the database, then into the table. `None` if the log is empty
    /// or everything is signed already.
    pub(crate) async fn sign(
        &mut self,
        connection: &mut SqliteConnection,
        place: &Place,
        tenant: &TenantId,
    ) -> Result<Option<String>, OpenError> {
        if self.unsigned() == 0 {
            return Ok(None);
        }
        let extension = self.extension(connection, tenant).await?;
        let note = self.signer.sign(&self.edge, &extension)?;
        self.keep(connection, place, tenant, &note).await?;
        Ok(Some(note))
    }

    /// Signs what was committed with the key so far and with the next one, which signs from here on (AUD-11).
    pub(crate) async fn hand_over(
        &mut self,
        connection: &mut SqliteConnection,
        place: &Place,
        tenant: &TenantId,
        next: Arc<LogKey>,
    ) -> Result<(), OpenError> {
        let extension = self.extension(connection, tenant).await?;
        let note = self.signer.hand_over(next, &self.edge, &extension)?;
        self.keep(connection, place, tenant, &note).await
    }

    /// That what is on disk goes on from what was signed. It vouches for itself: the proof is made from stored hashes, not
    /// from the edge in memory.
    async fn extension(
        &self,
        connection: &mut SqliteConnection,
        tenant: &TenantId,
    ) -> Result<Vec<Hash>, OpenError> {
        let size = self.edge.size();
        let earlier = self.signer.highest().map_or(0, |highest| highest.size());
        let hashes = hashes(connection, tenant, &tree::indexes_for_extension_proof(size, earlier)).await?;
        match earlier {
            0 => Ok(Vec::new()),
            _ => Ok(tree::prove_extension(size, earlier, &hashes)?),
        }
    }

    async fn keep(
        &mut self,
        connection: &mut SqliteConnection,
        place: &Place,
        tenant: &TenantId,
        note: &str,
    ) -> Result<(), OpenError> {
        let size = self.edge.size();
        write_aside(place.clone(), tenant.clone(), note.to_owned()).await?;
        self.published = size;
        self.unsigned_since = None;
        sqlx::query("INSERT OR REPLACE INTO audit_checkpoint (tenant, size, note) VALUES (?, ?, ?)")
            .bind(tenant.as_str())
            .bind(number(size)?)
            .bind(note)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Syncing a file takes a while; other tasks go on meanwhile.
async fn write_aside(place: Place, tenant: TenantId, note: String) -> Result<(), OpenError> {
    let file = place.checkpoint(&tenant);
    let written = tokio::task::spawn_blocking(move || place.write_checkpoint(&tenant, &note)).await;
    written.map_err(|error| OpenError::File { file, source: std::io::Error::other(error) })?
}

/// The tenants that have lines.
pub(crate) async fn tenants(connection: &mut SqliteConnection) -> Result<Vec<TenantId>, OpenError> {
    // One index look-up per tenant, however long the log is.
    let names: Vec<String> = sqlx::query_scalar(
        "WITH RECURSIVE found(tenant) AS (
             SELECT min(tenant) FROM audit_event
             UNION ALL SELECT (SELECT min(tenant) FROM audit_event WHERE tenant > found.tenant) FROM found
             WHERE found.tenant IS NOT NULL)
         SELECT tenant FROM found WHERE tenant IS NOT NULL",
    )
    .fetch_all(connection)
    .await?;
    names
        .into_iter()
        .map(|name| TenantId::new(name).map_err(|error| OpenError::Corrupt(error.to_string())))
        .collect()
}

/// How many lines a tenant's log has.
pub(crate) async fn size(connection: &mut SqliteConnection, tenant: &TenantId) -> Result<u64, OpenError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM audit_event WHERE tenant = ?")
        .bind(tenant.as_str())
        .fetch_one(connection)
        .await?;
    u64::try_from(last.map_or(0, |last| last.saturating_add(1)))
        .map_err(|_| OpenError::Corrupt(format!("the audit log of `{tenant}` has a negative number")))
}

async fn signed(connection: &mut SqliteConnection, tenant: &TenantId) -> Result<bool, OpenError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM audit_checkpoint WHERE tenant = ?)")
        .bind(tenant.as_str())
        .fetch_one(connection)
        .await?)
}

/// Some stored hashes of a tenant's log; those that are not there are left out.
pub(crate) async fn hashes(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    indexes: &[u64],
) -> Result<StoredHashes, OpenError> {
    let rows = sqlx::query(
        "SELECT idx, hash FROM audit_hash WHERE tenant = ? AND idx IN (SELECT value FROM json_each(?))",
    )
    .bind(tenant.as_str())
    .bind(serde_json::json!(indexes).to_string())
    .fetch_all(connection)
    .await?;
    let mut hashes = StoredHashes::new();
    for row in rows {
        let (index, hash): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        if let (Ok(index), Ok(hash)) = (u64::try_from(index), hash.try_into()) {
            hashes.insert(index, Hash(hash));
        }
    }
    Ok(hashes)
}

/// A number as SQLite holds it.
pub(crate) fn number(value: u64) -> Result<i64, OpenError> {
    i64::try_from(value).map_err(|_| OpenError::Corrupt(format!("`{value}` is too large a number")))
}
