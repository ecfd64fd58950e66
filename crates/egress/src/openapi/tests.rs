//! A described server, called over a real socket.

use super::*;
use crate::stranger::{Script, Stranger, client, send};
use crate::upstream::NoCredential;
use deputy_core::Timestamp;
use deputy_hub::ports::upstream::ClientSide;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

/// Time stands still until a test moves it.
#[derive(Default)]
struct Held(AtomicU64);

impl Clock for Held {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

struct World {
    upstream: OpenApiUpstream,
    clock: Arc<Held>,
    file: tempfile::NamedTempFile,
}

fn document(extra: &str) -> String {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "7"},
        "paths": {
            "/orders/{id}": {"get": {
                "operationId": "getOrder",
                "description": extra,
                "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
                    {"name": "X-Key", "in": "header", "schema": {"type": "string"}},
                ],
            }},
            "/orders": {"post": {"operationId": "createOrder", "requestBody": {"content": {"application/json": {}}}}},
        },
    })
    .to_string()
}

/// A server whose document is a file.
fn world(stranger: &Stranger, credential: Arc<dyn Credential>) -> World {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document("first")).unwrap();
    let clock = Arc::new(Held::default());
    let served = Served {
        name: "orders".to_owned(),
        document: DocumentAt::File(file.path().to_owned()),
        base_url: Some(stranger.url("http", "api.test", "/v1")),
        options: Options::default(),
        limit_bytes: 64,
        refresh: Duration::from_secs(60),
        credential,
    };
    let client = client(&["api.test"], Script::new(&[&["127.0.0.1"]]));
    World { upstream: OpenApiUpstream::new(client, Arc::clone(&clock) as _, served), clock, file }
}

fn wish(method: &str, params: Value) -> Ask {
    Ask {
        method: method.to_owned(),
        params: Some(raw(&params)),
        client: ClientSide::default(),
        principal: "alice".to_owned(),
        timeout: Duration::from_secs(5),
        changes_nothing: false,
        trace: None,
    }
}

async fn asked(upstream: &OpenApiUpstream, ask: Ask) -> Result<Value, Failure> {
    let (told, _listens) = mpsc::channel(1);
    match upstream.ask(ask, told, &CancellationToken::new()).await? {
        Reply::Result(result) => Ok(serde_json::from_str(result.get()).unwrap()),
        Reply::Fault { code, .. } => Ok(json!({"fault": code})),
    }
}

async fn called(upstream: &OpenApiUpstream, arguments: Value) -> Result<Value, Failure> {
    asked(upstream, wish("tools/call", json!({"name": "getOrder", "arguments": arguments}))).await
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn a_call_is_a_request_and_its_answer_a_result() {
    let stranger = Stranger::saying(JSON, r#"{"id":"7"}"#);
    let world = world(&stranger, none());
    let result = called(&world.upstream, json!({"id": "a/../b".replace("..", "c")})).await.unwrap();
    assert_eq!(result["structuredContent"], json!({"id": "7"}));
    assert_eq!(result["content"][0]["text"], r#"{"id":"7"}"#);
    let request = stranger.requests()[0].clone();
    assert!(request.starts_with("GET /v1/orders/a%2Fc%2Fb HTTP/1.1\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("accept: application/json"), "{request}");
    assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
}

#[tokio::test]
async fn the_tools_are_those_of_the_document_and_everything_else_is_unknown() {
    let stranger = Stranger::saying("", "");
    let world = world(&stranger, none());
    let list = asked(&world.upstream, wish("tools/list", json!({}))).await.unwrap();
    let names: Vec<&str> =
        list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["createOrder", "getOrder"]);
    assert_eq!((&list["resultType"], &list["ttlMs"]), (&json!("complete"), &json!(60_000)));
    let discovered = asked(&world.upstream, wish("server/discover", json!({}))).await.unwrap();
    assert_eq!(discovered["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(discovered["capabilities"], json!({"tools": {"listChanged": true}}));
    for (ask, code) in [
        (wish("resources/list", json!({})), -32601),
        (wish("tools/list", json!({"cursor": "x"})), -32602),
        (wish("tools/call", json!({"name": "none"})), -32602),
    ] {
        assert_eq!(asked(&world.upstream, ask).await.unwrap(), json!({"fault": code}));
    }
    assert!(stranger.requests().is_empty());
}

#[tokio::test]
async fn r7_arguments_that_would_leave_their_place_are_refused_before_anything_is_sent() {
    let stranger = Stranger::saying(JSON, "{}");
    let world = world(&stranger, none());
    for bad in
        [json!({"id": ".."}), json!({"id": "../x"}), json!({}), json!({"id": "1", "X-Key": "a\r\nb: c"})]
    {
        let result = called(&world.upstream, bad).await.unwrap();
        assert_eq!(result["isError"], true);
        assert!(result["content"][0]["text"].as_str().unwrap().starts_with("Nothing was sent"), "{result}");
    }
    assert!(stranger.requests().is_empty());
}

#[tokio::test]
async fn another_status_is_an_error_with_its_body_and_no_redirect_is_followed() {
    for (head, words) in [("404 Not Found\r\n", "404"), ("307 Moved\r\nlocation: /x\r\n", "redirect")] {
        let head = head.to_owned();
        let stranger = Stranger::new(move |_, stream| {
            send(stream, &format!("HTTP/1.1 {head}content-length: 7\r\nconnection: close\r\n\r\nno such"));
        });
        let world = world(&stranger, none());
        let result = called(&world.upstream, json!({"id": "1"})).await.unwrap();
        assert_eq!(result["isError"], true);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(words) && text.contains("no such"), "{text}");
        assert_eq!(stranger.requests().len(), 1);
    }
}

type Headers = Result<Vec<(String, Secret<String>)>, crate::upstream::NoHeaders>;

/// What opens the server, as a test says.
struct Shown(fn() -> Headers, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Credential for Shown {
    async fn headers(&self, principal: &str) -> Headers {
        assert_eq!(principal, "alice");
        (self.0)()
    }

    async fn names(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }
}

fn shown(answer: fn() -> Headers) -> Arc<dyn Credential> {
    Arc::new(Shown(answer, Arc::default()))
}

fn none() -> Arc<dyn Credential> {
    Arc::new(NoCredential)
}

fn key() -> Headers {
    Ok(vec![("x-key".to_owned(), Secret::new("s3cret".to_owned()))])
}

#[tokio::test]
async fn a_credential_is_put_on_at_the_end_and_no_argument_can_take_its_place() {
    let stranger = Stranger::saying(JSON, "{}");
    let world = world(&stranger, shown(key));
    called(&world.upstream, json!({"id": "1"})).await.unwrap();
    assert!(stranger.requests()[0].contains("x-key: s3cret\r\n"));
    let refused = called(&world.upstream, json!({"id": "1", "X-Key": "own"})).await.unwrap();
    assert_eq!(refused["isError"], true);
    assert!(!refused.to_string().contains("s3cret"));
    assert_eq!(stranger.requests().len(), 1);
}

#[tokio::test]
async fn a_header_that_the_credential_fills_is_no_argument_from_the_moment_its_secret_is_there() {
    let stranger = Stranger::saying(JSON, "{}");
    let names = Arc::new(Mutex::new(Vec::new()));
    let world = world(&stranger, Arc::new(Shown(key, Arc::clone(&names))));
    let arguments = async || {
        let listed = asked(&world.upstream, wish("tools/list", json!({}))).await.unwrap();
        let tools = listed["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["name"] == "getOrder").unwrap();
        tool["inputSchema"]["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(arguments().await, ["id", "X-Key"]);
    names.lock().unwrap().push("x-key".to_owned());
    world.clock.0.fetch_add(60, Ordering::SeqCst);
    assert_eq!(arguments().await, ["id"], "whatever its case");
    called(&world.upstream, json!({"id": "1"})).await.unwrap();
    assert!(stranger.requests()[0].contains("x-key: s3cret\r\n"));
}

#[tokio::test]
async fn without_a_credential_that_is_due_nothing_is_sent() {
    let stranger = Stranger::saying(JSON, "{}");
    let no_grant = world(&stranger, shown(|| Err("no grant".to_owned().into())));
    let failure = called(&no_grant.upstream, json!({"id": "1"})).await.unwrap_err();
    let reason = deputy_core::Reason::UpstreamUnavailable;
    assert_eq!(failure, Failure::NoCredential { reason, words: "no grant".to_owned(), open: None });
    let unfit = world(&stranger, shown(|| Ok(vec![("x-key".to_owned(), Secret::new("a\nb".to_owned()))])));
    assert!(matches!(called(&unfit.upstream, json!({"id": "1"})).await, Err(Failure::NotSent(_))));
    assert!(stranger.requests().is_empty());
}

#[tokio::test]
async fn too_much_too_late_gone_and_nobody_there_are_told_apart() {
    let long = Stranger::saying(JSON, &format!("\"{}\"", "x".repeat(100)));
    let failure = called(&world(&long, none()).upstream, json!({"id": "1"})).await.unwrap_err();
    assert_eq!(failure, Failure::TooLarge { limit_bytes: 64 });

    let gone = Stranger::new(|_, _| {});
    let world_of_gone = world(&gone, none());
    assert!(matches!(called(&world_of_gone.upstream, json!({"id": "1"})).await, Err(Failure::Lost(_))));
    assert_eq!(world_of_gone.upstream.health().is_up, Some(false));

    let (until, waits) = std::sync::mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let slow = Stranger::new(move |_, _| {
        // It says nothing until the test is over.
        let _ = waits.lock().unwrap().recv();
    });
    let mut ask = wish("tools/call", json!({"name": "getOrder", "arguments": {"id": "1"}}));
    ask.timeout = Duration::from_millis(300);
    assert_eq!(asked(&world(&slow, none()).upstream, ask).await, Err(Failure::TimedOut));
    drop(until);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut closed = Stranger::saying("", "");
    closed.port = nobody;
    assert!(matches!(
        called(&world(&closed, none()).upstream, json!({"id": "1"})).await,
        Err(Failure::NotSent(_))
    ));
}

#[tokio::test]
async fn a_cancelled_call_ends_at_once() {
    let stranger = Stranger::saying(JSON, "{}");
    let world = world(&stranger, none());
    let (cancel, (told, _listens)) = (CancellationToken::new(), mpsc::channel(1));
    cancel.cancel();
    let ask = wish("tools/call", json!({"name": "getOrder", "arguments": {"id": "1"}}));
    assert_eq!(world.upstream.ask(ask, told, &cancel).await.unwrap_err(), Failure::Cancelled);
}

async fn description(world: &World) -> String {
    let list = asked(&world.upstream, wish("tools/list", json!({}))).await.unwrap();
    list["tools"][1]["description"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_changed_document_is_read_when_the_old_one_is_old_and_its_change_is_told() {
    let stranger = Stranger::saying("", "");
    let world = world(&stranger, none());
    let changes = world.upstream.changes("alice");
    assert_eq!(description(&world).await, "first");
    std::fs::write(world.file.path(), document("second")).unwrap();
    assert_eq!(description(&world).await, "first", "it is not old yet");
    world.clock.0.store(60, Ordering::SeqCst);
    assert_eq!(description(&world).await, "second");
    assert_eq!(changes.borrow().tools, 1);
}

#[tokio::test]
async fn a_document_that_becomes_useless_leaves_the_last_good_one_and_a_word_in_the_health() {
    let stranger = Stranger::saying("", "");
    let world = world(&stranger, none());
    assert_eq!(description(&world).await, "first");
    std::fs::write(world.file.path(), "{").unwrap();
    world.clock.0.store(60, Ordering::SeqCst);
    assert_eq!(description(&world).await, "first");
    let health = world.upstream.health();
    assert_eq!((health.is_up, health.revision.as_deref()), (Some(true), Some("OpenAPI 3.1.0")));
    let (at, why) = health.last_error.unwrap();
    assert!(at == Timestamp::from_seconds(60) && why.contains("neither JSON nor YAML"), "{why}");
}

#[tokio::test]
async fn without_a_document_nothing_is_sent_and_it_is_not_tried_without_end() {
    let stranger = Stranger::saying("", "");
    let world = world(&stranger, none());
    std::fs::write(world.file.path(), "swagger: '2.0'").unwrap();
    let failure = called(&world.upstream, json!({"id": "1"})).await.unwrap_err();
    assert!(matches!(&failure, Failure::NotSent(why) if why.contains("swagger 2.0")), "{failure}");
    std::fs::write(world.file.path(), document("late")).unwrap();
    assert!(called(&world.upstream, json!({"id": "1"})).await.is_err(), "not tried at once");
    world.clock.0.store(5, Ordering::SeqCst);
    assert!(called(&world.upstream, json!({"id": "1"})).await.is_ok());
}

#[tokio::test]
async fn r6_a_document_from_an_address_is_fetched_without_credentials_and_its_server_must_be_there() {
    let document = document("fetched");
    let answer = document.replace("\"info\"", r#""servers":[{"url":"https://evil.example"}],"info""#);
    let stranger = Stranger::new(move |request, stream| {
        let body = if request.starts_with("GET /bad.json") { &answer } else { &document };
        send(
            stream,
            &format!(
                "HTTP/1.1 200 OK\r\n{JSON}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            ),
        );
    });
    let upstream = |path: &str| {
        let served = Served {
            name: "orders".to_owned(),
            document: DocumentAt::Url(stranger.url("http", "api.test", path)),
            base_url: None,
            options: Options::default(),
            limit_bytes: 4096,
            refresh: Duration::from_secs(60),
            credential: shown(key),
        };
        let client = client(&["api.test"], Script::new(&[&["127.0.0.1"]]));
        OpenApiUpstream::new(client, Arc::new(Held::default()), served)
    };
    called(&upstream("/good.json"), json!({"id": "1"})).await.unwrap();
    let requests = stranger.requests();
    assert!(requests[0].starts_with("GET /good.json ") && !requests[0].contains("s3cret"), "{requests:?}");
    assert!(requests[1].starts_with("GET /orders/1 ") && requests[1].contains("s3cret"), "{requests:?}");
    let failure = called(&upstream("/bad.json"), json!({"id": "1"})).await.unwrap_err();
    assert!(failure.to_string().contains("base_url"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_changes_learns_of_them_without_asking() {
    let stranger = Stranger::saying("", "");
    let World { upstream, clock, file } = world(&stranger, none());
    let (upstream, supervisor) = (Arc::new(upstream), Supervisor::default());
    asked(&upstream, wish("tools/list", json!({}))).await.unwrap();
    upstream.keep_fresh(&supervisor);
    let mut changes = upstream.changes("alice");
    std::fs::write(file.path(), document("second")).unwrap();
    clock.0.store(60, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(600), changes.changed()).await.unwrap().unwrap();
    supervisor.shut_down().await;
}

#[tokio::test]
async fn w3c_a_trace_is_told_in_headers() {
    let stranger = Stranger::saying(JSON, "{}");
    let world = world(&stranger, none());
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut ask = wish("tools/call", json!({"name": "getOrder", "arguments": {"id": "7"}}));
    ask.trace = deputy_protocol::trace::TraceContext::parse(parent, Some("rojo=1"));
    asked(&world.upstream, ask).await.unwrap();
    let request = stranger.requests()[0].clone();
    assert!(request.contains(&format!("traceparent: {parent}\r\n")), "{request}");
    assert!(request.contains("tracestate: rojo=1\r\n"), "{request}");
}
