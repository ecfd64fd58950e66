//! What the hub says of itself, and what goes on while its disk is full.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use axum::body::Body;
use common::Doors;
use deputy_protocol::tab::{ByeReason, TabFrame};
use http::{Request, StatusCode};
use serde_json::{Value, json};

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
