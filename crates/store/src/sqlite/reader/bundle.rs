//! A whole log out of the tables, for `deputy audit export --format bundle`.

use super::{AuditReader, PAGE};
use crate::OpenError;
use crate::sqlite::log::{self, number};
use crate::sqlite::retention::gone;
use deputy_audit::bundle::Entry;
use deputy_audit::tree;
use deputy_core::TenantId;
use sqlx::SqliteConnection;

impl AuditReader {
    /// Gives `take` every entry of a log's bundle, until it has enough.
    ///
    /// # Errors
    /// The database does not read. What `take` says is the inner error.
    pub async fn bundle<E>(
        &self,
        tenant: &TenantId,
        mut take: impl FnMut(&Entry) -> Result<(), E>,
    ) -> Result<Result<(), E>, OpenError> {
        let origin = self.place.verifier_keys_of(tenant)?.origin().to_owned();
        // One snapshot, so that a running hub neither adds nor prunes between two pages.
        let mut snapshot = self.readers.begin().await?;
        let notes: Vec<String> =
            sqlx::query_scalar("SELECT note FROM audit_checkpoint WHERE tenant = ? ORDER BY size")
                .bind(tenant.as_str())
                .fetch_all(&mut *snapshot)
                .await?;
        let checkpoints = notes.into_iter().map(|checkpoint| Entry::Checkpoint { checkpoint });
        for entry in std::iter::once(Entry::head(&origin)).chain(checkpoints) {
            if let Err(error) = take(&entry) {
                return Ok(Err(error));
            }
        }
        let mut next = 0;
        loop {
            let page = page(&mut snapshot, tenant, next).await?;
            if page.is_empty() {
                return Ok(Ok(()));
            }
            next += page.len() as u64;
            for entry in page {
                if let Err(error) = take(&entry) {
                    return Ok(Err(error));
                }
            }
        }
    }
}

async fn page(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    next: u64,
) -> Result<Vec<Entry>, OpenError> {
    let step = u64::try_from(PAGE).unwrap_or(1);
    if let Some(gone) = gone(connection, tenant).await?.filter(|gone| next <= gone.last) {
        let lines = next..=gone.last.min(next.saturating_add(step - 1));
        let indexes: Vec<u64> = lines.map(tree::first_index).collect();
        let leaves = log::hashes(connection, tenant, &indexes).await?;
        return indexes
            .iter()
            .map(|index| {
                let leaf = leaves.get(index).ok_or(deputy_audit::AuditError::HashMissing(*index))?;
                Ok(Entry::Pruned { leaf: leaf.to_string() })
            })
            .collect();
    }
    let lines: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT public FROM audit_event WHERE tenant = ? AND seq >= ? ORDER BY seq LIMIT ?",
    )
    .bind(tenant.as_str())
    .bind(number(next)?)
    .bind(PAGE)
    .fetch_all(connection)
    .await?;
    lines.into_iter().map(|public| Ok(Entry::line(public)?)).collect()
}
