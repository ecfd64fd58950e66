//! One order, carried out with its lines if the tables are still as they were when it was drawn up.

use crate::sqlite::job::Change;
use crate::sqlite::line::Line;
use crate::sqlite::tickets::{from_text, to_text};
use async_trait::async_trait;
use deputy_core::{Operator, TenantId, User};
use deputy_hub::ports::{Rekey, SealedSecret, StoreError, VaultOrder, Which};
use deputy_vault::{KeyId, SealedTenantKey};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// An order, and under which number it was left, if it was. One that does not read is only taken out.
pub(super) struct CarryOut {
    pub(super) order: Option<VaultOrder>,
    pub(super) left: Option<i64>,
}

#[async_trait]
impl Change for CarryOut {
    /// Whether it was done.
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        if let Some(left) = self.left {
            let taken = sqlx::query("DELETE FROM vault_order WHERE id = ?").bind(left);
            // Somebody carried it out between our reading and now.
            if taken.execute(&mut *connection).await?.rows_affected() == 0 {
                return Ok((false, Vec::new()));
            }
        }
        let Some(order) = &self.order else { return Ok((false, Vec::new())) };
        let done = match order {
            VaultOrder::Put { secret, tenant_key } => put(connection, secret, tenant_key.as_ref()).await?,
            VaultOrder::Remove { which, rekey, .. } => remove(connection, which, rekey.as_ref()).await?,
            VaultOrder::ReplaceMasterKey { keys, consents, before, .. } => {
                replace(connection, keys, consents, before).await?
            }
        };
        if !done {
            return Ok((false, Vec::new()));
        }
        Ok((true, Line::all(&order.events()).map_err(refused)?))
    }
}

async fn put(
    connection: &mut SqliteConnection,
    secret: &SealedSecret,
    first: Option<&SealedTenantKey>,
) -> Result<bool, sqlx::Error> {
    let key = tenant_key(connection, &secret.tenant).await?;
    let is_under_it = match (&key, first) {
        (Some(key), None) => key.id == secret.sealed.tenant_key,
        (None, Some(first)) => first.id == secret.sealed.tenant_key && first.tenant == secret.tenant,
        _ => false,
    };
    if !is_under_it || newest(connection, &Which::of(secret)).await?.unwrap_or(0) >= secret.version {
        return Ok(false);
    }
    if let Some(first) = first {
        // INVARIANT: no key comes under a master key that the others have left, for that one is about to be thrown away.
        let others = (tenant_keys(connection).await?, consent_keys(connection).await?);
        if others.0.values().chain(others.1.values()).any(|key| key.under != first.under) {
            return Ok(false);
        }
        keep_key(connection, first).await?;
    }
    keep(connection, &Which::of(secret), Some(secret)).await?;
    Ok(true)
}

async fn remove(
    connection: &mut SqliteConnection,
    which: &Which,
    rekey: Option<&Rekey>,
) -> Result<bool, sqlx::Error> {
    let mut stays = secrets(connection, &which.tenant).await?;
    if stays.remove(which).is_none() {
        return Ok(false);
    }
    keep(connection, which, None).await?;
    let Some(rekey) = rekey else { return Ok(true) };
    let before = tenant_key(connection, &which.tenant).await?;
    let before = before.filter(|key| key.id == rekey.before && key.under == rekey.tenant_key.under);
    let next: BTreeMap<&Which, _> = rekey.secrets.iter().map(|(which, sealed)| (which, sealed)).collect();
    let is_whole = next.len() == stays.len()
        && stays.iter().all(|(which, secret)| {
            next.get(which).is_some_and(|sealed| sealed.digest() == secret.sealed.digest())
        });
    // The secret goes in any case; a key that was drawn up for other tables, or under a master key that was rotated since,
    // does not come.
    if before.is_none() || rekey.tenant_key.tenant != which.tenant || !is_whole {
        return Ok(true);
    }
    keep_key(connection, &rekey.tenant_key).await?;
    for (which, mut secret) in stays {
        if let Some(sealed) = next.get(&which) {
            secret.sealed = (*sealed).clone();
            keep(connection, &which, Some(&secret)).await?;
        }
    }
    Ok(true)
}

async fn replace(
    connection: &mut SqliteConnection,
    keys: &[SealedTenantKey],
    consents: &[SealedTenantKey],
    before: &KeyId,
) -> Result<bool, sqlx::Error> {
    let kept = tenant_keys(connection).await?;
    let of_consents = consent_keys(connection).await?;
    let is_whole = |new: &[SealedTenantKey], old: &BTreeMap<TenantId, SealedTenantKey>| {
        new.len() == old.len()
            && new.iter().all(|key| old.get(&key.tenant).is_some_and(|old| old.id == key.id))
    };
    let is_whole = is_whole(keys, &kept) && is_whole(consents, &of_consents);
    // All under the old one, or all under the new one: never some under a key that is about to be thrown away.
    if !is_whole || !kept.values().chain(of_consents.values()).any(|key| key.under == *before) {
        return Ok(false);
    }
    for key in keys {
        keep_key(connection, key).await?;
    }
    for key in consents {
        sqlx::query("UPDATE consent_key SET record = ? WHERE tenant = ?")
            .bind(to_text(key).map_err(refused)?)
            .bind(key.tenant.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(true)
}

async fn consent_keys(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<TenantId, SealedTenantKey>, sqlx::Error> {
    let records: Vec<String> =
        sqlx::query_scalar("SELECT record FROM consent_key").fetch_all(connection).await?;
    by_tenant(&records)
}

fn by_tenant(records: &[String]) -> Result<BTreeMap<TenantId, SealedTenantKey>, sqlx::Error> {
    let each = records.iter().map(|record| {
        let key: SealedTenantKey = from_text(record).map_err(refused)?;
        Ok((key.tenant.clone(), key))
    });
    each.collect()
}

/// An erased person's secrets stay, but no longer say that it was they who put them.
pub(super) async fn forget(connection: &mut SqliteConnection, user: &User) -> Result<(), sqlx::Error> {
    for (which, mut secret) in secrets(connection, &user.tenant).await? {
        if matches!(&secret.by, Operator::Person(by) if by == user) {
            secret.by = Operator::Machine;
            keep(connection, &which, Some(&secret)).await?;
        }
    }
    Ok(())
}

async fn tenant_keys(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<TenantId, SealedTenantKey>, sqlx::Error> {
    let records: Vec<String> =
        sqlx::query_scalar("SELECT record FROM vault_key").fetch_all(&mut *connection).await?;
    by_tenant(&records)
}

async fn tenant_key(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
) -> Result<Option<SealedTenantKey>, sqlx::Error> {
    let record: Option<String> = sqlx::query_scalar("SELECT record FROM vault_key WHERE tenant = ?")
        .bind(tenant.as_str())
        .fetch_optional(connection)
        .await?;
    record.map(|record| from_text(&record)).transpose().map_err(refused)
}

async fn newest(connection: &mut SqliteConnection, which: &Which) -> Result<Option<u64>, sqlx::Error> {
    let version: Option<i64> =
        sqlx::query_scalar("SELECT version FROM vault_secret WHERE tenant = ? AND server = ? AND name = ?")
            .bind(which.tenant.as_str())
            .bind(which.server.as_str())
            .bind(which.name.as_str())
            .fetch_optional(connection)
            .await?;
    Ok(version.and_then(|version| u64::try_from(version).ok()))
}

async fn secrets(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
) -> Result<BTreeMap<Which, SealedSecret>, sqlx::Error> {
    let records: Vec<String> =
        sqlx::query_scalar("SELECT record FROM vault_secret WHERE tenant = ? AND record IS NOT NULL")
            .bind(tenant.as_str())
            .fetch_all(connection)
            .await?;
    records
        .iter()
        .map(|record| {
            let secret: SealedSecret = from_text(record).map_err(refused)?;
            Ok((Which::of(&secret), secret))
        })
        .collect()
}

async fn keep_key(connection: &mut SqliteConnection, key: &SealedTenantKey) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO vault_key (tenant, record) VALUES (?, ?)")
        .bind(key.tenant.as_str())
        .bind(to_text(key).map_err(refused)?)
        .execute(connection)
        .await?;
    Ok(())
}

async fn keep(
    connection: &mut SqliteConnection,
    which: &Which,
    secret: Option<&SealedSecret>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO vault_secret (tenant, server, name, version, record) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(which.tenant.as_str())
    .bind(which.server.as_str())
    .bind(which.name.as_str())
    .bind(i64::try_from(which.version).unwrap_or(i64::MAX))
    .bind(secret.map(to_text).transpose().map_err(refused)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// This order's alone: the transaction of the others stands.
fn refused(error: StoreError) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}
