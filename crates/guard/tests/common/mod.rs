//! A guard with a clock that stands still, an identity provider and a client, and what tests ask it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does; not every test uses all of it"
)]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum::routing::get;
use deputy_core::{Client, Issuer, Origin, Timestamp};
use deputy_guard::settings::{
    ClientKeysAt, Handover, Program, ServerSettings, TrustedClient, TrustedIssuer, Users, Way,
};
use deputy_guard::{Clock, Guard, GuardError, Proxy, Scope, Scopes, Settings, Tasks, router};
use deputy_identity::Algorithm;
use deputy_identity::keys::KeySet;
use deputy_identity::provider::KeysAt;
use deputy_testkit::TestIssuer;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub const GUARD: &str = "https://guard.example";
pub const RESOURCE: &str = "https://guard.example/mcp";
pub const HUB: &str = "https://hub.example/client.json";
pub const NOW: u64 = 1_795_300_000;
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a test waits for anything.
pub const SOON: Duration = Duration::from_secs(10);

pub struct World {
    pub idp: Arc<TestIssuer>,
    pub hub: Arc<TestIssuer>,
    pub folder: Arc<tempfile::TempDir>,
    pub clock: Arc<AtomicU64>,
    pub guard: Arc<Guard>,
    pub tasks: Tasks,
    pub routes: Router,
    counter: AtomicU64,
}

/// The key set of a test issuer.
pub fn set_of(issuer: &TestIssuer) -> Vec<u8> {
    issuer.set().to_string().into_bytes()
}

/// Serves a document on this machine.
pub async fn publish(body: Vec<u8>) -> url::Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let routes = Router::new().route("/doc", get(move || async move { body.clone() }));
    TASKS.start_until_end(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{at}/doc").parse().unwrap()
}

static TASKS: std::sync::LazyLock<Tasks> = std::sync::LazyLock::new(Tasks::default);

pub fn scopes() -> Scopes {
    let scope = |name: &str, tools: &[&str], methods: &[&str]| Scope {
        name: name.to_owned(),
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
    };
    let read = ["read_file", "told", "ask", "progress", "silent", "exit", "child", "later"];
    Scopes::new(vec![scope("read", &read, &["resources/*"]), scope("write", &["write_file"], &[])]).unwrap()
}

pub async fn settings(folder: &Path, idp: &TestIssuer, hub: &TestIssuer) -> Settings {
    let keys = publish(set_of(idp)).await;
    let of_hub = Arc::new(KeySet::parse(&set_of(hub)).unwrap());
    Settings {
        public_url: Origin::new(GUARD).unwrap(),
        data_dir: folder.join("data"),
        shared_dir: None,
        issuers: vec![TrustedIssuer {
            issuer: Issuer::new(TestIssuer::ISSUER).unwrap(),
            keys_at: KeysAt::Set(keys),
            algorithms: BTreeSet::from([Algorithm::Es256]),
        }],
        clients: ["other", HUB]
            .map(|id| TrustedClient {
                id: Client(id.to_owned()),
                keys_at: ClientKeysAt::Given(Arc::clone(&of_hub)),
            })
            .into(),
        users: Users::AnyFromIssuer,
        denied: folder.join("denied"),
        scopes: scopes(),
        token_lifetime: Duration::from_secs(300),
    }
}

pub fn server(way: Way, handover: Handover) -> ServerSettings {
    ServerSettings {
        way,
        handover,
        sessions: 8,
        sessions_each: 4,
        idle: Duration::from_secs(60),
        timeout: SOON,
    }
}

pub fn fixture() -> ServerSettings {
    let program = Program {
        words: vec!["/bin/sh".to_owned(), "-c".to_owned(), include_str!("server.sh").to_owned()],
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        folder: "/".into(),
    };
    server(Way::Stdio(program), Handover::Meta)
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}, fixture()).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings), server: ServerSettings) -> Self {
        let (idp, hub) = (Arc::new(TestIssuer::new()), Arc::new(TestIssuer::new()));
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut settings = settings(folder.path(), &idp, &hub).await;
        change(&mut settings);
        let clock = Arc::new(AtomicU64::new(NOW * 1000));
        Self::open(settings, server, idp, hub, folder, clock).unwrap()
    }

    fn open(
        settings: Settings,
        server: ServerSettings,
        idp: Arc<TestIssuer>,
        hub: Arc<TestIssuer>,
        folder: Arc<tempfile::TempDir>,
        clock: Arc<AtomicU64>,
    ) -> Result<Self, GuardError> {
        let tasks = Tasks::new(CancellationToken::new());
        let now = Arc::clone(&clock);
        let at = Clock::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)));
        let guard = Guard::open_at(settings, tasks.clone(), at)?;
        let proxy = Proxy::new(&guard, &server)?;
        let routes = router(&guard, proxy, "127.0.0.1:7171");
        Ok(Self { idp, hub, folder, clock, guard, tasks, routes, counter: AtomicU64::new(0) })
    }

    /// The same guard, started again on the same folder.
    pub async fn restarted(self) -> Self {
        let Self { idp, hub, folder, clock, guard, tasks, routes, counter } = self;
        drop((guard, routes));
        tasks.end().await;
        let settings = settings(folder.path(), &idp, &hub).await;
        let world = Self::open(settings, fixture(), idp, hub, folder, clock).unwrap();
        Self { counter, ..world }
    }

    /// This one and another guard of the same origin, which share a folder.
    pub async fn two() -> [Self; 2] {
        let (idp, hub) = (Arc::new(TestIssuer::new()), Arc::new(TestIssuer::new()));
        let folder = Arc::new(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("shared")).unwrap();
        let clock = Arc::new(AtomicU64::new(NOW * 1000));
        let mut both = Vec::new();
        for own in ["one", "other"] {
            both.push(Self::sharing(own, &idp, &hub, &folder, &clock).await);
        }
        let mut both: [Self; 2] = both.try_into().ok().unwrap();
        // What one signs has other ids than what the other signs.
        both[1].counter = AtomicU64::new(1 << 32);
        both
    }

    /// A guard with a folder of its own, beside the one that it shares.
    pub async fn sharing(
        own: &str,
        idp: &Arc<TestIssuer>,
        hub: &Arc<TestIssuer>,
        folder: &Arc<tempfile::TempDir>,
        clock: &Arc<AtomicU64>,
    ) -> Self {
        let shared = folder.path().join("shared");
        let mut settings = settings(folder.path(), idp, hub).await;
        settings.data_dir = folder.path().join(own);
        settings.denied = shared.join("denied");
        settings.shared_dir = Some(shared);
        Self::open(
            settings,
            fixture(),
            Arc::clone(idp),
            Arc::clone(hub),
            Arc::clone(folder),
            Arc::clone(clock),
        )
        .unwrap()
    }

    /// Ends it, and starts it again on the folders `own` and the shared one.
    pub async fn restarted_sharing(self, own: &str) -> Self {
        let Self { idp, hub, folder, clock, guard, tasks, routes, counter } = self;
        drop((guard, routes));
        tasks.end().await;
        Self { counter, ..Self::sharing(own, &idp, &hub, &folder, &clock).await }
    }

    pub fn pass(&self, time: Duration) {
        self.clock.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub fn seconds(&self) -> u64 {
        self.clock.load(Ordering::SeqCst) / 1000
    }

    fn fresh(&self) -> String {
        format!("id-{}", self.counter.fetch_add(1, Ordering::SeqCst))
    }

    /// The claims of an ID-JAG that is taken.
    pub fn jag(&self) -> Value {
        let now = self.seconds();
        json!({ "iss": TestIssuer::ISSUER, "sub": "alice", "aud": GUARD, "client_id": HUB, "resource": RESOURCE,
                "scope": "read", "jti": self.fresh(), "iat": now, "exp": now + 300 })
    }

    pub fn signed(&self, claims: &Value) -> String {
        self.idp.sign("oauth-id-jag+jwt", claims)
    }

    /// A client assertion that is taken.
    pub fn proof_of(&self, client: &str) -> String {
        let now = self.seconds();
        let claims = json!({ "iss": client, "sub": client, "aud": GUARD, "jti": self.fresh(), "iat": now, "exp": now + 60 });
        self.hub.sign("client-authentication+jwt", &claims)
    }

    pub fn form(&self, assertion: &str) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", GRANT.to_owned()),
            ("assertion", assertion.to_owned()),
            ("client_assertion_type", ASSERTION.to_owned()),
            ("client_assertion", self.proof_of(HUB)),
        ]
    }

    pub async fn send(&self, request: Request<Body>) -> Response {
        let answer = tokio::time::timeout(SOON, self.routes.clone().oneshot(request));
        answer.await.expect("an answer in time").unwrap()
    }

    pub async fn ask_token(&self, form: &[(&str, String)]) -> (StatusCode, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post("/oauth/token")
            .header("host", "guard.example")
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = self.send(request.body(Body::from(body)).unwrap()).await;
        let status = answer.status();
        (status, whole(answer).await)
    }

    /// What this ID-JAG brings.
    pub async fn redeem(&self, claims: &Value) -> (StatusCode, Value) {
        self.ask_token(&self.form(&self.signed(claims))).await
    }

    /// The word for the refusal of this ID-JAG.
    pub async fn refusal(&self, claims: &Value) -> String {
        let (status, body) = self.redeem(claims).await;
        assert_ne!(status, StatusCode::OK, "{body}");
        body["error"].as_str().unwrap().to_owned()
    }

    pub async fn token_for(&self, subject: &str, scope: &str) -> String {
        let mut jag = self.jag();
        jag["sub"] = json!(subject);
        jag["scope"] = json!(scope);
        let (status, body) = self.redeem(&jag).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    pub fn request(
        &self,
        method: &str,
        token: Option<&str>,
        session: Option<&str>,
    ) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "guard.example")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request
    }

    pub async fn post(&self, token: &str, session: Option<&str>, message: &Value) -> Response {
        let request = self.request("POST", Some(token), session);
        self.send(request.body(Body::from(message.to_string())).unwrap()).await
    }

    /// A request within a session, and its whole answer.
    pub async fn ask(&self, token: &str, session: &str, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = self.post(token, Some(session), &message).await;
        assert_eq!(answer.status(), StatusCode::OK);
        whole(answer).await
    }

    pub async fn call(&self, token: &str, session: &str, tool: &str) -> Value {
        self.ask(token, session, "tools/call", json!({ "name": tool, "arguments": {} })).await
    }

    /// Opens a session; its id, and what was answered.
    pub async fn session(&self, token: &str) -> (String, Value) {
        let answer = self.post(token, None, &initialize()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        (session, whole(answer).await)
    }
}

pub fn initialize() -> Value {
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

pub async fn whole(answer: Response) -> Value {
    let body =
        tokio::time::timeout(SOON, to_bytes(answer.into_body(), 1 << 24)).await.expect("in time").unwrap();
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

pub async fn text(answer: Response) -> String {
    let body =
        tokio::time::timeout(SOON, to_bytes(answer.into_body(), 1 << 24)).await.expect("in time").unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("{what} did not happen"));
}
