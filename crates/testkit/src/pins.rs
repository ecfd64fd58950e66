//! Pins in memory, as the port says.

use crate::Memory;
use async_trait::async_trait;
use deputy_core::{
    DefinitionHash, Event, EventKind, Origin, SourceName, TenantId, Timestamp, ToolName, User,
};
use deputy_hub::ports::{
    MOST_WAITING, Pin, PinDecision, PinScope, Pinned, PinnedBy, Pins, StoreError, WaitingDefinition, naming,
};
use std::sync::Arc;
use tokio::sync::Barrier;

/// One pin; without a user it is the tenant's.
#[derive(Clone)]
struct Row {
    tenant: TenantId,
    user: Option<User>,
    source: SourceName,
    origin: Origin,
    tool: Pinned,
    by: PinnedBy,
}

struct Waiting {
    scope: PinScope,
    tool: Pinned,
    refused: bool,
    since: Timestamp,
}

/// The rows.
#[derive(Default)]
pub(crate) struct PinRows {
    pins: Vec<Row>,
    waiting: Vec<Waiting>,
    accepted: Vec<(TenantId, SourceName, ToolName, DefinitionHash)>,
}

impl PinRows {
    fn of(&self, scope: &PinScope) -> impl Iterator<Item = &Row> {
        self.pins.iter().filter(|row| {
            row.tenant == scope.user.tenant
                && row.user.as_ref().is_none_or(|user| *user == scope.user)
                && row.source == scope.source
                && row.origin == scope.origin
        })
    }

    fn pin(&mut self, scope: &PinScope, tool: Pinned, by: PinnedBy) {
        let tenant = scope.user.tenant.clone();
        let user = matches!(by, PinnedBy::FirstUse | PinnedBy::Person).then(|| scope.user.clone());
        let (source, origin) = (scope.source.clone(), scope.origin.clone());
        self.pins.push(Row { tenant, user, source, origin, tool, by });
    }
}

impl Memory {
    /// The next two who look at the pins both see them as they are before either goes on.
    pub fn two_look_at_the_pins_at_once(&self) {
        *self.look_together.lock().unwrap() = Some(Arc::new(Barrier::new(2)));
    }

    /// What `deputy tools accept` does: the hub takes it up by itself.
    pub fn accept_for_tenant(&self, tenant: &TenantId, source: &str, tool: &str, hash: DefinitionHash) {
        let wish = (tenant.clone(), source.parse().unwrap(), tool.parse().unwrap(), hash);
        self.pins.lock().unwrap().accepted.push(wish);
    }
}

#[async_trait]
impl Pins for Memory {
    async fn pins(&self, scope: &PinScope) -> Result<Vec<Pin>, StoreError> {
        self.readable()?;
        let pin = |row: &Row| Pin { tool: row.tool.definition.name.clone(), hash: row.tool.hash, by: row.by };
        let found = self.pins.lock().unwrap().of(scope).map(pin).collect();
        let together = self.look_together.lock().unwrap().clone();
        if let Some(together) = together {
            together.wait().await;
            *self.look_together.lock().unwrap() = None;
        }
        Ok(found)
    }

    async fn pin_first(
        &self,
        scope: &PinScope,
        tools: Vec<Pinned>,
        event: Event,
    ) -> Result<Vec<DefinitionHash>, StoreError> {
        let mut rows = self.pins.lock().unwrap();
        let mut first = Vec::new();
        for tool in tools {
            let same = |row: &Row| row.tool.definition.name == tool.definition.name;
            if !rows.of(scope).any(|row| same(row) && row.by != PinnedBy::Manifest) {
                first.push(tool);
            }
        }
        if !first.is_empty() {
            self.write(vec![naming(event, first.iter().map(|tool| (&tool.definition.name, &tool.hash)))])?;
        }
        let hashes = first.iter().map(|tool| tool.hash).collect();
        first.into_iter().for_each(|tool| rows.pin(scope, tool, PinnedBy::FirstUse));
        Ok(hashes)
    }

    async fn wait(&self, scope: &PinScope, tools: Vec<Pinned>, event: Event) -> Result<(), StoreError> {
        let mut rows = self.pins.lock().unwrap();
        let waits = |rows: &PinRows, tool: &Pinned| {
            rows.waiting.iter().any(|known| known.scope == *scope && known.tool.hash == tool.hash)
        };
        let new: Vec<Pinned> = tools.into_iter().filter(|tool| !waits(&rows, tool)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let since = event.at;
        self.write(vec![naming(event, new.iter().map(|tool| (&tool.definition.name, &tool.hash)))])?;
        for tool in new {
            rows.waiting.push(Waiting { scope: scope.clone(), tool, refused: false, since });
        }
        let own = |known: &Waiting| known.scope.user == scope.user && known.scope.source == scope.source;
        let count = rows.waiting.iter().filter(|known| own(known)).count();
        let mut too_many = count.saturating_sub(MOST_WAITING);
        rows.waiting.retain(|known| {
            let goes = too_many > 0 && own(known);
            too_many -= usize::from(goes);
            !goes
        });
        Ok(())
    }

    async fn waiting_definitions(&self, user: &User) -> Result<Vec<WaitingDefinition>, StoreError> {
        self.readable()?;
        let rows = self.pins.lock().unwrap();
        let waiting = rows.waiting.iter().filter(|known| known.scope.user == *user && !known.refused);
        Ok(waiting
            .map(|known| WaitingDefinition {
                source: known.scope.source.clone(),
                origin: known.scope.origin.clone(),
                now: known.tool.clone(),
                before: rows
                    .of(&known.scope)
                    .filter(|row| row.tool.definition.name == known.tool.definition.name)
                    .map(|row| row.tool.clone())
                    .collect(),
                since: known.since,
            })
            .collect())
    }

    async fn decide_definition(&self, decision: PinDecision, event: Event) -> Result<bool, StoreError> {
        let mut rows = self.pins.lock().unwrap();
        let found = rows.waiting.iter().position(|known| {
            known.scope.user == decision.by
                && known.scope.source == decision.source
                && known.tool.definition.name == decision.tool
                && known.tool.hash == decision.hash
                && (decision.accepted || !known.refused)
        });
        let Some(found) = found else { return Ok(false) };
        self.write(vec![event])?;
        if decision.accepted {
            let Waiting { scope, tool, .. } = rows.waiting.remove(found);
            rows.pin(&scope, tool, PinnedBy::Person);
        } else {
            rows.waiting[found].refused = true;
        }
        Ok(true)
    }

    async fn put_manifest(
        &self,
        tenant: &TenantId,
        source: &SourceName,
        origin: &Origin,
        tools: Vec<Pinned>,
        event: Event,
    ) -> Result<bool, StoreError> {
        let mut rows = self.pins.lock().unwrap();
        let is_old =
            |row: &Row| row.by == PinnedBy::Manifest && row.tenant == *tenant && row.source == *source;
        let sorted = |mut hashes: Vec<DefinitionHash>| {
            hashes.sort();
            hashes
        };
        let old = sorted(rows.pins.iter().filter(|row| is_old(row)).map(|row| row.tool.hash).collect());
        if old == sorted(tools.iter().map(|tool| tool.hash).collect()) {
            return Ok(false);
        }
        self.write(vec![event])?;
        rows.pins.retain(|row| !is_old(row));
        rows.waiting.retain(|known| {
            let same = known.scope.user.tenant == *tenant && known.scope.source == *source;
            !(same && tools.iter().any(|tool| tool.hash == known.tool.hash))
        });
        for tool in tools {
            let (tenant, source, origin) = (tenant.clone(), source.clone(), origin.clone());
            rows.pins.push(Row { tenant, user: None, source, origin, tool, by: PinnedBy::Manifest });
        }
        Ok(true)
    }

    async fn keep_manifests_of(&self, apps: &[(TenantId, SourceName)]) -> Result<(), StoreError> {
        let named = |row: &Row| apps.iter().any(|(t, s)| *t == row.tenant && *s == row.source);
        self.pins.lock().unwrap().pins.retain(|row| row.by != PinnedBy::Manifest || named(row));
        Ok(())
    }

    async fn take_up_accepted(&self, now: Timestamp) -> Result<Vec<(TenantId, SourceName)>, StoreError> {
        let mut rows = self.pins.lock().unwrap();
        let mut changed = Vec::new();
        for (tenant, source, name, hash) in rows.accepted.clone() {
            let fits = |tool: &Pinned| tool.definition.name == name && tool.hash == hash;
            let waiting = rows.waiting.iter().find(|known| fits(&known.tool));
            let Some((scope, tool)) = waiting.map(|known| (known.scope.clone(), known.tool.clone())) else {
                continue;
            };
            let mut event = Event::new(now, tenant.clone(), EventKind::DefinitionDecided);
            event.definition = Some(hash);
            self.write(vec![event.with_detail("by", "admin").with_detail("state", "accepted")])?;
            rows.pin(&scope, tool, PinnedBy::Admin);
            rows.waiting.retain(|known| known.tool.hash != hash);
            changed.push((tenant, source));
        }
        rows.accepted.clear();
        Ok(changed)
    }
}
