//! `/mcp` in the modern era (MCP 2026-07-28), through the real router into a real hub.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::Doors;
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_testkit::Said;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

async fn ask(doors: &Doors, subject: &str, method: &str, params: Value) -> (StatusCode, Value) {
    let reply = doors.send(doors.modern(subject, &json!(1), method, params)).await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.header("mcp-session-id").is_none());
    (reply.status, reply.json())
}

#[tokio::test]
async fn discover_and_list_say_what_the_era_demands() {
    let doors = Doors::new().await;
    let _tab = doors.world.tab("alice").await;
    let (status, found) = ask(&doors, "alice", "server/discover", json!({})).await;
    assert_eq!((status, &found["result"]["supportedVersions"]), (StatusCode::OK, &json!(["2026-07-28"])));
    let (status, listed) = ask(&doors, "alice", "tools/list", json!({})).await;
    let result = &listed["result"];
    assert_eq!(
        (status, &result["resultType"], &result["cacheScope"]),
        (StatusCode::OK, &json!("complete"), &json!("private"))
    );
    assert!(result["ttlMs"].is_u64() && result.get("nextCursor").is_none());
    let names: Vec<_> =
        result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert!(names == sorted && names.contains(&"crm__list"), "{names:?}");
    assert_eq!(result["tools"][0]["_meta"]["dev.deputy/source"], "crm");
    let (_, again) = ask(&doors, "alice", "tools/list", json!({})).await;
    assert_eq!(again, listed);
}

#[tokio::test]
async fn a_user_sees_and_calls_their_own_tabs_only() {
    let doors = Doors::new().await;
    let _tab = doors.world.tab("alice").await;
    let (_, listed) = ask(&doors, "bob", "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"], json!([]));
    let (status, called) =
        ask(&doors, "bob", "tools/call", json!({"name": "crm__list", "arguments": {}})).await;
    let (_, unknown) =
        ask(&doors, "bob", "tools/call", json!({"name": "crm__nothing", "arguments": {}})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(called["result"]["isError"], true);
    assert_eq!(called["result"]["_meta"]["dev.deputy/reason"], "tool_unknown");
    assert_eq!(called, unknown, "what exists for another cannot be told from what does not exist");
}

#[tokio::test]
async fn a_read_runs_in_the_tab_and_its_answer_comes_back() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let request =
        doors.modern("alice", &json!("x"), "tools/call", json!({"name": "crm__list", "arguments": {"a": 1}}));
    let (reply, call) = tokio::join!(doors.send(request), tab.answer("three contacts"));
    assert_eq!(call.arguments.get(), r#"{"a":1}"#);
    let answer = reply.json();
    assert_eq!((&answer["id"], &answer["result"]["resultType"]), (&json!("x"), &json!("complete")));
    assert_eq!(answer["result"]["content"][0]["text"], "three contacts");
    assert_eq!(answer["result"]["isError"], false);
}

#[tokio::test]
async fn progress_is_streamed_when_it_is_asked_for_and_the_response_ends_the_stream() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let params = json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": "p"}});
    let mut stream = doors.open(doors.modern("alice", &json!(1.0), "tools/call", params)).await;
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    let (id, _) = tab.start_call().await;
    tab.say(&id, TabFrame::Progress { progress: 0.5, total: Some(1.0), message: Some("half".to_owned()) })
        .await;
    let moved = stream.message().await.unwrap();
    assert_eq!(moved["method"], "notifications/progress");
    assert_eq!(moved["params"]["progressToken"], "p");
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
    let last = stream.message().await.unwrap();
    assert_eq!((&last["id"], &last["result"]["content"][0]["text"]), (&json!(1), &json!("done")));
    assert!(stream.message().await.is_none());
}

#[tokio::test]
async fn gateway_rule_15_closing_the_stream_cancels_the_call() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let params = json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": 7}});
    let stream = doors.open(doors.modern("alice", &json!(1), "tools/call", params)).await;
    let (id, _) = tab.start_call().await;
    drop(stream);
    loop {
        match tab.hear().await {
            Said::Cancel(cancelled) => {
                assert_eq!(cancelled, id);
                return;
            }
            Said::Call(..) => panic!("called twice"),
            Said::Ping(_) => {}
        }
    }
}

async fn parked(doors: &Doors, arguments: Value) -> String {
    let (status, answer) =
        ask(doors, "alice", "tools/call", json!({"name": "crm__note", "arguments": arguments})).await;
    assert_eq!((status, &answer["result"]["resultType"]), (StatusCode::OK, &json!("input_required")));
    assert!(answer["result"].get("content").is_none());
    answer["result"]["requestState"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn apr_01_a_call_that_asks_is_parked_and_runs_once_a_person_said_yes() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let state = parked(&doors, json!({"text": "hi"})).await;
    assert!(tab.is_quiet());
    doors.approve("alice").await;
    let params = json!({"name": "crm__note", "arguments": {"text": "hi"}, "requestState": state});
    let (reply, _) = tokio::join!(
        doors.send(doors.modern("alice", &json!(2), "tools/call", params.clone())),
        tab.answer("noted")
    );
    assert_eq!(reply.json()["result"]["content"][0]["text"], "noted");
    // Spent: the same state does not run it again.
    let (_, again) = ask(&doors, "alice", "tools/call", params).await;
    assert_eq!(again["result"]["isError"], true);
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn r3_a_state_opens_for_nobody_else_and_for_nothing_else() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let _bobs = doors.world.tab("bob").await;
    let state = parked(&doors, json!({"text": "hi"})).await;
    doors.approve("alice").await;
    let mut changed = state.clone();
    changed.replace_range(20..21, if &state[20..21] == "A" { "B" } else { "A" });
    let call = |name: &str, text: &str, state: &str| json!({"name": name, "arguments": {"text": text}, "requestState": state});
    for (subject, params) in [
        ("bob", call("crm__note", "hi", &state)),
        ("alice", call("crm__wipe", "hi", &state)),
        ("alice", call("crm__note", "ho", &state)),
        ("alice", call("crm__note", "hi", &changed)),
        ("alice", call("crm__note", "hi", "")),
        ("alice", call("crm__note", "hi", "x")),
    ] {
        let (status, answer) = ask(&doors, subject, "tools/call", params.clone()).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::OK, &json!(-32602)),
            "{subject} {params}"
        );
    }
    doors.world.clock.advance(Duration::from_secs(24 * 3600));
    let (_, late) = ask(&doors, "alice", "tools/call", call("crm__note", "hi", &state)).await;
    assert_eq!(late["error"]["code"], -32602);
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn gateway_rule_17_headers_must_say_what_the_body_says() {
    let doors = Doors::new().await;
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "crm__list", "_meta": meta}}).to_string();
    let right = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "=?base64?Y3JtX19saXN0?="),
    ];
    let reply = doors.send(doors.post("alice", &right, body.clone())).await;
    assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (StatusCode::OK, Value::Null));
    for left_out in 0..3 {
        let mut headers = right.to_vec();
        headers.remove(left_out);
        let reply = doors.send(doors.post("alice", &headers, body.clone())).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32020)));
        assert_eq!(reply.json()["id"], 5);
    }
    let twice = [&right[..], &[("mcp-name", "crm__list")]].concat();
    let reply = doors.send(doors.post("alice", &twice, body)).await;
    assert_eq!(reply.json()["error"]["code"], -32020);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_the_right_code_and_status() {
    let doors = Doors::new().await;
    let meta = |version: &str| json!({"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}});
    let send = async |headers: &[(&str, &str)], body: String| {
        let reply = doors.send(doors.post("alice", headers, body)).await;
        (reply.status.as_u16(), reply.json()["error"]["code"].as_i64().unwrap_or_default())
    };
    let request = |method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let headers = |version: &'static str, method: &'static str| {
        [("mcp-protocol-version", version), ("mcp-method", method)]
    };
    let modern = "2026-07-28";
    assert_eq!(
        send(
            &headers("2031-01-01", "tools/list"),
            request("tools/list", json!({"_meta": meta("2031-01-01")}))
        )
        .await,
        (400, -32022)
    );
    assert_eq!(send(&headers(modern, "tools/list"), request("tools/list", json!({}))).await, (400, -32602));
    let half = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": modern}});
    assert_eq!(send(&headers(modern, "tools/list"), request("tools/list", half)).await, (400, -32602));
    for method in
        ["resources/list", "prompts/list", "ping", "initialize", "tasks/get", "logging/setLevel", "x"]
    {
        assert_eq!(
            send(
                &[("mcp-protocol-version", modern), ("mcp-method", method)],
                request(method, json!({"_meta": meta(modern)}))
            )
            .await,
            (404, -32601),
            "{method}"
        );
    }
    assert_eq!(
        send(
            &headers(modern, "tools/list"),
            request("tools/list", json!({"_meta": meta(modern), "cursor": "x"}))
        )
        .await,
        (200, -32602)
    );
    assert_eq!(
        send(&headers(modern, "tools/call"), request("tools/call", json!({"_meta": meta(modern)}))).await,
        (200, -32602)
    );
    assert_eq!(send(&[], "{".to_owned()).await, (400, -32700));
    assert_eq!(send(&[], "[]".to_owned()).await, (400, -32600));
    assert_eq!(send(&[], format!("[{}]", request("ping", json!({})))).await, (400, -32600));
    assert_eq!(send(&[], request("tools/list", json!({}))).await, (400, -32600));
    assert_eq!(
        send(&[], r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#.to_owned()).await,
        (400, -32600)
    );
}

#[tokio::test]
async fn a_notification_is_accepted_and_a_get_without_a_session_is_not_allowed() {
    let doors = Doors::new().await;
    let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1,
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}});
    let reply = doors.send(doors.post("alice", &[], body.to_string())).await;
    assert!(reply.status == StatusCode::ACCEPTED && reply.body.is_empty());
    for method in ["GET", "DELETE"] {
        let mut request = doors.within(method, "alice", "x");
        request.headers_mut().remove("mcp-session-id");
        assert_eq!(doors.send(request).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn gateway_rule_14_a_listen_is_acknowledged_first_hears_of_changes_and_ends_gracefully() {
    let doors = Doors::new().await;
    let wanted = json!({"notifications": {"toolsListChanged": true, "resourcesListChanged": true}});
    let mut stream =
        doors.open(doors.modern("alice", &json!("listen-1"), "subscriptions/listen", wanted)).await;
    let first = stream.message().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], json!({"toolsListChanged": true}));
    let tab = doors.world.tab("alice").await;
    let changed = stream.message().await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "listen-1");
    drop(tab);
    let hub = std::sync::Arc::clone(&doors.world.hub);
    hub.supervisor().stopping().cancel();
    loop {
        let message = stream.message().await.expect("a graceful end");
        if message["id"] == "listen-1" {
            assert_eq!(message["result"]["resultType"], "complete");
            break;
        }
    }
    assert!(stream.message().await.is_none());
}

#[tokio::test]
async fn gateway_rule_26_one_listen_too_many_is_refused_and_others_go_on() {
    let doors = Doors::new().await;
    let wanted = json!({"notifications": {}});
    let mut held = Vec::new();
    for number in 0..128 {
        held.push(
            doors.open(doors.modern("alice", &json!(number), "subscriptions/listen", wanted.clone())).await,
        );
    }
    let refused = doors.send(doors.modern("alice", &json!(99), "subscriptions/listen", wanted.clone())).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    held.pop();
    let mut again = doors.open(doors.modern("alice", &json!(99), "subscriptions/listen", wanted)).await;
    assert_eq!(again.message().await.unwrap()["params"]["notifications"], json!({}));
}

#[tokio::test]
async fn gateway_rule_26_one_call_too_many_of_one_principal_is_busy_and_others_are_served() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("bob").await;
    let call =
        |token: &Value| json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": token}});
    let mut held = Vec::new();
    for number in 0..256 {
        held.push(
            doors.open(doors.modern("alice", &json!(number), "tools/call", call(&json!(number)))).await,
        );
    }
    let params = json!({"name": "crm__list", "arguments": {}});
    let (status, refused) = ask(&doors, "alice", "tools/call", params.clone()).await;
    assert_eq!((status, &refused["result"]["_meta"]["dev.deputy/reason"]), (StatusCode::OK, &json!("busy")));
    let request = doors.modern("bob", &json!(1), "tools/call", params.clone());
    let (reply, _) = tokio::join!(doors.send(request), tab.answer("three"));
    assert_eq!(reply.json()["result"]["isError"], false);
    drop(held);
    let (_, served) = ask(&doors, "alice", "tools/call", params).await;
    assert_eq!(served["result"]["_meta"]["dev.deputy/reason"], "tool_unknown");
}

#[tokio::test]
async fn r21_a_body_that_is_encoded_or_no_json_is_not_read() {
    let doors = Doors::new().await;
    let mut encoded = doors.post("alice", &[("content-encoding", "gzip")], "{}");
    assert_eq!(doors.send(encoded).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    encoded = doors.post("alice", &[], "{}");
    encoded.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(doors.send(encoded).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = doors.post("alice", &[], vec![b' '; 10_000_001]);
    assert_eq!(doors.send(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

fn any_body() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        Just(r#""jsonrpc":"2.0""#.to_owned()),
        Just(r#""id":1"#.to_owned()),
        Just(r#""id":"a""#.to_owned()),
        Just(r#""id":null"#.to_owned()),
        "\"method\":\"(tools/list|tools/call|initialize|ping|server/discover|notifications/cancelled|x)\"",
        "\"params\":\\{\"(name|cursor|requestState|_meta|arguments)\":(\"[a-z_]{0,9}\"|\\{\\}|\\[\\]|null|9)\\}",
        Just(r#""params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name":"crm__list"}"#.to_owned()),
        Just(r#""params":{"protocolVersion":"2025-11-25"}"#.to_owned()),
        Just(r#""result":{}"#.to_owned()),
    ];
    let message =
        prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")));
    prop_oneof![
        3 => message.clone(),
        2 => prop::collection::vec(message, 0..4).prop_map(|messages| format!("[{}]", messages.join(","))),
        1 => "\\PC{0,60}",
    ]
}

#[test]
fn no_body_panics_and_none_is_answered_with_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let doors = runtime.block_on(Doors::new());
    let opening = |version: &str| {
        let params = json!({"protocolVersion": version, "capabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let reply = runtime.block_on(doors.send(doors.post("alice", &[], body.to_string())));
        reply.header("mcp-session-id").unwrap().to_owned()
    };
    let sessions = ["2025-11-25", "2025-03-26"].map(opening);
    proptest!(ProptestConfig::with_cases(300), |(body in any_body(), modern in any::<bool>(), name in "[ -~]{0,12}", within in 0..3_usize)| {
        let mut headers = vec![("mcp-name", name.as_str())];
        if modern {
            headers.extend([("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")]);
        }
        if let Some(session) = sessions.get(within) {
            headers.push(("mcp-session-id", session));
        }
        let reply = runtime.block_on(doors.send(doors.post("alice", &headers, body.clone())));
        prop_assert!(!reply.status.is_server_error(), "{} {body}", reply.status);
        if !reply.body.is_empty() {
            prop_assert!(serde_json::from_slice::<Value>(&reply.body).is_ok());
        }
    });
}
