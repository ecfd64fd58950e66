//! What an identity provider posts: logout tokens and security events, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use axum::body::Body;
use common::{Doors, Reply};
use deputy_hub::ports::Clock as _;
use deputy_testkit::{TestIssuer, World};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

async fn post(doors: &Doors, path: &str, kind: &str, body: &str) -> Reply {
    let request = Request::post(path).header("host", "hub.example").header("content-type", kind);
    doors.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn logout_token(doors: &Doors) -> String {
    let now = doors.world.clock.now().seconds();
    let claims = json!({
        "iss": TestIssuer::ISSUER, "aud": "deputy", "sub": "alice", "iat": now, "exp": now + 120, "jti": "l1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    doors.world.issuer.sign("logout+jwt", &claims)
}

fn event(doors: &Doors, more: &Value) -> String {
    let now = doors.world.clock.now().seconds();
    let kind = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
    let mut claims = json!({
        "iss": TestIssuer::ISSUER, "aud": World::EVENTS, "iat": now, "jti": "e1", "events": {kind: {}},
        "sub_id": {"format": "iss_sub", "iss": TestIssuer::ISSUER, "sub": "alice"},
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    doors.world.issuer.sign("secevent+jwt", &claims)
}

async fn knocks(doors: &Doors, token: &str) -> StatusCode {
    let request = Request::post("/mcp")
        .header("host", "hub.example")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    doors.send(request.body(Body::from("{}")).unwrap()).await.status
}

#[tokio::test]
async fn c1_a_logout_token_is_posted_as_a_form_and_works_on_the_next_request() {
    let doors = Doors::new().await;
    let token = doors.world.access_token("alice", "/mcp");
    doors.world.clock.advance(Duration::from_secs(2));
    let form = "application/x-www-form-urlencoded";
    let good = logout_token(&doors);
    for (kind, body) in [
        (form, String::new()),
        (form, "logout_token=a.b.c".to_owned()),
        (form, format!("logout_token={good}&logout_token={good}")),
        (form, format!("logout_token={token}")),
        ("application/json", format!("logout_token={good}")),
    ] {
        let reply = post(&doors, "/logout/backchannel", kind, &body).await;
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            (StatusCode::BAD_REQUEST, Some("no-store"))
        );
        assert_eq!(reply.json()["error"], "invalid_request");
    }
    assert_ne!(knocks(&doors, &token).await, StatusCode::UNAUTHORIZED);
    let reply = post(&doors, "/logout/backchannel", form, &format!("logout_token={good}")).await;
    assert_eq!((reply.status, reply.header("cache-control")), (StatusCode::OK, Some("no-store")));
    assert_eq!(knocks(&doors, &token).await, StatusCode::UNAUTHORIZED);
    let again = post(&doors, "/logout/backchannel", form, &format!("logout_token={good}")).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "a `jti` counts once");
}

#[tokio::test]
async fn c2_a_security_event_is_pushed_and_acknowledged_and_a_faulty_one_told_why() {
    let doors = Doors::new().await;
    doors.world.clock.advance(Duration::from_secs(2));
    let kind = "application/secevent+jwt";
    let stranger = TestIssuer::new().sign("secevent+jwt", &json!({"iss": TestIssuer::ISSUER}));
    for (body, code) in [
        (event(&doors, &json!({"aud": "x"})), "invalid_audience"),
        (event(&doors, &json!({"iss": "https://evil.example"})), "invalid_issuer"),
        (stranger, "invalid_key"),
        (logout_token(&doors), "invalid_request"),
    ] {
        let reply = post(&doors, "/events/ssf", kind, &body).await;
        assert_eq!((reply.status, reply.header("content-language")), (StatusCode::BAD_REQUEST, Some("en")));
        assert_eq!(reply.json()["err"], code);
    }
    let token = doors.world.access_token("alice", "/mcp");
    assert_ne!(knocks(&doors, &token).await, StatusCode::UNAUTHORIZED);
    for _ in 0..2 {
        let reply = post(&doors, "/events/ssf", kind, &event(&doors, &json!({}))).await;
        assert_eq!(
            (reply.status, reply.body.len()),
            (StatusCode::ACCEPTED, 0),
            "and once more if it was lost"
        );
    }
    assert_eq!(knocks(&doors, &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn c2_what_cannot_be_recorded_is_in_force_and_asked_for_again() {
    let doors = Doors::new().await;
    let token = doors.world.access_token("alice", "/mcp");
    doors.world.clock.advance(Duration::from_secs(2));
    doors.world.tables.set_broken(true);
    let reply = post(&doors, "/events/ssf", "application/secevent+jwt", &event(&doors, &json!({}))).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(knocks(&doors, &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn c1_keys_that_cannot_be_had_are_503_and_nothing_ends() {
    let doors = Doors::new().await;
    doors.world.issuer.set_down(true);
    let body = format!("logout_token={}", logout_token(&doors));
    let reply = post(&doors, "/logout/backchannel", "application/x-www-form-urlencoded", &body).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
}
