//! The hub put together.

mod connections;
mod doors;
mod streams;
mod visitor;

use crate::access::Access;
use crate::answers::{Answers, Paging};
use crate::approvals::standing::Standings;
use crate::approvals::{ApprovalLimits, Approvals};
use crate::assertion::Assertions;
use crate::authenticate::{Authenticator, Door, Introspection, IntrospectionSetup, OwnTokens, Rules};
use crate::catalog::Catalog;
use crate::continuing::Continuing;
use crate::corridor::{CallLimits, Corridor};
use crate::definitions::Definitions;
use crate::exchange::{self, Connection, Exchange};
use crate::finding::{Finder, Finding, Listing};
use crate::journal::Journal;
use crate::lanes::{PageLane, ServerLane, SessionLane};
use crate::limits::{Limit, RateLimits};
use crate::pins::Pins;
use crate::policies::Policies;
use crate::ports::{self, Clock, KeySource, OpenCalls, StoreError};
use crate::revocations::Revocations;
use crate::servers::{Server, Servers};
use crate::sign_in::{self, AuthorizationServer, Clients, Logins, SignInSetup};
use crate::signals::{Signals, SignalsSetup};
use crate::supervisor::Supervisor;
use crate::switches::{Parts, Switches, Thrown};
use crate::tabs::Tabs;
use crate::taint::Taint;
use crate::tickets::TicketOffice;
use crate::traces::{Traces, Tracing};
use crate::vault::PersonVault;
use deputy_core::{Client, Event, EventKind, Issuer, Outcome, Reason, SourceName, TenantId};
use deputy_identity::claims::Expectations;
use deputy_identity::mint::{OwnKeys, SigningKey};
use deputy_identity::seal::Sealer;
use deputy_identity::{ProviderName, Verifier};
use deputy_policy::{Engine, PolicySet};
use std::collections::HashMap;
use std::sync::Arc;

pub use crate::catalog::{App, ManifestAt};
pub use deputy_audit::arguments::Recording;

/// Everything that the hub is made of. The program fills it from the config; tests fill it otherwise.
pub struct Setup {
    /// Where people and agents reach the hub; no trailing slash.
    pub public_url: Issuer,
    /// The organisations; at least one.
    pub tenants: Vec<TenantId>,
    /// The apps.
    pub apps: Vec<App>,
    /// Whose tokens are taken.
    pub verifier: Verifier,
    /// What each door expects of a token.
    pub doors: HashMap<Door, Expectations>,
    /// The clients through which people, not agents, come to `/api`. None: nobody can approve there.
    pub people_clients: Vec<Client>,
    /// MCP servers.
    pub servers: Vec<Server>,
    /// The policy to begin with.
    pub policy: PolicySet,
    /// Signs assertions.
    pub signing_key: SigningKey,
    /// Seals continuation handles.
    pub sealer: Sealer,
    /// The audit log.
    pub log: Arc<dyn ports::AuditLog>,
    /// How much of calls' arguments it holds.
    pub recording: Recording,
    /// Tickets.
    pub tickets: Arc<dyn ports::Tickets>,
    /// Approvals.
    pub approvals: Arc<dyn ports::Approvals>,
    /// Approvals that stand.
    pub standing: Arc<dyn ports::StandingGrants>,
    /// Pins of definitions.
    pub pins: Arc<dyn ports::Pins>,
    /// Fetches manifests.
    pub manifests: Arc<dyn ports::ManifestSource>,
    /// Calls that a crash left open.
    pub open_calls: Arc<dyn OpenCalls>,
    /// How often calls may be performed.
    pub limits: Vec<Limit>,
    /// From which they are counted again at start.
    pub intents: Arc<dyn ports::PastIntents>,
    /// Thrown switches.
    pub switches: Arc<dyn ports::Switches>,
    /// Logins at the hub, agents' permissions, and who is shut out.
    pub access: Arc<dyn ports::AccessTable>,
    /// How people and agents sign in at the hub; `None`: they do not.
    pub sign_in: Option<SignInSetup>,
    /// What identity providers may tell the hub by themselves.
    pub signals: HashMap<ProviderName, SignalsSetup>,
    /// Which of them are asked about each of their tokens.
    pub introspection: HashMap<ProviderName, IntrospectionSetup>,
    /// Seals what people consented to at servers; `None`: nobody can.
    pub consents: Option<PersonVault>,
    /// Servers that the hub gets tokens for, by names that are among `servers`.
    pub connections: Vec<Connection>,
    /// Asks endpoints of identity providers, and documents of clients.
    pub endpoints: Arc<dyn ports::Endpoints>,
    /// The groups whose people may turn switches over the API. None: nobody can there.
    pub operator_groups: Vec<String>,
    /// Fetches keys.
    pub keys: Arc<dyn KeySource>,
    /// Who wants spans; `None`: nobody does.
    pub tracing: Option<Tracing>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Starts tasks.
    pub supervisor: Supervisor,
    /// How long people may think.
    pub approval_limits: ApprovalLimits,
    /// How long calls may take.
    pub call_limits: CallLimits,
    /// What agents are listed where their address does not say.
    pub listing: Listing,
}

/// The hub.
pub struct Hub {
    public_url: Issuer,
    corridor: Arc<Corridor>,
    authenticator: Arc<Authenticator>,
    catalog: Arc<Catalog>,
    tabs: Arc<Tabs>,
    approvals: Arc<Approvals>,
    tickets: TicketOffice,
    policies: Policies,
    definitions: Arc<Definitions>,
    tenants: Vec<TenantId>,
    assertions: Arc<Assertions>,
    journal: Arc<Journal>,
    sealer: Arc<Sealer>,
    servers: Arc<Servers>,
    finder: Finder,
    finding: Option<Finding>,
    listing: Listing,
    open_calls: Arc<dyn OpenCalls>,
    rate_limits: Arc<RateLimits>,
    intents: Arc<dyn ports::PastIntents>,
    thrown: Arc<Thrown>,
    switches: Arc<Switches>,
    access: Arc<Access>,
    revocations: Arc<Revocations>,
    authorization: Option<Arc<AuthorizationServer>>,
    signals: Arc<Signals>,
    exchange: Arc<Exchange>,
    traces: Arc<Traces>,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
}

impl Hub {
    /// Puts the parts together. Nothing runs yet; see [`Hub::start`].
    #[must_use]
    pub fn new(setup: Setup) -> Arc<Self> {
        let Setup { clock, supervisor, .. } = &setup;
        let (clock, supervisor) = (Arc::clone(clock), supervisor.clone());
        let apps: HashMap<SourceName, Arc<App>> =
            setup.apps.into_iter().map(|app| (app.name.clone(), Arc::new(app))).collect();
        let journal = Arc::new(Journal::new(setup.log, Arc::clone(&clock), setup.recording));
        let engine = Arc::new(Engine::new(setup.policy));
        let (thrown, rate_limits) = (Arc::new(Thrown::default()), Arc::new(RateLimits::new(setup.limits)));
        let with_manifest = apps.values().filter(|app| app.manifest.is_some());
        let pins =
            Arc::new(Pins::new(setup.pins, Arc::clone(&journal), with_manifest.map(|app| app.name.clone())));
        let tabs = Arc::new(Tabs::new(
            apps.clone(),
            Arc::clone(&setup.tickets),
            Arc::clone(&pins),
            Arc::clone(&journal),
            Arc::clone(&clock),
            supervisor.clone(),
            Arc::clone(&thrown),
        ));
        let finding = Finding::of(&setup.public_url);
        let sealer = Arc::new(setup.sealer);
        let servers =
            Arc::new(Servers::new(setup.servers, Arc::clone(&pins), Arc::clone(&tabs), Arc::clone(&clock)));
        let answers = Arc::new(Answers::new(Arc::clone(&clock)));
        let catalog = Arc::new(Catalog::new(
            Arc::clone(&tabs),
            Arc::clone(&servers),
            Arc::clone(&engine),
            apps.keys().cloned().collect(),
            Arc::clone(&answers),
            Paging::of(&setup.public_url),
        ));
        let switches = Arc::new(Switches::new(Parts {
            table: setup.switches,
            thrown: Arc::clone(&thrown),
            tabs: Arc::clone(&tabs),
            clock: Arc::clone(&clock),
            supervisor: supervisor.clone(),
            apps: apps.keys().cloned().collect(),
            servers: servers.names().collect(),
            operator_groups: setup.operator_groups,
        }));
        let access = Arc::new(Access::new(
            Arc::clone(&setup.access),
            Arc::clone(&thrown),
            Arc::clone(&journal),
            Arc::clone(&clock),
            supervisor.clone(),
        ));
        let revocations = Arc::new(Revocations::new(crate::revocations::Parts {
            table: setup.access,
            access: Arc::clone(&access),
            thrown: Arc::clone(&thrown),
            tabs: Arc::clone(&tabs),
            clock: Arc::clone(&clock),
            supervisor: supervisor.clone(),
        }));
        let definitions = Arc::new(Definitions::new(
            pins,
            Arc::clone(&tabs),
            Arc::clone(&journal),
            setup.manifests,
            Arc::clone(&servers),
            Arc::clone(&clock),
            apps.values().cloned(),
        ));
        let approvals = Arc::new(Approvals::new(
            setup.approvals,
            Arc::clone(&journal),
            Arc::clone(&clock),
            Arc::clone(&engine),
            Arc::new(Standings::new(setup.standing, Arc::clone(&journal), Arc::clone(&clock))),
            setup.approval_limits,
        ));
        let signing_key = Arc::new(setup.signing_key);
        let assertions = Arc::new(Assertions::new(Arc::clone(&signing_key), setup.public_url.clone()));
        let own_tokens = setup.sign_in.as_ref().and_then(|_| {
            // INVARIANT: a hub whose own key does not read back takes none of its own tokens.
            let keys = OwnKeys::new(setup.public_url.clone(), &assertions.jwks());
            keys.ok().map(|keys| OwnTokens::new(keys, Arc::clone(&access)))
        });
        let authenticator = Arc::new(Authenticator::new(
            setup.verifier,
            setup.doors,
            setup.keys,
            Arc::clone(&journal),
            Arc::clone(&clock),
            supervisor.clone(),
            Rules {
                counting: setup.tenants.first().cloned().unwrap_or_else(TenantId::single),
                people_clients: setup.people_clients,
                thrown: Arc::clone(&thrown),
                own: own_tokens,
                introspection: Introspection::new(
                    setup.introspection,
                    Arc::clone(&setup.endpoints),
                    Arc::clone(&clock),
                ),
            },
        ));
        let authorization = setup.sign_in.map(|sign_in| {
            let logins = Arc::new(Logins::new(
                sign_in,
                (Arc::clone(&access), Arc::clone(&revocations), Arc::clone(&authenticator)),
                Arc::clone(&setup.endpoints),
                Arc::clone(&sealer),
                Arc::clone(&clock),
                setup.public_url.clone(),
            ));
            let clients = Clients::new(Arc::clone(&access), Arc::clone(&setup.endpoints), Arc::clone(&clock));
            let sources = apps
                .values()
                .map(|app| (app.name.clone(), app.tenant.clone()))
                .chain(servers.tenants())
                .collect::<std::collections::BTreeSet<_>>();
            Arc::new(AuthorizationServer::new(sign_in::Parts {
                logins,
                access: Arc::clone(&access),
                revocations: Arc::clone(&revocations),
                clients,
                key: Arc::clone(&signing_key),
                sealer: Arc::clone(&sealer),
                clock: Arc::clone(&clock),
                issuer: setup.public_url.clone(),
                counting: setup.tenants.first().cloned().unwrap_or_else(TenantId::single),
                servers: servers.names().collect(),
                sources: sources.into_iter().collect(),
            }))
        });
        let signals = Arc::new(Signals::new(
            crate::signals::Parts {
                authenticator: Arc::clone(&authenticator),
                revocations: Arc::clone(&revocations),
                access: Arc::clone(&access),
                logins: authorization.as_ref().map(|server| Arc::clone(server.logins())),
                endpoints: Arc::clone(&setup.endpoints),
                clock: Arc::clone(&clock),
                supervisor: supervisor.clone(),
            },
            setup.signals,
        ));
        let exchange = Exchange::new(exchange::Parts {
            connections: setup.connections,
            logins: authorization.as_ref().map(|server| Arc::clone(server.logins())),
            access: Arc::clone(&access),
            endpoints: setup.endpoints,
            journal: Arc::clone(&journal),
            key: Arc::clone(&signing_key),
            clock: Arc::clone(&clock),
            supervisor: supervisor.clone(),
            public_url: setup.public_url.clone(),
            sealer: Arc::clone(&sealer),
            vault: setup.consents,
        });
        let corridor = Arc::new(Corridor {
            engine: Arc::clone(&engine),
            journal: Arc::clone(&journal),
            catalog: Arc::clone(&catalog),
            approvals: Arc::clone(&approvals),
            session_lane: SessionLane::new(Arc::clone(&tabs), Arc::clone(&assertions), Arc::clone(&clock)),
            page_lane: PageLane::new(Arc::clone(&answers)),
            server_lane: ServerLane::new(Arc::clone(&clock)),
            servers: Arc::clone(&servers),
            continuing: Continuing::new(Arc::clone(&sealer)),
            answers,
            taint: Arc::new(Taint::new(Arc::clone(&clock))),
            tabs: Arc::clone(&tabs),
            clock: Arc::clone(&clock),
            supervisor: supervisor.clone(),
            limits: setup.call_limits,
            rate_limits: Arc::clone(&rate_limits),
            thrown: Arc::clone(&thrown),
        });
        let tickets = TicketOffice::new(
            apps,
            Arc::clone(&authenticator),
            setup.tickets,
            Arc::clone(&journal),
            Arc::clone(&clock),
            Arc::clone(&thrown),
            (Arc::clone(&tabs), Arc::clone(&sealer)),
        );
        let policies = Policies::new(
            engine,
            Arc::clone(&journal),
            Arc::clone(&tabs),
            Arc::clone(&clock),
            setup.tenants.clone(),
        );
        let finder = Finder::new(Arc::clone(&catalog), Arc::clone(&servers), Arc::clone(&tabs));
        Arc::new(Self {
            public_url: setup.public_url,
            corridor,
            authenticator,
            catalog,
            tabs,
            approvals,
            tickets,
            policies,
            definitions,
            tenants: setup.tenants,
            assertions,
            journal,
            sealer,
            finder,
            finding,
            listing: setup.listing,
            servers,
            open_calls: setup.open_calls,
            rate_limits,
            intents: setup.intents,
            thrown,
            switches,
            access,
            revocations,
            authorization,
            signals,
            exchange,
            traces: Traces::new(setup.tracing, Arc::clone(&clock)),
            clock,
            supervisor,
        })
    }

    /// Writes the first lines (the hub came up; what a crash left open has an unknown outcome; which policy is in
    /// force) and starts what runs beside the doors.
    ///
    /// # Errors
    /// The log cannot be written, or what is stopped or used up cannot be read: such a hub does not start.
    pub async fn start(self: &Arc<Self>) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.switches.load().await?;
        self.access.load().await?;
        self.revocations.load().await?;
        self.rate_limits.recount(self.intents.as_ref(), &self.tenants, now).await?;
        for tenant in &self.tenants {
            self.journal.append(vec![Event::new(now, tenant.clone(), EventKind::HubStarted)]).await?;
        }
        for (_, intent) in self.open_calls.open_calls().await? {
            let outcome = Event {
                at: now,
                kind: EventKind::Outcome,
                outcome: Some(Outcome::Unknown),
                reason: Some(Reason::OutcomeUnknown),
                ..intent
            };
            self.journal.append(vec![outcome.with_detail("closed_by", "start")]).await?;
        }
        self.policies.record_loaded().await;
        self.definitions.start(&self.supervisor).await?;
        self.supervisor.start_until_shutdown(Arc::clone(&self.tabs).keep_alive());
        self.supervisor.start_until_shutdown(Arc::clone(&self.authenticator).keep_keys());
        self.supervisor.start_until_shutdown(Arc::clone(&self.approvals).expire());
        self.supervisor.start_until_shutdown(Arc::clone(&self.switches).keep_up());
        self.supervisor.start_until_shutdown(Arc::clone(&self.revocations).keep_up());
        self.supervisor.start_until_shutdown(Arc::clone(&self.revocations).forget_old());
        self.supervisor.start_until_shutdown(Arc::clone(&self.access).forget_ended());
        self.signals.start_polling();
        self.supervisor.start_until_shutdown(Arc::clone(&self.exchange).forget_ended());
        self.supervisor.start_until_shutdown(Arc::clone(&self.exchange).give_back_ended());
        if let Some(authorization) = &self.authorization {
            self.supervisor.start_until_shutdown(Arc::clone(authorization.logins()).keep_asking());
        }
        let hub = Arc::clone(self);
        self.supervisor.start_until_shutdown(async move { hub.tickets.drop_ended().await });
        let hub = Arc::clone(self);
        self.supervisor.start(async move { hub.flush_refused().await });
        Ok(())
    }
}
