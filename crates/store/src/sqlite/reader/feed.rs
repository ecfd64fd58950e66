//! Gives a verifier what the tables hold of a log.

use super::PAGE;
use crate::OpenError;
use crate::sqlite::log::{self, number};
use crate::sqlite::retention::gone;
use deputy_audit::{Fault, Hash, Personal, Row, Verifier, tree};
use deputy_core::TenantId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// Gives the verifier all lines and stored hashes, page by page.
pub(super) async fn all(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    verifier: &mut Verifier,
) -> Result<Result<(), Fault>, OpenError> {
    let (mut after_line, mut after_hash) = (i64::MIN, i64::MIN);
    if let Some(gone) = gone(connection, tenant).await? {
        if let Err(fault) = without_bytes(connection, tenant, verifier, gone.last, &mut after_hash).await? {
            return Ok(Err(fault));
        }
        after_line = number(gone.last)?;
    }
    loop {
        let rows = sqlx::query(
            "SELECT seq, public, leaf, personal, salt FROM audit_event
             WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(tenant.as_str())
        .bind(after_line)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let mut last = None;
        for row in &rows {
            let row = stored(row)?;
            if let Err(fault) = verifier.line(&row) {
                return Ok(Err(fault));
            }
            last = Some(row.seq);
        }
        // The hashes that these lines complete; after the last page, whatever else there is.
        let up_to = match last {
            Some(seq) => number(tree::stored_count(seq.saturating_add(1)))?,
            None => i64::MAX,
        };
        if let Err(fault) = stored_hashes(connection, tenant, verifier, &mut after_hash, up_to).await? {
            return Ok(Err(fault));
        }
        match last {
            Some(seq) => after_line = number(seq)?,
            None => return Ok(Ok(())),
        }
    }
}

/// The pruned lines, by their hashes. What stands in the place of one of them is not of this log.
async fn without_bytes(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    verifier: &mut Verifier,
    last: u64,
    after_hash: &mut i64,
) -> Result<Result<(), Fault>, OpenError> {
    let there: Option<i64> =
        sqlx::query_scalar("SELECT min(seq) FROM audit_event WHERE tenant = ? AND seq <= ?")
            .bind(tenant.as_str())
            .bind(number(last)?)
            .fetch_one(&mut *connection)
            .await?;
    if let Some(seq) = there {
        let why = "it was pruned, and something is stored in its place".to_owned();
        return Ok(Err(Fault::Foreign { seq: u64::try_from(seq).unwrap_or(0), why }));
    }
    let step = u64::try_from(PAGE).unwrap_or(1);
    let mut next = 0;
    while next <= last {
        let lines: Vec<u64> = (next..=last.min(next.saturating_add(step - 1))).collect();
        let indexes: Vec<u64> = lines.iter().map(|line| tree::first_index(*line)).collect();
        let leaves = log::hashes(connection, tenant, &indexes).await?;
        for (line, index) in lines.iter().zip(&indexes) {
            let Some(leaf) = leaves.get(index) else {
                return Ok(Err(Fault::HashChanged { seq: *line, index: *index }));
            };
            if let Err(fault) = verifier.pruned(*leaf) {
                return Ok(Err(fault));
            }
            next = line.saturating_add(1);
        }
        let up_to = number(tree::stored_count(next))?;
        if let Err(fault) = stored_hashes(connection, tenant, verifier, after_hash, up_to).await? {
            return Ok(Err(fault));
        }
    }
    Ok(Ok(()))
}

/// The next stored hashes below an index.
async fn stored_hashes(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    verifier: &mut Verifier,
    after: &mut i64,
    up_to: i64,
) -> Result<Result<(), Fault>, OpenError> {
    let hashes = sqlx::query(
        "SELECT idx, hash FROM audit_hash WHERE tenant = ? AND idx > ? AND idx < ? ORDER BY idx LIMIT ?",
    )
    .bind(tenant.as_str())
    .bind(*after)
    .bind(up_to)
    .bind(PAGE * 3)
    .fetch_all(connection)
    .await?;
    for row in &hashes {
        let (index, hash): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        if let Err(fault) = verifier.hash(u64::try_from(index).unwrap_or(u64::MAX), exact(hash)) {
            return Ok(Err(fault));
        }
        *after = index;
    }
    Ok(Ok(()))
}

fn stored(row: &SqliteRow) -> Result<Row, OpenError> {
    let seq: i64 = row.try_get(0)?;
    let (personal, salt): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.try_get(3)?, row.try_get(4)?);
    let personal = personal.map(|bytes| Personal { bytes, salt: exact(salt.unwrap_or_default()).0 });
    Ok(Row {
        seq: u64::try_from(seq).unwrap_or(u64::MAX),
        public: row.try_get(1)?,
        leaf: exact(row.try_get(2)?),
        personal,
    })
}

/// 32 bytes; anything else becomes zeros, which fit nothing.
fn exact(bytes: Vec<u8>) -> Hash {
    bytes.try_into().map_or_else(|_| Hash::default(), Hash)
}
