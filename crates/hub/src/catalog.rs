//! Which tools there are for whom, and which tab a call goes to (P22, P25).

use crate::answers::{Answers, Paging};
use crate::caller::Caller;
use crate::corridor::Target;
use crate::events::Refused;
use crate::intent::Reach;
use crate::servers::Servers;
use crate::tabs::{Offer, Tab, Tabs};
use deputy_core::{
    Class, DocumentId, Facts as _, Origin, PublicName, Reason, SourceName, TenantId, Timestamp, Tool,
    ToolName, User,
};
use deputy_policy::{Engine, Sight, Visibility};
use deputy_protocol::schema::Schema;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A configured web application.
#[derive(Debug, Clone)]
pub struct App {
    /// Its name: the first half of its tools' public names.
    pub name: SourceName,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it lives, exactly.
    pub origins: Vec<Origin>,
    /// What the operator says its tools do.
    pub classes: HashMap<ToolName, Class>,
    /// Where its manifest is, if the operator named it.
    pub manifest: Option<ManifestAt>,
}

/// Where an app's manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestAt {
    /// Its address.
    pub url: String,
    /// The origin of that address: one of the app's own.
    pub origin: Origin,
}

/// One tab among several that offer the same tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TabSummary {
    /// What `_meta["dev.deputy/tab"]` takes.
    pub id: DocumentId,
    /// What the page calls itself; display data.
    pub title: String,
    /// When it last had focus.
    pub last_focused: Option<Timestamp>,
}

/// A tool as an agent sees it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What to call.
    pub name: PublicName,
    /// What it is.
    pub tool: Arc<Tool>,
    /// A server's own words about it, with what the hub does not know of.
    pub raw: Option<Arc<RawValue>>,
    /// Where it would run: the first one, unless the agent chooses.
    pub tabs: Vec<TabSummary>,
}

/// A tool that was found, in the tab that was chosen.
pub struct Resolved {
    /// The tool.
    pub tool: Tool,
    /// What its arguments must fit.
    pub schema: Arc<Schema>,
    /// The tab; the hub's own tool has none.
    pub tab: Option<DocumentId>,
}

/// What a name leads to.
pub enum Resolution {
    /// This tool, in this tab.
    Found(Box<Resolved>),
    /// Nothing that could be called.
    Refused(Refused),
}

/// The tools of all tabs.
pub struct Catalog {
    tabs: Arc<Tabs>,
    servers: Arc<Servers>,
    engine: Arc<Engine>,
    apps: Vec<SourceName>,
    answers: Arc<Answers>,
    paging: Option<Paging>,
}

impl Catalog {
    /// Over these tabs, these servers and the rest of these answers, under this policy.
    #[must_use]
    pub fn new(
        tabs: Arc<Tabs>,
        servers: Arc<Servers>,
        engine: Arc<Engine>,
        mut apps: Vec<SourceName>,
        answers: Arc<Answers>,
        paging: Option<Paging>,
    ) -> Self {
        apps.sort();
        Self { tabs, servers, engine, apps, answers, paging }
    }

    /// What this caller could call with some arguments, allowed or after asking, sorted by name (R1).
    #[must_use]
    pub fn tools(&self, reach: &Reach, now: Timestamp) -> Vec<Listed> {
        let mut sight = self.sight(reach, now);
        self.candidates(reach).into_iter().filter(|entry| sight.of(&entry.tool).is_visible()).collect()
    }

    /// What there is for this caller before policy is asked, sorted by name.
    pub(crate) fn candidates(&self, reach: &Reach) -> Vec<Listed> {
        let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
        for tab in self.tabs.of(reach.user()) {
            for offer in tab.offers().into_iter().filter(is_for_agents) {
                let name = offer.name.clone();
                let entry = listed.entry(name.as_str().to_owned()).or_insert_with(|| Listed {
                    name,
                    tool: Arc::new(offer.of(&tab.user)),
                    raw: None,
                    tabs: Vec::new(),
                });
                entry.tabs.push(summary(&tab));
            }
        }
        if let Some(paging) = self.paging(reach.caller()) {
            let name = paging.tool.public_name();
            let tool = Arc::clone(&paging.tool);
            listed.insert(name.as_str().to_owned(), Listed { name, tool, raw: None, tabs: Vec::new() });
        }
        for offered in self.servers.tools_seen(reach).iter().flat_map(|seen| &seen.tools) {
            let (name, tool) = (offered.offer.name.clone(), Arc::clone(&offered.tool));
            let raw = Some(Arc::clone(&offered.raw));
            listed.insert(name.as_str().to_owned(), Listed { name, tool, raw, tabs: Vec::new() });
        }
        listed.into_values().collect()
    }

    /// What policy could allow this caller, asked of many tools.
    pub(crate) fn sight<'r>(&self, reach: &'r Reach, now: Timestamp) -> Sight<'r, Caller> {
        self.engine.sight(reach.caller(), now)
    }

    /// Whether policy could allow this caller some call of this tool.
    pub(crate) fn shows(&self, reach: &Reach, tool: &Tool, now: Timestamp) -> bool {
        self.engine.visible(reach.caller(), tool, now) != Visibility::Hidden
    }

    /// From a name to a tool in a tab. Another user's tools are as unknown as those that do not exist (invariant 7).
    #[must_use]
    pub fn resolve(&self, caller: &Caller, target: &Target, chosen: Option<&DocumentId>) -> Resolution {
        let user = caller.user();
        if let Some(Paging { tool, input }) = self.paging(caller).filter(|paging| means(target, &paging.tool))
        {
            let (tool, schema) = (tool.as_ref().clone(), Arc::clone(input));
            return Resolution::Found(Box::new(Resolved { tool, schema, tab: None }));
        }
        let candidates: Vec<(Arc<Tab>, Offer)> = self
            .tabs
            .of(user)
            .into_iter()
            .filter_map(|tab| {
                let offer = tab.offer(|offer| is_for_agents(offer) && offers(target, offer))?;
                Some((tab, offer))
            })
            .collect();
        let picked = match chosen {
            Some(id) => candidates.iter().find(|(tab, _)| tab.document == *id),
            None => candidates.first(),
        };
        let Some((tab, offer)) = picked else {
            return Resolution::Refused(self.unknown(user, target, chosen, candidates.is_empty()));
        };
        let differs = |(other, its): &&(Arc<Tab>, Offer)| other.is_attached() && its.hash != offer.hash;
        if chosen.is_none() && candidates.iter().any(|one| differs(&one)) {
            let tabs: Vec<String> = candidates.iter().map(|(tab, _)| tab.document.to_string()).collect();
            let detail = format!(
                "the tabs {} define it differently: choose one by _meta[\"dev.deputy/tab\"]",
                tabs.join(", ")
            );
            return Resolution::Refused(Refused::because(Reason::ToolChanged, detail));
        }
        Resolution::Found(Box::new(Resolved {
            tool: offer.of(&tab.user),
            schema: Arc::clone(&offer.input),
            tab: Some(tab.document.clone()),
        }))
    }

    /// The hub's own tool, for whom there is something to read on.
    fn paging(&self, caller: &Caller) -> Option<&Paging> {
        self.paging.as_ref().filter(|_| self.answers.has(caller.user(), caller.client()))
    }

    /// Says why there is nothing, as far as this user may know: their own tab may have ended a moment ago.
    fn unknown(&self, user: &User, target: &Target, chosen: Option<&DocumentId>, none: bool) -> Refused {
        if self.is_held_back(user, target, chosen) {
            return Refused::because(Reason::ToolChanged, "the user has not accepted the new one yet");
        }
        if chosen.is_some() && !none {
            return Refused::because(Reason::TabGone, "the chosen tab is not connected; others are");
        }
        let app = self.apps.iter().find(|app| match target {
            Target::Public(name) => name.as_str().starts_with(&format!("{app}__")),
            Target::Own(source, _) => source == *app,
            Target::Unusable(_) => false,
        });
        let ended = app.and_then(|app| {
            let listed = self.tabs.of(user).iter().any(|tab| tab.app.name == *app);
            if listed { None } else { self.tabs.ended(user, app) }
        });
        Refused::new(ended.unwrap_or(Reason::ToolUnknown))
    }

    /// Whether the agent's own user has this tool with a definition that waits for them, and the agent knew the tool before
    /// it changed: only then is the name that it sent back no news to it (P27).
    fn is_held_back(&self, user: &User, target: &Target, chosen: Option<&DocumentId>) -> bool {
        self.tabs
            .of(user)
            .iter()
            .filter(|tab| chosen.is_none_or(|id| tab.document == *id))
            .any(|tab| tab.holds_back(|offer| is_for_agents(offer) && offers(target, offer)))
    }
}

fn means(target: &Target, tool: &Tool) -> bool {
    match target {
        Target::Public(name) => tool.public_name() == *name,
        Target::Own(source, own) => tool.source == *source && tool.definition.name == *own,
        Target::Unusable(_) => false,
    }
}

fn offers(target: &Target, offer: &Offer) -> bool {
    match target {
        Target::Public(name) => offer.name == *name,
        Target::Own(source, own) => offer.source == *source && offer.definition.name == *own,
        Target::Unusable(_) => false,
    }
}

/// A developer's own tools stay hidden (P28).
fn is_for_agents(offer: &Offer) -> bool {
    !offer.definition.is_debugging()
}

fn summary(tab: &Tab) -> TabSummary {
    TabSummary { id: tab.document.clone(), title: tab.page.title.clone(), last_focused: tab.last_focused() }
}
