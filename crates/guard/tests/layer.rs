//! The guard as a layer of a server written in Rust.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use axum::body::Body;
use axum::routing::post;
use axum::{Extension, Router};
use common::{World, text};
use deputy_guard::{GuardedUser, layer};
use http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt as _;

async fn who(Extension(user): Extension<GuardedUser>, headers: HeaderMap) -> String {
    let scopes = user.scopes().join(" ");
    format!(
        "{} {} {scopes} {}",
        user.person().subject,
        user.client().0,
        headers.contains_key("authorization")
    )
}

#[tokio::test]
async fn a_server_in_rust_learns_who_calls_and_never_sees_the_token() {
    let world = World::new().await;
    let server =
        Router::new().route("/mcp", post(who)).layer(layer(&world.guard)).merge(world.guard.routes());
    let token = world.token_for("alice", "read write").await;
    let request = |token: &str| {
        Request::post("/mcp").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
    };
    let answer = server.clone().oneshot(request(&token)).await.unwrap();
    assert_eq!(text(answer).await, format!("alice {} read write false", common::HUB));
    for bad in ["", "x", "a.b.c"] {
        let answer = server.clone().oneshot(request(bad)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers().contains_key("www-authenticate"));
    }
    let metadata = Request::get("/.well-known/oauth-authorization-server").body(Body::empty()).unwrap();
    assert_eq!(server.oneshot(metadata).await.unwrap().status(), StatusCode::OK);
}
