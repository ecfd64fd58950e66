//! A person sees and decides what waits for them; an agent's client never can.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop"
)]

mod common;

use axum::body::Body;
use common::Doors;
use http::{Request, StatusCode};
use serde_json::{Value, json};

fn request(token: &str, method: &str, path: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "hub.example")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_string()))
        .expect("a request")
}

async fn with_a_change() -> Doors {
    let doors = Doors::new().await;
    let tab = doors.world.tab("alice").await;
    tab.offer_definitions(vec![json!({"name": "list", "description": "newer", "kind": "imperative"})]).await;
    doors
}

#[tokio::test]
async fn p26_a_person_sees_old_and_new_in_full_and_accepts_over_the_api() {
    let doors = with_a_change().await;
    let token = doors.world.access_token("alice", "/api");
    let reply = doors.send(request(&token, "GET", "/api/definitions", &Value::Null)).await;
    assert_eq!(reply.status, StatusCode::OK);
    let waiting = &reply.json()["definitions"];
    assert_eq!(waiting.as_array().map(Vec::len), Some(1));
    let card = &waiting[0];
    assert_eq!((&card["source"], &card["tool"]), (&json!("crm"), &json!("list")));
    assert_eq!(card["now"]["definition"]["description"], "newer");
    assert_eq!(card["before"][0]["definition"]["inputSchema"], json!({"type": "object"}));
    let path = format!("/api/definitions/{}", card["now"]["hash"].as_str().expect("a hash"));
    let bob = doors.world.access_token("bob", "/api");
    let decision = json!({"decision": "accept", "source": "crm", "tool": "list"});
    let of_bob = doors.send(request(&bob, "POST", &path, &decision)).await;
    assert_eq!(of_bob.status, StatusCode::NOT_FOUND);
    let bad = doors.send(request(&token, "POST", &path, &json!({"decision": "accept"}))).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let done = doors.send(request(&token, "POST", &path, &decision)).await;
    assert_eq!((done.status, done.json()), (StatusCode::OK, json!({"state": "accepted"})));
    let again = doors.send(request(&token, "POST", &path, &decision)).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let listed = doors.send(doors.modern("alice", &json!(1), "tools/list", json!({}))).await.json();
    assert_eq!(listed["result"]["tools"][0]["description"], "newer");
}

#[tokio::test]
async fn p27_an_agents_client_neither_sees_nor_accepts_what_waits() {
    let doors = with_a_change().await;
    for token in [doors.world.token_of("agent-1", "alice", "/api"), doors.world.access_token("alice", "/mcp")]
    {
        let reply = doors.send(request(&token, "GET", "/api/definitions", &Value::Null)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        let path = format!("/api/definitions/sha256:{}", "0".repeat(64));
        let reply = doors.send(request(&token, "POST", &path, &json!({}))).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    let listed = doors.send(doors.modern("alice", &json!(1), "tools/list", json!({}))).await;
    assert!(!String::from_utf8_lossy(&listed.body).contains("newer"));
}
