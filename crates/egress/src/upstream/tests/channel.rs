//! Servers of 2024-11-05 (HTTP+SSE): one stream for all that they say, another address for what is said to them.

use super::fixture::{
    Conn, Fixture, Request, SOON, able, ask, call, limits, reply, reply_and_told, result, retry, until, value,
};
use crate::upstream::{HttpSettings, HttpUpstream};
use deputy_hub::ports::Upstream as _;
use deputy_hub::ports::upstream::{Ask, Failure, Reply};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A server of that time.
struct Old {
    /// How it refuses what is posted to its address.
    status: &'static str,
    /// The first thing on a stream; `{}` is the session's number.
    first: &'static str,
    /// It speaks Streamable HTTP now.
    is_new: AtomicBool,
    /// It forgets the sessions that are open.
    forgets: AtomicBool,
    sessions: AtomicU64,
    streams: Mutex<HashMap<String, mpsc::UnboundedSender<String>>>,
    held: Mutex<Option<Value>>,
}

const ENDPOINT: &str = ": hello\n\nevent: endpoint\ndata: /message?session={}\n\n";

impl Old {
    async fn start(status: &'static str, first: &'static str) -> (Fixture, Arc<Self>) {
        let server = Arc::new(Self {
            status,
            first,
            is_new: AtomicBool::new(false),
            forgets: AtomicBool::new(false),
            sessions: AtomicU64::new(0),
            streams: Mutex::default(),
            held: Mutex::default(),
        });
        let serving = Arc::clone(&server);
        let fixture =
            Fixture::new(move |request, conn| Arc::clone(&serving).serve(request, conn).boxed()).await;
        (fixture, server)
    }

    async fn serve(self: Arc<Self>, request: Request, mut conn: Conn) -> Option<Conn> {
        if self.is_new.load(Ordering::SeqCst) {
            return streamable(&request, conn).await;
        }
        match (request.method.as_str(), request.path.strip_prefix("/message?session=")) {
            ("GET", None) => return self.stream(conn).await,
            ("POST", Some(session)) => {
                let known = self.streams.lock().unwrap().get(session).cloned();
                let known = known.filter(|_| !self.forgets.swap(false, Ordering::SeqCst));
                let Some(stream) = known else {
                    conn.answer("404 Not Found", "", "Could not find session").await;
                    return Some(conn);
                };
                self.hear(&request.body, &stream);
                conn.answer("202 Accepted", "content-type: text/plain\r\n", "Accepted").await;
            }
            _ => conn.answer(self.status, "content-type: text/html\r\n", "<pre>Cannot POST /mcp</pre>").await,
        }
        Some(conn)
    }

    async fn stream(&self, mut conn: Conn) -> Option<Conn> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let number = (self.sessions.fetch_add(1, Ordering::SeqCst) + 1).to_string();
        self.streams.lock().unwrap().insert(number.clone(), sender);
        conn.stream().await;
        conn.raw(&self.first.replace("{}", &number)).await;
        loop {
            tokio::select! {
                () = conn.closed() => break,
                text = receiver.recv() => match text {
                    Some(text) => { conn.raw(&text).await; }
                    None => break,
                },
            }
        }
        self.streams.lock().unwrap().remove(&number);
        None
    }

    /// What it answers goes onto the stream.
    fn hear(&self, body: &Value, stream: &mpsc::UnboundedSender<String>) {
        let say = |message: &Value| stream.send(format!("event: message\ndata: {message}\n\n")).is_ok();
        let answer =
            |of: &Value, result: Value| say(&json!({"jsonrpc": "2.0", "id": of["id"], "result": result}));
        match (body["method"].as_str(), body["params"]["name"].as_str()) {
            (Some("initialize"), _) => {
                let capabilities = json!({"tools": {"listChanged": true}});
                let server = json!({"name": "old", "version": "1"});
                answer(
                    body,
                    json!({"protocolVersion": "2024-11-05", "capabilities": capabilities, "serverInfo": server}),
                );
            }
            (Some("tools/call"), Some("hold")) => *self.held.lock().unwrap() = Some(body.clone()),
            (Some("tools/call"), Some("let_go")) => {
                answer(body, json!({"content": [], "said": "second"}));
                let held = self.held.lock().unwrap().take().unwrap();
                answer(&held, json!({"content": [], "said": "first"}));
            }
            (Some("tools/call"), Some("progress")) => {
                let params =
                    json!({"progressToken": body["params"]["_meta"]["progressToken"], "progress": 1});
                say(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
                answer(body, json!({"content": []}));
            }
            (Some("tools/call"), Some("ask")) => {
                *self.held.lock().unwrap() = Some(body.clone());
                let params = json!({"message": "who?", "requestedSchema": {"type": "object"}});
                say(&json!({"jsonrpc": "2.0", "id": 70, "method": "elicitation/create", "params": params}));
            }
            (Some("tools/call"), Some("changes")) => {
                say(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
                answer(body, json!({"content": []}));
            }
            (Some("tools/call"), Some("flood")) => {
                let _ = stream.send(format!("data: {}\n\n", "x".repeat(limits().answer_bytes + 1)));
            }
            (Some("tools/call"), Some("hang")) => {}
            (Some("tools/call"), Some("die")) => self.streams.lock().unwrap().clear(),
            (None, _) => {
                let held = self.held.lock().unwrap().take().unwrap();
                answer(&held, json!({"content": [], "answered": body["result"]}));
            }
            (Some(method), _) if method.starts_with("notifications/") => {}
            _ => {
                answer(body, json!({"content": [], "said": "echo"}));
            }
        }
    }
}

/// The same server after it was brought up to date.
async fn streamable(request: &Request, mut conn: Conn) -> Option<Conn> {
    match request.what() {
        "initialize" => conn.result(request, r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#).await,
        "GET" => conn.answer("405 Method Not Allowed", "", "").await,
        "notifications/initialized" => conn.answer("202 Accepted", "", "").await,
        "server/discover" => conn.error("400 Bad Request", &Value::Null, -32000).await,
        _ if request.path != "/mcp" => conn.answer("404 Not Found", "", "").await,
        _ => conn.result(request, r#"{"content":[],"said":"new"}"#).await,
    }
    Some(conn)
}

async fn said(upstream: &HttpUpstream, ask: Ask) -> Value {
    value(upstream, ask).await["said"].clone()
}

#[tokio::test]
async fn a_server_of_the_transport_before_is_found_out_by_what_it_answers_to_initialize() {
    for status in ["400 Bad Request", "404 Not Found", "405 Method Not Allowed"] {
        let (fixture, _) = Old::start(status, ENDPOINT).await;
        let upstream = fixture.upstream();
        assert_eq!(said(&upstream, call("echo")).await, "echo", "{status}");
        assert_eq!(said(&upstream, call("echo")).await, "echo");
        assert_eq!(upstream.health().revision.as_deref(), Some("2024-11-05"));
        let said: Vec<_> = fixture
            .requests()
            .iter()
            .map(|request| (request.what().to_owned(), request.path.clone()))
            .collect();
        let there = "/message?session=1";
        let expected = [
            ("server/discover", "/mcp"),
            ("initialize", "/mcp"),
            ("GET", "/mcp"),
            ("initialize", there),
            ("notifications/initialized", there),
            ("tools/call", there),
            ("tools/call", there),
        ];
        assert_eq!(said, expected.map(|(what, path)| (what.to_owned(), path.to_owned())));
    }
}

#[tokio::test]
async fn answers_on_one_stream_find_the_calls_that_they_are_to() {
    let (fixture, server) = Old::start("405 Method Not Allowed", ENDPOINT).await;
    let upstream = fixture.upstream();
    let second = async {
        until("the first call is held", || server.held.lock().unwrap().is_some()).await;
        said(&upstream, call("let_go")).await
    };
    let (first, second) = tokio::join!(said(&upstream, call("hold")), second);
    assert_eq!((first, second), (json!("first"), json!("second")));
    assert_eq!(server.sessions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn rule_22_progress_comes_on_the_stream() {
    let (fixture, _) = Old::start("404 Not Found", ENDPOINT).await;
    let mut ask = call("progress");
    ask.client.progress = true;
    let (reply, told) = reply_and_told(&fixture.upstream(), ask).await;
    assert!(matches!(reply, Ok(Reply::Result(_))));
    assert_eq!(told[0].method, "notifications/progress");
}

#[tokio::test]
async fn rule_03_a_server_asks_back_on_the_stream_and_is_answered_where_it_listens() {
    let (fixture, _) = Old::start("404 Not Found", ENDPOINT).await;
    let upstream = fixture.upstream();
    let ask = able(call("ask"), &json!({"elicitation": {}}));
    let asked = value(&upstream, ask.clone()).await;
    assert_eq!(asked["inputRequests"]["k1"]["params"]["message"], "who?");
    let again = retry(ask, &asked, &json!({"k1": {"action": "accept", "content": {"n": 1}}}));
    assert_eq!(value(&upstream, again).await["answered"]["content"]["n"], 1);
}

#[tokio::test]
async fn rule_14_a_change_on_the_stream_is_heard() {
    let (fixture, _) = Old::start("404 Not Found", ENDPOINT).await;
    let upstream = fixture.upstream();
    let mut changes = upstream.changes("alice");
    result(&upstream, call("changes")).await;
    tokio::time::timeout(SOON, changes.wait_for(|changed| changed.tools > 0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn rule_15_a_call_that_is_given_up_is_cancelled_where_the_server_listens() {
    let (fixture, _) = Old::start("404 Not Found", ENDPOINT).await;
    let upstream = fixture.upstream();
    let (cancel, (told, _heard)) = (CancellationToken::new(), mpsc::channel(1));
    let giving_up = async {
        let called = fixture.request(|request| request.what() == "tools/call").await;
        cancel.cancel();
        called
    };
    let (outcome, called) = tokio::join!(upstream.ask(call("hang"), told, &cancel), giving_up);
    assert!(matches!(outcome, Err(Failure::Cancelled)));
    let told = fixture.request(|request| request.what() == "notifications/cancelled").await;
    assert_eq!((&told.body["params"]["requestId"], told.path), (&called.body["id"], called.path));
}

#[tokio::test]
async fn the_end_of_the_stream_ends_its_calls_and_the_next_one_opens_another() {
    let (fixture, server) = Old::start("404 Not Found", ENDPOINT).await;
    let upstream = fixture.upstream();
    let lost = tokio::time::timeout(SOON, reply(&upstream, call("die"))).await.unwrap();
    assert!(matches!(lost, Err(Failure::Lost(_))), "{lost:?}");
    assert_eq!(said(&upstream, call("echo")).await, "echo");
    assert_eq!(server.sessions.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn rule_04_a_session_that_the_server_does_not_know_is_opened_anew_once() {
    let (fixture, server) = Old::start("404 Not Found", ENDPOINT).await;
    let upstream = fixture.upstream();
    result(&upstream, call("echo")).await;
    server.forgets.store(true, Ordering::SeqCst);
    assert_eq!(said(&upstream, call("echo")).await, "echo");
    assert_eq!(server.sessions.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn rule_26_an_answer_that_is_too_long_for_the_stream_ends_it_and_nothing_else() {
    let (fixture, _) = Old::start("404 Not Found", ENDPOINT).await;
    let upstream = fixture.upstream();
    let too_large = reply(&upstream, call("flood")).await;
    assert!(matches!(too_large, Err(Failure::TooLarge { .. })), "{too_large:?}");
    assert_eq!(said(&upstream, call("echo")).await, "echo");
}

#[tokio::test]
async fn r6_a_server_that_listens_elsewhere_is_told_nothing() {
    let elsewhere = Fixture::new(|_, conn| async move { Some(conn) }.boxed()).await;
    let there = format!("event: endpoint\ndata: {}\n\n", elsewhere.url());
    for first in [
        &*there.leak(),
        "event: endpoint\ndata: //localhost/message\n\n",
        "event: endpoint\ndata: https://127.0.0.1/message\n\n",
        "event: endpoint\ndata: file:///message\n\n",
    ] {
        let (fixture, _) = Old::start("404 Not Found", first).await;
        let refused = reply(&fixture.upstream(), call("echo")).await;
        let Err(Failure::NotSent(why)) = refused else { panic!("{first}: {refused:?}") };
        assert!(why.contains("another origin"), "{first}: {why}");
        assert!(fixture.requests().iter().all(|request| request.path == "/mcp"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_stream_that_does_not_say_where_the_server_listens_is_none_of_this_kind() {
    for first in ["event: message\ndata: {}\n\n", ": nothing\n\n"] {
        let (fixture, _) = Old::start("404 Not Found", first).await;
        let limits = crate::upstream::Limits { probe: Duration::from_millis(100), ..limits() };
        let upstream = HttpUpstream::new(HttpSettings { limits, ..fixture.settings() });
        let refused = tokio::time::timeout(SOON, reply(&upstream, call("echo"))).await.unwrap();
        let Err(Failure::NotSent(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("404"), "what it said first is what is told: {why}");
    }
}

#[tokio::test]
async fn a_server_that_changes_its_transport_is_found_out_again() {
    let (fixture, server) = Old::start("405 Method Not Allowed", ENDPOINT).await;
    let upstream = fixture.upstream();
    for (is_new, expected) in [(false, "echo"), (true, "new"), (false, "echo")] {
        server.is_new.store(is_new, Ordering::SeqCst);
        assert_eq!(said(&upstream, call("echo")).await, expected);
    }
}

#[tokio::test]
async fn a_list_is_asked_for_over_the_stream_as_well() {
    let (fixture, _) = Old::start("405 Method Not Allowed", ENDPOINT).await;
    let listed = value(&fixture.upstream(), ask("tools/list", json!({}))).await;
    assert_eq!((&listed["ttlMs"], &listed["cacheScope"]), (&json!(0), &json!("private")));
}
