//! Whole requests, through the real router of a guard before a server that writes down what reaches it: forms of the token
//! endpoint, bearer headers, JSON-RPC bodies.

use crate::text;
use bytes::Bytes;
use deputy_core::{Client, Issuer, Origin, Timestamp};
use deputy_guard::settings::{
    ClientKeysAt, Handover, ServerSettings, TrustedClient, TrustedIssuer, Users, Way,
};
use deputy_guard::{Clock, Guard, Proxy, Scope, Scopes, Settings, Tasks, router};
use deputy_identity::Algorithm;
use deputy_identity::keys::KeySet;
use deputy_identity::provider::KeysAt;
use deputy_testkit::TestIssuer;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const NOW: u64 = 1_795_300_000;
const ISSUER: &str = "https://guard.example";
const HUB: &str = "https://hub.example/client.json";
/// What stands for a token that is good, an ID-JAG that was not used yet, and a proof of the client that was not either.
const GOOD: &str = "Bearer good";
const JAG: &str = "{jag}";
const PROOF: &str = "{proof}";
/// What goes through without any scope.
const OPEN: [&str; 5] = ["initialize", "ping", "server/discover", "tools/list", "logging/setLevel"];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime")
});

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// What the server behind the guard was sent: the lines before the body, and the body.
type Reached = Arc<Mutex<Vec<(String, String)>>>;

struct World {
    guard: Arc<Guard>,
    proxy: Arc<Proxy>,
    issuer: TestIssuer,
    hub: TestIssuer,
    reached: Reached,
    ids: AtomicU64,
    /// Goes with the process.
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let (issuer, hub) = (TestIssuer::new(), TestIssuer::new());
        let folder = tempfile::tempdir().expect("a folder");
        let reached = Reached::default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let (keys, written) = (issuer.set().to_string(), Arc::clone(&reached));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (keys, written) = (keys.clone(), Arc::clone(&written));
                std::thread::spawn(move || serve(stream, &keys, &written));
            }
        });
        let scope = |name: &str, tool: &str, methods: &[&str]| Scope {
            name: name.to_owned(),
            tools: vec![tool.to_owned()],
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        };
        let scopes =
            vec![scope("read", "read_file", &["resources/*"]), scope("write", "write_file", &["tasks/get"])];
        let settings = Settings {
            public_url: Origin::new(ISSUER).expect("an origin"),
            data_dir: folder.path().join("data"),
            shared_dir: None,
            issuers: vec![TrustedIssuer {
                issuer: Issuer::new(TestIssuer::ISSUER).expect("an issuer"),
                keys_at: KeysAt::Set(format!("http://{at}/keys").parse().expect("an address")),
                algorithms: [Algorithm::Es256].into(),
            }],
            clients: vec![TrustedClient {
                id: Client(HUB.to_owned()),
                keys_at: ClientKeysAt::Given(Arc::new(
                    KeySet::parse(hub.set().to_string().as_bytes()).expect("keys"),
                )),
            }],
            users: Users::AnyFromIssuer,
            denied: folder.path().join("denied"),
            scopes: Scopes::new(scopes).expect("scopes"),
            token_lifetime: Duration::from_secs(300),
        };
        let server = ServerSettings {
            way: Way::Address(format!("http://{at}/mcp").parse().expect("an address")),
            handover: Handover::Header,
            sessions: 10_000,
            sessions_each: 10_000,
            idle: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
        };
        // The guard's own tasks start within the runtime.
        let (guard, proxy) = wait(async {
            let clock = Clock::new(|| Timestamp::from_seconds(NOW));
            let guard = Guard::open_at(settings, Tasks::default(), clock).expect("a guard");
            let proxy = Proxy::new(&guard, &server).expect("a proxy");
            (guard, proxy)
        });
        Self { guard, proxy, issuer, hub, reached, ids: AtomicU64::new(0), _folder: folder }
    }

    fn fresh(&self) -> String {
        format!("id-{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn jag(&self) -> String {
        let claims = json!({ "iss": TestIssuer::ISSUER, "sub": "alice", "aud": ISSUER, "client_id": HUB,
            "resource": format!("{ISSUER}/mcp"), "scope": "read", "jti": self.fresh(), "iat": NOW, "exp": NOW + 300 });
        self.issuer.sign("oauth-id-jag+jwt", &claims)
    }

    fn proof(&self) -> String {
        let claims = json!({ "iss": HUB, "sub": HUB, "aud": ISSUER, "jti": self.fresh(), "iat": NOW, "exp": NOW + 60 });
        self.hub.sign("client-authentication+jwt", &claims)
    }

    fn answer(&self, request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
        let router = router(&self.guard, Arc::clone(&self.proxy), "127.0.0.1:7171");
        wait(async {
            let answer: Response<_> = router.oneshot(request).await.expect("infallible");
            let status = answer.status();
            (status, answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default())
        })
    }

    /// An access token for alice that reads.
    fn token(&self) -> String {
        static TOKEN: LazyLock<String> = LazyLock::new(|| {
            let form = format!(
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}&client_assertion_type=\
                 urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={}",
                WORLD.jag(),
                WORLD.proof()
            );
            let request = Request::post("/oauth/token")
                .header("host", "guard.example")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Full::new(Bytes::from(form)));
            let (status, body) = WORLD.answer(request.expect("a request"));
            let body: Value = serde_json::from_slice(&body).expect("json");
            assert_eq!(status, StatusCode::OK, "{body}");
            body["access_token"].as_str().expect("a token").to_owned()
        });
        TOKEN.clone()
    }
}

/// Answers one request of a connection: keys to who gets them, and a result to everything else.
fn serve(mut stream: TcpStream, keys: &str, reached: &Reached) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let Ok(length @ 1..) = stream.read(&mut buffer) else { return };
        bytes.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head, body.to_owned());
        }
    };
    let said = if head.starts_with("get /keys ") {
        keys.to_owned()
    } else {
        let id = serde_json::from_str::<Value>(&body).map(|body| body["id"].clone()).unwrap_or_default();
        reached.lock().expect("lock").push((head, body));
        json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete"}}).to_string()
    };
    let length = said.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"
    );
    let _ = stream.write_all(answer.as_bytes());
}

/// A request as it stands on the wire: a line with method and path, headers, an empty line, a body. No request makes the
/// guard stumble; a token is given only for an assertion and a proof, and opens no more than the assertion; and nothing
/// reaches the server but what its person may ask, in that person's name alone.
pub(crate) fn guard(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.split('\n');
    let Some((method, path)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let world = &*WORLD;
    let mut request = Request::builder().method(method).uri(path);
    let mut known = false;
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if value == GOOD {
            known = true;
            request = request.header(name, format!("Bearer {}", world.token()));
        } else {
            request = request.header(name, value);
        }
    }
    let proves = body.contains(JAG) && body.contains(PROOF);
    let body = body.replace(JAG, &world.jag()).replace(PROOF, &world.proof());
    let Ok(request) = request.body(Full::new(Bytes::from(body))) else { return };
    let path = request.uri().path().to_owned();
    world.reached.lock().expect("lock").clear();
    let (status, answer) = world.answer(request);
    let reached = std::mem::take(&mut *world.reached.lock().expect("lock"));
    assert!(status != StatusCode::INTERNAL_SERVER_ERROR, "{status}: {text}");
    if path == "/oauth/token" && status.is_success() {
        assert!(proves, "a token to a stranger: {text}");
        let said: Value = serde_json::from_slice(&answer).expect("json");
        assert_eq!(said["scope"], "read", "{text}");
    } else if status.is_success() {
        assert!(known || is_for_anybody(&path), "{status} to a stranger: {text}");
    }
    assert!(known || reached.is_empty(), "a stranger reached the server: {text}");
    for (head, body) in reached {
        may_reach(&head, &body);
    }
}

fn is_for_anybody(path: &str) -> bool {
    path == "/healthz" || path.starts_with("/.well-known/")
}

/// What the server may be sent of who may read.
fn may_reach(head: &str, body: &str) {
    let named = |name: &str| head.lines().filter(|line| line.starts_with(&format!("{name}:"))).count();
    assert_eq!((named("deputy-user"), named("authorization"), named("cookie")), (1, 0, 0), "{head}");
    if !head.starts_with("post ") {
        return;
    }
    let said: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert!(said.is_object(), "{body}");
    assert_eq!(said["params"]["_meta"].get("dev.deputy/user"), None, "{body}");
    let Some(method) = said["method"].as_str() else { return };
    let may = if method == "tools/call" {
        said["params"]["name"] == "read_file"
    } else {
        OPEN.contains(&method) || method.starts_with("notifications/") || method.starts_with("resources/")
    };
    assert!(may && (said.get("id").is_some() || method.starts_with("notifications/")), "{body}");
}
