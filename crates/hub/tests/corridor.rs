//! A call's way through the hub: what is recorded, in which order, and what is never done.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{EventKind, Outcome, Reason};
use deputy_hub::CallEvent;
use deputy_policy::PolicySet;
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_testkit::{FakeTab, Said, World, wish};
use serde_json::json;
use std::time::Duration;

fn permit_all() -> PolicySet {
    let text = "@id(\"all\")\npermit(principal, action, resource);".to_owned();
    PolicySet::parse(&[("all.cedar".to_owned(), text)]).unwrap()
}

async fn answering(mut tab: FakeTab, text: &'static str) -> FakeTab {
    tab.answer(text).await;
    tab
}

#[tokio::test]
async fn a_read_runs_in_the_users_own_tab_and_both_lines_are_in_the_log() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    let (answer, _tab) =
        tokio::join!(world.run(caller, wish("list", &json!({}))), answering(tab, "two contacts"));
    assert_eq!(answer.unwrap().content, vec![json!({"type": "text", "text": "two contacts"})]);
    let (intents, outcomes) =
        (world.tables.of_kind(EventKind::Intent), world.tables.of_kind(EventKind::Outcome));
    assert_eq!((intents.len(), outcomes.len()), (1, 1));
    assert_eq!(outcomes[0].outcome, Some(Outcome::Succeeded));
    assert_eq!(intents[0].call, outcomes[0].call);
    assert_eq!(intents[0].lane.as_deref(), Some("session"));
    assert!(intents[0].user.is_some() && intents[0].tab.is_some() && intents[0].policy_version.is_some());
}

#[tokio::test]
async fn aud_01_nothing_risky_leaves_the_hub_before_its_intent_is_on_disk() {
    let world = World::with_policy(permit_all()).await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.tables.set_stalled(true);
    let mut events = world.hub.call(caller, wish("note", &json!({"text": "x"})));
    // The commit does not return, so the tab hears nothing.
    let heard = tokio::time::timeout(Duration::from_millis(300), tab.hear()).await;
    assert!(heard.is_err(), "the call reached the tab before its line was durable");
    world.tables.set_stalled(false);
    tab.answer("noted").await;
    assert!(matches!(events.next().await, Some(CallEvent::Done(Ok(_)))));
}

#[tokio::test]
async fn aud_01_a_read_is_asked_beside_its_line_but_not_released_before_it() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.tables.set_stalled(true);
    let mut events = world.hub.call(caller, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    tab.say(&id, TabFrame::Progress { progress: 1.0, total: None, message: None }).await;
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "secret".to_owned() })).await;
    let released = tokio::time::timeout(Duration::from_millis(300), events.next()).await;
    assert!(released.is_err(), "a part of the answer was released before the line was durable: {released:?}");
    world.tables.set_stalled(false);
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(CallEvent::Done(Ok(_)))));
}

#[tokio::test]
async fn aud_01_a_read_in_a_tab_is_handed_to_the_log_before_the_tab_hears_of_it() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    let mut events = world.hub.call(caller, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    let handed_over = world.tables.until_handed_over(&[EventKind::Intent]);
    tokio::time::timeout(Duration::ZERO, handed_over).await.expect("its line does not wait");
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "late".to_owned() })).await;
    assert!(matches!(events.next().await, Some(CallEvent::Done(Ok(_)))));
    world.tables.until_handed_over(&[EventKind::Outcome]).await;
}

#[tokio::test]
async fn aud_01_a_write_hands_its_intent_over_by_itself_before_anything_else() {
    let world = World::with_policy(permit_all()).await;
    let tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    let (answer, _tab) =
        tokio::join!(world.run(caller, wish("note", &json!({"text": "x"}))), answering(tab, "noted"));
    answer.unwrap();
    let handed_over = world.tables.until_handed_over(&[EventKind::Outcome]).await;
    assert!(handed_over.contains(&vec![EventKind::Intent]));
}

#[tokio::test]
async fn invariant_14_a_read_whose_line_fails_is_tried_again_with_both_its_lines() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.tables.set_broken(true);
    let (answer, ()) = tokio::join!(world.run(caller, wish("list", &json!({}))), async {
        tab.answer("secret").await;
    });
    answer.unwrap_err();
    world.tables.set_broken(false);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while world.tables.of_kind(EventKind::Outcome).is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the lines come once the disk is back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.tables.of_kind(EventKind::Intent).len(), 1);
}

#[tokio::test]
async fn invariant_14_a_failed_append_is_a_refusal_and_the_tab_never_hears_of_a_write() {
    let world = World::with_policy(permit_all()).await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.tables.set_broken(true);
    let refused = world.run(caller, wish("wipe", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::AuditUnavailable);
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn invariant_14_a_read_whose_line_fails_is_dropped() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.tables.set_broken(true);
    let (answer, ()) = tokio::join!(world.run(caller, wish("list", &json!({}))), async {
        tab.answer("secret").await;
    });
    assert_eq!(answer.unwrap_err().reason, Reason::AuditUnavailable);
}

#[tokio::test]
async fn what_policy_does_not_allow_never_reaches_the_tab_and_is_in_the_log() {
    let nothing = PolicySet::parse(&[(
        "none.cedar".to_owned(),
        "@id(\"no\")\nforbid(principal, action, resource);".to_owned(),
    )]);
    let world = World::with_policy(nothing.unwrap()).await;
    let mut tab = world.tab("alice").await;
    let refused = world.run(world.caller("alice").await, wish("list", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::PolicyDenied);
    assert!(tab.is_quiet());
    let lines = world.tables.of_kind(EventKind::Refusal);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].reason, Some(Reason::PolicyDenied));
    assert!(world.hub.tools(&world.hub.reach(world.caller("alice").await)).is_empty());
}

#[tokio::test]
async fn p15_arguments_that_do_not_fit_the_schema_are_refused_before_policy_and_tab() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    tab.offer_definitions(vec![
        json!({"name": "list", "description": "d", "kind": "imperative", "inputSchema": schema}),
    ])
    .await;
    world.accept_definitions("alice").await;
    let refused = world.run(world.caller("alice").await, wish("list", &json!({"n": "x"}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::ArgumentsInvalid);
    assert!(refused.message.contains('n'), "{}", refused.message);
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn p11_a_client_that_goes_away_cancels_the_tool_and_the_outcome_is_recorded() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    drop(events);
    assert!(matches!(tab.hear().await, Said::Cancel(told) if told == id));
    tab.say(&id, TabFrame::Cancelled).await;
    world.until("the outcome is recorded", || !world.tables.of_kind(EventKind::Outcome).is_empty()).await;
    assert_eq!(world.tables.of_kind(EventKind::Outcome)[0].outcome, Some(Outcome::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn p11_a_tab_that_ignores_a_cancel_frees_the_call_within_a_second() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let (_, _) = tab.start_call().await;
    let asked = tokio::time::Instant::now();
    events.cancel();
    let done = events.next().await;
    assert!(asked.elapsed() <= Duration::from_secs(1));
    assert!(matches!(done, Some(CallEvent::Done(Err(refused))) if refused.reason == Reason::OutcomeUnknown));
}

#[tokio::test(start_paused = true)]
async fn p12_a_call_ends_at_its_deadline_and_the_tab_is_told_to_stop() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut late = wish("list", &json!({}));
    late.timeout = Some(Duration::from_secs(5));
    let mut events = world.hub.call(world.caller("alice").await, late);
    tab.start_call().await;
    let done = events.next().await;
    assert!(matches!(done, Some(CallEvent::Done(Err(refused))) if refused.reason == Reason::UpstreamTimeout));
    assert!(matches!(tab.hear().await, Said::Cancel(_)));
    assert_eq!(world.tables.of_kind(EventKind::Outcome)[0].outcome, Some(Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn p12_nobody_waits_longer_than_ten_minutes() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut endless = wish("list", &json!({}));
    endless.timeout = Some(Duration::from_secs(100_000));
    let _events = world.hub.call(world.caller("alice").await, endless);
    let (_, call) = tab.start_call().await;
    assert_eq!(call.timeout_ms, 600_000);
}

#[tokio::test(start_paused = true)]
async fn p13_a_tab_lost_after_started_leaves_an_unknown_outcome_and_before_it_none() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let (caller, other) = (world.caller("alice").await, world.caller("alice").await);
    let mut running = world.hub.call(caller, wish("list", &json!({})));
    tab.start_call().await;
    let mut waiting = world.hub.call(other, wish("find", &json!({})));
    tab.hear().await;
    let lost = tokio::time::Instant::now();
    tab.attached.lost();
    assert!(
        matches!(running.next().await, Some(CallEvent::Done(Err(r))) if r.reason == Reason::OutcomeUnknown)
    );
    assert!(matches!(waiting.next().await, Some(CallEvent::Done(Err(r))) if r.reason == Reason::NotStarted));
    assert!(lost.elapsed() <= Duration::from_secs(1), "P24: calls fail within a second");
}

#[tokio::test]
async fn p16_late_and_duplicate_results_change_nothing() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    let result = |text: &str| TabFrame::Result(ToolResult::Text { text: text.to_owned() });
    tab.say("call_00000000000000000000000000000000", result("foreign")).await;
    tab.say(&id, result("first")).await;
    tab.say(&id, result("second")).await;
    let Some(CallEvent::Done(Ok(answer))) = events.next().await else { panic!("no answer") };
    assert_eq!(answer.content[0]["text"], "first");
    tab.say(&id, result("late")).await;
    assert_eq!(world.tables.of_kind(EventKind::Outcome).len(), 1);
}

#[tokio::test]
async fn p14_at_most_32_calls_run_in_a_tab_and_64_wait_then_busy() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut calls = Vec::new();
    for _ in 0..97 {
        calls.push(world.hub.call(world.caller("alice").await, wish("list", &json!({}))));
    }
    for _ in 0..32 {
        tab.hear().await;
    }
    // One of the 97 is told `busy`; the rest wait or run.
    let busy = async {
        let ends = calls.iter_mut().map(|events| Box::pin(events.next()));
        futures_util::future::select_all(ends).await.0
    };
    assert!(matches!(busy.await, Some(CallEvent::Done(Err(refused))) if refused.reason == Reason::Busy));
    assert!(tab.is_quiet(), "a 33rd call reached the tab");
}

#[tokio::test]
async fn an_intent_that_a_crash_left_open_is_closed_as_unknown_at_start() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let _running = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    tab.start_call().await;
    world.until("the intent is there", || !world.tables.of_kind(EventKind::Intent).is_empty()).await;
    // The same tables, as a new process would find them.
    world.hub.start().await.unwrap();
    let outcomes = world.tables.of_kind(EventKind::Outcome);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(
        (outcomes[0].outcome, outcomes[0].reason),
        (Some(Outcome::Unknown), Some(Reason::OutcomeUnknown))
    );
}

#[tokio::test]
async fn r14_a_right_that_ends_while_a_call_waits_is_no_right() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    tab.offer_definitions(vec![json!({"name": "list", "description": "d", "kind": "form"})]).await;
    world.accept_definitions("alice").await;
    let _first = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    let mut second = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    world.until("the second waits", || world.tables.of_kind(EventKind::Intent).len() == 2).await;
    let none = "@id(\"no\")\nforbid(principal, action, resource);".to_owned();
    world.hub.policies().reload(&[("no.cedar".to_owned(), none)]).await.unwrap();
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "x".to_owned() })).await;
    let done = second.next().await;
    assert!(matches!(&done, Some(CallEvent::Done(Err(r))) if r.reason == Reason::NotStarted), "{done:?}");
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn a16_who_acts_in_the_users_place_is_in_every_line_and_policy_can_forbid_it() {
    let text =
        "@id(\"all\")\npermit(principal, action, resource) unless { context.impersonated };".to_owned();
    let world = World::with_policy(PolicySet::parse(&[("a.cedar".to_owned(), text)]).unwrap()).await;
    let _tab = world.tab("alice").await;
    let now = deputy_hub::ports::Clock::now(world.clock.as_ref()).seconds();
    let token = world.issuer.sign("at+jwt", &json!({
        "iss": deputy_testkit::TestIssuer::ISSUER, "sub": "alice", "aud": "https://hub.example/mcp", "client_id": "agent-1",
        "iat": now, "exp": now + 60, "act": {"sub": "admin"},
    }));
    let caller = world.hub.authenticate(&deputy_hub::Door::Mcp, &token).await.unwrap();
    let refused = world.run(caller, wish("list", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::PolicyDenied);
    let line = &world.tables.of_kind(EventKind::Refusal)[0];
    assert_eq!(line.detail.get("personal.acting"), Some(&json!({"act": {"sub": "admin"}})));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_cannot_be_written_is_tried_again_until_it_is() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    world.until("the intent is there", || !world.tables.of_kind(EventKind::Intent).is_empty()).await;
    world.tables.set_broken(true);
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "x".to_owned() })).await;
    let done = events.next().await;
    assert!(
        matches!(&done, Some(CallEvent::Done(Err(r))) if r.reason == Reason::AuditUnavailable),
        "{done:?}"
    );
    world.tables.set_broken(false);
    world.until("the outcome is there", || !world.tables.of_kind(EventKind::Outcome).is_empty()).await;
    assert_eq!(world.tables.of_kind(EventKind::Outcome)[0].outcome, Some(Outcome::Succeeded));
}

#[tokio::test]
async fn arguments_larger_than_a_megabyte_are_refused() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let large = wish("list", &json!({"text": "x".repeat(1_100_000)}));
    assert_eq!(world.run(world.caller("alice").await, large).await.unwrap_err().reason, Reason::TooLarge);
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn aud_01_an_answer_whose_intent_was_not_written_stays_here_even_if_its_outcome_was() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.tables.set_stalled(true);
    let mut events = world.hub.call(caller, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    world.tables.set_broken(true);
    world.tables.set_stalled(false);
    world.until("the intent has failed", || world.tables.failures() > 0).await;
    world.tables.set_broken(false);
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "secret".to_owned() })).await;
    let done = events.next().await;
    assert!(
        matches!(&done, Some(CallEvent::Done(Err(r))) if r.reason == Reason::AuditUnavailable),
        "{done:?}"
    );
}
