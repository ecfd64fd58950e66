//! The hub with everything off that can be, in testkit's wiring: one caller whoever asks, a policy that permits
//! everything, a log that keeps nothing. Or with everything off but verification.

use super::say;
use crate::issuer::{Algorithm, Issuer, now_seconds};
use crate::world::ECHO;
use crate::{Error, Result};
use axum::Extension;
use axum::middleware::AddExtension;
use deputy_core::{Client, Secret, TenantId, Timestamp};
use deputy_egress::upstream::{HttpSettings, HttpUpstream, Limits, NoCredential};
use deputy_egress::{HttpClient, KeyFetcher, NamedHosts, Settings};
use deputy_hub::finding::Listing;
use deputy_hub::ports::Clock;
use deputy_hub::setup::Recording;
use deputy_hub::{Door, Hub, Right, Server, Setup, Supervisor, Trust};
use deputy_identity::Verifier;
use deputy_identity::claims::{Audiences, Expectations};
use deputy_identity::keys::KeyRing;
use deputy_identity::mint::SigningKey;
use deputy_identity::provider::{Provider, ProviderName};
use deputy_identity::seal::Sealer;
use deputy_policy::PolicySet;
use deputy_server::{Hosts, House, LetIn};
use deputy_testkit::{FakeManifests, Memory, NullLog};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::Layer as _;
use url::Url;

/// Serves until it is killed.
pub(super) async fn run(to: u16, issuer: Option<&str>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("127.0.0.1:{}", listener.local_addr()?.port());
    let public_url = format!("http://{address}");
    let door = Door::Server(ECHO.parse()?);
    let mut provider = JoinSet::new();
    let (hub, let_in) = match issuer {
        Some(issuer) => (hub(&public_url, issuer, to)?, None),
        None => {
            let own = TcpListener::bind(("127.0.0.1", 0)).await?;
            let issuer = Arc::new(Issuer::new(format!("http://127.0.0.1:{}", own.local_addr()?.port()))?);
            let token =
                issuer.access_token(Algorithm::Es256, "person", &format!("{public_url}/s/{ECHO}/mcp"))?;
            let hub = hub(&public_url, &issuer.url, to)?;
            provider.spawn(Arc::clone(&issuer).serve(own));
            let caller =
                hub.authenticate(&door, &token).await.map_err(|_| "the fixed caller is not let in")?;
            (hub, Some(LetIn { door, caller }))
        }
    };
    hub.start().await?;
    say(address.rsplit(':').next().unwrap_or_default());
    let house = deputy_server::router(&hub, Hosts::new(&public_url, &address));
    let supervisor = hub.supervisor();
    match let_in {
        Some(let_in) => deputy_server::serve(listener, fixed(house, let_in), supervisor).await?,
        None => deputy_server::serve(listener, house, supervisor).await?,
    }
    Ok(())
}

/// Whoever asks is this caller, who was verified once.
fn fixed(house: House, let_in: LetIn) -> AddExtension<House, LetIn> {
    Extension(let_in).layer(house)
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(now_seconds())
    }
}

fn hub(public_url: &str, issuer: &str, to: u16) -> Result<Arc<Hub>> {
    let (tables, clock) = (Arc::new(Memory::default()), Arc::new(SystemClock));
    let upstream: Url = format!("http://127.0.0.1:{to}/mcp").parse()?;
    let named = [upstream.clone(), issuer.parse()?];
    let client = HttpClient::new(Settings::new(NamedHosts::of(&named)))?;
    let provider = Provider::oidc(ProviderName::new("idp")?, TenantId::single(), issuer.parse()?)?;
    let audience = Audiences::one(format!("{public_url}/s/{ECHO}/mcp"))?;
    let supervisor = Supervisor::default();
    let policy = PolicySet::parse(&[(
        "all.cedar".to_owned(),
        r#"@id("all") permit(principal, action, resource);"#.to_owned(),
    )])?;
    let server = Server {
        name: ECHO.parse()?,
        tenant: TenantId::single(),
        origin: format!("http://127.0.0.1:{to}").parse()?,
        classes: crate::world::classes()?,
        trust: Trust::FirstUse,
        right: Right::Open,
        timeout: Duration::from_secs(30),
        call_deadline: None,
        upstream: Arc::new(HttpUpstream::new(HttpSettings {
            name: ECHO.to_owned(),
            url: upstream,
            client: client.clone(),
            credential: Arc::new(NoCredential),
            limits: Limits::default(),
            clock: Arc::<SystemClock>::clone(&clock),
            supervisor: supervisor.clone(),
        })),
    };
    let signing = SigningKey::generate().map_err(|error| Error::from(error.to_string()))?;
    Ok(Hub::new(Setup {
        public_url: public_url.parse()?,
        tenants: vec![TenantId::single()],
        apps: Vec::new(),
        servers: vec![server],
        verifier: Verifier::new([(Arc::new(provider), Arc::new(KeyRing::new()))])?,
        doors: HashMap::from([(Door::Server(ECHO.parse()?), Expectations::access_token(audience))]),
        people_clients: vec![Client("people".to_owned())],
        policy,
        signing_key: SigningKey::from_pkcs8(&signing).map_err(|error| Error::from(error.to_string()))?,
        sealer: Sealer::new(&Secret::new([7; 32])),
        log: Arc::new(NullLog),
        recording: Recording::None,
        tickets: Arc::<Memory>::clone(&tables),
        approvals: Arc::<Memory>::clone(&tables),
        standing: Arc::<Memory>::clone(&tables),
        pins: Arc::<Memory>::clone(&tables),
        manifests: Arc::new(FakeManifests::default()),
        open_calls: Arc::<Memory>::clone(&tables),
        limits: Vec::new(),
        intents: Arc::<Memory>::clone(&tables),
        access: Arc::<Memory>::clone(&tables),
        switches: tables,
        sign_in: None,
        connections: Vec::new(),
        consents: None,
        signals: HashMap::new(),
        introspection: HashMap::new(),
        endpoints: Arc::new(deputy_testkit::FakeEndpoints::default()),
        operator_groups: Vec::new(),
        keys: Arc::new(KeyFetcher::new(client)),
        clock,
        supervisor,
        tracing: None,
        approval_limits: deputy_hub::approvals::ApprovalLimits::default(),
        call_limits: deputy_hub::corridor::CallLimits::default(),
        listing: Listing::Whole,
    }))
}
