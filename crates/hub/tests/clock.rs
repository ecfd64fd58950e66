//! The machine's clock is set, back by an hour or forward by a day: what had ended stays ended, what goes on goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use deputy_core::{DocumentId, EventKind, Reason};
use deputy_hub::approvals::Say;
use deputy_hub::{CallEvent, Wish};
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_testkit::{FakeTab, FakeUpstream, ORIGIN, Said, World, relayed, wish};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn connect(world: &World, ticket: &str) -> Result<FakeTab, u16> {
    let document = DocumentId::fresh().unwrap();
    FakeTab::connect(&world.hub, ticket, &document, ORIGIN).await.map_err(|refused| refused.code.number())
}

/// What the hub says until nothing more comes for so long of its own time.
async fn heard_for(tab: &mut FakeTab, span: Duration) -> Vec<Said> {
    let until = Instant::now() + span;
    let mut heard = Vec::new();
    while let Ok(said) = tokio::time::timeout_at(until, tab.listen()).await {
        heard.push(said);
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_was_used_or_has_ended_opens_nothing_after_the_clock_was_set_back() {
    let world = World::new().await;
    let (used, ended, unused) =
        (world.ticket("alice").await, world.ticket("alice").await, world.ticket("alice").await);
    let _tab = connect(&world, &used).await.unwrap();
    // A minute later the clock is set back by so much that a ticket would be good again.
    world.clock.advance(Duration::from_secs(61));
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.clock.set_back(Duration::from_secs(30));
    assert_eq!(connect(&world, &used).await.err(), Some(4401));
    assert_eq!(connect(&world, &ended).await.err(), Some(4401));
    // One that would live for an hour now lives no more either; the page fetches another.
    let late = world.ticket("alice").await;
    world.clock.set_back(HOUR);
    assert_eq!(connect(&world, &late).await.err(), Some(4401));
    assert_eq!(connect(&world, &unused).await.err(), Some(4401));
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_ended_unanswered_or_unused_is_not_answered_or_used_after_the_clock_was_set_back() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    let ask = |name: &'static str| async {
        let mut events = world.hub.call(world.caller("alice").await, wish(name, &json!({})));
        let Some(CallEvent::Parked { approval, .. }) = events.next().await else { panic!("nobody is asked") };
        approval
    };
    let (unanswered, unused) = (ask("note").await, ask("wipe").await);
    let person = world.person("alice").await;
    let digests: Vec<_> = world.hub.approvals().pending(&person).await.unwrap();
    let digest = |id: &deputy_core::ApprovalId| {
        digests.iter().find(|asked| asked.record.id == *id).unwrap().record.digest
    };
    let yes = |id: &deputy_core::ApprovalId| {
        use deputy_hub::approvals::Word;
        vec![Word { confirm: Some("wipe".to_owned()), ..Word::plain(id.clone(), digest(id), Say::Approve) }]
    };
    world.hub.approvals().decide(&person, yes(&unused)).await.unwrap();
    world.clock.advance(Duration::from_secs(600));
    world.until("both have ended", || world.tables.of_kind(EventKind::ApprovalExpired).len() == 2).await;
    world.until("the silent tab is over", || tab.closed().is_some()).await;
    world.clock.set_back(HOUR);
    let _tab = world.tab("alice").await;
    let late = world.hub.approvals().decide(&person, yes(&unanswered)).await;
    assert!(late.is_err());
    assert!(world.hub.approvals().pending(&person).await.unwrap().is_empty());
    for (name, approval) in [("note", unanswered), ("wipe", unused)] {
        let again = Wish { approval: Some(approval), ..wish(name, &json!({})) };
        let refused = world.run(world.caller("alice").await, again).await.unwrap_err();
        assert_eq!(refused.reason, Reason::ApprovalExpired);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_is_over_after_the_clock_was_set_back() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    world.clock.set_forward(HOUR);
    world.until("the session ends", || tab.closed().is_some()).await;
    world.clock.set_back(HOUR);
    assert!(world.hub.tools(&world.hub.reach(world.caller("alice").await)).is_empty());
    let said = tab.attached.frame("f", TabFrame::Focus { focused: true }).await;
    assert!(said.is_err(), "its socket counts no more");
    let refused = world.run(world.caller("alice").await, wish("list", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::SessionEnded);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_in_time_though_the_clock_is_ahead_by_little_and_little() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    world.clock.set_forward(HOUR - Duration::from_secs(30));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..148 {
        world.clock.set_forward(Duration::from_millis(200));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(tab.closed(), None, "a moment of it is left");
    world.clock.set_forward(Duration::from_millis(400));
    world.until("the session ends", || tab.closed().is_some()).await;
}

#[tokio::test]
async fn a_servers_call_may_run_as_long_as_the_operator_says_of_that_server_and_p12_never_longer_than_any() {
    let seconds = Duration::from_secs;
    for (said, runs) in [(seconds(5), seconds(5)), (seconds(300), seconds(300)), (DAY, seconds(600))] {
        let files = FakeUpstream::with_tools(&["list"]);
        let world = World::with_call_deadline(said, "files", std::sync::Arc::clone(&files)).await;
        let caller = world.caller_at("files", "alice").await;
        let mut events =
            world.hub.call(caller, relayed("files", "tools/call", &json!({"name": "list", "arguments": {}})));
        while events.next().await.is_some() {}
        assert_eq!(files.asked()[0].timeout, runs);
    }
}

#[tokio::test(start_paused = true)]
async fn p12_no_call_runs_longer_than_its_time_however_the_clock_is_set() {
    for set_back in [true, false] {
        let world = World::new().await;
        let mut tab = world.tab("alice").await;
        let long = Wish { timeout: Some(DAY), ..wish("list", &json!({})) };
        let began = Instant::now();
        let mut events = world.hub.call(world.caller("alice").await, long);
        let (id, call) = tab.start_call().await;
        assert!(call.timeout_ms <= 600_000);
        if set_back {
            world.clock.set_back(HOUR);
        } else {
            // Forward, but not over the end of the session: that would end the tab.
            world.clock.set_forward(HOUR / 2);
        }
        let talks = async {
            loop {
                tokio::time::sleep(Duration::from_secs(50)).await;
                tab.say(&id, TabFrame::Progress { progress: 1.0, total: None, message: None }).await;
            }
        };
        let ends = async {
            loop {
                if let Some(CallEvent::Done(done)) = events.next().await {
                    return done;
                }
            }
        };
        let done = tokio::select! { done = ends => done, () = talks => unreachable!() };
        assert_eq!(done.unwrap_err().reason, Reason::UpstreamTimeout);
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(599) && took <= Duration::from_secs(602), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p12_a_call_that_begins_after_the_clock_was_set_back_has_no_longer_time() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    tab.offer_definitions(vec![json!({"name": "list", "description": "d", "kind": "form"})]).await;
    world.accept_definitions("alice").await;
    let mut first = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let (id, _) = tab.start_call().await;
    let mut second = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    world.until("the second waits", || world.tables.of_kind(EventKind::Intent).len() == 2).await;
    world.clock.set_back(HOUR);
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "x".to_owned() })).await;
    assert!(matches!(first.next().await, Some(CallEvent::Done(Ok(_)))));
    let (id, call) = tab.start_call().await;
    assert!(call.timeout_ms <= 600_000, "{}", call.timeout_ms);
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "y".to_owned() })).await;
    assert!(matches!(second.next().await, Some(CallEvent::Done(Ok(_)))));
}

#[tokio::test(start_paused = true)]
async fn p6_pings_neither_stop_nor_storm_and_no_tab_is_taken_for_dead_when_the_clock_is_set() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let set: [&dyn Fn(); 3] = [&|| world.clock.set_back(HOUR), &|| world.clock.set_forward(HOUR), &|| {
        world.clock.set_forward(HOUR / 2)
    }];
    for set in set {
        set();
        assert!(heard_for(&mut tab, Duration::from_secs(5)).await.is_empty(), "no time has passed");
        world.clock.advance(Duration::from_secs(15));
        let heard = heard_for(&mut tab, Duration::from_secs(5)).await;
        assert!(matches!(heard.as_slice(), [Said::Ping(_)]), "{heard:?}");
        tab.say("p", TabFrame::Pong).await;
        assert_eq!(tab.closed(), None);
    }
    // Silence is still found, whatever was done to the clock in between.
    world.clock.set_back(HOUR);
    world.clock.advance(Duration::from_secs(40));
    world.until("it is dead", || tab.closed().is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn p7_a_silent_tab_is_probed_before_a_call_after_the_clock_was_set_back_too() {
    let world = World::new().await;
    let _tab = world.tab("alice").await;
    world.clock.set_back(HOUR);
    world.clock.advance(Duration::from_secs(21));
    let refused = world.run(world.caller("alice").await, wish("list", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::TabGone, "it does not answer the probe");
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_by_a_day_ends_what_has_ended_and_new_ones_come_in() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    world.clock.set_forward(DAY);
    world.until("the tab's session ends", || tab.closed().is_some()).await;
    let refused = world.run(caller, wish("list", &json!({}))).await.unwrap_err();
    assert!(matches!(refused.reason, Reason::SessionEnded | Reason::GrantExpired), "{refused:?}");
    let mut tab = world.tab("alice").await;
    let run = world.run(world.caller("alice").await, wish("list", &json!({})));
    let (answer, _) = tokio::join!(run, tab.answer("x"));
    assert!(answer.is_ok());
}

#[tokio::test]
async fn lines_keep_their_order_when_the_clock_is_set_back() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut times = Vec::new();
    for text in ["one", "two"] {
        let run = world.run(world.caller("alice").await, wish("list", &json!({})));
        let (answer, _) = tokio::join!(run, tab.answer(text));
        assert!(answer.is_ok());
        times.push(world.tables.events().last().unwrap().at);
        world.clock.set_back(HOUR);
    }
    assert!(times[1] < times[0], "each line says the time as it was then");
    let kinds: Vec<EventKind> = world.tables.events().iter().map(|line| line.kind).collect();
    assert!(
        kinds.ends_with(&[
            EventKind::Intent,
            EventKind::Outcome,
            EventKind::SignIn,
            EventKind::Intent,
            EventKind::Outcome
        ]) || kinds.ends_with(&[
            EventKind::Intent,
            EventKind::Outcome,
            EventKind::Intent,
            EventKind::Outcome
        ]),
        "{kinds:?}"
    );
}
