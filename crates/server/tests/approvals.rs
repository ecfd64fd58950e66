//! `/api/approvals…`, `/api/standing-grants…`, `/api/delegations…`, `/api/reviews…`, over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use axum::body::Body;
use common::{Doors, Reply};
use deputy_hub::CallEvent;
use deputy_testkit::wish;
use http::{Request, StatusCode};
use serde_json::{Value, json};

async fn ask(doors: &Doors, who: &str, method: &str, path: &str, body: &Value) -> Reply {
    let token = doors.world.access_token(who, "/api");
    let request = Request::builder().method(method).uri(path).header("host", "hub.example");
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json");
    doors.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn asked(doors: &Doors, tool: &str, arguments: &Value) {
    let mut events = doors.world.hub.call(doors.world.caller("alice").await, wish(tool, arguments));
    assert!(matches!(events.next().await, Some(CallEvent::Parked { .. })), "nobody is asked");
}

async fn cards(doors: &Doors, who: &str) -> Vec<Value> {
    let shown = ask(doors, who, "GET", "/api/approvals", &Value::Null).await.json();
    shown["approvals"].as_array().unwrap().clone()
}

fn word(card: &Value, decision: &str) -> Value {
    json!({ "id": card["id"], "digest": card["digest"], "decision": decision })
}

#[tokio::test]
async fn apr_07_several_decisions_count_together_or_not_at_all() {
    let doors = Doors::new().await;
    let _tab = doors.world.tab("alice").await;
    asked(&doors, "note", &json!({"n": 1})).await;
    asked(&doors, "note", &json!({"n": 2})).await;
    let shown = cards(&doors, "alice").await;
    let mut stale = word(&shown[1], "approve");
    stale["digest"] = shown[0]["digest"].clone();
    let spoiled = json!({ "decisions": [word(&shown[0], "approve"), stale] });
    let reply = ask(&doors, "alice", "POST", "/api/approvals", &spoiled).await;
    assert_eq!((reply.status, reply.json()["code"].clone()), (StatusCode::CONFLICT, json!("approval_stale")));
    assert_eq!(cards(&doors, "alice").await.len(), 2, "nothing counted");
    let both = json!({ "decisions": [word(&shown[0], "approve"), word(&shown[1], "refuse")] });
    assert_eq!(ask(&doors, "bob", "POST", "/api/approvals", &both).await.status, StatusCode::NOT_FOUND);
    let reply = ask(&doors, "alice", "POST", "/api/approvals", &both).await;
    assert_eq!(reply.json(), json!({ "states": ["approved", "refused"] }));
    for bad in [json!({}), json!({ "decisions": [] }), json!({ "decisions": [{ "id": shown[0]["id"] }] })] {
        let reply = ask(&doors, "alice", "POST", "/api/approvals", &bad).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn apr_08_a_standing_yes_is_given_shown_in_words_and_taken_back() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    asked(&doors, "note", &json!({"to": "bob"})).await;
    let card = cards(&doors, "alice").await.remove(0);
    let path = format!("/api/approvals/{}", card["id"].as_str().unwrap());
    let mut body = word(&card, "approve");
    body.as_object_mut().unwrap().remove("id");
    body["standing"] = json!({ "for_seconds": 600, "uses": 2, "arguments": { "to": { "prefix": "b" } } });
    assert_eq!(ask(&doors, "alice", "POST", &path, &body).await.json(), json!({ "state": "approved" }));
    let shown = ask(&doors, "alice", "GET", "/api/standing-grants", &Value::Null).await.json();
    let grant = &shown["standing_grants"][0];
    assert!(grant["label"].as_str().unwrap().contains("`to` begins with \"b\""), "{grant}");
    let run = doors.world.run(doors.world.caller("alice").await, wish("note", &json!({"to": "ben"})));
    let (answer, _) = tokio::join!(run, tab.answer("noted"));
    assert!(answer.is_ok());
    let path = format!("/api/standing-grants/{}", grant["id"].as_str().unwrap());
    assert_eq!(ask(&doors, "bob", "DELETE", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&doors, "alice", "DELETE", &path, &Value::Null).await.status, StatusCode::OK);
    assert_eq!(ask(&doors, "alice", "DELETE", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    asked(&doors, "note", &json!({"to": "bill"})).await;
}

#[tokio::test]
async fn apr_10_what_cannot_be_undone_wants_its_name_and_the_answer_says_so() {
    let doors = Doors::new().await;
    let _tab = doors.world.tab("alice").await;
    asked(&doors, "wipe", &json!({})).await;
    let card = cards(&doors, "alice").await.remove(0);
    let path = format!("/api/approvals/{}", card["id"].as_str().unwrap());
    let mut body = word(&card, "approve");
    body.as_object_mut().unwrap().remove("id");
    let reply = ask(&doors, "alice", "POST", &path, &body).await;
    assert_eq!(reply.status, StatusCode::CONFLICT);
    assert_eq!(reply.json()["code"], "confirmation_required");
    assert!(reply.json()["detail"].as_str().unwrap().contains("`wipe`"));
    body["confirm"] = json!("wipe");
    assert_eq!(ask(&doors, "alice", "POST", &path, &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn apr_06_ones_place_is_given_to_somebody_and_taken_back() {
    let doors = Doors::new().await;
    let _tab = doors.world.tab("alice").await;
    asked(&doors, "note", &json!({})).await;
    assert!(cards(&doors, "bob").await.is_empty());
    let gift = json!({ "to": "bob", "for_seconds": 600 });
    assert_eq!(ask(&doors, "alice", "POST", "/api/delegations", &gift).await.status, StatusCode::OK);
    let card = cards(&doors, "bob").await.remove(0);
    assert_eq!((&card["may"], &card["in_place_of"]), (&json!("in_place_of"), &json!("alice")));
    let shown = ask(&doors, "bob", "GET", "/api/delegations", &Value::Null).await.json();
    assert_eq!(shown["delegations"][0]["from"], "alice");
    for bad in
        [json!({ "to": "alice", "for_seconds": 60 }), json!({ "to": "bob", "for_seconds": 99_999_999 })]
    {
        assert_eq!(
            ask(&doors, "alice", "POST", "/api/delegations", &bad).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(
        ask(&doors, "alice", "DELETE", "/api/delegations/bob", &Value::Null).await.status,
        StatusCode::OK
    );
    assert!(cards(&doors, "bob").await.is_empty());
    let again = ask(&doors, "alice", "DELETE", "/api/delegations/bob", &Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let none = ask(&doors, "bob", "GET", "/api/reviews", &Value::Null).await.json();
    assert_eq!(none, json!({ "reviews": [] }));
}
