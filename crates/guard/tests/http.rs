//! `/mcp` before a server that speaks HTTP, at an address and on a socket of the guard's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use common::{World, initialize, server, text, until, whole};
use deputy_guard::settings::{Handover, Program, Way};
use deputy_identity::keys::KeySet;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What the server was sent.
type Heard = Arc<Mutex<Vec<(String, HeaderMap, Value)>>>;

async fn answer(State(heard): State<Heard>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let message: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    heard.lock().unwrap().push((parts.method.to_string(), parts.headers, message.clone()));
    let said = |result: Value| json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    let json = |value: Value| ([("content-type", "application/json")], value.to_string()).into_response();
    let tools = json!([{ "name": "read_file" }, { "name": "write_file" }]);
    match (message["method"].as_str(), message["params"]["name"].as_str()) {
        (Some("initialize"), _) => {
            let mut answer =
                json(said(json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {} })));
            answer.headers_mut().insert("mcp-session-id", "the-servers-own".parse().unwrap());
            answer.headers_mut().insert("deputy-user", "forged".parse().unwrap());
            answer.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
            answer
        }
        (Some("tools/list"), _) => {
            let told = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "_meta": { "dev.deputy/x": 1 } } });
            let body = format!(
                "id: e1\r\ndata: {told}\r\n\r\nid: e2\ndata: {}\n\n",
                said(json!({ "tools": tools }))
            );
            ([("content-type", "text/event-stream")], body).into_response()
        }
        (_, Some("told")) => {
            (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer realm=\"theirs\"")], "").into_response()
        }
        (_, Some("child")) => {
            (StatusCode::FOUND, [("location", "https://evil.example/")], "").into_response()
        }
        (Some(_), _) => json(said(json!({ "content": [] }))),
        (None, _) => StatusCode::ACCEPTED.into_response(),
    }
}

fn routes(heard: &Heard) -> Router {
    Router::new().route("/mcp", any(answer)).with_state(Arc::clone(heard))
}

async fn at_an_address(handover: Handover) -> (World, Heard) {
    let heard = Heard::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    let world = World::with(|_| {}, server(Way::Address(url), handover)).await;
    let routes = routes(&heard);
    world.tasks.start_until_end(async move { axum::serve(listener, routes).await.unwrap() });
    (world, heard)
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn the_person_comes_in_a_signed_header_and_nothing_of_the_clients_that_looks_like_it() {
    let (world, heard) = at_an_address(Handover::Header).await;
    let token = world.token_for("alice", "read").await;
    let request = world
        .request("POST", Some(&token), None)
        .header("deputy-user", "forged")
        .header("deputy-other", "forged")
        .header("cookie", "a=b")
        .header("x-forwarded-user", "root");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "read_file", "_meta": { "dev.deputy/user": 1 } } });
    let answer = world.send(request.body(Body::from(call.to_string())).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let (_, headers, message) = heard.lock().unwrap()[0].clone();
    assert_eq!(message["params"], json!({ "name": "read_file", "_meta": {} }));
    for absent in ["authorization", "cookie", "deputy-other", "x-forwarded-user"] {
        assert!(!headers.contains_key(absent), "{absent}");
    }
    let words: Vec<&str> = headers.get_all("deputy-user").iter().map(|word| word.to_str().unwrap()).collect();
    assert_eq!(words.len(), 1);
    let said = claims(words[0]);
    assert_eq!(
        (&said["sub"], &said["iss"], &said["aud"]),
        (&json!("alice"), &json!(common::GUARD), &json!(common::RESOURCE))
    );
    assert_eq!((&said["scope"], &said["client_id"]), (&json!("read"), &json!(common::HUB)));
    assert!(said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap() <= 60);
    let jwks = http::Request::get("/.well-known/jwks.json")
        .header("host", "guard.example")
        .body(Body::empty())
        .unwrap();
    let jwks = text(world.send(jwks).await).await;
    assert!(KeySet::parse(jwks.as_bytes()).is_ok());
    // The word to the server opens nothing here.
    assert_eq!(world.post(words[0], None, &initialize()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn in_meta_there_is_no_header() {
    let (world, heard) = at_an_address(Handover::Meta).await;
    let token = world.token_for("alice", "read").await;
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "read_file" } });
    world.post(&token, None, &call).await;
    let (_, headers, message) = heard.lock().unwrap()[0].clone();
    assert_eq!(message["params"]["_meta"]["dev.deputy/user"]["sub"], json!("alice"));
    assert!(!headers.contains_key("deputy-user"));
}

#[tokio::test]
async fn r3_the_servers_own_session_is_its_persons() {
    let (world, heard) = at_an_address(Handover::Header).await;
    let (alice, bob) = (world.token_for("alice", "read").await, world.token_for("bob", "read").await);
    let opened = world.post(&alice, None, &initialize()).await;
    assert_eq!(opened.headers()["mcp-session-id"], "the-servers-own");
    assert!(!opened.headers().contains_key("deputy-user") && !opened.headers().contains_key("set-cookie"));
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(world.post(&alice, Some("the-servers-own"), &ping).await.status(), StatusCode::OK);
    let before = heard.lock().unwrap().len();
    for (token, session) in [(&bob, "the-servers-own"), (&alice, "another")] {
        assert_eq!(world.post(token, Some(session), &ping).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(heard.lock().unwrap().len(), before, "the server was not asked");
    // The server gives out an id that is Alice's.
    assert_eq!(world.post(&bob, None, &initialize()).await.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_list_in_a_stream_is_cut_and_look_alikes_in_it_are_taken_out() {
    let (world, _) = at_an_address(Handover::Header).await;
    let token = world.token_for("alice", "read").await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = world.post(&token, None, &list).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let stream = text(answer).await;
    assert!(stream.contains("id: e1\n") && stream.contains("id: e2\n"), "{stream}");
    assert!(
        stream.contains("read_file") && !stream.contains("write_file") && !stream.contains("dev.deputy"),
        "{stream}"
    );
}

#[tokio::test]
async fn a_refusal_or_redirect_of_the_servers_is_not_passed_on() {
    let (world, _) = at_an_address(Handover::Header).await;
    let token = world.token_for("alice", "read").await;
    for tool in ["told", "child"] {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } });
        let answer = world.post(&token, None, &call).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        assert!(
            !answer.headers().contains_key("www-authenticate") && !answer.headers().contains_key("location")
        );
        assert_eq!(whole(answer).await["id"], json!(1));
    }
}

#[tokio::test]
async fn what_a_modern_request_repeats_in_headers_is_what_its_body_says() {
    let (world, heard) = at_an_address(Handover::Header).await;
    let token = world.token_for("alice", "read").await;
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "read_file", "_meta": meta } });
    let request = world
        .request("POST", Some(&token), None)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "write_file");
    world.send(request.body(Body::from(call.to_string())).unwrap()).await;
    let headers = heard.lock().unwrap()[0].1.clone();
    assert_eq!(
        (&headers["mcp-name"], &headers["mcp-method"]),
        (&"read_file".parse().unwrap(), &"tools/call".parse().unwrap())
    );
    assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
}

#[tokio::test]
async fn a_socket_of_the_guards_own_is_in_a_folder_that_nobody_else_may_enter() {
    use std::os::unix::fs::PermissionsExt as _;
    let way = Way::Socket { name: "server.sock".to_owned(), path: "/mcp".to_owned(), program: None };
    let world = World::with(|_| {}, server(way, Handover::Header)).await;
    let folder = world.folder.path().join("data/run");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let heard = Heard::default();
    let listener = tokio::net::UnixListener::bind(folder.join("server.sock")).unwrap();
    let routes = routes(&heard);
    world.tasks.start_until_end(async move { axum::serve(listener, routes).await.unwrap() });
    let token = world.token_for("alice", "read").await;
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "read_file" } });
    assert_eq!(whole(world.post(&token, None, &call).await).await["result"], json!({ "content": [] }));
    assert!(heard.lock().unwrap()[0].1.contains_key("deputy-user"));
}

#[tokio::test]
async fn a_server_on_a_socket_is_told_its_path_started_again_when_it_ends_and_ended_with_the_guard() {
    let script = "echo $$ >> \"$0.starts\"; [ $(wc -l < \"$0.starts\") -ge 2 ] && sleep 1000";
    let program = Program {
        words: ["/bin/sh", "-c", script, "{socket}"].map(str::to_owned).into(),
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        folder: "/".into(),
    };
    let way = Way::Socket { name: "server.sock".to_owned(), path: "/mcp".to_owned(), program: Some(program) };
    let world = World::with(|_| {}, server(way, Handover::Header)).await;
    let starts = world.folder.path().join("data/run/server.sock.starts");
    let pids = || std::fs::read_to_string(&starts).unwrap_or_default();
    until("a second start", || pids().lines().count() == 2).await;
    world.tasks.end().await;
    let last = pids().lines().last().unwrap().parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    assert!(rustix::process::test_kill_process(last).is_err(), "it was ended");
}

#[test]
fn what_only_the_network_can_keep_away_is_said_loudly() {
    let url: url::Url = "http://ledger.internal:3001/mcp?key=secret".parse().unwrap();
    let words = deputy_guard::Proxy::loud(&server(Way::Address(url), Handover::Header)).unwrap();
    assert!(
        words.starts_with("WARNING") && words.contains("network") && !words.contains("secret"),
        "{words}"
    );
    assert_eq!(deputy_guard::Proxy::loud(&common::fixture()), None);
}
