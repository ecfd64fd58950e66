//! `/mcp` in the legacy era (MCP 2025-11-25), through the real router into a real hub.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::Doors;
use deputy_core::EventKind;
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_testkit::Said;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn ask(doors: &Doors, session: &str, method: &str, params: Value) -> (StatusCode, Value) {
    let reply = doors.send(doors.legacy("alice", session, &json!(1), method, &params)).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn a_session_is_opened_used_and_ended() {
    let doors = Doors::new().await;
    let _tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    assert_eq!(ask(&doors, &session, "ping", json!({})).await.1["result"], json!({}));
    assert_eq!(
        ask(&doors, &session, "logging/setLevel", json!({"level": "info"})).await.1["result"],
        json!({})
    );
    let (_, listed) = ask(&doors, &session, "tools/list", json!({})).await;
    assert!(listed["result"]["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "crm__list"));
    assert!(listed["result"].get("resultType").is_none() && listed["result"].get("ttlMs").is_none());
    let (status, unknown) = ask(&doors, &session, "resources/list", json!({})).await;
    assert_eq!((status, &unknown["error"]["code"]), (StatusCode::OK, &json!(-32601)));
    assert_eq!(doors.send(doors.within("DELETE", "alice", &session)).await.status, StatusCode::NO_CONTENT);
    let (status, gone) = ask(&doors, &session, "ping", json!({})).await;
    assert_eq!((status, &gone["error"]["code"]), (StatusCode::NOT_FOUND, &json!(-32600)));
    assert_eq!(doors.send(doors.within("DELETE", "alice", &session)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn gateway_rule_6_initialize_is_answered_with_the_version_asked_for_or_the_newest_of_its_era() {
    let doors = Doors::new().await;
    for (asked, answered) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2026-07-28", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": asked, "capabilities": {}}});
        let reply = doors.send(doors.post("alice", &[], body.to_string())).await;
        assert_eq!(reply.json()["result"]["protocolVersion"], answered);
        assert!(reply.header("mcp-session-id").is_some_and(|session| session.len() == 32));
    }
}

#[tokio::test]
async fn r3_a_session_is_nobody_elses_and_looks_like_none() {
    let doors = Doors::new().await;
    let session = doors.initialized("alice").await;
    let other = doors.send(doors.legacy("bob", &session, &json!(1), "ping", &json!({}))).await;
    let none = doors.send(doors.legacy("bob", "0123", &json!(1), "ping", &json!({}))).await;
    assert_eq!((other.status, &other.body), (none.status, &none.body));
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    for method in ["GET", "DELETE"] {
        assert_eq!(doors.send(doors.within(method, "bob", &session)).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(ask(&doors, &session, "ping", json!({})).await.0, StatusCode::OK);
}

#[tokio::test]
async fn era_rule_21_a_missing_version_header_passes_and_a_wrong_one_does_not() {
    let doors = Doors::new().await;
    let session = doors.initialized("alice").await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let without = [("mcp-session-id", session.as_str()), ("mcp-method", "whatever")];
    assert_eq!(doors.send(doors.post("alice", &without, body.clone())).await.status, StatusCode::OK);
    let wrong = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "1999-01-01")];
    assert_eq!(doors.send(doors.post("alice", &wrong, body)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_call_runs_in_the_tab_and_answers_as_json_or_with_progress_as_a_stream() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    let params = json!({"name": "crm__list", "arguments": {}});
    let request = doors.legacy("alice", &session, &json!("a"), "tools/call", &params);
    let (reply, _) = tokio::join!(doors.send(request), tab.answer("three"));
    assert_eq!(
        (&reply.json()["id"], &reply.json()["result"]["content"][0]["text"]),
        (&json!("a"), &json!("three"))
    );
    assert!(reply.json()["result"].get("resultType").is_none());

    let params = json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": 4}});
    let mut stream = doors.open(doors.legacy("alice", &session, &json!(2), "tools/call", &params)).await;
    let (id, _) = tab.start_call().await;
    tab.say(&id, TabFrame::Progress { progress: 1.0, total: None, message: None }).await;
    assert_eq!(stream.message().await.unwrap()["params"], json!({"progressToken": 4, "progress": 1.0}));
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
    assert_eq!(stream.message().await.unwrap()["result"]["content"][0]["text"], "done");
    assert!(stream.message().await.is_none());
}

#[tokio::test]
async fn gateway_rule_15_a_lost_connection_is_not_a_cancellation() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    let params = json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": 4}});
    let stream = doors.open(doors.legacy("alice", &session, &json!(2), "tools/call", &params)).await;
    let (id, _) = tab.start_call().await;
    drop(stream);
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
    let tables = Arc::clone(&doors.world.tables);
    let succeeded = move || {
        let outcomes = tables.events().into_iter().filter(|event| event.kind == EventKind::Outcome);
        outcomes.map(|event| event.outcome).collect::<Vec<_>>() == [Some(deputy_core::Outcome::Succeeded)]
    };
    doors.world.until("the outcome is in the log", succeeded).await;
    while !tab.is_quiet() {
        assert!(!matches!(tab.hear().await, Said::Cancel(_)));
    }
}

#[tokio::test]
async fn gateway_rule_15_a_cancelled_notification_cancels() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    let params = json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": 4}});
    let mut stream = doors.open(doors.legacy("alice", &session, &json!(2), "tools/call", &params)).await;
    let (id, _) = tab.start_call().await;
    let cancel =
        doors.legacy("alice", &session, &Value::Null, "notifications/cancelled", &json!({"requestId": 2}));
    assert_eq!(doors.send(cancel).await.status, StatusCode::ACCEPTED);
    loop {
        if let Said::Cancel(cancelled) = tab.hear().await {
            assert_eq!(cancelled, id);
            break;
        }
    }
    let last = stream.message().await.unwrap();
    assert!(last["error"].is_object() || last["result"]["isError"] == true, "{last}");
}

#[tokio::test]
async fn apr_04_a_call_that_asks_is_held_until_a_person_decides() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    let params = json!({"name": "crm__note", "arguments": {"text": "hi"}});
    let mut stream = doors.open(doors.legacy("alice", &session, &json!(2), "tools/call", &params)).await;
    assert!(tab.is_quiet());
    doors.approve("alice").await;
    let (last, _) = tokio::join!(stream.message(), tab.answer("noted"));
    let last = last.unwrap();
    assert_eq!((&last["id"], &last["result"]["content"][0]["text"]), (&json!(2), &json!("noted")));
    assert!(stream.message().await.is_none());
}

#[tokio::test]
async fn apr_04_a_held_call_waits_on_when_its_connection_is_lost() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    let params = json!({"name": "crm__note", "arguments": {"text": "hi"}});
    drop(doors.open(doors.legacy("alice", &session, &json!(2), "tools/call", &params)).await);
    doors.approve("alice").await;
    assert_eq!(tab.answer("noted").await.arguments.get(), r#"{"text":"hi"}"#);
}

#[tokio::test]
async fn apr_04_a_held_call_waits_on_when_its_client_goes_away_before_anything_was_answered() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    let params = json!({"name": "crm__note", "arguments": {"text": "hi"}});
    let mut request = doors.legacy("alice", &session, &json!(2), "tools/call", &params);
    // Without a stream there is nothing to be told before the end.
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    let person = doors.world.person("alice").await;
    let asked = async {
        while doors.world.hub.approvals().pending(&person).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = doors.send(request) => panic!("nobody has decided"),
        asked = tokio::time::timeout(std::time::Duration::from_secs(10), asked) => asked.unwrap(),
    }
    doors.approve("alice").await;
    assert_eq!(tab.answer("noted").await.arguments.get(), r#"{"text":"hi"}"#);
}

#[tokio::test]
async fn a_call_that_waits_for_a_person_can_be_cancelled() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    let params = json!({"name": "crm__note", "arguments": {}});
    let mut stream = doors.open(doors.legacy("alice", &session, &json!(2), "tools/call", &params)).await;
    let cancel =
        doors.legacy("alice", &session, &Value::Null, "notifications/cancelled", &json!({"requestId": 2}));
    doors.send(cancel).await;
    let last = stream.message().await.unwrap();
    assert!(last["error"].is_object() || last["result"]["isError"] == true, "{last}");
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn gateway_rule_14_the_stream_of_a_session_tells_of_changes_and_a_newer_one_replaces_it() {
    let doors = Doors::new().await;
    let session = doors.initialized("alice").await;
    let mut first = doors.open(doors.within("GET", "alice", &session)).await;
    let _tab = doors.world.tab("alice").await;
    let changed = first.message().await.unwrap();
    assert_eq!(changed, json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    let mut second = doors.open(doors.within("GET", "alice", &session)).await;
    while first.message().await.is_some() {}
    doors.send(doors.within("DELETE", "alice", &session)).await;
    while second.message().await.is_some() {}
}

#[tokio::test]
async fn gateway_rule_26_an_idle_session_is_not_found() {
    let doors = Doors::new().await;
    let session = doors.initialized("alice").await;
    doors.world.clock.advance(Duration::from_secs(3600));
    assert_eq!(ask(&doors, &session, "ping", json!({})).await.0, StatusCode::NOT_FOUND);
}
