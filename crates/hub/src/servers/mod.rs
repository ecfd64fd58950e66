//! MCP servers as sources: what is configured of them, what they offer to whom, and what of it counts.
//!
//! A server's list is fetched when it is needed and kept for a moment; each definition in it counts only if it is pinned
//! for the tenant ([`crate::pins`]). What does not count is neither listed nor called.

mod lists;
mod offers;
mod pages;

pub use lists::Freshness;
pub use offers::{Offered, ServerTools};
pub use pages::{Listed, Page, PageError, items_of};

use crate::events::{HubPage, Refused};
use crate::intent::Reach;
use crate::pins::Pins;
use crate::ports::upstream::{Ask, ClientSide, Failure, Health, Reply, Told};
use crate::ports::{Clock, Upstream};
use crate::tabs::Tabs;
use deputy_core::{
    Class, Definition, Origin, Reason, SourceKind, SourceName, TenantId, Tool, ToolKind, ToolName,
};
use deputy_protocol::schema::Schema;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// By which right a server is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// It needs no identity.
    Open,
    /// A service account, from the vault or by the hub's own client: it acts as the service, not as the user.
    Key,
    /// A token for this user, from the organisation's own identity provider, or one that the user consented to.
    Exchange,
}

impl Right {
    /// The lane, as the log calls it.
    #[must_use]
    pub const fn lane(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Key => "key",
            Self::Exchange => "exchange",
        }
    }
}

/// Whether definitions count before somebody has looked at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The first definition of a name counts.
    FirstUse,
    /// None counts until an administrator has accepted it.
    Review,
}

/// A configured MCP server.
pub struct Server {
    /// Its name: the first half of its tools' public names, and its place under `/s/`.
    pub name: SourceName,
    /// Whose it is.
    pub tenant: TenantId,
    /// What stands behind it: the origin of its address, or `stdio://` and its name.
    pub origin: Origin,
    /// What the operator says its tools, and its other methods by their names, do.
    pub classes: HashMap<ToolName, Class>,
    /// Whether its definitions are reviewed first.
    pub trust: Trust,
    /// By which right it is called.
    pub right: Right,
    /// How long one of its answers may take when it is asked for a list.
    pub timeout: Duration,
    /// How long a call of it may run when the agent does not say; `None`: as long as any other.
    pub call_deadline: Option<Duration>,
    /// The way to it.
    pub upstream: Arc<dyn Upstream>,
}

/// Methods that change nothing, unless the operator's word says otherwise. Any other but a tool's call counts as unknown:
/// write and egress (gateway rule 19).
const READS: [&str; 6] =
    ["completion/complete", "prompts/get", "resources/read", "tasks/get", "tasks/list", "tasks/result"];

impl Server {
    /// A request of another method than `tools/call`, as policy, approvals and log see it. `None`: no method's name.
    #[must_use]
    pub fn method(&self, method: &str) -> Option<Tool> {
        let name = ToolName::new(method).ok().filter(ToolName::is_method)?;
        let class = self.classes.get(&name).copied();
        let default = if READS.contains(&method) { Class::READ } else { Class::UNKNOWN };
        let definition = Definition {
            name,
            title: None,
            description: String::new(),
            input_schema: None,
            output_schema: None,
            annotations: None,
            kind: ToolKind::Method,
        };
        Some(Tool {
            source: self.name.clone(),
            source_kind: SourceKind::Server,
            origin: self.origin.clone(),
            hash: definition.hash(&self.origin).ok()?,
            definition: Arc::new(definition),
            class: class.unwrap_or(default),
            owner: None,
        })
    }

    /// What can be asked about before any tool of it is known: the methods that read, the tools that the operator classed, and
    /// those of these names, as reading and as unknown.
    pub(crate) fn unlisted(&self, names: &[String]) -> Vec<Tool> {
        let methods = READS.iter().filter_map(|method| self.method(method));
        let read = self.method("resources/read");
        let named = |name: &ToolName, class: Class| {
            let read = read.as_ref()?;
            let definition =
                Definition { name: name.clone(), kind: ToolKind::Server, ..(*read.definition).clone() };
            let hash = definition.hash(&self.origin).ok()?;
            Some(Tool { hash, definition: Arc::new(definition), class, ..read.clone() })
        };
        let classed = self.classes.iter().filter(|(name, _)| !name.is_method());
        let classed = classed.filter_map(|(name, class)| named(name, *class));
        let names = names.iter().filter_map(|name| ToolName::new(name.clone()).ok());
        let names = names.filter(|name| !name.is_method() && !self.classes.contains_key(name));
        let spoken_of = names.flat_map(|name| [Class::READ, Class::UNKNOWN].map(|class| named(&name, class)));
        methods.chain(classed).chain(spoken_of.flatten()).collect()
    }

    fn ask(&self, reach: &Reach, method: &str, params: Option<Box<RawValue>>, client: ClientSide) -> Ask {
        Ask {
            method: method.to_owned(),
            params,
            client,
            principal: self.principal(&reach.caller().principal()),
            timeout: self.timeout,
            changes_nothing: true,
            // Lists are kept for many, so they belong to nobody's trace.
            trace: None,
        }
    }

    /// Whose connection a request goes over. Each principal has its own: a server may remember what it was told.
    #[must_use]
    pub fn principal(&self, caller: &str) -> String {
        caller.to_owned()
    }
}

/// All servers of the hub.
pub struct Servers {
    servers: BTreeMap<SourceName, Arc<Server>>,
    lists: lists::Lists,
    pins: Arc<Pins>,
    tabs: Arc<Tabs>,
    clock: Arc<dyn Clock>,
}

impl Servers {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(
        servers: impl IntoIterator<Item = Server>,
        pins: Arc<Pins>,
        tabs: Arc<Tabs>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let servers = servers.into_iter().map(|server| (server.name.clone(), Arc::new(server))).collect();
        Self { servers, lists: lists::Lists::default(), pins, tabs, clock }
    }

    /// One of this tenant's. Another tenant's is as unknown as none (invariant 13).
    #[must_use]
    pub fn of(&self, tenant: &TenantId, name: &SourceName) -> Option<&Arc<Server>> {
        self.servers.get(name).filter(|server| server.tenant == *tenant)
    }

    /// All of this tenant's, by name.
    pub fn all<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = &'a Arc<Server>> {
        self.servers.values().filter(move |server| server.tenant == *tenant)
    }

    /// All, and whose they are.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = (SourceName, TenantId)> {
        self.servers.values().map(|server| (server.name.clone(), server.tenant.clone()))
    }

    /// The names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = SourceName> {
        self.servers.keys().cloned()
    }

    /// How each of them is: for operators, not for strangers.
    #[must_use]
    pub fn health(&self) -> Vec<(SourceName, Health)> {
        self.servers.values().map(|server| (server.name.clone(), server.upstream.health())).collect()
    }

    /// Which of the user's servers a public name can belong to.
    pub(crate) fn named_by(&self, tenant: &TenantId, name: &str) -> Option<&Arc<Server>> {
        self.servers
            .values()
            .filter(|server| server.tenant == *tenant)
            .find(|server| name.strip_prefix(server.name.as_str()).is_some_and(|rest| rest.starts_with("__")))
    }

    /// Asks a server something that is no call: a list, a handshake.
    ///
    /// # Errors
    /// It does not answer, in words for the agent.
    pub async fn look(
        &self,
        reach: &Reach,
        server: &Server,
        method: &str,
        params: Option<Box<RawValue>>,
        client: ClientSide,
    ) -> Result<Reply, Refused> {
        self.said(reach, server, method, params, client).await.map(Reply::in_its_own_voice)
    }

    /// What a server says: nobody outside is told it like this.
    async fn said(
        &self,
        reach: &Reach,
        server: &Server,
        method: &str,
        params: Option<Box<RawValue>>,
        client: ClientSide,
    ) -> Result<Reply, Refused> {
        let (told, _) = mpsc::channel::<Told>(1);
        let never = CancellationToken::new();
        let reply = server.upstream.ask(server.ask(reach, method, params, client), told, &never).await;
        reply.map_err(|failure| refused(&server.name, &failure))
    }

    /// Ends their processes and sessions.
    pub async fn close(&self) {
        for server in self.servers.values() {
            server.upstream.close().await;
        }
    }
}

/// What an agent is told of a server that does not answer.
pub(crate) fn refused(server: &SourceName, failure: &Failure) -> Refused {
    let reason = match failure {
        Failure::NoCredential { reason, .. } => *reason,
        Failure::NotSent(_) | Failure::Unusable(_) => Reason::UpstreamUnavailable,
        Failure::Lost(_) | Failure::Cancelled => Reason::OutcomeUnknown,
        Failure::TimedOut => Reason::UpstreamTimeout,
        Failure::TooLarge { .. } => Reason::TooLarge,
        Failure::Untranslatable(_) => Reason::NotStarted,
    };
    let open = match failure {
        Failure::NoCredential { open: Some(url), .. } => {
            Some(Box::new(HubPage { url: url.clone(), state: None }))
        }
        _ => None,
    };
    Refused { open, ..Refused::because(reason, format!("the server `{server}`: {failure}")) }
}

/// What fits a tool without a schema.
fn anything() -> Arc<Schema> {
    Arc::new(Schema::anything())
}
