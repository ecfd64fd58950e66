//! What changes pins, inside the writer's transaction.

use super::at;
use crate::sqlite::job::Change;
use crate::sqlite::line::Line;
use crate::sqlite::tickets::millis;
use async_trait::async_trait;
use deputy_core::{DefinitionHash, Event, Origin, SourceName, TenantId, User};
use deputy_hub::ports::{MOST_WAITING, PinDecision, PinScope, Pinned, naming};
use sqlx::SqliteConnection;

/// Names that are pinned by first use for one user of one app; more wait for the user.
const FIRST_USES: i64 = 1024;

pub(super) struct PinFirst {
    pub(super) scope: PinScope,
    pub(super) tools: Vec<Pinned>,
    pub(super) event: Event,
}

#[async_trait]
impl Change for PinFirst {
    type Answer = Vec<DefinitionHash>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Vec<DefinitionHash>, Vec<Line>), sqlx::Error> {
        let scope = &self.scope;
        let mut first = Vec::new();
        for tool in &self.tools {
            let done = sqlx::query(
                "INSERT INTO user_pin (tenant, user, source, origin, tool, hash, pinned_by, at)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'first_use', ?7
                 WHERE NOT EXISTS (SELECT 1 FROM user_pin
                         WHERE tenant = ?1 AND user = ?2 AND source = ?3 AND origin = ?4 AND tool = ?5)
                   AND NOT EXISTS (SELECT 1 FROM tenant_pin
                         WHERE tenant = ?1 AND source = ?3 AND origin = ?4 AND tool = ?5 AND pinned_by = 'admin')
                   AND (SELECT count(*) FROM user_pin WHERE tenant = ?1 AND user = ?2 AND source = ?3) < ?8",
            )
            .bind(scope.user.tenant.as_str())
            .bind(scope.user.key())
            .bind(scope.source.as_str())
            .bind(scope.origin.as_str())
            .bind(tool.definition.name.as_str())
            .bind(tool.hash.as_bytes().as_slice())
            .bind(at(&self.event))
            .bind(FIRST_USES)
            .execute(&mut *connection)
            .await?;
            if done.rows_affected() == 1 {
                keep(connection, &scope.user.tenant, tool).await?;
                first.push(tool);
            }
        }
        let hashes = first.iter().map(|tool| tool.hash).collect();
        Ok((hashes, line(&self.event, &first)?))
    }
}

pub(super) struct Wait {
    pub(super) scope: PinScope,
    pub(super) tools: Vec<Pinned>,
    pub(super) event: Event,
}

#[async_trait]
impl Change for Wait {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        let scope = &self.scope;
        let mut new = Vec::new();
        for tool in &self.tools {
            let done = sqlx::query(
                "INSERT OR IGNORE INTO waiting_definition (tenant, user, source, origin, tool, hash, state, at)
                 VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?)",
            )
            .bind(scope.user.tenant.as_str())
            .bind(scope.user.key())
            .bind(scope.source.as_str())
            .bind(scope.origin.as_str())
            .bind(tool.definition.name.as_str())
            .bind(tool.hash.as_bytes().as_slice())
            .bind(at(&self.event))
            .execute(&mut *connection)
            .await?;
            if done.rows_affected() == 1 {
                keep(connection, &scope.user.tenant, tool).await?;
                new.push(tool);
            }
        }
        if !new.is_empty() {
            drop_oldest(connection, scope).await?;
        }
        Ok(((), line(&self.event, &new)?))
    }
}

/// A page that changes without end leaves a bounded number of questions.
async fn drop_oldest(connection: &mut SqliteConnection, scope: &PinScope) -> Result<(), sqlx::Error> {
    let most = i64::try_from(MOST_WAITING).unwrap_or(i64::MAX);
    let done = sqlx::query(
        "DELETE FROM waiting_definition WHERE rowid IN (
             SELECT rowid FROM waiting_definition WHERE tenant = ? AND user = ? AND source = ?
             ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
    )
    .bind(scope.user.tenant.as_str())
    .bind(scope.user.key())
    .bind(scope.source.as_str())
    .bind(most)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() > 0 {
        forget_unused(connection, &scope.user.tenant).await?;
    }
    Ok(())
}

pub(super) struct Decide {
    pub(super) decision: PinDecision,
    pub(super) event: Event,
}

#[async_trait]
impl Change for Decide {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let PinDecision { by, source, tool, hash, accepted, at } = &self.decision;
        // INVARIANT: a hash covers the origin, so it is in one row at most.
        let sql = match accepted {
            true => {
                "DELETE FROM waiting_definition WHERE tenant = ? AND user = ? AND source = ? AND tool = ? AND hash = ?
                 RETURNING origin"
            }
            false => {
                "UPDATE waiting_definition SET state = 'refused'
                 WHERE tenant = ? AND user = ? AND source = ? AND tool = ? AND hash = ? AND state = 'waiting'
                 RETURNING origin"
            }
        };
        let origin: Option<String> = sqlx::query_scalar(sql)
            .bind(by.tenant.as_str())
            .bind(by.key())
            .bind(source.as_str())
            .bind(tool.as_str())
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(&mut *connection)
            .await?;
        let Some(origin) = origin else { return Ok((false, Vec::new())) };
        if *accepted {
            sqlx::query(
                "INSERT INTO user_pin (tenant, user, source, origin, tool, hash, pinned_by, at)
                 VALUES (?, ?, ?, ?, ?, ?, 'person', ?)
                 ON CONFLICT DO UPDATE SET pinned_by = 'person', at = excluded.at",
            )
            .bind(by.tenant.as_str())
            .bind(by.key())
            .bind(source.as_str())
            .bind(origin)
            .bind(tool.as_str())
            .bind(hash.as_bytes().as_slice())
            .bind(millis(*at))
            .execute(&mut *connection)
            .await?;
        }
        Ok((true, vec![written(&self.event)?]))
    }
}

pub(super) struct PutManifest {
    pub(super) tenant: TenantId,
    pub(super) source: SourceName,
    pub(super) origin: Origin,
    pub(super) tools: Vec<Pinned>,
    pub(super) event: Event,
}

#[async_trait]
impl Change for PutManifest {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let old: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT hash FROM tenant_pin WHERE tenant = ? AND source = ? AND pinned_by = 'manifest' ORDER BY hash",
        )
        .bind(self.tenant.as_str())
        .bind(self.source.as_str())
        .fetch_all(&mut *connection)
        .await?;
        let mut new: Vec<Vec<u8>> = self.tools.iter().map(|tool| tool.hash.as_bytes().to_vec()).collect();
        new.sort();
        if old == new {
            return Ok((false, Vec::new()));
        }
        sqlx::query("DELETE FROM tenant_pin WHERE tenant = ? AND source = ? AND pinned_by = 'manifest'")
            .bind(self.tenant.as_str())
            .bind(self.source.as_str())
            .execute(&mut *connection)
            .await?;
        for tool in &self.tools {
            self.put(connection, tool).await?;
        }
        forget_unused(connection, &self.tenant).await?;
        Ok((true, vec![written(&self.event)?]))
    }
}

impl PutManifest {
    async fn put(&self, connection: &mut SqliteConnection, tool: &Pinned) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO tenant_pin (tenant, source, origin, tool, hash, pinned_by, at)
             VALUES (?, ?, ?, ?, ?, 'manifest', ?)",
        )
        .bind(self.tenant.as_str())
        .bind(self.source.as_str())
        .bind(self.origin.as_str())
        .bind(tool.definition.name.as_str())
        .bind(tool.hash.as_bytes().as_slice())
        .bind(at(&self.event))
        .execute(&mut *connection)
        .await?;
        keep(connection, &self.tenant, tool).await?;
        end_wait(connection, &self.tenant, &self.source, &tool.hash).await
    }
}

pub(super) struct KeepManifests(pub(super) Vec<(TenantId, SourceName)>);

#[async_trait]
impl Change for KeepManifests {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        let named: Vec<[&str; 2]> =
            self.0.iter().map(|(tenant, source)| [tenant.as_str(), source.as_str()]).collect();
        sqlx::query(
            "DELETE FROM tenant_pin WHERE pinned_by = 'manifest' AND NOT EXISTS (
                 SELECT 1 FROM json_each(?) WHERE value ->> 0 = tenant AND value ->> 1 = source)",
        )
        .bind(serde_json::json!(named).to_string())
        .execute(connection)
        .await?;
        Ok(((), Vec::new()))
    }
}

/// What counts for the tenant waits for nobody any more.
pub(super) async fn end_wait(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    source: &SourceName,
    hash: &DefinitionHash,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM waiting_definition WHERE tenant = ? AND source = ? AND hash = ?")
        .bind(tenant.as_str())
        .bind(source.as_str())
        .bind(hash.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a person's pins out, and what definitions nobody else has.
pub(in crate::sqlite) async fn forget_pins(
    connection: &mut SqliteConnection,
    user: &User,
) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM user_pin WHERE tenant = ? AND user = ?",
        "DELETE FROM waiting_definition WHERE tenant = ? AND user = ?",
    ] {
        sqlx::query(sql).bind(user.tenant.as_str()).bind(user.key()).execute(&mut *connection).await?;
    }
    forget_unused(connection, &user.tenant).await
}

async fn forget_unused(connection: &mut SqliteConnection, tenant: &TenantId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM definition WHERE tenant = ?1 AND hash NOT IN (
             SELECT hash FROM tenant_pin WHERE tenant = ?1 UNION SELECT hash FROM user_pin WHERE tenant = ?1
             UNION SELECT hash FROM waiting_definition WHERE tenant = ?1)",
    )
    .bind(tenant.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps the words of a definition, so that a person can compare.
async fn keep(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    tool: &Pinned,
) -> Result<(), sqlx::Error> {
    let record =
        serde_json::to_string(&tool.definition).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("INSERT OR IGNORE INTO definition (tenant, hash, record) VALUES (?, ?, ?)")
        .bind(tenant.as_str())
        .bind(tool.hash.as_bytes().as_slice())
        .bind(record)
        .execute(connection)
        .await?;
    Ok(())
}

/// The line that names what changed; none if nothing did.
fn line(event: &Event, tools: &[&Pinned]) -> Result<Vec<Line>, sqlx::Error> {
    if tools.is_empty() {
        return Ok(Vec::new());
    }
    let named = tools.iter().map(|tool| (&tool.definition.name, &tool.hash));
    Ok(vec![written(&naming(event.clone(), named))?])
}

pub(super) fn written(event: &Event) -> Result<Line, sqlx::Error> {
    Line::of(event).map_err(|error| sqlx::Error::Encode(error.into()))
}
