//! What the hub says of itself, and what goes on while its disk is full.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use axum::body::Body;
use common::Doors;
use deputy_core::Timestamp;
use deputy_hub::ports::upstream::Health;
use deputy_protocol::tab::{ByeReason, TabFrame};
use deputy_server::operations;
use deputy_testkit::FakeUpstream;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

fn ask(path: &str) -> Request<Body> {
    Request::get(path).header("host", "hub.example").body(Body::empty()).expect("a request")
}

async fn health(doors: &Doors) -> (StatusCode, Value, StatusCode) {
    let (live, ready) = (doors.send(ask("/healthz")).await, doors.send(ask("/readyz")).await);
    (live.status, live.json(), ready.status)
}

#[tokio::test]
async fn invariant_14_a_full_disk_refuses_calls_takes_rights_away_and_is_said_until_it_has_room() {
    let doors = Doors::new().await;
    let tab = doors.world.tab("alice").await;
    let call = || {
        doors.modern(
            "alice",
            &json!(1),
            "tools/call",
            json!({"name": "crm__note", "arguments": {"text": "x"}}),
        )
    };
    assert_eq!(
        health(&doors).await,
        (StatusCode::OK, json!({"status": "ok", "audit": "ok"}), StatusCode::OK)
    );

    // The first use of a token is a line of its own.
    assert_eq!(
        doors.send(doors.modern("alice", &json!(0), "tools/list", json!({}))).await.status,
        StatusCode::OK
    );

    doors.world.tables.set_broken(true);
    let impaired = json!({"status": "impaired", "audit": "the log cannot be written: calls are refused"});
    assert_eq!(health(&doors).await, (StatusCode::OK, impaired, StatusCode::SERVICE_UNAVAILABLE));
    let refused = doors.send(call()).await;
    let text = String::from_utf8(refused.body.to_vec()).expect("text");
    assert!(text.contains("audit_unavailable"), "{text}");

    // The user signs out in the page: that needs no disk.
    tab.say("x", TabFrame::Bye { reason: ByeReason::SignedOut }).await;

    doors.world.tables.set_broken(false);
    assert_eq!(health(&doors).await.2, StatusCode::OK);
    let text = String::from_utf8(doors.send(call()).await.body.to_vec()).expect("text");
    assert!(text.contains("session_ended"), "{text}");
}

#[tokio::test]
async fn operators_read_each_servers_state_era_and_last_error_in_readyz_and_metrics_and_nobody_else_does() {
    let files = FakeUpstream::with_tools(&["list"]);
    files.is_like(Health {
        is_up: Some(false),
        revision: Some("2025-11-25".to_owned()),
        last_error: Some((Timestamp::from_seconds(1_795_303_770), "its process ended".to_owned())),
        starts: 3,
    });
    let doors = Doors::before(&files, "/mcp").await;
    let operators = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = operations(&doors.world.hub).oneshot(request).await.expect("infallible");
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        String::from_utf8(body.to_vec()).expect("text")
    };
    let ready: Value = serde_json::from_str(&operators("/readyz").await).expect("json");
    let at = Timestamp::from_seconds(1_795_303_770).to_string();
    let expected = json!({"state": "down", "revision": "2025-11-25", "starts": 3,
        "lastError": {"at": at, "message": "its process ended"}});
    assert_eq!(ready["servers"]["files"], expected);
    let metrics = operators("/metrics").await;
    for line in [
        "deputy_server_up{server=\"files\",revision=\"2025-11-25\"} 0",
        "deputy_server_last_error_timestamp_seconds{server=\"files\"} 1795303770.000000",
        "deputy_server_starts_total{server=\"files\"} 3",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
    let stranger = doors.send(ask("/readyz")).await;
    assert!(!String::from_utf8(stranger.body.to_vec()).expect("text").contains("files"));
}
