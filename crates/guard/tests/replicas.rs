//! Several guards of one origin, which share a folder: what one was given is used up at all of them, what one issued opens
//! all of them, who is denied is denied at all of them (E4 to E6).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use common::World;
use deputy_testkit::TestIssuer;
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn e4_an_assertion_that_one_guard_redeemed_is_refused_at_the_other_also_after_both_restarted() {
    let [one, other] = World::two().await;
    let jag = one.signed(&one.jag());
    assert_eq!(one.ask_token(&one.form(&jag)).await.0, StatusCode::OK);
    assert_eq!(other.ask_token(&other.form(&jag)).await.1["error"], json!("invalid_grant"));
    let (one, other) = (one.restarted_sharing("one").await, other.restarted_sharing("other").await);
    one.pass(Duration::from_secs(320));
    for guard in [&one, &other] {
        assert_eq!(guard.ask_token(&guard.form(&jag)).await.1["error"], json!("invalid_grant"));
    }
}

#[tokio::test]
async fn e4_a_client_assertion_that_one_guard_took_is_refused_at_the_other() {
    let [one, other] = World::two().await;
    let first = one.form(&one.signed(&one.jag()));
    assert_eq!(one.ask_token(&first).await.0, StatusCode::OK);
    let mut again = other.form(&other.signed(&other.jag()));
    again[3].1 = first[3].1.clone();
    assert_eq!(other.ask_token(&again).await.1["error"], json!("invalid_client"));
    again[3].1 = other.proof_of(common::HUB);
    assert_eq!(other.ask_token(&again).await.0, StatusCode::OK, "what came with it was not burnt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn e4_a_hundred_redemptions_of_one_assertion_at_two_guards_bring_one_token() {
    let both = World::two().await;
    let jag = both[0].signed(&both[0].jag());
    let asked = (0..100).map(|index| {
        let guard = &both[index % 2];
        let form = guard.form(&jag);
        async move { guard.ask_token(&form).await.0 }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status.as_u16(), 200 | 400)), "{answers:?}");
}

#[tokio::test]
async fn e4_while_the_shared_folder_is_gone_neither_redeems_anything() {
    let [one, other] = World::two().await;
    let jag = one.signed(&one.jag());
    assert_eq!(one.ask_token(&one.form(&jag)).await.0, StatusCode::OK);
    let (shared, away) = (one.folder.path().join("shared"), one.folder.path().join("away"));
    std::fs::rename(&shared, &away).unwrap();
    for guard in [&one, &other] {
        assert_eq!(guard.refusal(&guard.jag()).await, "temporarily_unavailable");
    }
    // A mount point without its mount: an empty folder, in which nothing was ever used.
    std::fs::create_dir_all(shared.join("spent")).unwrap();
    std::fs::write(shared.join("denied"), "").unwrap();
    assert_eq!(other.ask_token(&other.form(&jag)).await.1["error"], json!("temporarily_unavailable"));
    std::fs::remove_dir_all(&shared).unwrap();
    std::fs::rename(&away, &shared).unwrap();
    assert_eq!(other.ask_token(&other.form(&jag)).await.1["error"], json!("invalid_grant"));
    assert_eq!(other.redeem(&other.jag()).await.0, StatusCode::OK, "it heals by itself");
}

#[tokio::test]
async fn e5_a_token_of_one_guard_opens_the_other_and_both_publish_the_key() {
    let [one, other] = World::two().await;
    let token = one.token_for("alice", "read").await;
    let (session, _) = other.session(&token).await;
    assert_eq!(other.call(&token, &session, "read_file").await["error"], json!(null));
    let keys = async |guard: &World| {
        let request = http::Request::get("/.well-known/jwks.json").header("host", "guard.example");
        common::whole(guard.send(request.body(axum::body::Body::empty()).unwrap()).await).await
    };
    assert_eq!(keys(&one).await, keys(&other).await);
}

#[tokio::test]
async fn e6_who_is_denied_at_one_guard_stops_at_the_other_at_the_next_request() {
    let [one, other] = World::two().await;
    let (alice, bob) = (one.token_for("alice", "read").await, one.token_for("bob", "read").await);
    assert_eq!(other.post(&alice, None, &common::initialize()).await.status(), StatusCode::OK);
    let denied = one.folder.path().join("shared/denied");
    std::fs::write(denied, format!("{} alice\n", TestIssuer::ISSUER)).unwrap();
    for guard in [&one, &other] {
        assert_eq!(guard.post(&alice, None, &common::initialize()).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(guard.post(&bob, None, &common::initialize()).await.status(), StatusCode::OK);
    }
    assert_eq!(other.refusal(&other.jag()).await, "invalid_grant");
}

#[tokio::test]
async fn r3_a_session_of_one_guard_is_as_unknown_at_the_other_as_none() {
    let [one, other] = World::two().await;
    let token = one.token_for("alice", "read").await;
    let (session, _) = one.session(&token).await;
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    assert_eq!(other.post(&token, Some(&session), &message).await.status(), StatusCode::NOT_FOUND);
}
