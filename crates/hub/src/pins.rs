//! Which of the definitions that a tab registers are offered to its user's agents, and which wait for a person
//! (DESIGN section 2, "definition"; P26, P27).
//!
//! A definition counts if the tenant's pins have it (the app's manifest, or an administrator), or the user accepted it.
//! Where no manifest is configured the first of a name counts too, for its user alone. Everything else waits, and nothing
//! of it, not even its name, reaches an agent.

use crate::journal::Journal;
use crate::ports::{Pin, PinScope, PinnedBy, Pins as Table, StoreError};
use crate::servers::{Server, Trust};
use crate::tabs::{Held, Offer, Tab};
use deputy_core::{Digest, Event, EventKind, Issuer, SourceName, Subject, TenantId, ToolName, User};
use deputy_protocol::tab::Pinned;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tokio::sync::Notify;

/// A tab's definitions, sorted.
#[derive(Default)]
pub(crate) struct Judged {
    /// For agents.
    pub(crate) offered: Vec<Offer>,
    /// For nobody yet.
    pub(crate) held: Vec<Held>,
}

impl Judged {
    /// Nothing could be asked: nothing is offered (invariant 14).
    pub(crate) fn none(tab: &Tab, registered: Vec<Offer>) -> Self {
        let held = registered.into_iter().map(|offer| held(tab, offer, &[])).collect();
        Self { offered: Vec::new(), held }
    }
}

/// When a tab's definitions are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The page registered them: what a manifest does not have is held until the manifest was fetched anew.
    Registered,
    /// Something that counts has changed, or the manifest was fetched: what still does not count waits for a person.
    Again,
}

/// Sorts definitions by the pins.
pub struct Pins {
    table: Arc<dyn Table>,
    journal: Arc<Journal>,
    /// One per app with a manifest: rung when a tab brings a definition that nobody knows.
    bells: BTreeMap<SourceName, Arc<Notify>>,
}

impl Pins {
    /// Kept in `table`; `manifests` are the apps whose configuration names one.
    #[must_use]
    pub fn new(
        table: Arc<dyn Table>,
        journal: Arc<Journal>,
        manifests: impl IntoIterator<Item = SourceName>,
    ) -> Self {
        let bells = manifests.into_iter().map(|app| (app, Arc::new(Notify::new()))).collect();
        Self { table, journal, bells }
    }

    pub(crate) const fn table(&self) -> &Arc<dyn Table> {
        &self.table
    }

    /// Rung when the manifest of this app should be looked at.
    pub(crate) fn bell(&self, app: &SourceName) -> Option<&Arc<Notify>> {
        self.bells.get(app)
    }

    /// Sorts a tab's definitions. What is new is pinned, or begins to wait, with its line, before anything is answered.
    pub(crate) async fn judge(
        &self,
        tab: &Tab,
        registered: Vec<Offer>,
        moment: Moment,
    ) -> Result<Judged, StoreError> {
        let scope =
            PinScope { user: tab.user.clone(), source: tab.app.name.clone(), origin: tab.origin.clone() };
        let bell = self.bell(&scope.source);
        let pins = self.table.pins(&scope).await?;
        let (mut offered, rest): (Vec<Offer>, Vec<Offer>) =
            registered.into_iter().partition(|offer| counts(offer, &pins, bell.is_some()));
        let mut unknown = rest;
        if bell.is_none() {
            let (first, rest) = unknown.into_iter().partition(|offer| is_first(offer, &pins));
            let event = self.event(EventKind::DefinitionPinned, tab);
            let (pinned, late) = self.pin_first(&scope, first, event).await?;
            offered.extend(pinned);
            unknown = [late, rest].concat();
        }
        match (bell, moment) {
            (Some(bell), Moment::Registered) if !unknown.is_empty() => bell.notify_one(),
            _ => self.wait(&scope, &unknown, self.event(EventKind::DefinitionWaiting, tab)).await?,
        }
        let held = unknown.into_iter().map(|offer| held(tab, offer, &pins)).collect();
        Ok(Judged { offered, held })
    }

    /// Sorts a server's definitions: what counts does so for the whole tenant. `asker` is on whose behalf the list was
    /// fetched.
    pub(crate) async fn judge_server(
        &self,
        server: &Server,
        asker: &User,
        registered: Vec<Offer>,
    ) -> Result<Judged, StoreError> {
        let user = everybody(&server.tenant, &server.name)?;
        let scope = PinScope { user, source: server.name.clone(), origin: server.origin.clone() };
        let pins = self.table.pins(&scope).await?;
        let event = |kind| {
            let mut event = self.journal.event(kind, asker);
            event.source = Some(server.name.clone());
            event.with_detail("origin", server.origin.as_str())
        };
        let counted: HashSet<(&ToolName, &Digest)> =
            pins.iter().filter(|pin| is_counted(pin, false)).map(|pin| (&pin.tool, &pin.hash)).collect();
        let (mut offered, mut unknown): (Vec<Offer>, Vec<Offer>) = registered
            .into_iter()
            .partition(|offer| counted.contains(&(&offer.definition.name, &offer.hash)));
        if server.trust == Trust::FirstUse {
            let (first, rest) = unknown.into_iter().partition(|offer| is_first(offer, &pins));
            let (pinned, late) = self.pin_first(&scope, first, event(EventKind::DefinitionPinned)).await?;
            offered.extend(pinned);
            unknown = [late, rest].concat();
        }
        self.wait(&scope, &unknown, event(EventKind::DefinitionWaiting)).await?;
        let held = unknown.into_iter().map(|offer| {
            let was_known = knew(&offer.definition.name, &pins);
            Held { offer, was_known }
        });
        Ok(Judged { offered, held: held.collect() })
    }

    /// The second half of the answer are those for which somebody else was quicker with another definition.
    async fn pin_first(
        &self,
        scope: &PinScope,
        first: Vec<Offer>,
        event: Event,
    ) -> Result<(Vec<Offer>, Vec<Offer>), StoreError> {
        if first.is_empty() {
            return Ok((first, Vec::new()));
        }
        let taken = self.table.pin_first(scope, first.iter().map(pinned).collect(), event).await?;
        let taken: HashSet<_> = taken.into_iter().collect();
        let (mut pinned, late): (Vec<_>, Vec<_>) =
            first.into_iter().partition(|offer| taken.contains(&offer.hash));
        if late.is_empty() {
            return Ok((pinned, late));
        }
        // Somebody who was quicker with the very same definition pinned it for all whom the scope has.
        let pins = self.table.pins(scope).await?;
        let (same, late): (Vec<_>, Vec<_>) = late.into_iter().partition(|offer| counts(offer, &pins, false));
        pinned.extend(same);
        Ok((pinned, late))
    }

    async fn wait(&self, scope: &PinScope, unknown: &[Offer], event: Event) -> Result<(), StoreError> {
        // A developer's own tool is for no agent anyway (P28): nobody is asked about it.
        let for_agents = unknown.iter().filter(|offer| !offer.definition.is_debugging());
        let waiting: Vec<Pinned> = for_agents.map(pinned).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        self.table.wait(scope, waiting, event).await
    }

    fn event(&self, kind: EventKind, tab: &Tab) -> Event {
        let mut event = self.journal.event(kind, &tab.user);
        event.source = Some(tab.app.name.clone());
        event.tab = Some(tab.document.clone());
        event.with_detail("origin", tab.origin.as_str())
    }
}

/// For whom a server's definitions are pinned: nobody signs in with this issuer, and it is the same for all who ask.
fn everybody(tenant: &TenantId, server: &SourceName) -> Result<User, StoreError> {
    let unnamed = |error: deputy_core::IdError| StoreError::Corrupt(error.to_string());
    Ok(User {
        tenant: tenant.clone(),
        issuer: Issuer::new("urn:deputy:server").map_err(unnamed)?,
        subject: Subject::new(server.as_str()).map_err(unnamed)?,
    })
}

/// Whether a definition counts by what is pinned already.
fn counts(offer: &Offer, pins: &[Pin], has_manifest: bool) -> bool {
    let name = &offer.definition.name;
    pins.iter().any(|pin| pin.tool == *name && pin.hash == offer.hash && is_counted(pin, has_manifest))
}

const fn is_counted(pin: &Pin, has_manifest: bool) -> bool {
    match pin.by {
        PinnedBy::Admin | PinnedBy::Person => true,
        // A manifest that is configured is the app's word; before that the first use was all there was.
        PinnedBy::Manifest => has_manifest,
        PinnedBy::FirstUse => !has_manifest,
    }
}

/// Whether nothing of this name counts for the user or the tenant yet.
fn is_first(offer: &Offer, pins: &[Pin]) -> bool {
    !pins.iter().any(|pin| pin.tool == offer.definition.name && pin.by != PinnedBy::Manifest)
}

fn held(tab: &Tab, offer: Offer, pins: &[Pin]) -> Held {
    let name = &offer.definition.name;
    let was = knew(name, pins) || tab.told_of(name);
    Held { offer, was_known: was }
}

/// Whether the user's agents could see a tool of this name before: it was pinned for them.
fn knew(name: &ToolName, pins: &[Pin]) -> bool {
    let own = |pin: &&Pin| matches!(pin.by, PinnedBy::FirstUse | PinnedBy::Person);
    pins.iter().filter(own).any(|pin| pin.tool == *name)
}

fn pinned(offer: &Offer) -> Pinned {
    Pinned { definition: offer.definition.as_ref().clone(), hash: offer.hash }
}
