//! Pins: which definitions count for whom (DESIGN section 2, P26, P27), and where manifests come from.

use super::{FetchError, StoreError};
use async_trait::async_trait;
use deputy_core::{DefinitionHash, Event, Origin, SourceName, TenantId, Timestamp, ToolName, User};
use serde::{Deserialize, Serialize};

pub use deputy_protocol::tab::Pinned;

/// Definitions of one app that wait for one user, refused ones too; beyond that the oldest are forgotten.
pub const MOST_WAITING: usize = 256;

/// Whose pins: one user's, of the tools of one origin of one app.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PinScope {
    /// The user, and with them the tenant.
    pub user: User,
    /// The app.
    pub source: SourceName,
    /// The origin.
    pub origin: Origin,
}

/// By whose word a definition counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinnedBy {
    /// The app's manifest has it: for the whole tenant.
    Manifest,
    /// An administrator accepted it: for the whole tenant.
    Admin,
    /// It was the first of its name: for this user alone.
    FirstUse,
    /// The user accepted it: for this user alone.
    Person,
}

/// A definition that counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pin {
    /// The tool's own name.
    pub tool: ToolName,
    /// Of its definition.
    pub hash: DefinitionHash,
    /// By whose word.
    pub by: PinnedBy,
}

/// A definition that waits for its user.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingDefinition {
    /// The app.
    pub source: SourceName,
    /// The origin.
    pub origin: Origin,
    /// What the page says now.
    pub now: Pinned,
    /// What counts for the user or the tenant under the same name.
    pub before: Vec<Pinned>,
    /// Since when it waits.
    pub since: Timestamp,
}

/// What an authenticated person says of a definition that waits for them.
#[derive(Debug, Clone)]
pub struct PinDecision {
    /// Who.
    pub by: User,
    /// Of which app.
    pub source: SourceName,
    /// Of which tool.
    pub tool: ToolName,
    /// The definition that the person saw.
    pub hash: DefinitionHash,
    /// Whether it is accepted.
    pub accepted: bool,
    /// When.
    pub at: Timestamp,
}

/// The pins. Each change is conditional and commits with its audit line.
#[async_trait]
pub trait Pins: Send + Sync {
    /// What counts in this scope: the tenant's pins and the user's own.
    async fn pins(&self, scope: &PinScope) -> Result<Vec<Pin>, StoreError>;
    /// Pins each definition for its user whose name has no pin yet, neither the user's nor an administrator's. Appends
    /// `event`, naming them ([`naming`]), only if there is one. Returns those that were pinned.
    async fn pin_first(
        &self,
        scope: &PinScope,
        tools: Vec<Pinned>,
        event: Event,
    ) -> Result<Vec<DefinitionHash>, StoreError>;
    /// Keeps definitions that wait for their user. Appends `event`, naming those that are new, only if there is one. Of one
    /// user and app at most [`MOST_WAITING`] are kept, the newest; one that the user refused stays refused.
    async fn wait(&self, scope: &PinScope, tools: Vec<Pinned>, event: Event) -> Result<(), StoreError>;
    /// What waits for this user, the oldest first.
    async fn waiting_definitions(&self, user: &User) -> Result<Vec<WaitingDefinition>, StoreError>;
    /// Accepts a definition that waits or was refused, or refuses one that waits; appends `event` only then. `false`: there
    /// is no such one of this user's.
    async fn decide_definition(&self, decision: PinDecision, event: Event) -> Result<bool, StoreError>;
    /// Puts a manifest in the place of the app's last one, and ends the wait of what it has; appends `event` only if it
    /// differs. `false`: it is the same.
    async fn put_manifest(
        &self,
        tenant: &TenantId,
        source: &SourceName,
        origin: &Origin,
        tools: Vec<Pinned>,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Forgets the manifests of every app but these: an app whose configuration names none has none.
    async fn keep_manifests_of(&self, apps: &[(TenantId, SourceName)]) -> Result<(), StoreError>;
    /// Takes up what an administrator accepted on the hub's machine, with a line each. Returns whose tools changed.
    async fn take_up_accepted(&self, now: Timestamp) -> Result<Vec<(TenantId, SourceName)>, StoreError>;
}

/// A line that names definitions, as `name sha256:…`, under `tools`.
#[must_use]
pub fn naming<'a>(
    event: Event,
    tools: impl IntoIterator<Item = (&'a ToolName, &'a DefinitionHash)>,
) -> Event {
    let tools: Vec<String> = tools.into_iter().map(|(name, hash)| format!("{name} {hash}")).collect();
    event.with_detail("tools", tools)
}

/// Fetches manifests.
#[async_trait]
pub trait ManifestSource: Send + Sync {
    /// What stands at the address: JSON by its content type, status 200, no redirect, at most 5 MiB, within 5 s.
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError>;
}
