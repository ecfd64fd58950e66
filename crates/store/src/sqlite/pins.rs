//! Pins of definitions. Each change is conditional and commits with its audit line.

mod accept;
mod change;
pub(crate) mod overview;

pub use accept::{AcceptedTool, leave_accepted};
pub(in crate::sqlite) use change::forget_pins;
pub use overview::{PinReader, PinnedTool};

use super::tickets::{from_text, millis};
use super::{SqliteStore, unreadable};
use async_trait::async_trait;
use deputy_core::{
    Definition, DefinitionHash, Digest, Event, Origin, SourceName, TenantId, Timestamp, ToolName, User,
};
use deputy_hub::ports::{Pin, PinDecision, PinScope, Pinned, PinnedBy, Pins, StoreError, WaitingDefinition};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

#[async_trait]
impl Pins for SqliteStore {
    async fn pins(&self, scope: &PinScope) -> Result<Vec<Pin>, StoreError> {
        let rows = sqlx::query(
            "SELECT tool, hash, pinned_by FROM tenant_pin WHERE tenant = ?1 AND source = ?3 AND origin = ?4
             UNION ALL
             SELECT tool, hash, pinned_by FROM user_pin
             WHERE tenant = ?1 AND user = ?2 AND source = ?3 AND origin = ?4",
        )
        .bind(scope.user.tenant.as_str())
        .bind(scope.user.key())
        .bind(scope.source.as_str())
        .bind(scope.origin.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        rows.iter().map(pin).collect()
    }

    async fn pin_first(
        &self,
        scope: &PinScope,
        tools: Vec<Pinned>,
        event: Event,
    ) -> Result<Vec<DefinitionHash>, StoreError> {
        self.change(change::PinFirst { scope: scope.clone(), tools, event }).await
    }

    async fn wait(&self, scope: &PinScope, tools: Vec<Pinned>, event: Event) -> Result<(), StoreError> {
        // Tabs come back with what waits already; then there is nothing to write.
        if self.all_wait(scope, &tools).await? {
            return Ok(());
        }
        self.change(change::Wait { scope: scope.clone(), tools, event }).await
    }

    async fn waiting_definitions(&self, user: &User) -> Result<Vec<WaitingDefinition>, StoreError> {
        let rows = sqlx::query(
            "SELECT source, origin, tool, hash, record, at
             FROM waiting_definition JOIN definition USING (tenant, hash)
             WHERE tenant = ? AND user = ? AND state = 'waiting' ORDER BY waiting_definition.rowid",
        )
        .bind(user.tenant.as_str())
        .bind(user.key())
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        let mut waiting = Vec::new();
        for row in &rows {
            let mut one = waiting_definition(row)?;
            one.before = self.before(user, &one).await?;
            waiting.push(one);
        }
        Ok(waiting)
    }

    async fn decide_definition(&self, decision: PinDecision, event: Event) -> Result<bool, StoreError> {
        self.change(change::Decide { decision, event }).await
    }

    async fn put_manifest(
        &self,
        tenant: &TenantId,
        source: &SourceName,
        origin: &Origin,
        tools: Vec<Pinned>,
        event: Event,
    ) -> Result<bool, StoreError> {
        let (tenant, source, origin) = (tenant.clone(), source.clone(), origin.clone());
        self.change(change::PutManifest { tenant, source, origin, tools, event }).await
    }

    async fn keep_manifests_of(&self, apps: &[(TenantId, SourceName)]) -> Result<(), StoreError> {
        self.change(change::KeepManifests(apps.to_vec())).await
    }

    async fn take_up_accepted(&self, now: Timestamp) -> Result<Vec<(TenantId, SourceName)>, StoreError> {
        let open: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accepted_tool)")
            .fetch_one(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
        if !open {
            return Ok(Vec::new());
        }
        self.change(accept::TakeUp { now }).await
    }
}

impl SqliteStore {
    async fn all_wait(&self, scope: &PinScope, tools: &[Pinned]) -> Result<bool, StoreError> {
        let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT hash FROM waiting_definition WHERE tenant = ? AND user = ? AND source = ? AND origin = ?",
        )
        .bind(scope.user.tenant.as_str())
        .bind(scope.user.key())
        .bind(scope.source.as_str())
        .bind(scope.origin.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        Ok(tools.iter().all(|tool| hashes.iter().any(|hash| hash.as_slice() == tool.hash.as_bytes())))
    }

    /// What counts under the same name: what the person compares with.
    async fn before(&self, user: &User, one: &WaitingDefinition) -> Result<Vec<Pinned>, StoreError> {
        let rows = sqlx::query(
            "SELECT hash, record FROM definition WHERE tenant = ?1 AND hash IN (
                 SELECT hash FROM tenant_pin WHERE tenant = ?1 AND source = ?3 AND origin = ?4 AND tool = ?5
                 UNION
                 SELECT hash FROM user_pin
                 WHERE tenant = ?1 AND user = ?2 AND source = ?3 AND origin = ?4 AND tool = ?5)",
        )
        .bind(user.tenant.as_str())
        .bind(user.key())
        .bind(one.source.as_str())
        .bind(one.origin.as_str())
        .bind(one.now.definition.name.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        let pinned = |row: &SqliteRow| {
            let (bytes, record): (Vec<u8>, &str) = (get(row, 0)?, get(row, 1)?);
            Ok(Pinned { hash: hash(bytes)?, definition: from_text(record)? })
        };
        rows.iter().map(pinned).collect()
    }
}

fn get<'r, T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>>(
    row: &'r SqliteRow,
    at: usize,
) -> Result<T, StoreError> {
    row.try_get(at).map_err(|error| unreadable(&error))
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

fn hash(bytes: Vec<u8>) -> Result<DefinitionHash, StoreError> {
    let bytes = bytes.try_into().map_err(|_| corrupt("a definition's hash is not 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

fn pin(row: &SqliteRow) -> Result<Pin, StoreError> {
    let tool: String = get(row, 0)?;
    let by = match get(row, 2)? {
        "manifest" => PinnedBy::Manifest,
        "admin" => PinnedBy::Admin,
        "first_use" => PinnedBy::FirstUse,
        "person" => PinnedBy::Person,
        other => return Err(corrupt(format!("nobody pins by `{other}`"))),
    };
    Ok(Pin { tool: ToolName::new(tool).map_err(corrupt)?, hash: hash(get(row, 1)?)?, by })
}

fn waiting_definition(row: &SqliteRow) -> Result<WaitingDefinition, StoreError> {
    let (source, origin): (String, String) = (get(row, 0)?, get(row, 1)?);
    let definition: Definition = from_text(get(row, 4)?)?;
    let since: i64 = get(row, 5)?;
    Ok(WaitingDefinition {
        source: SourceName::new(source).map_err(corrupt)?,
        origin: Origin::new(origin).map_err(corrupt)?,
        now: Pinned { definition, hash: hash(get(row, 3)?)? },
        before: Vec::new(),
        since: Timestamp::from_millis(u64::try_from(since).unwrap_or(0)),
    })
}

/// A moment as a bound value.
fn at(event: &Event) -> i64 {
    millis(event.at)
}
