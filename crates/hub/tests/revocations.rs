//! Revocation: at once, for what it names and nothing else, running calls and tabs too, whatever the log does, and across a
//! restart (C1, C4 of the identity reference, invariant 14).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{Client, EventKind, Facts as _, Reason, TenantId};
use deputy_hub::ports::{Clock as _, Revocation, RevocationOrder, Revoked};
use deputy_hub::{CallEvent, Caller, Denied, Door};
use deputy_policy::PolicySet;
use deputy_protocol::tab::CloseCode;
use deputy_testkit::{FakeTab, TestIssuer, World, wish};
use serde_json::json;
use std::time::Duration;

fn permit_all() -> PolicySet {
    let text = "@id(\"all\")\npermit(principal, action, resource);".to_owned();
    PolicySet::parse(&[("all.cedar".to_owned(), text)]).unwrap()
}

fn user(subject: &str) -> Revoked {
    Revoked::User { issuer: TestIssuer::ISSUER.parse().unwrap(), subject: subject.parse().unwrap() }
}

fn order(world: &World, target: Revoked, for_ever: bool) -> Revocation {
    let at = world.clock.now();
    let before = if for_ever { None } else { Some(at) };
    Revocation { tenant: TenantId::single(), target, before, by: "operator".to_owned(), at }
}

/// Whether `revoke` ends a running call of this caller, within how long, and what its agent is told.
async fn ends_running(
    world: &World,
    tab: &mut FakeTab,
    caller: &Caller,
    revoke: impl FnOnce(),
) -> Option<(Reason, Duration)> {
    let mut events = world.hub.call(caller.clone(), wish("note", &json!({})));
    tab.start_call().await;
    let began = std::time::Instant::now();
    revoke();
    match tokio::time::timeout(Duration::from_millis(1000), events.next()).await {
        Ok(Some(CallEvent::Done(Err(refused)))) => Some((refused.reason, began.elapsed())),
        Ok(Some(CallEvent::Done(Ok(_)))) => panic!("nobody answered it"),
        _ => None,
    }
}

#[tokio::test]
async fn c1_a_person_whose_access_ends_loses_running_calls_tabs_and_tokens_within_a_second_and_others_nothing()
 {
    let world = World::with_policy(permit_all()).await;
    let (mut of_alice, mut of_bob) = (world.tab("alice").await, world.tab("bob").await);
    let (alice, bob) = (world.caller("alice").await, world.caller("bob").await);
    let token = world.access_token("alice", "/mcp");
    world.clock.advance(Duration::from_secs(2));
    let revoke =
        || drop(world.hub.revocations().end(TenantId::single(), user("alice"), "back_channel_logout"));
    let (reason, took) = ends_running(&world, &mut of_alice, &alice, revoke).await.unwrap();
    assert_eq!(reason, Reason::OutcomeUnknown, "its tool had started");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(of_alice.closed().map(|(code, _)| code), Some(CloseCode::Revoked));
    assert_eq!(world.hub.authenticate(&Door::Mcp, &token).await.unwrap_err(), Denied::Refused);
    // A caller who was let in before, and calls only now.
    let refused = world.run(alice, wish("note", &json!({}))).await.unwrap_err();
    assert!([Reason::SessionEnded, Reason::TabGone].contains(&refused.reason), "{refused:?}");
    let (_, answered) = tokio::join!(of_bob.answer("done"), world.run(bob, wish("note", &json!({}))));
    answered.unwrap();
    let line = &world.tables.of_kind(EventKind::Revoked)[0];
    assert_eq!(
        (line.detail["by"].as_str(), line.detail["target"].as_str()),
        (Some("back_channel_logout"), Some("user"))
    );
}

#[tokio::test]
async fn c4_what_is_issued_after_a_revocation_is_good_and_what_was_before_never_again() {
    let world = World::with_policy(permit_all()).await;
    let (old, ticket) = (world.access_token("alice", "/mcp"), world.ticket("alice").await);
    world.clock.advance(Duration::from_secs(2));
    world.hub.revocations().end(TenantId::single(), user("alice"), "operator").await.unwrap();
    let document = deputy_core::DocumentId::fresh().unwrap();
    let unwelcome =
        FakeTab::connect(&world.hub, &ticket, &document, deputy_testkit::ORIGIN).await.err().unwrap();
    assert_eq!(unwelcome.code, CloseCode::Revoked, "a ticket of before opens no tab");
    world.clock.advance(Duration::from_secs(1));
    let new = world.access_token("alice", "/mcp");
    assert!(world.hub.authenticate(&Door::Mcp, &new).await.is_ok());
    assert!(world.hub.authenticate(&Door::Mcp, &old).await.is_err());
    let tab = world.tab("alice").await;
    assert_eq!(tab.closed(), None);
}

#[tokio::test]
async fn c4_a_revocation_survives_a_restart_and_wins_over_any_token() {
    let world = World::with_policy(permit_all()).await;
    let token = world.access_token("alice", "/mcp");
    world.hub.revocations().shut_out(world.caller("alice").await.user(), "operator").await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let again = world.again(permit_all(), Vec::new()).await.unwrap();
    assert!(again.hub.authenticate(&Door::Mcp, &token).await.is_err());
    assert!(
        again.hub.authenticate(&Door::Mcp, &again.access_token("alice", "/mcp")).await.is_err(),
        "a new one too"
    );
    assert!(again.hub.authenticate(&Door::Mcp, &again.access_token("bob", "/mcp")).await.is_ok());
    // Let in again: what is issued from now on counts, what was before does not.
    again.clock.advance(Duration::from_secs(2));
    assert!(again.hub.revocations().readmit(&TenantId::single(), &user("alice"), "operator").await.unwrap());
    assert!(again.hub.authenticate(&Door::Mcp, &token).await.is_err());
    again.clock.advance(Duration::from_secs(2));
    assert!(again.hub.authenticate(&Door::Mcp, &again.access_token("alice", "/mcp")).await.is_ok());
    assert_eq!(again.tables.of_kind(EventKind::Readmitted).len(), 1);
}

#[tokio::test]
async fn invariant_14_a_revocation_is_in_force_while_the_log_cannot_be_written_and_is_written_as_soon_as_it_can()
 {
    let world = World::with_policy(permit_all()).await;
    let (tab, token) = (world.tab("alice").await, world.access_token("alice", "/mcp"));
    world.clock.advance(Duration::from_secs(2));
    world.tables.set_broken(true);
    let recorded = world.hub.revocations().end(TenantId::single(), user("alice"), "operator");
    assert_eq!(tab.closed().map(|(code, _)| code), Some(CloseCode::Revoked));
    assert!(world.hub.authenticate(&Door::Mcp, &token).await.is_err());
    assert!(world.tables.of_kind(EventKind::Revoked).is_empty());
    world.tables.set_broken(false);
    recorded.await.unwrap();
    assert_eq!(world.tables.of_kind(EventKind::Revoked).len(), 1);
}

#[tokio::test]
async fn an_agent_that_is_revoked_is_gone_for_everybody_and_others_stay() {
    let world = World::with_policy(permit_all()).await;
    let mut tab = world.tab("alice").await;
    let alice = world.caller("alice").await;
    world.clock.advance(Duration::from_secs(2));
    let agent = Revoked::Agent { client: Client("agent-1".to_owned()) };
    let order = RevocationOrder::Revoke(order(&world, agent, true));
    let (reason, _) =
        ends_running(&world, &mut tab, &alice, || world.tables.wish_revoked(order)).await.unwrap();
    assert_eq!(reason, Reason::OutcomeUnknown);
    assert_eq!(tab.closed(), None, "the person's own tab stays");
    let of = |client: &str, subject: &str| world.token_of(client, subject, "/mcp");
    assert!(world.hub.authenticate(&Door::Mcp, &of("agent-1", "bob")).await.is_err());
    assert!(world.hub.authenticate(&Door::Mcp, &of("agent-2", "alice")).await.is_ok());
    let refused = world.run(alice, wish("note", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::GrantExpired);
}

#[tokio::test]
async fn a_session_that_ends_at_the_provider_ends_what_was_issued_in_it_and_no_other() {
    let world = World::with_policy(permit_all()).await;
    let now = world.clock.now().seconds();
    let token = |session: &str| {
        let claims = json!({
            "iss": TestIssuer::ISSUER, "sub": "alice", "aud": "https://hub.example/mcp", "client_id": "agent-1",
            "iat": now, "exp": now + 3600, "sid": session,
        });
        world.issuer.sign("at+jwt", &claims)
    };
    let session =
        |id: &str| Revoked::Session { issuer: TestIssuer::ISSUER.parse().unwrap(), session: id.to_owned() };
    world.hub.revocations().end(TenantId::single(), session("s1"), "back_channel_logout").await.unwrap();
    assert!(world.hub.authenticate(&Door::Mcp, &token("s1")).await.is_err());
    assert!(world.hub.authenticate(&Door::Mcp, &token("s2")).await.is_ok());
}

#[tokio::test]
async fn a_tab_that_is_revoked_closes_for_good_and_the_users_other_tabs_stay() {
    let world = World::with_policy(permit_all()).await;
    let ticket = world.ticket("alice").await;
    let document = deputy_core::DocumentId::fresh().unwrap();
    let one = FakeTab::connect(&world.hub, &ticket, &document, deputy_testkit::ORIGIN).await.unwrap();
    let other = world.tab("alice").await;
    let target = Revoked::Tab { document: document.clone() };
    world.hub.revocations().end(TenantId::single(), target, "operator").await.unwrap();
    assert_eq!(one.closed().map(|(code, _)| code), Some(CloseCode::Revoked));
    assert_eq!(other.closed(), None);
    let ticket = world.ticket("alice").await;
    assert!(FakeTab::connect(&world.hub, &ticket, &document, deputy_testkit::ORIGIN).await.is_err());
}

#[tokio::test]
async fn a_hub_that_cannot_read_who_is_shut_out_does_not_start() {
    let world = World::with_policy(permit_all()).await;
    world.tables.set_unreadable(true);
    assert!(world.again(permit_all(), Vec::new()).await.is_err());
}

#[tokio::test]
async fn a_session_that_the_applications_back_end_ends_loses_its_tabs_and_tickets_and_no_other_does() {
    let world = World::with_policy(permit_all()).await;
    let issued = async |session: &str| {
        let wish = deputy_hub::tickets::TicketWish {
            app: deputy_testkit::APP.parse().unwrap(),
            origin: deputy_testkit::ORIGIN.parse().unwrap(),
            session_expires_at: None,
            session: Some(session.to_owned()),
        };
        world.hub.tickets().issue(&world.id_token("alice"), wish).await.unwrap()
    };
    let open = async |text: &str| {
        let document = deputy_core::DocumentId::fresh().unwrap();
        FakeTab::connect(&world.hub, text, &document, deputy_testkit::ORIGIN).await
    };
    let (first, unused, other) = (issued("s1").await, issued("s1").await, issued("s2").await);
    let mut one = open(first.text.expose()).await.unwrap();
    let two = open(other.text.expose()).await.unwrap();
    let bobs = world.tab("bob").await;
    one.offer(&["note"]).await;
    let mut events = world.hub.call(world.caller("alice").await, wish("note", &json!({})));
    one.start_call().await;
    assert!(world.hub.tickets().end_session(first.end.expose()));
    let Some(CallEvent::Done(Err(refused))) = events.next().await else { panic!("it goes on") };
    assert_eq!(refused.reason, Reason::OutcomeUnknown);
    assert_eq!(one.closed().map(|(code, _)| code), Some(CloseCode::AuthFailed));
    assert_eq!((two.closed(), bobs.closed()), (None, None));
    assert!(open(unused.text.expose()).await.is_err(), "a ticket of before");
    // What was never given out ends nothing.
    assert!(!world.hub.tickets().end_session("made up"));
    assert!(!world.hub.tickets().end_session(&other.text.expose().clone()));
}
