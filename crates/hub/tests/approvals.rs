//! "Ask a person": bound to one call, decided once, spent once, never by silence.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{ApprovalId, Digest, EventKind, Reason};
use deputy_hub::approvals::{DecisionError, Say, Word};
use deputy_hub::ports::ApprovalState;
use deputy_hub::{CallEvent, Caller, Wish};
use deputy_policy::PolicySet;
use deputy_testkit::{FakeTab, World, wish};
use serde_json::json;
use std::time::Duration;

async fn asked(world: &World, caller: Caller, wish: Wish) -> ApprovalId {
    match world.hub.call(caller, wish).next().await {
        Some(CallEvent::Parked { approval, .. }) => approval,
        other => panic!("nobody was asked: {other:?}"),
    }
}

fn note(text: &str, approval: Option<ApprovalId>) -> Wish {
    Wish { approval, ..wish("note", &json!({ "text": text })) }
}

async fn say(world: &World, who: &str, id: &ApprovalId, say: Say) -> Result<ApprovalState, DecisionError> {
    let person = world.person(who).await;
    let word = Word::plain(id.clone(), digest_of(world, who, id).await.ok_or(DecisionError::Unknown)?, say);
    one(world.hub.approvals().decide(&person, vec![word]).await)
}

fn one(states: Result<Vec<ApprovalState>, DecisionError>) -> Result<ApprovalState, DecisionError> {
    states.map(|states| states[0])
}

/// As `who` sees it.
async fn digest_of(world: &World, who: &str, id: &ApprovalId) -> Option<Digest> {
    let pending = world.hub.approvals().pending(&world.person(who).await).await.unwrap();
    pending.iter().find(|seen| seen.record.id == *id).map(|seen| seen.record.digest)
}

async fn refusal(world: &World, wish: Wish) -> Reason {
    world.run(world.caller("alice").await, wish).await.unwrap_err().reason
}

async fn set() -> (World, FakeTab, ApprovalId) {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    let id = asked(&world, world.caller("alice").await, note("x", None)).await;
    (world, tab, id)
}

#[tokio::test]
async fn a_write_asks_runs_once_approved_and_is_spent() {
    let (world, mut tab, id) = set().await;
    assert!(tab.is_quiet(), "nothing runs before a person decided");
    assert_eq!(say(&world, "alice", &id, Say::Approve).await.unwrap(), ApprovalState::Approved);
    let run = world.run(world.caller("alice").await, note("x", Some(id.clone())));
    let (answer, _) = tokio::join!(run, tab.answer("noted"));
    assert!(answer.is_ok());
    assert_eq!(refusal(&world, note("x", Some(id))).await, Reason::ApprovalStale, "spent once");
    assert_eq!(world.tables.of_kind(EventKind::ApprovalRequested).len(), 1);
    assert_eq!(world.tables.of_kind(EventKind::ApprovalDecided).len(), 2, "approved, spent");
}

#[tokio::test]
async fn apr_01_an_approval_is_for_exactly_the_arguments_that_were_shown() {
    let (world, mut tab, id) = set().await;
    say(&world, "alice", &id, Say::Approve).await.unwrap();
    assert_eq!(refusal(&world, note("820000", Some(id.clone()))).await, Reason::ApprovalStale);
    assert!(tab.is_quiet());
    // The right call can still be made.
    let (answer, _) =
        tokio::join!(world.run(world.caller("alice").await, note("x", Some(id))), tab.answer("ok"));
    assert!(answer.is_ok());
}

#[tokio::test]
async fn apr_01_a_changed_definition_makes_an_approval_stale() {
    let (world, tab, id) = set().await;
    say(&world, "alice", &id, Say::Approve).await.unwrap();
    tab.offer_definitions(vec![json!({"name": "note", "description": "changed", "kind": "imperative"})])
        .await;
    assert_eq!(refusal(&world, note("x", Some(id.clone()))).await, Reason::ToolChanged, "it waits");
    world.accept_definitions("alice").await;
    assert_eq!(refusal(&world, note("x", Some(id))).await, Reason::ApprovalStale);
}

#[tokio::test]
async fn apr_01_another_users_or_clients_approval_is_of_no_use() {
    let (world, _tab, id) = set().await;
    let _bobs = world.tab("bob").await;
    say(&world, "alice", &id, Say::Approve).await.unwrap();
    let refused = world.run(world.caller("bob").await, note("x", Some(id))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::ApprovalStale);
}

#[tokio::test]
async fn apr_02_of_a_hundred_racing_decisions_one_counts_and_of_a_hundred_spendings_one_runs() {
    let (world, mut tab, id) = set().await;
    let person = world.person("alice").await;
    let digest = digest_of(&world, "alice", &id).await.unwrap();
    let race = (0..100).map(|n| {
        let choice = if n % 2 == 0 { Say::Approve } else { Say::Refuse };
        world.hub.approvals().decide(&person, vec![Word::plain(id.clone(), digest, choice)])
    });
    let decided = futures_util::future::join_all(race).await;
    let taken: Vec<_> = decided.into_iter().filter_map(|one| one.ok()).flatten().collect();
    assert_eq!(taken, [ApprovalState::Approved], "the first one counts, and only it");
    let caller = world.caller("alice").await;
    let mut calls: Vec<_> =
        (0..100).map(|_| world.hub.call(caller.clone(), note("x", Some(id.clone())))).collect();
    tab.answer("noted").await;
    let mut ran = 0;
    for events in &mut calls {
        if matches!(events.next().await, Some(CallEvent::Done(Ok(_)))) {
            ran += 1;
        }
    }
    assert_eq!(ran, 1);
    assert_eq!(world.tables.of_kind(EventKind::Intent).len(), 1);
}

#[tokio::test]
async fn apr_03_r20_only_the_signed_in_requester_sees_and_decides() {
    let (world, _tab, id) = set().await;
    let bob = world.person("bob").await;
    assert!(world.hub.approvals().pending(&bob).await.unwrap().is_empty());
    let digest = digest_of(&world, "alice", &id).await.unwrap();
    let decided = world.hub.approvals().decide(&bob, vec![Word::plain(id, digest, Say::Approve)]).await;
    assert!(matches!(decided, Err(DecisionError::Unknown)));
}

#[tokio::test]
async fn a_no_is_a_no() {
    let (world, mut tab, id) = set().await;
    say(&world, "alice", &id, Say::Refuse).await.unwrap();
    assert_eq!(refusal(&world, note("x", Some(id))).await, Reason::ApprovalRefused);
    assert!(tab.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn apr_04_silence_never_approves() {
    let (world, _asleep, id) = set().await;
    world.clock.advance(Duration::from_secs(600));
    world.until("it runs out", || !world.tables.of_kind(EventKind::ApprovalExpired).is_empty()).await;
    let mut tab = world.tab("alice").await;
    assert_eq!(refusal(&world, note("x", Some(id.clone()))).await, Reason::ApprovalExpired);
    assert!(matches!(say(&world, "alice", &id, Say::Approve).await, Err(DecisionError::Unknown)));
    assert!(tab.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn apr_04_a_yes_is_good_for_two_minutes() {
    let (world, mut tab, id) = set().await;
    say(&world, "alice", &id, Say::Approve).await.unwrap();
    world.clock.advance(Duration::from_secs(120));
    assert_eq!(refusal(&world, note("x", Some(id))).await, Reason::ApprovalExpired);
    assert!(tab.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn apr_05_a_wish_that_comes_back_undecided_is_held_and_then_told_to_come_again() {
    let (world, _tab, id) = set().await;
    let caller = world.caller("alice").await;
    let came = tokio::time::Instant::now();
    let again = asked(&world, caller, note("x", Some(id.clone()))).await;
    assert_eq!(again, id, "no second question is asked");
    assert!(came.elapsed() >= Duration::from_secs(19));
    assert_eq!(world.tables.of_kind(EventKind::ApprovalRequested).len(), 1);
}

#[tokio::test]
async fn apr_05_a_held_wish_goes_on_as_soon_as_it_is_decided() {
    let (world, mut tab, id) = set().await;
    let mut events = world.hub.call(world.caller("alice").await, note("x", Some(id.clone())));
    say(&world, "alice", &id, Say::Approve).await.unwrap();
    tab.answer("noted").await;
    assert!(matches!(events.next().await, Some(CallEvent::Done(Ok(_)))));
}

#[tokio::test]
async fn a_question_that_cannot_be_recorded_is_a_refusal() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.tables.set_broken(true);
    let refused = world.run(caller, note("x", None)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::AuditUnavailable);
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn apr_02_the_client_that_asked_cannot_answer_and_an_agents_client_is_no_persons() {
    let (world, mut tab, id) = set().await;
    // A token for `/api`, got by the agent's own client.
    let agents = world.token_of("agent-1", "alice", "/api");
    let opened = world.hub.authenticate(&deputy_hub::Door::Api, &agents).await;
    assert_eq!(opened.err(), Some(deputy_hub::Denied::Refused));
    // Even a caller of the agent's client that came in at another door decides nothing.
    let digest = digest_of(&world, "alice", &id).await.unwrap();
    let agent = world.caller("alice").await;
    let decided = world.hub.approvals().decide(&agent, vec![Word::plain(id, digest, Say::Approve)]).await;
    assert!(matches!(decided, Err(DecisionError::Unknown)));
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn apr_14_the_reason_of_a_no_reaches_the_agent_as_data() {
    let (world, _tab, id) = set().await;
    let person = world.person("alice").await;
    let digest = digest_of(&world, "alice", &id).await.unwrap();
    let reason = Some("not before Monday".to_owned());
    let word = Word { reason, ..Word::plain(id.clone(), digest, Say::Refuse) };
    world.hub.approvals().decide(&person, vec![word]).await.unwrap();
    // With its state, and, for a minute, without it: nobody is asked again.
    for approval in [Some(id), None] {
        let refused = world.run(world.caller("alice").await, note("x", approval)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::ApprovalRefused);
        assert!(refused.message.contains("not before Monday"), "{}", refused.message);
    }
    world.clock.advance(Duration::from_secs(60));
    asked(&world, world.caller("alice").await, note("x", None)).await;
}

#[tokio::test]
async fn apr_14_the_same_question_again_is_one_question_and_at_most_fifty_wait() {
    let (world, _tab, id) = set().await;
    let again = asked(&world, world.caller("alice").await, note("x", None)).await;
    assert_eq!(again, id);
    for n in 1..50 {
        asked(&world, world.caller("alice").await, note(&n.to_string(), None)).await;
    }
    assert_eq!(refusal(&world, note("one too many", None)).await, Reason::RateLimited);
    assert_eq!(world.tables.of_kind(EventKind::ApprovalRequested).len(), 50);
}

#[tokio::test]
async fn apr_04_thinking_time_is_not_the_tools_time() {
    let (world, mut tab, id) = set().await;
    let mut events = world.hub.call(world.caller("alice").await, note("x", Some(id.clone())));
    world.until("it is held", || true).await;
    world.clock.advance(Duration::from_secs(18));
    say(&world, "alice", &id, Say::Approve).await.unwrap();
    let (call, frame) = tab.start_call().await;
    assert_eq!(frame.timeout_ms, 60_000);
    tab.say(&call, deputy_protocol::tab::TabFrame::Cancelled).await;
    assert!(events.next().await.is_some());
}

#[tokio::test]
async fn a_hub_that_is_killed_while_a_person_is_asked_goes_on_with_their_yes_and_only_once() {
    let (killed, tab, id) = set().await;
    drop(tab);
    let world = killed.again(PolicySet::shipped().unwrap(), Vec::new()).await.unwrap();
    let mut tab = world.tab("alice").await;
    assert_eq!(say(&world, "alice", &id, Say::Approve).await.unwrap(), ApprovalState::Approved);
    let run = world.run(world.caller("alice").await, note("x", Some(id.clone())));
    let (answer, _) = tokio::join!(run, tab.answer("noted"));
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(refusal(&world, note("x", Some(id))).await, Reason::ApprovalStale, "spent once");
}
