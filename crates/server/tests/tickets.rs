//! `POST /api/tickets`: for an application's back end, and for a page that holds its token itself.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use common::Doors;
use deputy_testkit::{ORIGIN, OTHER_ORIGIN, PUBLIC_URL};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const AUTHORITY: &str = "hub.example";

async fn ask(
    doors: &Doors,
    method: &str,
    token: Option<&str>,
    origin: Option<&str>,
    body: &Value,
) -> Response {
    let mut request = Request::builder().method(method).uri("/api/tickets").header(header::HOST, AUTHORITY);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(origin) = origin {
        request = request.header(header::ORIGIN, origin);
    }
    let request =
        request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap();
    doors.router.clone().oneshot(request).await.unwrap()
}

fn wish(origin: &str) -> Value {
    json!({ "app": "crm", "origin": origin })
}

async fn json_of(answer: Response) -> Value {
    serde_json::from_slice(&to_bytes(answer.into_body(), 100_000).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_back_end_gets_a_ticket_for_a_minute_and_no_longer_than_the_session() {
    assert!(PUBLIC_URL.ends_with(AUTHORITY));
    let doors = Doors::new().await;
    let now = deputy_hub::ports::Clock::now(doors.world.clock.as_ref()).seconds();
    let token = doors.world.id_token("alice");
    let body = json!({ "app": "crm", "origin": ORIGIN, "session_expires_at": now + 30 });
    let answer = ask(&doors, "POST", Some(&token), None, &body).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let ticket = json_of(answer).await;
    assert!(ticket["ticket"].as_str().unwrap().starts_with("dep_ticket_"));
    assert_eq!(
        (ticket["expires_at"].as_u64(), ticket["session_expires_at"].as_u64()),
        (Some(now + 30), Some(now + 30))
    );
    // A session that the page claims to be longer than its token is as long as the token.
    let long = json!({ "app": "crm", "origin": ORIGIN, "session_expires_at": now + 1_000_000 });
    let ticket = json_of(ask(&doors, "POST", Some(&token), None, &long).await).await;
    assert_eq!(
        (ticket["expires_at"].as_u64(), ticket["session_expires_at"].as_u64()),
        (Some(now + 60), Some(now + 3600))
    );
}

#[tokio::test]
async fn a_page_of_the_app_may_ask_itself_and_read_the_answer_and_no_other_page_may() {
    let doors = Doors::new().await;
    let token = doors.world.id_token("alice");
    let preflight = ask(&doors, "OPTIONS", None, Some(ORIGIN), &json!({})).await;
    assert_eq!(preflight.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN);
    assert_eq!(preflight.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization, content-type");
    let own = ask(&doors, "POST", Some(&token), Some(ORIGIN), &wish(ORIGIN)).await;
    assert_eq!(own.status(), StatusCode::CREATED);
    assert_eq!(own.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN);
    // A page asks for itself alone, even where both origins are the app's.
    let other = ask(&doors, "POST", Some(&token), Some(OTHER_ORIGIN), &wish(ORIGIN)).await;
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    for method in ["OPTIONS", "POST"] {
        let evil = ask(&doors, method, Some(&token), Some("https://evil.example"), &wish(ORIGIN)).await;
        assert_eq!(evil.status(), StatusCode::FORBIDDEN);
        assert!(!evil.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}

#[tokio::test]
async fn inv_7_a_bad_token_an_unknown_app_and_another_doors_token_are_the_same_401() {
    let doors = Doors::new().await;
    let agents = doors.world.access_token("alice", "/mcp");
    let own = doors.world.id_token("alice");
    let unknown = json!({ "app": "hr", "origin": ORIGIN });
    let mut answers = Vec::new();
    for (token, body) in [
        (None, &wish(ORIGIN)),
        (Some("x"), &wish(ORIGIN)),
        (Some(agents.as_str()), &wish(ORIGIN)),
        (Some(own.as_str()), &unknown),
    ] {
        let answer = ask(&doors, "POST", token, None, body).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        answers.push(json_of(answer).await);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let elsewhere = ask(&doors, "POST", Some(&own), None, &wish("https://evil.example")).await;
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN, "a known user hears what is wrong");
}
