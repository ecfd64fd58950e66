//! A whole hub in memory.

mod acting;
mod signing_in;

use crate::wishes::permit_all;
use crate::{FakeEndpoints, FakeManifests, HeldMasterKeys, Memory, StillClock, TestIssuer};
use deputy_core::{Class, Client, Issuer, Secret, SourceName, TenantId};
use deputy_hub::approvals::ApprovalLimits;
use deputy_hub::authenticate::IntrospectionSetup;
use deputy_hub::corridor::CallLimits;
use deputy_hub::exchange::Connection;
use deputy_hub::finding::Listing;
use deputy_hub::limits::Limit;
use deputy_hub::ports::{StoreError, Upstream};
use deputy_hub::setup::Recording;
use deputy_hub::sign_in::SignInSetup;
use deputy_hub::signals::SignalsSetup;
use deputy_hub::traces::Tracing;
use deputy_hub::{App, Door, Hub, ManifestAt, PersonVault, Right, Server, Setup, Supervisor, Trust};
use deputy_identity::Verifier;
use deputy_identity::claims::{Audiences, Expectations};
use deputy_identity::keys::KeyRing;
use deputy_identity::mint::SigningKey;
use deputy_identity::provider::{Provider, ProviderName, Settings};
use deputy_identity::seal::Sealer;
use deputy_policy::PolicySet;
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
    /// What agents are listed where their address does not say.
    listing: Listing,
    /// How long a call of a server may run, where that is not what it is elsewhere.
    call_deadline: Option<std::time::Duration>,
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
            listing: Listing::default(),
            call_deadline: None,
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

    /// The same, with these servers.
    pub async fn again_behind<U: Upstream + 'static>(
        &self,
        policy: PolicySet,
        servers: Vec<(&'static str, Arc<U>, Trust)>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream, trust)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, trust) });
        let parts = Parts {
            tables: Arc::clone(&self.tables),
            clock: Arc::clone(&self.clock),
            issuer: Arc::clone(&self.issuer),
            servers: servers.collect(),
            ..Parts::default()
        };
        let world = Self::reached_at(PUBLIC_URL, policy, Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
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

    /// With one server that is trusted on first use, everything allowed, and what agents are listed.
    pub async fn listing<U: Upstream + 'static>(
        listing: Listing,
        name: &'static str,
        upstream: Arc<U>,
    ) -> Self {
        let parts = Parts { servers: vec![(name, upstream, Trust::FirstUse)], listing, ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// With one server that is trusted on first use, everything allowed, and calls of it that may run so long.
    pub async fn with_call_deadline<U: Upstream + 'static>(
        call_deadline: std::time::Duration,
        name: &'static str,
        upstream: Arc<U>,
    ) -> Self {
        let servers: Vec<(_, Arc<dyn Upstream>, _)> = vec![(name, upstream, Trust::FirstUse)];
        let parts = Parts { servers, call_deadline: Some(call_deadline), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
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
        let (listing, call_deadline) = (parts.listing, parts.call_deadline);
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
            call_deadline,
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
            listing,
        });
        Self { hub, tables, clock, issuer, manifests, endpoints, master_keys, key }
    }
}
