//! Definitions that wait for a person, manifests that are fetched, and what an administrator accepts: each of them may
//! change what live tabs offer (DESIGN section 2, P26, P27).

use crate::caller::Caller;
use crate::catalog::{App, ManifestAt};
use crate::journal::Journal;
use crate::pins::Pins;
use crate::ports::{Clock, ManifestSource, PinDecision, StoreError, WaitingDefinition};
use crate::servers::Servers;
use crate::supervisor::Supervisor;
use crate::tabs::Tabs;
use deputy_core::{DefinitionHash, Digest, Event, EventKind, Facts as _, SourceName, ToolName};
use deputy_protocol::tab::{Manifest, Pinned, tools_hash};
use std::sync::Arc;
use std::time::Duration;

/// How often a manifest is looked at.
const EVERY: Duration = Duration::from_secs(600);
/// No manifest is fetched more often, whatever tabs bring.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// How often it is looked at what an administrator accepted.
const LOOK: Duration = Duration::from_millis(250);
/// Tools that a line about a manifest names.
const NAMED: usize = 256;

/// Why a decision about a definition was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DefinitionError {
    /// No such definition waits for this user.
    #[error("no such definition waits for you")]
    Unknown,
    /// The table does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a person says of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It may be offered to my agents.
    Accept,
    /// It may not.
    Refuse,
}

/// What changes which definitions count.
pub struct Definitions {
    pins: Arc<Pins>,
    tabs: Arc<Tabs>,
    journal: Arc<Journal>,
    manifests: Arc<dyn ManifestSource>,
    servers: Arc<Servers>,
    clock: Arc<dyn Clock>,
    /// Apps whose configuration names a manifest.
    apps: Vec<(Arc<App>, ManifestAt)>,
}

impl Definitions {
    /// For these apps.
    #[must_use]
    pub fn new(
        pins: Arc<Pins>,
        tabs: Arc<Tabs>,
        journal: Arc<Journal>,
        manifests: Arc<dyn ManifestSource>,
        servers: Arc<Servers>,
        clock: Arc<dyn Clock>,
        apps: impl IntoIterator<Item = Arc<App>>,
    ) -> Self {
        let with_manifest = |app: Arc<App>| app.manifest.clone().map(|at| (app, at));
        let apps = apps.into_iter().filter_map(with_manifest).collect();
        Self { pins, tabs, journal, manifests, servers, clock, apps }
    }

    /// Starts what runs beside the doors.
    ///
    /// # Errors
    /// The table cannot be written: manifests that the configuration does not name any more would still be there.
    pub(crate) async fn start(self: &Arc<Self>, supervisor: &Supervisor) -> Result<(), StoreError> {
        let named: Vec<_> = self.apps.iter().map(|(app, _)| (app.tenant.clone(), app.name.clone())).collect();
        self.pins.table().keep_manifests_of(&named).await?;
        for (app, at) in self.apps.clone() {
            supervisor.start_until_shutdown(Arc::clone(self).keep_manifest(app, at));
        }
        supervisor.start_until_shutdown(Arc::clone(self).take_up_accepted());
        Ok(())
    }

    /// What waits for this person.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn waiting(&self, person: &Caller) -> Result<Vec<WaitingDefinition>, StoreError> {
        self.pins.table().waiting_definitions(person.user()).await
    }

    /// Takes a person's word about a definition that waits for them. What they accept is offered at once, to their own
    /// agents alone.
    ///
    /// # Errors
    /// It does not wait for them, or cannot be written.
    pub async fn decide(
        &self,
        person: &Caller,
        source: SourceName,
        tool: ToolName,
        hash: DefinitionHash,
        say: Word,
    ) -> Result<(), DefinitionError> {
        let accepted = say == Word::Accept;
        let mut event = self.journal.event(EventKind::DefinitionDecided, person.user());
        event.client = Some(person.client().clone());
        event.source = Some(source.clone());
        event.tool = Some(tool.clone());
        event.definition = Some(hash);
        let event = event
            .with_detail("by", "person")
            .with_detail("state", if accepted { "accepted" } else { "refused" });
        let by = person.user().clone();
        let decision = PinDecision { by, source, tool, hash, accepted, at: self.clock.now() };
        if !self.pins.table().decide_definition(decision, event).await? {
            return Err(DefinitionError::Unknown);
        }
        self.tabs.sort_of(person.user()).await;
        Ok(())
    }

    /// Fetches an app's manifest at the start, every ten minutes, and when a tab brings a definition that it does not have:
    /// however many tabs bring however many, once in thirty seconds.
    async fn keep_manifest(self: Arc<Self>, app: Arc<App>, at: ManifestAt) {
        let mut last_fault = None;
        loop {
            let fault = self.load(&app, &at).await.err();
            if let Some(fault) = &fault
                && last_fault.as_ref() != Some(fault)
            {
                self.record_rejected(&app, &at, fault).await;
            }
            last_fault = fault;
            // What the manifest still does not have waits for a person from now on.
            self.tabs.sort_app(&app.tenant, &app.name).await;
            let next = tokio::time::Instant::now() + EVERY + self.jitter(&app);
            tokio::time::sleep(AT_MOST_EVERY).await;
            let rung = async {
                match self.pins.bell(&app.name) {
                    Some(bell) => bell.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// A good manifest takes the place of the last one; anything else changes nothing.
    async fn load(&self, app: &App, at: &ManifestAt) -> Result<(), String> {
        let bytes = self.manifests.fetch(&at.url).await.map_err(|error| error.to_string())?;
        let manifest =
            Manifest::parse(&bytes, &at.origin).map_err(|error| format!("`{}`: {error}", at.url))?;
        let event = self.loaded(app, at, &manifest);
        let Manifest { tools, .. } = manifest;
        let put = self.pins.table().put_manifest(&app.tenant, &app.name, &at.origin, tools, event).await;
        put.map(drop).map_err(|error| error.to_string())
    }

    fn loaded(&self, app: &App, at: &ManifestAt, manifest: &Manifest) -> Event {
        let named = manifest.tools.iter().take(NAMED).map(|tool| (&tool.definition.name, &tool.hash));
        let event = self.event(EventKind::ManifestLoaded, app, at).with_detail("count", manifest.tools.len());
        let event = crate::ports::naming(event, named);
        let set = tools_hash(manifest.tools.iter().map(|Pinned { hash, .. }| hash));
        let event = match set {
            Ok(set) => event.with_detail("tools_hash", set.to_string()),
            Err(_) => event,
        };
        if manifest.refused.is_empty() {
            return event;
        }
        let refused: Vec<String> = manifest.refused.iter().take(16).cloned().collect();
        event.with_detail("refused", refused)
    }

    async fn record_rejected(&self, app: &App, at: &ManifestAt, fault: &str) {
        tracing::error!(app = %app.name, fault, "a manifest is not taken; the last good one stays in force");
        let fault: String = fault.chars().take(400).collect();
        let event = self.event(EventKind::ManifestRejected, app, at).with_detail("error", fault);
        if let Err(error) = self.journal.append(vec![event]).await {
            tracing::error!(%error, "a manifest that was not taken could not be recorded");
        }
    }

    fn event(&self, kind: EventKind, app: &App, at: &ManifestAt) -> Event {
        let mut event = Event::new(self.clock.now(), app.tenant.clone(), kind);
        event.source = Some(app.name.clone());
        event.with_detail("origin", at.origin.as_str()).with_detail("url", at.url.clone())
    }

    /// Up to two minutes, another one for each app and round: not all hubs come at once.
    fn jitter(&self, app: &App) -> Duration {
        let now = self.clock.now().millis().to_be_bytes();
        let digest = Digest::of_parts(&[app.name.as_str().as_bytes(), &now]);
        let [one, two, ..] = *digest.as_bytes();
        Duration::from_millis(u64::from(u16::from_be_bytes([one, two])) * 120_000 / 65_536)
    }

    /// Takes up what an administrator accepts, and sorts again what could not be sorted.
    async fn take_up_accepted(self: Arc<Self>) {
        let mut every = tokio::time::interval(LOOK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.tabs.sort_unsorted().await;
            match self.pins.table().take_up_accepted(self.clock.now()).await {
                Ok(changed) => {
                    for (tenant, source) in changed {
                        self.tabs.sort_app(&tenant, &source).await;
                        if self.servers.of(&tenant, &source).is_some() {
                            self.servers.forget_lists(&source);
                            self.tabs.everything_changed();
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "what an administrator accepted cannot be taken up"),
            }
        }
    }
}
