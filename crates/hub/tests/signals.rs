//! What an identity provider tells by itself, and is asked: logout tokens, security events, introspection, and somebody who is
//! disabled while their refresh token still works (C1 to C3 and C5 of the identity reference).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod signing;

use deputy_core::{EventKind, Facts as _, Reason, TenantId};
use deputy_hub::ports::Clock as _;
use deputy_hub::signals::{EventStream, PollAt, SignalFault, SignalsSetup};
use deputy_hub::{CallEvent, Denied, Door};
use deputy_identity::TokenError;
use deputy_protocol::tab::CloseCode;
use deputy_testkit::{TestIssuer, World, wish};
use serde_json::{Value, json};
use signing::{Browser, Signing};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

fn logout_claims(world: &World, about: &Value) -> Value {
    let now = world.clock.now().seconds();
    let mut claims = json!({
        "iss": TestIssuer::ISSUER, "aud": "deputy", "iat": now, "exp": now + 120, "jti": format!("l{}{about}", now),
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    merge(&mut claims, about);
    claims
}

fn logout_token(world: &World, about: &Value) -> String {
    world.issuer.sign("logout+jwt", &logout_claims(world, about))
}

fn event_claims(world: &World, kind: &str, subject: &str) -> Value {
    let now = world.clock.now().seconds();
    json!({
        "iss": TestIssuer::ISSUER, "aud": World::EVENTS, "iat": now, "jti": format!("{kind}{subject}{now}"),
        "sub_id": {"format": "iss_sub", "iss": TestIssuer::ISSUER, "sub": subject},
        "events": {kind: {"event_timestamp": now}},
    })
}

fn event(world: &World, kind: &str, subject: &str) -> String {
    world.issuer.sign("secevent+jwt", &event_claims(world, kind, subject))
}

fn merge(claims: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
}

async fn is_let_in(world: &World, token: &str) -> bool {
    world.hub.authenticate(&Door::Mcp, token).await.is_ok()
}

#[tokio::test]
async fn c1_a_logout_token_works_on_the_next_request_and_running_calls_and_tabs_end_within_a_second() {
    let world = World::told(World::signals()).await;
    let (mut tab, alice) = (world.tab("alice").await, world.caller("alice").await);
    let (token, of_bob) = (world.access_token("alice", "/mcp"), world.access_token("bob", "/mcp"));
    let mut events = world.hub.call(alice, wish("note", &json!({})));
    tab.start_call().await;
    world.clock.advance(Duration::from_secs(2));
    let began = std::time::Instant::now();
    world.hub.signals().logout(&logout_token(&world, &json!({"sub": "alice"}))).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(1), events.next()).await.unwrap();
    assert!(matches!(ended, Some(CallEvent::Done(Err(refused))) if refused.reason == Reason::OutcomeUnknown));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(tab.closed().map(|(code, _)| code), Some(CloseCode::Revoked));
    assert!(!is_let_in(&world, &token).await);
    assert!(is_let_in(&world, &of_bob).await, "nobody else");
    assert_eq!(world.tables.of_kind(EventKind::Revoked)[0].detail["by"], "back_channel_logout");
}

#[tokio::test]
async fn c1_a_logout_token_counts_once_and_only_as_what_it_is() {
    let world = World::told(World::signals()).await;
    let token = world.access_token("alice", "/mcp");
    world.clock.advance(Duration::from_secs(2));
    let good = logout_claims(&world, &json!({"sub": "alice"}));
    let with = |more: &Value| {
        let mut claims = good.clone();
        merge(&mut claims, more);
        claims
    };
    let now = world.clock.now().seconds();
    let bad = [
        ("JWT", good.clone()),
        ("at+jwt", good.clone()),
        ("secevent+jwt", good.clone()),
        ("logout+jwt", with(&json!({"nonce": "n"}))),
        ("logout+jwt", with(&json!({"aud": "crm-web"}))),
        ("logout+jwt", with(&json!({"events": {}}))),
        ("logout+jwt", with(&json!({"iss": "https://evil.example"}))),
        ("logout+jwt", with(&json!({"exp": now - 60, "iat": now - 120}))),
        ("logout+jwt", with(&json!({"iat": now + 600, "exp": now + 660}))),
    ];
    for (typ, claims) in bad {
        world.hub.signals().logout(&world.issuer.sign(typ, &claims)).await.unwrap_err();
        assert!(is_let_in(&world, &token).await, "{typ} {claims}");
    }
    let stranger = TestIssuer::new().sign("logout+jwt", &good);
    assert_eq!(
        world.hub.signals().logout(&stranger).await.unwrap_err(),
        SignalFault::Token(TokenError::Signature)
    );
    let good = world.issuer.sign("logout+jwt", &good);
    world.hub.signals().logout(&good).await.unwrap();
    assert_eq!(world.hub.signals().logout(&good).await.unwrap_err(), SignalFault::Replayed);
    assert!(!is_let_in(&world, &token).await);
}

#[tokio::test]
async fn c1_where_a_session_is_named_another_one_stays_and_what_names_none_ends() {
    let world = World::told(World::signals()).await;
    let now = world.clock.now().seconds();
    let token = |session: &Value| {
        let mut claims = json!({
            "iss": TestIssuer::ISSUER, "sub": "alice", "aud": "https://hub.example/mcp", "client_id": "agent-1",
            "iat": now, "exp": now + 3600, "jti": session.to_string(),
        });
        merge(&mut claims, session);
        world.issuer.sign("at+jwt", &claims)
    };
    let (one, two, none) = (token(&json!({"sid": "s1"})), token(&json!({"sid": "s2"})), token(&json!({})));
    world.clock.advance(Duration::from_secs(2));
    let about = json!({"sub": "alice", "sid": "s1"});
    world.hub.signals().logout(&logout_token(&world, &about)).await.unwrap();
    assert!(!is_let_in(&world, &one).await);
    assert!(is_let_in(&world, &two).await);
    assert!(!is_let_in(&world, &none).await, "nobody can tell in which session it began");
}

#[tokio::test]
async fn c1_a_logout_that_names_a_session_alone_ends_the_login_at_the_hub_and_its_agents() {
    let signing = Signing::new().await;
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "read").await;
    assert!(is_let_in(&signing.world, &token).await);
    signing.world.clock.advance(Duration::from_secs(2));
    let about = json!({"sid": "session-of-alice"});
    signing.world.hub.signals().logout(&logout_token(&signing.world, &about)).await.unwrap();
    assert!(!is_let_in(&signing.world, &token).await);
    assert!(signing.login_of(&alice).is_none());
}

#[tokio::test]
async fn c2_each_event_does_what_it_says_and_nothing_to_others() {
    for (kind, comes_back) in [
        (format!("{CAEP}session-revoked"), true),
        (format!("{CAEP}credential-change"), true),
        (format!("{CAEP}token-claims-change"), true),
        (format!("{RISC}account-disabled"), false),
        (format!("{RISC}account-purged"), false),
    ] {
        let world = World::told(World::signals()).await;
        let (old, of_bob) = (world.access_token("alice", "/mcp"), world.access_token("bob", "/mcp"));
        world.clock.advance(Duration::from_secs(2));
        world.hub.signals().pushed(&event(&world, &kind, "alice"), None).await.unwrap();
        assert!(!is_let_in(&world, &old).await, "{kind}");
        assert!(is_let_in(&world, &of_bob).await, "{kind}");
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(is_let_in(&world, &world.access_token("alice", "/mcp")).await, comes_back, "{kind}");
    }
}

#[tokio::test]
async fn c2_what_is_unknown_is_acknowledged_and_what_cannot_be_verified_is_never_acted_on() {
    let world = World::told(World::signals()).await;
    let token = world.access_token("alice", "/mcp");
    world.clock.advance(Duration::from_secs(2));
    let signals = world.hub.signals();
    for kind in ["https://schemas.openid.net/secevent/ssf/event-type/verification", "https://x.example/new"] {
        signals.pushed(&event(&world, kind, "alice"), None).await.unwrap();
    }
    let good = event_claims(&world, &format!("{RISC}account-disabled"), "alice");
    let with = |more: &Value| {
        let mut claims = good.clone();
        merge(&mut claims, more);
        claims
    };
    let elsewhere = json!({"sub_id": {"format": "iss_sub", "iss": "https://other.example", "sub": "alice"}});
    signals.pushed(&world.issuer.sign("secevent+jwt", &with(&elsewhere)), None).await.unwrap();
    for (token, code) in [
        (TestIssuer::new().sign("secevent+jwt", &good), "invalid_key"),
        (world.issuer.sign("secevent+jwt", &with(&json!({"aud": "x"}))), "invalid_audience"),
        (world.issuer.sign("secevent+jwt", &with(&json!({"iss": "https://x.example"}))), "invalid_issuer"),
        (world.issuer.sign("JWT", &good), "invalid_request"),
        ("a.b.c".to_owned(), "invalid_issuer"),
    ] {
        assert_eq!(signals.pushed(&token, None).await.unwrap_err().code(), code);
    }
    assert!(is_let_in(&world, &token).await);
}

#[tokio::test]
async fn c2_a_push_without_the_agreed_secret_is_not_looked_at() {
    let stream = EventStream {
        push_token: Some(deputy_core::Secret::new("s3cret-of-push".to_owned())),
        ..World::signals().events.unwrap()
    };
    let world = World::told(SignalsSetup { events: Some(stream), ..World::signals() }).await;
    world.clock.advance(Duration::from_secs(2));
    let event = event(&world, &format!("{RISC}account-disabled"), "alice");
    for wrong in [None, Some(""), Some("Bearer s3cret"), Some("Basic s3cret-of-push")] {
        let fault = world.hub.signals().pushed(&event, wrong).await.unwrap_err();
        assert_eq!(fault.code(), "authentication_failed");
    }
    assert!(is_let_in(&world, &world.access_token("alice", "/mcp")).await);
    world.hub.signals().pushed(&event, Some("Bearer s3cret-of-push")).await.unwrap();
    assert!(!is_let_in(&world, &world.access_token("alice", "/mcp")).await);
}

#[tokio::test]
async fn c2_events_are_fetched_acknowledged_and_the_faulty_ones_told() {
    let poll = PollAt {
        url: "https://idp.example/poll".parse().unwrap(),
        token: Some(deputy_core::Secret::new("poll-token".to_owned())),
    };
    let stream = EventStream { poll: Some(poll), ..World::signals().events.unwrap() };
    let world = World::told(SignalsSetup { events: Some(stream), ..World::signals() }).await;
    let token = world.access_token("alice", "/mcp");
    world.clock.advance(Duration::from_secs(2));
    let disabled = event(&world, &format!("{RISC}account-disabled"), "alice");
    let waiting = Arc::new(Mutex::new(json!({"one": disabled, "two": "a.b.c"})));
    let sets = Arc::clone(&waiting);
    world.endpoints.answer("https://idp.example/poll", move |asked| {
        assert_eq!(asked.authorization.as_deref(), Some("Bearer poll-token"));
        let mut sets = sets.lock().unwrap();
        for id in serde_json::from_str::<Vec<String>>(&asked.form["ack"]).unwrap() {
            sets.as_object_mut().unwrap().remove(&id);
        }
        if let Some(faulty) = asked.form.get("setErrs") {
            assert!(faulty.contains("\"two\"") && faulty.contains("invalid_request"), "{faulty}");
            sets.as_object_mut().unwrap().remove("two");
        }
        (200, json!({"sets": *sets}))
    });
    world.until("all are done with", || *waiting.lock().unwrap() == json!({})).await;
    assert!(!is_let_in(&world, &token).await);
    let fault = world.hub.signals().pushed(&event(&world, "x:y", "alice"), None).await.unwrap_err();
    assert_eq!(fault, SignalFault::Issuer, "nobody pushes where events are fetched");
}

#[tokio::test]
async fn c2_a_provider_lets_in_again_whom_it_shut_out_and_nobody_whom_an_operator_did() {
    let world = World::told(World::signals()).await;
    let (disabled, enabled) = (format!("{RISC}account-disabled"), format!("{RISC}account-enabled"));
    let push = async |kind: &str| {
        world.clock.advance(Duration::from_secs(3));
        world.hub.signals().pushed(&event(&world, kind, "alice"), None).await.unwrap();
        world.clock.advance(Duration::from_secs(3));
        is_let_in(&world, &world.access_token("alice", "/mcp")).await
    };
    let early = event(&world, &enabled, "alice");
    assert!(!push(&disabled).await);
    world.hub.signals().pushed(&early, None).await.unwrap();
    world.clock.advance(Duration::from_secs(3));
    assert!(!is_let_in(&world, &world.access_token("alice", "/mcp")).await, "that was before");
    assert!(push(&enabled).await);
    let alice = world.caller("alice").await.user().clone();
    world.hub.revocations().shut_out(&alice, "operator").await.unwrap();
    assert!(!push(&disabled).await);
    assert!(!push(&enabled).await, "the operator's word stands");
}

#[tokio::test]
async fn c4_a_lesser_revocation_after_somebody_was_shut_out_lets_them_in_after_no_restart() {
    let world = World::told(World::signals()).await;
    world.clock.advance(Duration::from_secs(2));
    let push = async |kind: String| {
        world.hub.signals().pushed(&event(&world, &kind, "alice"), None).await.unwrap();
    };
    push(format!("{RISC}account-disabled")).await;
    push(format!("{CAEP}session-revoked")).await;
    world.clock.advance(Duration::from_secs(2));
    let again = world.again(deputy_testkit::permit_all(), Vec::new()).await.unwrap();
    assert!(!is_let_in(&again, &again.access_token("alice", "/mcp")).await);
}

#[tokio::test]
async fn c2_word_that_comes_late_ends_what_was_before_and_not_who_came_back_since() {
    let world = World::told(World::signals()).await;
    let old = world.access_token("alice", "/mcp");
    world.clock.advance(Duration::from_secs(2));
    let late = event(&world, &format!("{CAEP}session-revoked"), "alice");
    world.clock.advance(Duration::from_secs(120));
    let new = world.access_token("alice", "/mcp");
    world.hub.signals().pushed(&late, None).await.unwrap();
    assert!(!is_let_in(&world, &old).await);
    assert!(is_let_in(&world, &new).await);
}

#[tokio::test]
async fn groups_that_change_are_seen_by_the_next_call() {
    let signing = Signing::new().await;
    let world = &signing.world;
    let token = signing.agent_token(&mut Browser::default(), "alice", "read").await;
    let groups = async || world.hub.authenticate(&Door::Mcp, &token).await.unwrap().groups().to_vec();
    assert_eq!(groups().await, ["sales"]);
    signing.set_groups(&["support"]);
    world.clock.advance(Duration::from_secs(2));
    let changed = event(world, &format!("{CAEP}token-claims-change"), "alice");
    world.hub.signals().pushed(&changed, None).await.unwrap();
    assert_eq!(groups().await, ["support"]);
}

#[tokio::test]
async fn while_the_provider_cannot_say_what_changed_nobody_is_let_in_by_what_it_said_before() {
    let signing = Signing::new().await;
    let world = &signing.world;
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "read").await;
    world.clock.advance(Duration::from_secs(2));
    world.endpoints.answer(&format!("{}/token", TestIssuer::ISSUER), |_| (503, json!({})));
    let changed = event(world, &format!("{CAEP}token-claims-change"), "alice");
    world.hub.signals().pushed(&changed, None).await.unwrap();
    assert_eq!(world.hub.authenticate(&Door::Mcp, &token).await.unwrap_err(), Denied::Refused);
    assert!(signing.login_of(&alice).is_some(), "the provider may be asked again");
}

#[tokio::test]
async fn where_the_provider_gave_no_refresh_token_changed_claims_end_the_login() {
    let signing = Signing::new().await;
    signing.without_refresh_token();
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "read").await;
    signing.world.clock.advance(Duration::from_secs(2));
    let changed = event(&signing.world, &format!("{CAEP}token-claims-change"), "alice");
    signing.world.hub.signals().pushed(&changed, None).await.unwrap();
    assert!(!is_let_in(&signing.world, &token).await);
    assert!(signing.login_of(&alice).is_none());
}

#[tokio::test]
async fn c3_a_token_that_the_provider_calls_inactive_is_refused_and_a_yes_is_believed_for_a_short_time() {
    let world = World::introspecting(Some("https://idp.example/introspect".parse().unwrap())).await;
    let (active, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (is_active, count) = (Arc::clone(&active), Arc::clone(&asked));
    world.endpoints.answer("https://idp.example/introspect", move |asked| {
        assert!(asked.authorization.as_deref().is_some_and(|value| value.starts_with("Basic ")));
        assert!(!asked.form["token"].is_empty());
        count.fetch_add(1, Ordering::SeqCst);
        (200, json!({"active": is_active.load(Ordering::SeqCst)}))
    });
    let token = world.access_token("alice", "/mcp");
    for _ in 0..5 {
        assert!(is_let_in(&world, &token).await);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    active.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(31));
    for _ in 0..2 {
        assert_eq!(world.hub.authenticate(&Door::Mcp, &token).await.unwrap_err(), Denied::Refused);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "a no is never kept");
    active.store(true, Ordering::SeqCst);
    assert!(is_let_in(&world, &token).await);
    // Whoever asks for the application brings an ID token, of which nobody can be asked.
    world.ticket("alice").await;
}

#[tokio::test]
async fn c3_a_provider_that_does_not_answer_lets_nobody_in() {
    let world = World::introspecting(Some("https://idp.example/introspect".parse().unwrap())).await;
    let token = world.access_token("alice", "/mcp");
    let outcome = async || world.hub.authenticate(&Door::Mcp, &token).await.unwrap_err();
    assert_eq!(outcome().await, Denied::Unavailable, "it is not there");
    for (status, body) in [
        (400, json!({"error": "unsupported_token_type"})),
        (500, json!({"active": true})),
        (200, json!({"active": "true"})),
        (200, json!({})),
    ] {
        world.endpoints.answer("https://idp.example/introspect", move |_| (status, body.clone()));
        assert_eq!(outcome().await, Denied::Unavailable, "{status}");
    }
}

#[tokio::test]
async fn c5_who_is_disabled_while_their_refresh_token_still_works_is_out_at_once_and_stays_out() {
    let signing = Signing::new().await;
    let world = &signing.world;
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "read").await;
    let refresh = signing.refresh_token();
    signing.sign_in(&mut Browser::default(), "bob").await.unwrap();
    world.clock.advance(Duration::from_secs(2));
    world
        .hub
        .signals()
        .pushed(&event(world, &format!("{RISC}account-disabled"), "alice"), None)
        .await
        .unwrap();
    assert!(!is_let_in(world, &token).await);
    assert!(signing.refresh(&refresh).await.is_err(), "nor by the agent's own refresh token");
    assert!(signing.login_of(&alice).is_none());
    let kept = world.tables.access_rows();
    assert!(
        !kept.iter().filter_map(|row| row.person()).any(|user| user.subject.as_str() == "alice"),
        "what the hub held for them is gone from the table: {kept:?}"
    );
    // The provider would still give tokens: the hub does not ask for any.
    world.clock.advance(Duration::from_secs(3600));
    world.until("the hub asked about somebody else", || signing.refreshed("bob") > 0).await;
    assert_eq!(signing.refreshed("alice"), 0);
    // And a sign-in that the provider lets through is none here.
    signing.sign_in(&mut alice, "alice").await.unwrap_err();
    let line = &world.tables.of_kind(EventKind::Revoked)[0];
    assert_eq!((line.user.as_ref().map(|user| user.tenant.clone())), Some(TenantId::single()));
}

#[tokio::test]
async fn c5_a_provider_that_refuses_the_refresh_token_ends_the_login_within_the_stated_window() {
    let signing = Signing::new().await;
    let token = signing.agent_token(&mut Browser::default(), "alice", "read").await;
    signing.refuse_refreshing();
    // The window is `ask_again`: five minutes here.
    signing.world.clock.advance(Duration::from_secs(301));
    let world = &signing.world;
    world.until("the hub asked", || signing.refreshed("alice") > 0).await;
    world
        .until("the login is gone", || world.tables.access_rows().iter().all(|row| row.person().is_none()))
        .await;
    assert!(!is_let_in(world, &token).await);
}
