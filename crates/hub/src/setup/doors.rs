//! What doors may do with the hub, and ask of it.

use super::Hub;
use crate::access::Access;
use crate::approvals::Approvals;
use crate::authenticate::{Authenticator, Denied, Door};
use crate::caller::Caller;
use crate::catalog::Listed;
use crate::corridor::Wish;
use crate::definitions::Definitions;
use crate::events::{Events, Refused};
use crate::exchange::Exchange;
use crate::finding::{Finding, Listing};
use crate::intent::Reach;
use crate::meter::Meter;
use crate::policies::Policies;
use crate::ports::{Revoked, StoreError};
use crate::revocations::Revocations;
use crate::servers::{Freshness, Listed as List, Server, Servers};
use crate::sign_in::AuthorizationServer;
use crate::signals::Signals;
use crate::supervisor::Supervisor;
use crate::switches::Switches;
use crate::tabs::Tabs;
use crate::tickets::TicketOffice;
use crate::traces::Traces;
use deputy_core::{Digest, Facts as _, GrantId, Origin, SourceName, TenantId, Timestamp, Tool, User};
use deputy_identity::seal::Sealer;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

impl Hub {
    /// Lets somebody in at a door, or not.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn authenticate(&self, door: &Door, token: &str) -> Result<Caller, Denied> {
        self.authenticator.authenticate(door, token).await
    }

    /// Carries a wish through the corridor.
    #[must_use]
    pub fn call(&self, caller: Caller, wish: Wish) -> Events {
        self.corridor.run(caller, wish)
    }

    /// The same, in the task of whoever hears of it, for as long as they ask for the next step.
    #[must_use]
    pub fn call_heard(&self, caller: Caller, wish: Wish) -> Events {
        self.corridor.carried(caller, wish)
    }

    /// Traces of requests: a door asks for one before it makes a wish.
    #[must_use]
    pub const fn traces(&self) -> &Arc<Traces> {
        &self.traces
    }

    /// The right to look.
    #[must_use]
    pub fn reach(&self, caller: Caller) -> Reach {
        self.corridor.reach(caller)
    }

    /// What this caller could call, sorted by name.
    #[must_use]
    pub fn tools(&self, reach: &Reach) -> Vec<Listed> {
        let mut listed = self.catalog.tools(reach, self.clock.now());
        listed.retain(|entry| self.is_open(reach, &entry.tool));
        listed
    }

    /// Asks every server of the caller's for its tools; those that do not answer, and why. One that this person would have to
    /// connect first is among them only if policy could let them use it then, and their agent's permission has it
    /// (invariant 7).
    pub async fn refresh(&self, reach: &Reach, within: Duration) -> Vec<(SourceName, Refused)> {
        let mut missing = self.servers.refresh(reach, within).await;
        missing.retain(|(source, refused)| refused.open.is_none() || self.may_hear_of(reach, source));
        missing
    }

    /// Whether this caller may hear that there is a server.
    pub(super) fn may_hear_of(&self, reach: &Reach, source: &SourceName) -> bool {
        let server = self.servers.of(&reach.user().tenant, source);
        let caller = reach.caller();
        server.is_some_and(|server| caller.reaches(source) && self.corridor.might_use(caller, server))
    }

    /// What this caller could call of a server, as the server says it; policy has been asked about each.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn server_tools(
        &self,
        reach: &Reach,
        server: &Arc<Server>,
        freshness: Freshness,
    ) -> Result<List, Refused> {
        let tools = self.servers.tools(reach, server, freshness).await?;
        let mut shows = self.showing(reach);
        let items = tools.tools.iter().filter(|offered| shows(&offered.tool));
        let items: Vec<_> = items.map(|offered| Arc::clone(&offered.raw)).collect();
        let whole = tools.whole.clone().filter(|_| items.len() == tools.tools.len());
        Ok(List { items, rest: tools.rest.clone(), whole })
    }

    /// A server's own words about one of its tools that wants arguments repeated in headers, if this caller sees it.
    pub async fn repeating_tool(
        &self,
        reach: &Reach,
        server: &Arc<Server>,
        is_meant: impl Fn(&Tool) -> bool,
    ) -> Option<Arc<RawValue>> {
        let tools = self.servers.tools(reach, server, Freshness::Lately).await.ok()?;
        let offered = tools.tools.iter().find(|offered| is_meant(&offered.tool))?;
        if !offered.repeats {
            return None;
        }
        self.shows(reach, &offered.tool, self.clock.now()).then(|| Arc::clone(&offered.raw))
    }

    /// The server of this caller's that a public name leads to, if it leads to one.
    #[must_use]
    pub fn server_named(&self, caller: &Caller, name: &str) -> Option<SourceName> {
        self.servers.named_by(&caller.user().tenant, name).map(|server| server.name.clone())
    }

    /// Whether this caller may look at what a method of a server lists: where its reading is not for them, neither is its
    /// list.
    #[must_use]
    pub fn may_look(&self, reach: &Reach, server: &Server, list: &str) -> bool {
        let reading = match list {
            "prompts/list" => "prompts/get",
            "resources/list" | "resources/templates/list" => "resources/read",
            other => other,
        };
        server.method(reading).is_some_and(|tool| self.shows(reach, &tool, self.clock.now()))
    }

    /// The same for many tools at one moment.
    pub(super) fn showing<'a>(&'a self, reach: &'a Reach) -> impl FnMut(&Tool) -> bool + 'a {
        let mut sight = self.catalog.sight(reach, self.clock.now());
        let any_stopped = self.thrown.stops_any(&reach.user().tenant);
        move |tool| {
            let is_open =
                if any_stopped { self.is_open(reach, tool) } else { reach.caller().reaches(&tool.source) };
            is_open && sight.of(tool).is_visible()
        }
    }

    pub(super) fn shows(&self, reach: &Reach, tool: &Tool, now: Timestamp) -> bool {
        self.is_open(reach, tool) && self.catalog.shows(reach, tool, now)
    }

    /// No switch stops it, and the agent's permission reaches its source. How far a permission goes there hides nothing: an
    /// agent that needs more can ask the person for it.
    fn is_open(&self, reach: &Reach, tool: &Tool) -> bool {
        self.thrown.stops(reach.caller(), tool).is_none() && reach.caller().reaches(&tool.source)
    }

    /// The hub's own two tools for those who would be given more than they can read; `None`: there are none.
    #[must_use]
    pub const fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    /// What agents are listed where their address does not say.
    #[must_use]
    pub const fn listing(&self) -> Listing {
        self.listing
    }

    /// The best of what this caller could call, by what it says of itself.
    #[must_use]
    pub fn find(&self, reach: &Reach, query: &str, limit: usize) -> Vec<Listed> {
        let mut found = self.finder.find(reach, query, limit, self.clock.now());
        found.retain(|entry| self.is_open(reach, &entry.tool));
        found
    }

    /// Counts up whenever this caller's tools may have changed.
    #[must_use]
    pub fn changes(&self, reach: &Reach) -> watch::Receiver<u64> {
        self.tabs.changes(reach.caller().user())
    }

    /// Counts somebody who was not let in.
    pub fn count_refused(&self, door: &'static str, code: &'static str) {
        // A stranger belongs to no tenant; the first one's log counts them.
        if let Some(tenant) = self.tenants.first() {
            self.journal.count_refused(tenant, door, code);
        }
    }

    /// Why lines of the log cannot be written now, so that calls are refused; `None` if they can. For the operator, not
    /// for strangers.
    #[must_use]
    pub fn log_fault(&self) -> Option<String> {
        self.journal.fault()
    }

    /// Where the hub is reached; no trailing slash.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.public_url.as_str()
    }

    /// The issuers whose tokens are taken.
    #[must_use]
    pub fn issuers(&self) -> Vec<String> {
        self.authenticator.issuers()
    }

    /// The authorization servers of a door, for whoever wants a token (RFC 9728): the hub itself, where people sign in at
    /// it; else the identity providers.
    #[must_use]
    pub fn authorization_servers(&self, door: &Door) -> Vec<String> {
        match (&self.authorization, door) {
            (Some(_), Door::Mcp | Door::Server(_)) => vec![self.public_url.to_string()],
            _ => self.issuers(),
        }
    }

    /// Who checks tokens.
    #[must_use]
    pub const fn authenticator(&self) -> &Arc<Authenticator> {
        &self.authenticator
    }

    /// Seals continuation handles.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Tabs.
    #[must_use]
    pub const fn tabs(&self) -> &Arc<Tabs> {
        &self.tabs
    }

    /// Whether an app lives at this origin.
    #[must_use]
    pub fn knows_origin(&self, origin: &Origin) -> bool {
        self.tabs.knows_origin(origin)
    }

    /// What was counted.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        self.journal.meter()
    }

    /// MCP servers.
    #[must_use]
    pub const fn servers(&self) -> &Arc<Servers> {
        &self.servers
    }

    /// Questions to people.
    #[must_use]
    pub const fn approvals(&self) -> &Arc<Approvals> {
        &self.approvals
    }

    /// Tickets.
    #[must_use]
    pub const fn tickets(&self) -> &TicketOffice {
        &self.tickets
    }

    /// Switches.
    #[must_use]
    pub const fn switches(&self) -> &Arc<Switches> {
        &self.switches
    }

    /// Logins at the hub and agents' permissions.
    #[must_use]
    pub const fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// The hub as an authorization server; `None`: it is none.
    #[must_use]
    pub const fn authorization(&self) -> Option<&Arc<AuthorizationServer>> {
        self.authorization.as_ref()
    }

    /// Takes what identity providers tell by themselves.
    #[must_use]
    pub const fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// Where tokens for servers are had.
    #[must_use]
    pub const fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Signs a person out at the hub, in the browser that shows this cookie: their agents' permissions of this login end too.
    pub fn sign_out(&self, cookie: &str, why: &str) -> bool {
        self.revocations.end_login(&Digest::of_bytes(cookie.as_bytes()), why)
    }

    /// Ends a permission of this person's own, and what runs by it. `false`: it is not theirs, or none.
    #[must_use]
    pub fn end_grant_of(&self, user: &User, id: &GrantId, why: &str) -> bool {
        let own = self.access.grant(id).is_some_and(|(grant, _)| grant.user == *user);
        own && self.end_grant(&user.tenant, id, why)
    }

    /// The same for an administrator of the tenant.
    #[must_use]
    pub fn end_grant_in(&self, tenant: &TenantId, id: &GrantId, why: &str) -> bool {
        let own = self.access.grant(id).is_some_and(|(grant, _)| grant.user.tenant == *tenant);
        own && self.end_grant(tenant, id, why)
    }

    fn end_grant(&self, tenant: &TenantId, id: &GrantId, why: &str) -> bool {
        // Running calls by this permission end as well, so it is taken away as everything is.
        drop(self.revocations.end(tenant.clone(), Revoked::Grant { id: id.clone() }, why));
        true
    }

    /// Takes rights away.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Policy sets.
    #[must_use]
    pub const fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Definitions that wait for people.
    #[must_use]
    pub const fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// The keys that sign in the hub's name, public halves (RFC 7517): assertions and tokens, and those with which it shows
    /// identity providers which client it is.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let mut set = self.assertions.jwks();
        let own = self.authorization.iter().flat_map(|server| server.logins().own_keys());
        if let Some(keys) = set.get_mut("keys").and_then(serde_json::Value::as_array_mut) {
            keys.extend(own.chain(self.exchange.own_keys()));
        }
        set
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time on a clock that nobody sets, for spans: it has no date.
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        Timestamp::from_millis(0).plus(self.clock.elapsed())
    }

    /// Starts tasks.
    #[must_use]
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Writes the last counted refusals; the program calls it when the doors are closed.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn last_words(&self) -> Result<(), StoreError> {
        self.journal.flush_refused().await
    }

    /// Writes counted refusals every few seconds, and once more at the end.
    pub(super) async fn flush_refused(&self) {
        loop {
            let stopping =
                tokio::time::timeout(Duration::from_secs(5), self.supervisor.stopping().cancelled())
                    .await
                    .is_ok();
            if let Err(error) = self.journal.flush_refused().await {
                tracing::error!(%error, "refused sign-ins could not be recorded");
            }
            if stopping {
                return;
            }
        }
    }
}
