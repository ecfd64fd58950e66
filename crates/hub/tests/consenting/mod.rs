//! A hub whose people let it use a server, and the authorization server of that server.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does; not every test uses all of it"
)]

use deputy_core::{Client, Digest, Reason, Secret, SourceName, TenantId, User};
use deputy_hub::exchange::consent::ConnectFault;
use deputy_hub::exchange::{
    Asker, AtServer, Connection, ConsentSettings, Exchange, ExchangeRefusal, ServerClient, ServerRefusal, Way,
};
use deputy_hub::ports::upstream::Failure;
use deputy_hub::ports::{Clock as _, Login};
use deputy_hub::sign_in::{Arrival, Wanted};
use deputy_testkit::{Asked, FakeUpstream, TestIssuer, World};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use url::Url;

pub const AS: &str = "https://as.example/tenant";
pub const METADATA: &str = "https://as.example/.well-known/oauth-authorization-server/tenant";
pub const SERVER: &str = "https://ledger.example/mcp";
pub const PRM: &str = "https://ledger.example/.well-known/oauth-protected-resource/mcp";
pub const PAGE: &str = "https://hub.example/connect/ledger";
pub const CALLBACK: &str = "https://hub.example/connect/callback";

/// By consent, nothing pinned but the authorization server.
pub fn connection(server: &str) -> Connection {
    Connection {
        server: server.parse().unwrap(),
        tenant: TenantId::single(),
        resource: SERVER.to_owned(),
        scopes: Vec::new(),
        way: Way::UserOauth {
            at: AtServer {
                issuer: AS.parse().unwrap(),
                token_endpoint: None,
                client: ServerClient::OwnDocument,
            },
            consent: ConsentSettings {
                address: Some(Url::parse(SERVER).unwrap()),
                authorization_endpoint: None,
                is_resource_pinned: false,
                are_scopes_pinned: false,
                authorization_parameters: Vec::new(),
            },
        },
    }
}

/// The same as another client.
pub fn as_client(client: ServerClient) -> Connection {
    let Way::UserOauth { at, consent } = connection("ledger").way else { panic!("by consent") };
    Connection { way: Way::UserOauth { at: AtServer { client, ..at }, consent }, ..connection("ledger") }
}

/// With what the operator says themselves: the resource, and the scopes beyond which nothing is asked.
pub fn pinned(resource: &str, scopes: &[&str]) -> Connection {
    let Way::UserOauth { at, consent } = connection("ledger").way else { panic!("by consent") };
    let consent = ConsentSettings { is_resource_pinned: true, are_scopes_pinned: true, ..consent };
    Connection {
        resource: resource.to_owned(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        way: Way::UserOauth { at, consent },
        ..connection("ledger")
    }
}

pub fn metadata() -> Value {
    json!({
        "issuer": AS, "authorization_endpoint": format!("{AS}/authorize"), "token_endpoint": format!("{AS}/token"),
        "registration_endpoint": format!("{AS}/register"), "revocation_endpoint": format!("{AS}/revoke"),
        "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"],
    })
}

type Answer = Arc<dyn Fn(&Asked) -> (u16, Value) + Send + Sync>;

pub struct Rig {
    pub world: Arc<World>,
    nonce: Arc<Mutex<String>>,
    tokens: Arc<Mutex<Answer>>,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(connection("ledger")).await
    }

    pub async fn with(connection: Connection) -> Self {
        Self::with_all(vec![connection]).await
    }

    pub async fn with_all(connections: Vec<Connection>) -> Self {
        Self::before_all(connections, FakeUpstream::with_tools(&["list"])).await
    }

    /// With this server behind, which nobody reaches who has not connected it.
    pub async fn before(connection: Connection, ledger: Arc<FakeUpstream>) -> Self {
        Self::before_all(vec![connection], ledger).await
    }

    async fn before_all(connections: Vec<Connection>, ledger: Arc<FakeUpstream>) -> Self {
        let servers = vec![("ledger", Arc::clone(&ledger))];
        let world = World::exchanging_for(World::sign_in(), connections, servers).await;
        let rig = Self::over(world);
        let world = Arc::downgrade(&rig.world);
        ledger.refuses(move |ask| {
            let (world, asker) = (world.upgrade()?, Asker::of_principal(&ask.principal)?);
            let is_connected = world.hub.connected_at(&asker.user, &server()).is_some();
            (!is_connected).then(|| Failure::NoCredential {
                reason: Reason::ConsentRequired,
                words: format!("Ask them to connect it at {PAGE}"),
                open: Some(PAGE.to_owned()),
            })
        });
        rig.world.endpoints.publish(METADATA, metadata());
        rig.world.endpoints.answer(&format!("{AS}/revoke"), |_| (200, json!({})));
        rig
    }

    fn over(world: World) -> Self {
        let nonce = Arc::new(Mutex::new(String::new()));
        let (issuer, clock, said) = (Arc::clone(&world.issuer), Arc::clone(&world.clock), Arc::clone(&nonce));
        world.endpoints.answer(&format!("{}/token", TestIssuer::ISSUER), move |asked| {
            let now = clock.now().seconds();
            let claims = json!({
                "iss": TestIssuer::ISSUER, "sub": asked.form["code"], "aud": "deputy", "iat": now, "exp": now + 3600,
                "nonce": *said.lock().unwrap(),
            });
            let id_token = issuer.sign("JWT", &claims);
            (200, json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": id_token }))
        });
        let count = Mutex::new(0);
        let tokens: Answer = Arc::new(move |_| {
            let mut count = count.lock().unwrap();
            *count += 1;
            (
                200,
                json!({
                    "access_token": format!("canary-access-{count}"), "token_type": "Bearer", "expires_in": 300,
                    "refresh_token": format!("canary-refresh-{count}"), "scope": "read",
                }),
            )
        });
        let tokens = Arc::new(Mutex::new(tokens));
        let answering = Arc::clone(&tokens);
        world.endpoints.answer(&format!("{AS}/token"), move |asked| {
            let answer = answering.lock().unwrap().clone();
            answer(asked)
        });
        Self { world: Arc::new(world), nonce, tokens }
    }

    /// As after a restart.
    pub async fn again(&self, connection: Connection) -> Self {
        Self::over(self.world.exchanging_again(World::sign_in(), vec![connection]).await)
    }

    pub fn tokens(&self, answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) {
        *self.tokens.lock().unwrap() = Arc::new(answer);
    }

    pub fn desk(&self) -> &Arc<Exchange> {
        self.world.hub.exchange()
    }

    /// Somebody signs in at the hub, in a browser of their own.
    pub async fn signed_in(&self, subject: &str) -> Arc<Login> {
        self.arrived(subject).await.login
    }

    /// The same; what their browser shows.
    pub async fn browser(&self, subject: &str) -> String {
        self.arrived(subject).await.cookie.expose().clone()
    }

    async fn arrived(&self, subject: &str) -> Arrival {
        let logins = self.world.hub.authorization().unwrap().logins();
        let departure = logins.begin(Wanted::default()).await.unwrap();
        let of = |name: &str| departure.to.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        *self.nonce.lock().unwrap() = of("nonce");
        let query = format!("code={subject}&state={}&iss=https%3A%2F%2Fidp.example", of("state"));
        logins.finish(query.as_bytes(), departure.cookie.expose()).await.unwrap()
    }

    /// From the page to the authorization server.
    pub async fn depart(&self, login: &Login) -> Result<Url, ConnectFault> {
        let page = self.desk().connecting(login, &server()).await?;
        let body =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("form", &page.form).finish();
        self.desk().depart(login, &server(), body.as_bytes()).await
    }

    pub async fn arrive(&self, login: Option<&Login>, query: &str) -> Result<SourceName, ConnectFault> {
        self.world.hub.connected(login, query.as_bytes()).await
    }

    /// All the way.
    pub async fn connected(&self, login: &Login) -> Url {
        let to = self.depart(login).await.unwrap();
        self.arrive(Some(login), &answer_to(&to)).await.unwrap();
        to
    }

    pub async fn token(&self, asker: &Asker) -> Result<String, ExchangeRefusal> {
        self.desk().token(asker, &server()).await.map(|token| token.expose().clone())
    }

    /// The server answers 401 to a token.
    pub async fn refused(&self, asker: &Asker, token: &str) -> Result<bool, ExchangeRefusal> {
        let header = Exchange::header_of(&Secret::new(token.to_owned()));
        let sent = Some(Digest::of_bytes(header.expose().as_bytes()));
        let refusal = ServerRefusal { status: 401, challenge: Some("Bearer error=\"invalid_token\""), sent };
        self.desk().refused_by(asker, &server(), refusal).await
    }

    /// The server wants more.
    pub async fn wants(&self, asker: &Asker, scope: &str) -> Result<bool, ExchangeRefusal> {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        let refusal = ServerRefusal { status: 403, challenge: Some(&challenge), sent: None };
        self.desk().refused_by(asker, &server(), refusal).await
    }

    /// What the token endpoint of the authorization server was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.posted("token")
    }

    pub fn posted(&self, place: &str) -> Vec<Asked> {
        let url = format!("{AS}/{place}");
        self.world.endpoints.asked().into_iter().filter(|one| one.url == url).collect()
    }
}

pub fn server() -> SourceName {
    "ledger".parse().unwrap()
}

pub fn asker(subject: &str) -> Asker {
    let user = User {
        tenant: TenantId::single(),
        issuer: TestIssuer::ISSUER.parse().unwrap(),
        subject: subject.parse().unwrap(),
    };
    Asker { user, client: Client("agent-1".to_owned()) }
}

pub fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// What the authorization server sends back.
pub fn answer_to(url: &Url) -> String {
    answered(url, &[("code", "c0de"), ("iss", AS)])
}

pub fn answered(url: &Url, parameters: &[(&str, &str)]) -> String {
    let state = parameter(url, "state").unwrap();
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("state", &state)
        .extend_pairs(parameters)
        .finish()
}
