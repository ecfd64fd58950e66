//! `/mcp` before a server that is a process: who gets through, with what, and to whom what it says belongs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use axum::body::Body;
use common::{SOON, World, fixture, initialize, text, until, whole};
use deputy_testkit::TestIssuer;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_call_goes_through_as_it_was_sent_with_the_person_in_its_meta() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, opened) = world.session(&token).await;
    assert_eq!(opened["result"]["serverInfo"]["name"], json!("fixture"));
    let arguments = json!({ "path": "a", "n": 1.0 });
    let meta = json!({ "dev.deputy/user": { "sub": "root" }, "dev.deputy/other": 1, "mine": 2 });
    let params = json!({ "name": "read_file", "arguments": arguments, "_meta": meta });
    let answer = world.ask(&token, &session, "tools/call", params).await;
    assert_eq!(answer["id"], json!(7));
    let received = &answer["result"]["received"]["params"];
    assert_eq!(received["arguments"], arguments);
    let user =
        json!({ "iss": TestIssuer::ISSUER, "sub": "alice", "client": common::HUB, "scopes": ["read"] });
    assert_eq!(received["_meta"], json!({ "mine": 2, "dev.deputy/user": user }));
}

#[tokio::test]
async fn what_the_server_says_in_our_name_is_taken_out() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, opened) = world.session(&token).await;
    assert!(opened["result"]["_meta"].get("dev.deputy/user").is_none());
    let discovered = world.ask(&token, &session, "server/discover", json!({})).await;
    assert_eq!(discovered["error"]["data"], json!({ "kept": 1 }));
    let listed = world.ask(&token, &session, "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"][0], json!({ "name": "read_file", "_meta": {} }));
}

async fn denied(world: &World, token: Option<&str>) -> (StatusCode, String) {
    let answer = world
        .send(world.request("POST", token, None).body(Body::from(initialize().to_string())).unwrap())
        .await;
    let challenge =
        answer.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap()).to_owned();
    (answer.status(), challenge)
}

#[tokio::test]
async fn a13_every_bad_token_gets_the_same_401_with_the_way_to_a_good_one() {
    let world = World::new().await;
    let (status, challenge) = denied(&world, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let metadata = "resource_metadata=\"https://guard.example/.well-known/oauth-protected-resource/mcp\"";
    assert!(challenge.contains(metadata) && challenge.contains("scope=\"read write\""), "{challenge}");
    let good = world.token_for("alice", "read").await;
    let now = world.seconds();
    let claims = json!({ "iss": common::GUARD, "sub": "alice", "aud": common::RESOURCE, "client_id": "x", "scope": "read",
                         "idp": TestIssuer::ISSUER, "jti": "1", "iat": now, "exp": now + 60 });
    let mut answers = Vec::new();
    for bad in [
        "x".to_owned(),
        format!("{good}x"),
        world.signed(&world.jag()),
        world.proof_of(common::HUB),
        world.idp.sign("at+jwt", &claims),
        world.idp.sign("at+jwt", &world.jag()),
    ] {
        answers.push(denied(&world, Some(&bad)).await);
    }
    world.pass(Duration::from_secs(300));
    answers.push(denied(&world, Some(&good)).await);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].0 == StatusCode::UNAUTHORIZED && answers[0].1.contains("error=\"invalid_token\""));
}

#[tokio::test]
async fn two_tokens_on_one_request_are_none() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let request =
        world.request("POST", Some(&token), None).header("authorization", format!("Bearer {token}"));
    let answer = world.send(request.body(Body::from(initialize().to_string())).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_tool_outside_the_scope_is_not_listed_and_its_call_says_which_scope_it_takes() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let listed = world.ask(&token, &session, "tools/list", json!({})).await;
    let names: Vec<&Value> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, [&json!("read_file")]);
    assert_eq!(listed["result"]["cacheScope"], json!("private"));
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "write_file" } });
    let answer = world.post(&token, Some(&session), &call).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("scope=\"write\""), "{challenge}");
    let both = world.token_for("alice", "read write").await;
    assert!(world.call(&both, &session, "write_file").await["result"].is_object());
}

#[tokio::test]
async fn a_tool_that_no_scope_opens_is_as_unknown_as_none() {
    let world = World::new().await;
    let token = world.token_for("alice", "read write").await;
    let (session, _) = world.session(&token).await;
    for tool in ["hidden", "missing"] {
        let answer = world.call(&token, &session, tool).await;
        assert_eq!(answer["error"]["code"], json!(-32602));
        assert_eq!(answer["error"]["message"], json!(format!("Unknown tool: {tool}")));
    }
}

#[tokio::test]
async fn a_method_is_opened_by_a_scope_or_not_there() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    assert!(world.ask(&token, &session, "resources/read", json!({ "uri": "x" })).await["result"].is_object());
    assert_eq!(
        world.ask(&token, &session, "prompts/get", json!({ "name": "x" })).await["error"]["code"],
        json!(-32601)
    );
    assert!(world.ask(&token, &session, "ping", json!({})).await["result"].is_object());
    let writer = world.token_for("alice", "write").await;
    let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "x" } });
    assert_eq!(world.post(&writer, Some(&session), &read).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_call_cannot_hide_in_another_form() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    for body in [
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"write_file"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write_file"}}]"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","name":"write_file"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","Name":"write_file"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"write_file"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"write_file"}}"#,
    ] {
        let request = world.request("POST", Some(&token), Some(&session));
        let answer = world.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    let called =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": ["write_file"] } });
    assert_eq!(
        whole(world.post(&token, Some(&session), &called).await).await["error"]["code"],
        json!(-32602)
    );
}

#[tokio::test]
async fn r3_a_session_is_its_persons_and_to_others_as_unknown_as_none() {
    let world = World::new().await;
    let alice = world.token_for("alice", "read").await;
    let bob = world.token_for("bob", "read").await;
    let (session, _) = world.session(&alice).await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let mut answers = Vec::new();
    for (token, id) in [(&bob, session.as_str()), (&bob, "none"), (&alice, "none")] {
        let answer = world.post(token, Some(id), &ping).await;
        answers.push((answer.status(), text(answer).await));
        for method in ["GET", "DELETE"] {
            let answer =
                world.send(world.request(method, Some(token), Some(id)).body(Body::empty()).unwrap()).await;
            answers.push((answer.status(), text(answer).await));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, StatusCode::NOT_FOUND);
    assert_eq!(world.post(&alice, Some(&session), &ping).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn two_people_never_share_a_process() {
    let world = World::new().await;
    let (alice, bob) = (world.token_for("alice", "read").await, world.token_for("bob", "read").await);
    let (of_alice, _) = world.session(&alice).await;
    let (of_bob, _) = world.session(&bob).await;
    let pid =
        async |token: &str, session: &str| world.call(token, session, "told").await["result"]["pid"].clone();
    assert_ne!(pid(&alice, &of_alice).await, pid(&bob, &of_bob).await);
    let discover = |n: i64| {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
        json!({ "jsonrpc": "2.0", "id": n, "method": "tools/call", "params": { "name": "told", "_meta": meta } })
    };
    let first = whole(world.post(&alice, None, &discover(1)).await).await["result"]["pid"].clone();
    let again = whole(world.post(&alice, None, &discover(2)).await).await["result"]["pid"].clone();
    let other = whole(world.post(&bob, None, &discover(1)).await).await["result"]["pid"].clone();
    assert!(first == again && first != other && first.is_number());
}

#[tokio::test]
async fn a_modern_client_hears_what_a_legacy_server_says_to_discover() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
    let discover =
        json!({ "jsonrpc": "2.0", "id": "d", "method": "server/discover", "params": { "_meta": meta } });
    let answer = whole(world.post(&token, None, &discover).await).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("d"), &json!(-32601)));
}

#[tokio::test]
async fn e6_a_denied_person_stops_at_the_next_request_and_others_do_not() {
    let world = World::new().await;
    let (alice, bob) = (world.token_for("alice", "read").await, world.token_for("bob", "read").await);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let (of_alice, _) = world.session(&alice).await;
    let (of_bob, _) = world.session(&bob).await;
    std::fs::write(world.folder.path().join("denied"), format!("{} alice\n", TestIssuer::ISSUER)).unwrap();
    assert_eq!(world.post(&alice, Some(&of_alice), &ping).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.post(&bob, Some(&of_bob), &ping).await.status(), StatusCode::OK);
    std::fs::write(world.folder.path().join("denied"), "").unwrap();
    assert_eq!(world.post(&alice, Some(&of_alice), &ping).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn e6_while_the_list_cannot_be_read_nobody_gets_in() {
    let world = World::new().await;
    let alice = world.token_for("alice", "read").await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    for broken in ["one-word\n", "[\"a\"]\n"] {
        std::fs::write(world.folder.path().join("denied"), broken).unwrap();
        assert_eq!(
            world.post(&alice, None, &ping).await.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{broken}"
        );
    }
    std::fs::remove_file(world.folder.path().join("denied")).unwrap();
    assert_eq!(world.post(&alice, None, &ping).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.refusal(&world.jag()).await, "temporarily_unavailable");
}

#[tokio::test]
async fn what_a_server_asks_reaches_its_client_alone_and_the_answer_the_server() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": { "name": "ask" } });
    let answer = world.post(&token, Some(&session), &call).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let reply = json!({ "jsonrpc": "2.0", "id": "q1", "result": { "action": "accept", "_meta": { "dev.deputy/x": 1 } } });
    assert_eq!(world.post(&token, Some(&session), &reply).await.status(), StatusCode::ACCEPTED);
    let stream = text(answer).await;
    let events: Vec<Value> =
        stream.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    assert_eq!(events[0]["method"], json!("elicitation/create"));
    assert_eq!(events[1]["result"]["answered"]["result"], json!({ "action": "accept", "_meta": {} }));
    // Answered once; nobody asks any more.
    assert_eq!(world.post(&token, Some(&session), &reply).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn progress_comes_under_the_clients_own_token_on_the_stream_of_its_call() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let params = json!({ "name": "progress", "_meta": { "progressToken": "mine" } });
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params });
    let stream = text(world.post(&token, Some(&session), &call).await).await;
    assert!(stream.contains(r#""progressToken":"mine""#) && stream.contains(r#""id":5"#), "{stream}");
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_under_the_servers_id() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let call =
        json!({ "jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params": { "name": "silent" } });
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "mine" } });
    let silent = world.post(&token, Some(&session), &call);
    tokio::select! {
        _ = silent => panic!("it is silent"),
        told = async {
            loop {
                world.post(&token, Some(&session), &cancel).await;
                let told = world.call(&token, &session, "told").await["result"]["told"].clone();
                if told["method"] == json!("notifications/cancelled") {
                    break told;
                }
            }
        } => assert!(told["params"]["requestId"].is_number(), "{told}"),
    }
}

#[tokio::test]
async fn a_session_that_was_ended_takes_its_process_and_all_that_it_started_with_it() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let pid = |answer: Value| i32::try_from(answer["result"]["pid"].as_i64().unwrap()).unwrap();
    let own = pid(world.call(&token, &session, "told").await);
    let child = pid(world.call(&token, &session, "child").await);
    let exists =
        |pid: i32| rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_ok();
    assert!(exists(own) && exists(child));
    let answer =
        world.send(world.request("DELETE", Some(&token), Some(&session)).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(world.post(&token, Some(&session), &ping).await.status(), StatusCode::NOT_FOUND);
    until("the end of both", || !exists(own) && !is_running(child)).await;
}

/// Whether a process that is nobody's child of ours still runs; one that waits to be reaped does not.
fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_server_that_ends_is_told_to_who_waits_and_its_session_is_over() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let answer = world.call(&token, &session, "exit").await;
    assert_eq!(answer["error"]["message"], json!("the server ended before it answered"));
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(world.post(&token, Some(&session), &ping).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn sessions_are_counted_for_each_person() {
    let world = World::new().await;
    let (alice, bob) = (world.token_for("alice", "read").await, world.token_for("bob", "read").await);
    for _ in 0..4 {
        world.session(&alice).await;
    }
    assert_eq!(world.post(&alice, None, &initialize()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.session(&bob).await;
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let mut server = fixture();
    server.idle = Duration::from_millis(50);
    let world = World::with(|_| {}, server).await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let gone = async {
        loop {
            let request = world.request("GET", Some(&token), Some(&session)).body(Body::empty()).unwrap();
            if world.send(request).await.status() == StatusCode::NOT_FOUND {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("it ended");
}

#[tokio::test]
async fn a_stream_ends_when_its_person_is_denied() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let listening =
        world.send(world.request("GET", Some(&token), Some(&session)).body(Body::empty()).unwrap()).await;
    assert_eq!(listening.headers()["content-type"], "text/event-stream");
    // What the server says later is for the listener, who is let in no more by then.
    world.call(&token, &session, "later").await;
    std::fs::write(world.folder.path().join("denied"), format!("{} alice\n", TestIssuer::ISSUER)).unwrap();
    assert_eq!(text(listening).await, "");
}

#[tokio::test]
async fn who_listens_hears_what_belongs_to_no_request() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let (session, _) = world.session(&token).await;
    let request = world.request("GET", Some(&token), Some(&session)).body(Body::empty()).unwrap();
    let listening = world.send(request).await;
    world.call(&token, &session, "later").await;
    let mut body = listening.into_body().into_data_stream();
    let first = tokio::time::timeout(SOON, body.next()).await.expect("in time").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains(r#"{"data":"later"}"#));
}

#[tokio::test]
async fn r10_a_foreign_host_or_page_reaches_nothing() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    for (name, value) in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")] {
        let mut request =
            world.request("POST", Some(&token), None).body(Body::from(initialize().to_string())).unwrap();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        assert_eq!(world.send(request).await.status(), StatusCode::FORBIDDEN, "{name}: {value}");
    }
}

#[tokio::test]
async fn r15_a_body_that_is_too_long_is_not_read() {
    let world = World::new().await;
    let token = world.token_for("alice", "read").await;
    let body = vec![b' '; (4 << 20) + 1];
    let answer = world.send(world.request("POST", Some(&token), None).body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
