//! Limits in the corridor: what counts, what does not, and that the log is what they are counted from.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{EventKind, Reason};
use deputy_hub::limits::{Each, Limit};
use deputy_hub::{CallEvent, Wish};
use deputy_policy::PolicySet;
use deputy_protocol::tab::TabFrame;
use deputy_testkit::{FakeTab, World, wish};
use serde_json::json;
use std::num::NonZeroU64;
use std::time::Duration;

fn policy(text: &str) -> PolicySet {
    PolicySet::parse(&[("own.cedar".to_owned(), text.to_owned())]).unwrap()
}

fn permit_all() -> PolicySet {
    policy("@id(\"all\")\npermit(principal, action, resource);")
}

fn limit(calls: u64, seconds: u64, each: &[Each]) -> Limit {
    Limit {
        name: "some".to_owned(),
        calls: NonZeroU64::new(calls).unwrap(),
        per: Duration::from_secs(seconds),
        each: each.to_vec(),
        source: None,
        tool: None,
        class: None,
    }
}

/// Makes one call that the tab answers if it comes; the reason if it was refused.
async fn call(world: &World, tab: &mut FakeTab, user: &str, wish: Wish) -> Option<Reason> {
    let caller = world.caller(user).await;
    let mut events = world.hub.call(caller, wish);
    loop {
        tokio::select! {
            event = events.next() => match event.unwrap() {
                CallEvent::Done(done) => return done.err().map(|refused| refused.reason),
                CallEvent::Parked { .. } => panic!("a person is asked"),
                CallEvent::Progress { .. } | CallEvent::Told(_) => {}
                CallEvent::Replied(_) => panic!("it is a server's"),
            },
            _ = tab.answer("done") => {}
        }
    }
}

/// A little more than a minute passes, in which the tab stays awake.
async fn a_minute_later(world: &World, tab: &FakeTab) {
    for _ in 0..7 {
        world.clock.advance(Duration::from_secs(9));
        tab.say("p", TabFrame::Pong).await;
    }
}

#[tokio::test]
async fn a_hundred_racing_calls_against_ten_perform_ten() {
    let world = World::with_limits(permit_all(), vec![limit(10, 3600, &[Each::User])]).await;
    let mut tab = world.tab("alice").await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(world.hub.call(world.caller("alice").await, wish("list", &json!({}))));
    }
    for _ in 0..10 {
        tab.answer("done").await;
    }
    let (mut done, mut limited) = (0, 0);
    for mut events in streams {
        match events.next().await.unwrap() {
            CallEvent::Done(Ok(_)) => done += 1,
            CallEvent::Done(Err(refused)) if refused.reason == Reason::RateLimited => limited += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((done, limited), (10, 90));
    assert!(tab.is_quiet());
    assert_eq!(world.tables.of_kind(EventKind::Intent).len(), 10);
    let refusals = world.tables.of_kind(EventKind::Refusal);
    assert_eq!(refusals.len(), 90);
    assert!(
        refusals
            .iter()
            .all(|line| line.reason == Some(Reason::RateLimited) && line.detail["limit"] == "some")
    );
}

#[tokio::test]
async fn a_refused_agent_is_told_which_limit_it_was_and_when_to_come_again_and_it_is_let_in_then() {
    let world = World::with_limits(permit_all(), vec![limit(1, 60, &[])]).await;
    let mut tab = world.tab("alice").await;
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, None);
    let refused = world.run(world.caller("alice").await, wish("list", &json!({}))).await.unwrap_err();
    assert!(
        refused.message.contains("the limit `some` allows 1 calls in 60 s; try again in 6"),
        "{}",
        refused.message
    );
    a_minute_later(&world, &tab).await;
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, None);
}

#[tokio::test]
async fn what_is_refused_for_another_reason_uses_nothing_up() {
    let forbid = "@id(\"all\")\npermit(principal, action, resource);\n\
                  @id(\"no\")\nforbid(principal, action, resource) when { resource.name == \"wipe\" };";
    let world = World::with_limits(policy(forbid), vec![limit(1, 60, &[])]).await;
    let mut tab = world.tab("alice").await;
    for (name, reason) in [("wipe", Reason::PolicyDenied), ("nothing", Reason::ToolUnknown)] {
        assert_eq!(call(&world, &mut tab, "alice", wish(name, &json!({}))).await, Some(reason));
    }
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, None);
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, Some(Reason::RateLimited));
}

#[tokio::test]
async fn a_call_that_waits_for_a_person_counts_once_it_is_performed_and_no_yes_is_spent_in_vain() {
    let world = World::with_limits(PolicySet::shipped().unwrap(), vec![limit(1, 60, &[])]).await;
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("note", &json!({})));
    let Some(CallEvent::Parked { approval, .. }) = events.next().await else { panic!("a person is asked") };
    let person = world.person("alice").await;
    let asked = world.hub.approvals().pending(&person).await.unwrap();
    let say = deputy_hub::approvals::Say::Approve;
    let record = &asked[0].record;
    let word = deputy_hub::approvals::Word::plain(record.id.clone(), record.digest, say);
    world.hub.approvals().decide(&person, vec![word]).await.unwrap();
    // The question used nothing up: another call takes the only place.
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, None);
    let again = Wish { approval: Some(approval), ..wish("note", &json!({})) };
    assert_eq!(call(&world, &mut tab, "alice", again.clone()).await, Some(Reason::RateLimited));
    a_minute_later(&world, &tab).await;
    assert_eq!(call(&world, &mut tab, "alice", again).await, None, "the yes was still there");
}

#[tokio::test]
async fn a_limit_holds_across_a_restart_because_the_log_is_what_it_is_counted_from() {
    let limits = || vec![limit(20, 3600, &[Each::User, Each::Tool])];
    let world = World::with_limits(permit_all(), limits()).await;
    let mut tab = world.tab("alice").await;
    for _ in 0..19 {
        assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, None);
    }
    let world = world.again(permit_all(), limits()).await.unwrap();
    let mut tab = world.tab("alice").await;
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, None);
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, Some(Reason::RateLimited));
    assert_eq!(call(&world, &mut tab, "alice", wish("find", &json!({}))).await, None, "another tool");
    // The clock is set back: nothing becomes free.
    world.clock.set_back(Duration::from_secs(1800));
    let world = world.again(permit_all(), limits()).await.unwrap();
    let mut tab = world.tab("alice").await;
    assert_eq!(call(&world, &mut tab, "alice", wish("list", &json!({}))).await, Some(Reason::RateLimited));
}

#[tokio::test]
async fn r14_a_hub_that_cannot_read_what_was_performed_does_not_start() {
    let world = World::with_limits(permit_all(), vec![limit(1, 60, &[])]).await;
    world.tables.set_unreadable(true);
    assert!(world.again(permit_all(), vec![limit(1, 60, &[])]).await.is_err());
}
