//! A whole hub in memory.

use crate::wishes::permit_all;
use crate::{FakeEndpoints, FakeManifests, FakeTab, HeldMasterKeys, Memory, StillClock, TestIssuer};
use deputy_core::{Class, Client, DocumentId, Issuer, Secret, SourceName, TenantId};
use deputy_hub::approvals::ApprovalLimits;
use deputy_hub::authenticate::IntrospectionSetup;
use deputy_hub::corridor::CallLimits;
use deputy_hub::definitions::Word;
use deputy_hub::exchange::Connection;
use deputy_hub::limits::Limit;
use deputy_hub::ports::{Clock as _, StoreError, Upstream};
use deputy_hub::setup::Recording;
use deputy_hub::sign_in::{OwnClient, SignInSetup};
use deputy_hub::signals::{EventStream, SignalsSetup};
use deputy_hub::tickets::TicketWish;
use deputy_hub::traces::Tracing;
use deputy_hub::{
    App, CallEvent, Caller, Door, Hub, ManifestAt, PersonVault, Refused, Right, Server, Setup, Supervisor,
    ToolAnswer, Trust, Wish,
};
use deputy_identity::Verifier;
use deputy_identity::claims::{Audiences, Expectations};
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::keys::KeyRing;
use deputy_identity::mint::SigningKey;
use deputy_identity::provider::{Provider, ProviderName, Settings};
use deputy_identity::revocation::LogoutType;
use deputy_identity::seal::Sealer;
use deputy_policy::PolicySet;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// The one app.
pub const APP: &str = "crm";
/// Where it lives.
pub const ORIGIN: &str = "https://crm.example";
/// Where it lives too.
pub const OTHER_ORIGIN: &str = "https://crm-two.example";
/// Where the hub is reached.
pub const PUBLIC_URL: &str = "https://hub.example";

/// The group whose people may turn switches.
pub const OPERATORS: &str = "deputy-operators";

/// What outlives a hub.
struct Parts {
    tables: Arc<Memory>,
    clock: Arc<StillClock>,
    issuer: Arc<TestIssuer>,
    /// What stands where the app's manifest is, if it has one.
    manifests: Option<Arc<FakeManifests>>,
    /// Servers, by their names.
    servers: Vec<(&'static str, Arc<dyn Upstream>, Trust)>,
    /// Who wants spans.
    tracing: Option<Tracing>,
    /// How people sign in at the hub, if they do.
    sign_in: Option<SignInSetup>,
    /// What the hub asks over HTTP.
    endpoints: Arc<FakeEndpoints>,
    /// What the identity provider may tell by itself.
    signals: SignalsSetup,
    /// How the identity provider is asked about tokens, if it is.
    introspection: Option<IntrospectionSetup>,
    /// The hub's own key, PKCS#8.
    key: Arc<Secret<Vec<u8>>>,
    /// Servers that the hub gets tokens for.
    connections: Vec<Connection>,
    /// The identity provider, where it is not any that follows the standards.
    provider: Option<Settings>,
    /// Above what people consented to.
    master_keys: Arc<HeldMasterKeys>,
}

impl Default for Parts {
    fn default() -> Self {
        let issuer = Arc::new(TestIssuer::new());
        Self {
            tables: Arc::default(),
            clock: Arc::default(),
            issuer,
            manifests: None,
            servers: Vec::new(),
            tracing: None,
            sign_in: None,
            endpoints: Arc::new(FakeEndpoints::new()),
            signals: World::signals(),
            introspection: None,
            key: Arc::new(SigningKey::generate().unwrap()),
            connections: Vec::new(),
            provider: None,
            master_keys: Arc::new(HeldMasterKeys::fresh()),
        }
    }
}

/// A hub, its tables, its clock, and an identity provider. The app's tools: `list` and `find` read, `note` writes,
/// `wipe` destroys, `mail` reads and sends out; anything else is unclassed.
pub struct World {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Its tables.
    pub tables: Arc<Memory>,
    /// Its clock.
    pub clock: Arc<StillClock>,
    /// Who vouches for its users.
    pub issuer: Arc<TestIssuer>,
    /// What stands where the app's manifest is, if the world has one.
    pub manifests: Arc<FakeManifests>,
    /// What the hub asks over HTTP.
    pub endpoints: Arc<FakeEndpoints>,
    /// The vault's master key.
    pub master_keys: Arc<HeldMasterKeys>,
    key: Arc<Secret<Vec<u8>>>,
}

impl World {
    /// With the shipped policy.
    pub async fn new() -> Self {
        Self::with_policy(PolicySet::shipped().unwrap()).await
    }

    /// With this policy, over this corridor: the same as the program's.
    pub async fn with_policy(policy: PolicySet) -> Self {
        let world = Self::unstarted(policy);
        world.hub.start().await.unwrap();
        world
    }

    /// With the shipped policy, reached at this address instead of [`PUBLIC_URL`]; tokens stay as they are.
    pub async fn at(public_url: &str) -> Self {
        let world = Self::reached_at(public_url, PolicySet::shipped().unwrap(), Vec::new(), Parts::default());
        world.hub.start().await.unwrap();
        world
    }

    /// Not started: nothing is in the log yet.
    #[must_use]
    pub fn unstarted(policy: PolicySet) -> Self {
        Self::reached_at(PUBLIC_URL, policy, Vec::new(), Parts::default())
    }

    /// With this policy and these limits.
    pub async fn with_limits(policy: PolicySet, limits: Vec<Limit>) -> Self {
        let world = Self::reached_at(PUBLIC_URL, policy, limits, Parts::default());
        world.hub.start().await.unwrap();
        world
    }

    /// With the shipped policy, and an app whose manifest is at [`ORIGIN`].
    pub async fn with_manifest(manifests: &Arc<FakeManifests>) -> Self {
        Self::over(&Arc::default(), Some(manifests)).await
    }

    /// A hub that comes up over tables that an earlier one left.
    pub async fn over(tables: &Arc<Memory>, manifests: Option<&Arc<FakeManifests>>) -> Self {
        let (tables, manifests) = (Arc::clone(tables), manifests.cloned());
        let parts = Parts { tables, manifests, ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, PolicySet::shipped().unwrap(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// Another hub over the tables, the clock and the identity provider of this one, as after a restart.
    ///
    /// # Errors
    /// It does not start.
    pub async fn again(&self, policy: PolicySet, limits: Vec<Limit>) -> Result<Self, StoreError> {
        let parts = Parts {
            tables: Arc::clone(&self.tables),
            clock: Arc::clone(&self.clock),
            issuer: Arc::clone(&self.issuer),
            ..Parts::default()
        };
        let world = Self::reached_at(PUBLIC_URL, policy, limits, parts);
        world.hub.start().await?;
        Ok(world)
    }

    /// In which people sign in at the hub, everything is allowed, and there are these servers.
    pub async fn signing_in<U: Upstream + 'static>(
        sign_in: SignInSetup,
        servers: Vec<(&'static str, Arc<U>)>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, Trust::FirstUse) });
        let parts = Parts { servers: servers.collect(), sign_in: Some(sign_in), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// Another hub over what this one left, in which people sign in: as after a restart.
    pub async fn signing_in_again<U: Upstream + 'static>(
        &self,
        sign_in: SignInSetup,
        servers: Vec<(&'static str, Arc<U>)>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, Trust::FirstUse) });
        let parts = Parts {
            tables: Arc::clone(&self.tables),
            clock: Arc::clone(&self.clock),
            issuer: Arc::clone(&self.issuer),
            endpoints: Arc::clone(&self.endpoints),
            key: Arc::clone(&self.key),
            servers: servers.collect(),
            sign_in: Some(sign_in),
            ..Parts::default()
        };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// The same, in which the hub gets tokens by these connections, and there is no server but them.
    pub async fn exchanging(sign_in: SignInSetup, connections: Vec<Connection>) -> Self {
        let parts = Parts { connections, sign_in: Some(sign_in), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// The same, at a provider with these settings (its name is `idp`), of which these scopes are asked.
    pub async fn exchanging_at(
        settings: Settings,
        own: OwnClient,
        scopes: &[&str],
        connections: Vec<Connection>,
    ) -> Self {
        let sign_in = SignInSetup {
            providers: HashMap::from([(settings.name.clone(), own)]),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ..Self::sign_in()
        };
        let parts =
            Parts { connections, sign_in: Some(sign_in), provider: Some(settings), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// The same, with servers that are called by these connections.
    pub async fn exchanging_for<U: Upstream + 'static>(
        sign_in: SignInSetup,
        connections: Vec<Connection>,
        servers: Vec<(&'static str, Arc<U>)>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, Trust::FirstUse) });
        let parts =
            Parts { connections, servers: servers.collect(), sign_in: Some(sign_in), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// Another hub over what this one left, with these connections: as after a restart.
    pub async fn exchanging_again(&self, sign_in: SignInSetup, connections: Vec<Connection>) -> Self {
        let parts = Parts {
            tables: Arc::clone(&self.tables),
            clock: Arc::clone(&self.clock),
            issuer: Arc::clone(&self.issuer),
            endpoints: Arc::clone(&self.endpoints),
            key: Arc::clone(&self.key),
            master_keys: Arc::clone(&self.master_keys),
            connections,
            sign_in: Some(sign_in),
            ..Parts::default()
        };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// In which the provider may tell this, and everything is allowed.
    pub async fn told(signals: SignalsSetup) -> Self {
        let parts = Parts { signals, ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// In which the provider is asked about each token, and everything is allowed.
    pub async fn introspecting(url: Option<url::Url>) -> Self {
        let introspection = Some(IntrospectionSetup { client: Self::own_client(), url });
        let parts = Parts { introspection, ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// Logout tokens for the client `deputy`, and pushed events for [`World::EVENTS`].
    #[must_use]
    pub fn signals() -> SignalsSetup {
        SignalsSetup {
            clients: Some(Audiences::one("deputy").unwrap()),
            declared: LogoutType::Declared,
            events: Some(EventStream {
                audiences: Audiences::one(Self::EVENTS).unwrap(),
                push_token: None,
                poll: None,
            }),
        }
    }

    /// What the provider's stream of security events calls the hub.
    pub const EVENTS: &'static str = "https://hub.example/events";

    fn own_client() -> OwnClient {
        OwnClient {
            id: Client("deputy".to_owned()),
            authentication: ClientAuthentication::SecretBasic(Secret::new("s3cret".to_owned())),
        }
    }

    /// The hub's own client at [`TestIssuer`], and short lives.
    #[must_use]
    pub fn sign_in() -> SignInSetup {
        SignInSetup {
            providers: HashMap::from([(ProviderName::new("idp").unwrap(), Self::own_client())]),
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            session: std::time::Duration::from_secs(8 * 3600),
            grant: std::time::Duration::from_secs(1800),
            token: std::time::Duration::from_secs(300),
            ask_again: std::time::Duration::from_secs(300),
            dynamic_registration: false,
            agents: Vec::new(),
        }
    }

    /// With this policy and these servers: `list` reads, `note` writes, `wipe` destroys, as in the app.
    pub async fn with_servers<U: Upstream + 'static>(
        policy: PolicySet,
        servers: Vec<(&'static str, Arc<U>, Trust)>,
    ) -> Self {
        Self::with_servers_and_limits(policy, servers, Vec::new()).await
    }

    /// The same, with these limits.
    pub async fn with_servers_and_limits<U: Upstream + 'static>(
        policy: PolicySet,
        servers: Vec<(&'static str, Arc<U>, Trust)>,
        limits: Vec<Limit>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream, trust)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, trust) });
        let parts = Parts { servers: servers.collect(), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, policy, limits, parts);
        world.hub.start().await.unwrap();
        world
    }

    /// With these servers, and everything allowed.
    pub async fn permitting<U: Upstream + 'static>(servers: Vec<(&'static str, Arc<U>, Trust)>) -> Self {
        Self::with_servers(permit_all(), servers).await
    }

    /// With one server that is trusted on first use, everything allowed, reached at this address.
    pub async fn in_front_of(public_url: &str, name: &'static str, upstream: Arc<dyn Upstream>) -> Self {
        let parts = Parts { servers: vec![(name, upstream, Trust::FirstUse)], ..Parts::default() };
        let world = Self::reached_at(public_url, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// With one server that is trusted on first use, this policy, and spans that go somewhere.
    pub async fn traced<U: Upstream + 'static>(
        policy: PolicySet,
        server: (&'static str, Arc<U>),
        tracing: Option<Tracing>,
    ) -> Self {
        let (name, upstream) = server;
        let parts = Parts { servers: vec![(name, upstream, Trust::FirstUse)], tracing, ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, policy, Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    fn reached_at(public_url: &str, policy: PolicySet, limits: Vec<Limit>, parts: Parts) -> Self {
        let Parts { tables, clock, issuer, manifests, servers, tracing, sign_in, endpoints, .. } = parts;
        let (signals, introspection, key) = (parts.signals, parts.introspection, parts.key);
        let (connections, master_keys) = (parts.connections, parts.master_keys);
        let manifest = manifests.as_ref().map(|_| ManifestAt {
            url: format!("{ORIGIN}/.well-known/deputy-tools.json"),
            origin: ORIGIN.parse().unwrap(),
        });
        let manifests = manifests.unwrap_or_default();
        let provider = ProviderName::new("idp").unwrap();
        let known = match parts.provider {
            Some(settings) => Provider::new(settings),
            None => Provider::oidc(provider.clone(), TenantId::single(), TestIssuer::ISSUER.parse().unwrap()),
        };
        let verifier = Verifier::new([(Arc::new(known.unwrap()), Arc::new(KeyRing::new()))]).unwrap();
        let one = |audience: &str| Audiences::one(audience).unwrap();
        let app: SourceName = APP.parse().unwrap();
        let mut doors = HashMap::from([
            (Door::Mcp, Expectations::access_token(one("https://hub.example/mcp"))),
            (Door::Api, Expectations::access_token(one("https://hub.example/api"))),
            (Door::Tickets(app.clone()), Expectations::id_token(one("crm-web"), provider.clone())),
        ]);
        let classes = [
            ("list", "read"),
            ("find", "read"),
            ("note", "write"),
            ("wipe", "destructive"),
            ("mail", "egress"),
        ];
        let classes = classes.map(|(name, word)| (name.parse().unwrap(), Class::from_words([word]).unwrap()));
        for (name, ..) in &servers {
            let door = Door::Server(name.parse().unwrap());
            doors.insert(door, Expectations::access_token(one(&format!("https://hub.example/s/{name}/mcp"))));
        }
        let servers = servers.into_iter().map(|(name, upstream, trust)| Server {
            name: name.parse().unwrap(),
            tenant: TenantId::single(),
            origin: format!("https://{name}.example").parse().unwrap(),
            classes: HashMap::from(classes.clone()),
            trust,
            right: Right::Open,
            timeout: std::time::Duration::from_secs(30),
            upstream,
        });
        let hub = Hub::new(Setup {
            public_url: Issuer::new(public_url).unwrap(),
            tenants: vec![TenantId::single()],
            apps: vec![App {
                name: app,
                tenant: TenantId::single(),
                origins: vec![ORIGIN.parse().unwrap(), OTHER_ORIGIN.parse().unwrap()],
                classes: HashMap::from(classes.clone()),
                manifest,
            }],
            servers: servers.collect(),
            verifier,
            doors,
            people_clients: vec![Client("people".to_owned())],
            policy,
            signing_key: SigningKey::from_pkcs8(key.as_ref()).unwrap(),
            sealer: Sealer::new(&Secret::new([7; 32])),
            log: Arc::<Memory>::clone(&tables),
            recording: Recording::Redacted,
            tickets: Arc::<Memory>::clone(&tables),
            approvals: Arc::<Memory>::clone(&tables),
            standing: Arc::<Memory>::clone(&tables),
            pins: Arc::<Memory>::clone(&tables),
            manifests: Arc::<FakeManifests>::clone(&manifests),
            open_calls: Arc::<Memory>::clone(&tables),
            limits,
            intents: Arc::<Memory>::clone(&tables),
            switches: Arc::<Memory>::clone(&tables),
            access: Arc::<Memory>::clone(&tables),
            sign_in,
            signals: HashMap::from([(provider.clone(), signals)]),
            introspection: introspection.into_iter().map(|setup| (provider.clone(), setup)).collect(),
            endpoints: Arc::<FakeEndpoints>::clone(&endpoints),
            consents: Some(PersonVault::new(
                Arc::<Memory>::clone(&tables),
                Arc::<HeldMasterKeys>::clone(&master_keys),
            )),
            connections,
            operator_groups: vec![OPERATORS.to_owned()],
            keys: Arc::<TestIssuer>::clone(&issuer),
            tracing,
            clock: Arc::<StillClock>::clone(&clock),
            supervisor: Supervisor::default(),
            approval_limits: ApprovalLimits::default(),
            call_limits: CallLimits::default(),
        });
        Self { hub, tables, clock, issuer, manifests, endpoints, master_keys, key }
    }

    /// An access token for the hub's door at `path` (`/mcp`, `/api`).
    #[must_use]
    pub fn access_token(&self, subject: &str, path: &str) -> String {
        let client = if path == "/api" { "people" } else { "agent-1" };
        self.token_of(client, subject, path)
    }

    /// The same, of another client.
    #[must_use]
    pub fn token_of(&self, client: &str, subject: &str, path: &str) -> String {
        self.token_with(client, subject, path, &[])
    }

    fn token_with(&self, client: &str, subject: &str, path: &str, groups: &[&str]) -> String {
        let now = self.clock.now().seconds();
        let claims = json!({
            "iss": TestIssuer::ISSUER, "sub": subject, "aud": format!("{PUBLIC_URL}{path}"), "client_id": client,
            "iat": now, "exp": now + 3600, "jti": format!("{subject}{path}"), "groups": groups,
        });
        self.issuer.sign("at+jwt", &claims)
    }

    /// An access token for `/api` of a person in these groups.
    #[must_use]
    pub fn token_in_groups(&self, subject: &str, groups: &[&str]) -> String {
        let now = self.clock.now().seconds();
        let claims = json!({
            "iss": TestIssuer::ISSUER, "sub": subject, "aud": format!("{PUBLIC_URL}/api"), "client_id": "people",
            "iat": now, "exp": now + 3600, "groups": groups,
        });
        self.issuer.sign("at+jwt", &claims)
    }

    /// A signed-in operator.
    pub async fn operator(&self, subject: &str) -> Caller {
        self.hub.authenticate(&Door::Api, &self.token_in_groups(subject, &[OPERATORS])).await.unwrap()
    }

    /// An ID token for the app.
    #[must_use]
    pub fn id_token(&self, subject: &str) -> String {
        let now = self.clock.now().seconds();
        let claims = json!({ "iss": TestIssuer::ISSUER, "sub": subject, "aud": "crm-web", "iat": now, "exp": now + 3600 });
        self.issuer.sign("JWT", &claims)
    }

    /// A caller at `/mcp`.
    pub async fn caller(&self, subject: &str) -> Caller {
        self.hub.authenticate(&Door::Mcp, &self.access_token(subject, "/mcp")).await.unwrap()
    }

    /// A caller at `/s/{server}/mcp`.
    pub async fn caller_at(&self, server: &str, subject: &str) -> Caller {
        let token = self.access_token(subject, &format!("/s/{server}/mcp"));
        self.hub.authenticate(&Door::Server(server.parse().unwrap()), &token).await.unwrap()
    }

    /// A caller at `/api`.
    pub async fn person(&self, subject: &str) -> Caller {
        self.person_in(subject, &[]).await
    }

    /// A caller at `/api` whose token has these groups.
    pub async fn person_in(&self, subject: &str, groups: &[&str]) -> Caller {
        let token = self.token_with("people", subject, "/api", groups);
        self.hub.authenticate(&Door::Api, &token).await.unwrap()
    }

    /// A ticket's text.
    pub async fn ticket(&self, subject: &str) -> String {
        let wish = TicketWish {
            app: APP.parse().unwrap(),
            origin: ORIGIN.parse().unwrap(),
            session_expires_at: None,
            session: None,
        };
        let issued = self.hub.tickets().issue(&self.id_token(subject), wish).await.unwrap();
        issued.text.expose().clone()
    }

    /// A connected tab of a user, offering `list`, `find`, `note`, `wipe`, `mail` and `odd`.
    pub async fn tab(&self, subject: &str) -> FakeTab {
        let ticket = self.ticket(subject).await;
        let tab = FakeTab::connect(&self.hub, &ticket, &DocumentId::fresh().unwrap(), ORIGIN).await.unwrap();
        tab.offer(&["list", "find", "note", "wipe", "mail", "odd"]).await;
        tab
    }

    /// The user accepts every definition that waits for them.
    pub async fn accept_definitions(&self, subject: &str) {
        let (person, definitions) = (self.person(subject).await, self.hub.definitions());
        for waiting in definitions.waiting(&person).await.unwrap() {
            let (name, hash) = (waiting.now.definition.name, waiting.now.hash);
            definitions.decide(&person, waiting.source, name, hash, Word::Accept).await.unwrap();
        }
    }

    /// Runs a wish to its end.
    ///
    /// # Panics
    /// If a person is asked.
    pub async fn run(&self, caller: Caller, wish: Wish) -> Result<ToolAnswer, Refused> {
        let mut events = self.hub.call(caller, wish);
        loop {
            match events.next().await.expect("a call ends with an event") {
                CallEvent::Progress { .. } | CallEvent::Told(_) => {}
                CallEvent::Replied(_) => panic!("it is a server's"),
                CallEvent::Parked { .. } => panic!("a person is asked"),
                CallEvent::Done(done) => return done,
            }
        }
    }

    /// Waits for a condition, with a deadline.
    ///
    /// # Panics
    /// If it does not come true within 10 s.
    pub async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while !condition() {
            assert!(tokio::time::Instant::now() < until, "it never came true: {what}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
