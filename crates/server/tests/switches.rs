//! `/api/switches`: for operators, and nothing at all for everybody else.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use axum::body::Body;
use common::{Doors, Reply};
use deputy_core::EventKind;
use deputy_testkit::{FakeUpstream, OPERATORS};
use http::{Request, StatusCode};
use serde_json::{Value, json};

async fn ask(doors: &Doors, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    let request = Request::builder().method(method).uri(path).header("host", "hub.example");
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json");
    doors.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn an_operator_throws_sees_and_releases_a_switch_and_agents_meet_it_at_once() {
    let doors = Doors::new().await;
    let _tab = doors.world.tab("alice").await;
    let olga = doors.world.token_in_groups("olga", &["staff", OPERATORS]);
    let wanted = json!({ "target": { "kind": "tool", "source": "crm", "tool": "list" }, "reason": "broken" });
    let thrown = ask(&doors, &olga, "POST", "/api/switches", &wanted).await;
    assert_eq!(thrown.status, StatusCode::CREATED);
    assert_eq!(thrown.json()["recorded"], true);
    let list = |id: i64| doors.modern("alice", &json!(id), "tools/list", json!({}));
    let names = |reply: Reply| reply.json()["result"]["tools"].to_string();
    assert!(!names(doors.send(list(1)).await).contains("crm__list"));
    let call =
        doors.modern("alice", &json!(2), "tools/call", json!({ "name": "crm__list", "arguments": {} }));
    let refused = doors.send(call).await.json();
    assert_eq!(refused["result"]["_meta"]["dev.deputy/reason"], "stopped");
    let shown = ask(&doors, &olga, "GET", "/api/switches", &Value::Null).await.json();
    assert_eq!(shown["switches"][0]["target"], wanted["target"]);
    assert_eq!(shown["switches"][0]["reason"], "broken");
    assert_eq!(shown["switches"][0]["by"]["person"]["subject"], "olga");
    let path = format!("/api/switches/{}", shown["switches"][0]["id"].as_str().unwrap());
    assert_eq!(ask(&doors, &olga, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ask(&doors, &olga, "DELETE", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    assert!(names(doors.send(list(3)).await).contains("crm__list"));
    let lines = doors.world.tables.of_kind(EventKind::SwitchReleased);
    assert_eq!(lines[0].detail["by"], "person");
}

#[tokio::test]
async fn invariant_7_whoever_is_no_operator_gets_what_a_missing_address_gives() {
    let doors = Doors::new().await;
    let alice = doors.world.token_in_groups("alice", &["staff"]);
    let all = json!({ "target": { "kind": "all" } });
    let nothing = ask(&doors, &alice, "GET", "/api/nothing", &Value::Null).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    let id = "/api/switches/swi_00000000000000000000000000000000";
    for (method, path) in
        [("GET", "/api/switches"), ("POST", "/api/switches"), ("DELETE", id), ("DELETE", "/api/switches/x")]
    {
        let reply = ask(&doors, &alice, method, path, &all).await;
        assert_eq!((reply.status, &reply.body), (nothing.status, &nothing.body), "{method} {path}");
    }
    // An agent's token opens no door of people's, whatever groups it names.
    let agent = doors.world.token_of("agent-1", "olga", "/api");
    assert_eq!(ask(&doors, &agent, "POST", "/api/switches", &all).await.status, StatusCode::UNAUTHORIZED);
    assert!(doors.world.tables.of_kind(EventKind::SwitchThrown).is_empty());
}

#[tokio::test]
async fn a_switch_that_would_stop_nothing_is_refused_and_says_so() {
    let doors = Doors::new().await;
    let olga = doors.world.token_in_groups("olga", &[OPERATORS]);
    for target in [
        json!({ "kind": "app", "name": "crn" }),
        json!({ "kind": "everything" }),
        json!({ "kind": "tool", "source": "crm" }),
    ] {
        let reply = ask(&doors, &olga, "POST", "/api/switches", &json!({ "target": target })).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{target}");
    }
    assert!(doors.world.tables.of_kind(EventKind::SwitchThrown).is_empty());
}

#[tokio::test]
async fn a_server_is_stopped_by_its_name_and_as_a_server() {
    let files = FakeUpstream::with_tools(&["list"]);
    let doors = Doors::before(&files, "/mcp").await;
    let olga = doors.world.token_in_groups("olga", &[OPERATORS]);
    let wanted = |kind: &str| json!({ "target": { "kind": kind, "name": "files" } });
    let as_app = ask(&doors, &olga, "POST", "/api/switches", &wanted("app")).await;
    assert_eq!(as_app.status, StatusCode::BAD_REQUEST, "that would stop nothing");
    let as_server = ask(&doors, &olga, "POST", "/api/switches", &wanted("server")).await;
    assert_eq!(as_server.status, StatusCode::CREATED);
    let call = json!({ "name": "files__list", "arguments": {} });
    let refused = doors.send(doors.modern("alice", &json!(1), "tools/call", call)).await.json();
    assert_eq!(refused["result"]["_meta"]["dev.deputy/reason"], "stopped");
    assert!(files.asked().is_empty());
}

#[tokio::test]
async fn invariant_14_a_broken_log_stops_no_throw_and_lets_no_release_through() {
    let doors = Doors::new().await;
    let olga = doors.world.token_in_groups("olga", &[OPERATORS]);
    assert_eq!(ask(&doors, &olga, "GET", "/api/switches", &Value::Null).await.status, StatusCode::OK);
    doors.world.tables.set_broken(true);
    let all = json!({ "target": { "kind": "all" } });
    let thrown = ask(&doors, &olga, "POST", "/api/switches", &all).await;
    assert_eq!((thrown.status, &thrown.json()["recorded"]), (StatusCode::CREATED, &json!(false)));
    let path = format!("/api/switches/{}", thrown.json()["id"].as_str().unwrap());
    let released = ask(&doors, &olga, "DELETE", &path, &Value::Null).await;
    assert_eq!(released.status, StatusCode::SERVICE_UNAVAILABLE);
    let shown = ask(&doors, &olga, "GET", "/api/switches", &Value::Null).await.json();
    assert_eq!(shown["switches"].as_array().unwrap().len(), 1);
}
