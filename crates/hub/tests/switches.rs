//! The kill switch: at once, for what matches and nothing else, running calls too, whatever the log does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{Client, EventKind, Facts as _, Operator, Outcome, Reason, Switch, SwitchTarget, TenantId};
use deputy_hub::ports::{Clock as _, SwitchOrder};
use deputy_hub::tickets::{TicketError, TicketWish};
use deputy_hub::{CallEvent, Caller, Denied, Door, Wish};
use deputy_policy::PolicySet;
use deputy_protocol::tab::{CloseCode, TabFrame, ToolResult};
use deputy_testkit::{APP, FakeTab, ORIGIN, Said, TestIssuer, World, wish};
use serde_json::json;
use std::time::Duration;

fn permit_all() -> PolicySet {
    let text = "@id(\"all\")\npermit(principal, action, resource);".to_owned();
    PolicySet::parse(&[("all.cedar".to_owned(), text)]).unwrap()
}

fn tool(name: &str) -> SwitchTarget {
    SwitchTarget::Tool { source: APP.parse().unwrap(), tool: name.parse().unwrap() }
}

fn app(name: &str) -> SwitchTarget {
    SwitchTarget::App { name: name.parse().unwrap() }
}

fn server(name: &str) -> SwitchTarget {
    SwitchTarget::Server { name: name.parse().unwrap() }
}

fn agent(client: &str) -> SwitchTarget {
    SwitchTarget::Agent { client: Client(client.to_owned()) }
}

fn user(subject: &str) -> SwitchTarget {
    SwitchTarget::User { issuer: TestIssuer::ISSUER.parse().unwrap(), subject: subject.parse().unwrap() }
}

/// By somebody on the hub's machine.
fn switch(world: &World, target: SwitchTarget) -> Switch {
    let (tenant, at) = (TenantId::single(), world.clock.now());
    Switch { tenant, target, by: Operator::Machine, reason: Some("an incident".to_owned()), at }
}

fn names(world: &World, caller: &Caller) -> Vec<String> {
    let listed = world.hub.tools(&world.hub.reach(caller.clone()));
    listed.iter().map(|listed| listed.tool.definition.name.to_string()).collect()
}

/// The end of a call that the tab answers if it comes.
async fn end(world: &World, tab: &mut FakeTab, caller: &Caller, wish: Wish) -> Result<(), Reason> {
    let mut events = world.hub.call(caller.clone(), wish);
    loop {
        tokio::select! {
            event = events.next() => match event.unwrap() {
                CallEvent::Done(done) => return done.map(|_| ()).map_err(|refused| refused.reason),
                CallEvent::Parked { .. } => panic!("a person is asked"),
                CallEvent::Progress { .. } | CallEvent::Told(_) => {}
                CallEvent::Replied(_) => panic!("it is a server's"),
            },
            _ = tab.answer("done") => {}
        }
    }
}

/// Cancels that the tab heard, of which call.
fn cancels(tab: &mut FakeTab) -> Vec<String> {
    std::iter::from_fn(|| tab.try_hear())
        .filter_map(|said| match said {
            Said::Cancel(id) => Some(id),
            _ => None,
        })
        .collect()
}

/// What a row of the matrix says: what is stopped of Alice's `note` through `agent-1`, her `list` through it, her `note`
/// through `agent-2`, Bob's `note` through `agent-1`; and whether Alice's tab is closed.
struct Row {
    target: SwitchTarget,
    stops: [bool; 4],
    closes: bool,
}

fn matrix() -> Vec<Row> {
    let row = |target, stops, closes| Row { target, stops, closes };
    vec![
        row(tool("note"), [true, false, true, true], false),
        row(app(APP), [true, true, true, true], true),
        row(agent("agent-1"), [true, true, false, true], false),
        row(user("alice"), [true, true, true, false], true),
        row(SwitchTarget::All, [true, true, true, true], false),
        row(tool("nothing"), [false; 4], false),
        row(app("wiki"), [false; 4], false),
        row(server(APP), [false; 4], false),
        row(agent("agent-3"), [false; 4], false),
        row(user("carol"), [false; 4], false),
    ]
}

#[tokio::test]
async fn every_target_stops_what_matches_hides_it_ends_it_running_and_touches_nothing_else() {
    for Row { target, stops, closes } in matrix() {
        let world = World::with_policy(permit_all()).await;
        let (mut of_alice, mut of_bob) = (world.tab("alice").await, world.tab("bob").await);
        let (alice, bob) = (world.caller("alice").await, world.caller("bob").await);
        let token = world.token_of("agent-2", "alice", "/mcp");
        let through_another = world.hub.authenticate(&Door::Mcp, &token).await.unwrap();
        let mut changes = world.hub.changes(&world.hub.reach(alice.clone()));
        changes.mark_unchanged();
        // One call of each runs.
        let asked = [(&alice, "note"), (&alice, "list"), (&through_another, "note"), (&bob, "note")];
        let mut running = Vec::new();
        for (caller, name) in asked {
            let events = world.hub.call(caller.clone(), wish(name, &json!({})));
            let tab = if caller.user() == bob.user() { &mut of_bob } else { &mut of_alice };
            running.push((events, tab.start_call().await.0));
        }
        let thrown = std::time::Instant::now();
        world.tables.wish(SwitchOrder::Throw(switch(&world, target.clone())));
        world
            .until("the switch is thrown", || !world.hub.switches().thrown(&TenantId::single()).is_empty())
            .await;
        // (c) what runs ends within a second, its tab hears `cancel`, its outcome is recorded; the rest goes on.
        for (at, (events, id)) in running.iter_mut().enumerate() {
            let tab = if at == 3 { &of_bob } else { &of_alice };
            if !stops[at] {
                tab.say(id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
            }
            let Some(CallEvent::Done(done)) = events.next().await else { panic!("{target}: no end") };
            assert_eq!(done.is_err(), stops[at], "{target}: running call {at}: {done:?}");
            if let Err(refused) = done {
                assert_eq!(refused.reason, Reason::OutcomeUnknown, "{target}: it may have run");
                assert!(refused.message.contains("an operator has stopped it"), "{}", refused.message);
            }
        }
        assert!(thrown.elapsed() < Duration::from_secs(2), "{target}: {:?}", thrown.elapsed());
        let cancelled: Vec<bool> = {
            let heard = [cancels(&mut of_alice), cancels(&mut of_bob)].concat();
            running.iter().map(|(_, id)| heard.contains(id)).collect()
        };
        assert_eq!(cancelled, stops, "{target}: which calls heard `cancel`");
        let ended = world.tables.of_kind(EventKind::Outcome);
        assert_eq!(ended.len(), 4, "{target}");
        let unsure = [Some(Outcome::Cancelled), Some(Outcome::Unknown)];
        assert_eq!(
            ended.iter().filter(|line| unsure.contains(&line.outcome)).count(),
            stops.iter().filter(|s| **s).count()
        );
        // (b) lists; agents were told.
        assert!(changes.has_changed().unwrap(), "{target}");
        let hidden = [&alice, &alice, &through_another, &bob].map(|caller| names(&world, caller));
        for (at, name) in ["note", "list", "note", "note"].into_iter().enumerate() {
            assert_eq!(!hidden[at].contains(&name.to_owned()), stops[at], "{target}: list {at}");
        }
        // (d) tabs.
        let code = of_alice.closed().map(|(code, _)| code);
        assert_eq!(code, closes.then_some(CloseCode::Revoked), "{target}");
        assert_eq!(of_bob.closed().is_some(), target == app(APP), "{target}");
        // (a) new calls.
        for (at, (caller, name)) in asked.into_iter().enumerate() {
            let tab = if at == 3 { &mut of_bob } else { &mut of_alice };
            let expected = if stops[at] { Err(Reason::Stopped) } else { Ok(()) };
            assert_eq!(
                end(&world, tab, caller, wish(name, &json!({}))).await,
                expected,
                "{target}: new call {at}"
            );
        }
        // And released, everything goes on, in new tabs where they were closed.
        world.tables.wish(SwitchOrder::Release(switch(&world, target.clone())));
        let thrown = || world.hub.switches().thrown(&TenantId::single());
        world.until("the switch is released", || thrown().is_empty() && world.tables.is_content()).await;
        if closes {
            of_alice = world.tab("alice").await;
        }
        assert_eq!(end(&world, &mut of_alice, &alice, wish("note", &json!({}))).await, Ok(()), "{target}");
        assert_eq!(names(&world, &alice).len(), 6, "{target}");
        let lines =
            [EventKind::SwitchThrown, EventKind::SwitchReleased].map(|kind| world.tables.of_kind(kind));
        assert_eq!(lines.each_ref().map(Vec::len), [1, 1], "{target}");
        assert_eq!(lines[0][0].detail["by"], "machine");
        assert_eq!(lines[0][0].detail["target"], target.code());
        assert_eq!(lines[0][0].detail["personal.why"], "an incident");
    }
}

#[tokio::test]
async fn a_call_that_waits_for_its_place_does_not_begin_once_the_switch_is_thrown() {
    let world = World::with_policy(permit_all()).await;
    let mut tab = world.tab("alice").await;
    let (alice, operator) = (world.caller("alice").await, world.operator("olga").await);
    // Its intent cannot get to the disk, so it waits right before its effect.
    world.tables.set_stalled(true);
    let mut events = world.hub.call(alice, wish("note", &json!({})));
    let waited = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
    assert!(waited.is_err());
    drop(world.hub.switches().throw_as(&operator, tool("note"), None));
    world.tables.set_stalled(false);
    let Some(CallEvent::Done(Err(refused))) = events.next().await else { panic!("it was stopped") };
    assert_eq!(refused.reason, Reason::Stopped);
    assert!(tab.is_quiet());
    let outcomes = world.tables.of_kind(EventKind::Outcome);
    assert_eq!((outcomes[0].outcome, outcomes[0].reason), (Some(Outcome::NotStarted), Some(Reason::Stopped)));
}

#[tokio::test]
async fn a_call_that_waits_for_a_person_is_refused_as_soon_as_the_switch_is_thrown_and_the_yes_is_worth_nothing()
 {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let (alice, operator) = (world.caller("alice").await, world.operator("olga").await);
    let mut events = world.hub.call(alice.clone(), wish("note", &json!({})));
    let Some(CallEvent::Parked { approval, .. }) = events.next().await else { panic!("a person is asked") };
    let again = Wish { approval: Some(approval), ..wish("note", &json!({})) };
    let mut held = world.hub.call(alice, again);
    assert!(tokio::time::timeout(Duration::from_millis(50), held.next()).await.is_err(), "it is held");
    drop(world.hub.switches().throw_as(&operator, tool("note"), None));
    let ended = tokio::time::timeout(Duration::from_secs(1), held.next()).await.unwrap();
    let Some(CallEvent::Done(Err(refused))) = ended else { panic!("{ended:?}") };
    assert_eq!(refused.reason, Reason::Stopped);
    assert!(tab.is_quiet());
}

#[tokio::test]
async fn invariant_14_throwing_never_waits_for_the_log_and_its_line_is_insisted_on() {
    let world = World::with_policy(permit_all()).await;
    let mut tab = world.tab("alice").await;
    let (alice, operator) = (world.caller("alice").await, world.operator("olga").await);
    world.tables.set_broken(true);
    let recorded = world.hub.switches().throw_as(&operator, user("alice"), Some("theft".to_owned()));
    // In force before anything was awaited.
    assert!(names(&world, &alice).is_empty());
    assert_eq!(tab.closed().unwrap().0, CloseCode::Revoked);
    assert!(tab.is_quiet());
    assert!(world.tables.of_kind(EventKind::SwitchThrown).is_empty());
    // What gives rights back does wait: it stays thrown.
    let id = user("alice").id(&TenantId::single());
    assert!(world.hub.switches().release_as(&operator, &id).await.is_err());
    assert_eq!(world.hub.switches().thrown(&TenantId::single()).len(), 1);
    world.tables.set_broken(false);
    tokio::time::timeout(Duration::from_secs(10), recorded).await.unwrap().unwrap();
    let lines = world.tables.of_kind(EventKind::SwitchThrown);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].user.as_ref(), Some(alice.user()));
    assert_eq!(lines[0].detail["personal.by"], operator.user().key());
    assert_eq!(world.tables.kept_switches().len(), 1);
    assert!(world.hub.switches().release_as(&operator, &id).await.unwrap());
    assert!(!world.hub.switches().release_as(&operator, &id).await.unwrap(), "it is not thrown any more");
    assert_eq!(world.tables.of_kind(EventKind::SwitchReleased).len(), 1);
}

#[tokio::test]
async fn a_stopped_person_gets_no_ticket_no_tab_and_no_sign_in_and_a_stopped_app_no_ticket_and_no_tab() {
    let world = World::new().await;
    let operator = world.operator("olga").await;
    let (before_user, before_app) = (world.ticket("alice").await, world.ticket("bob").await);
    drop(world.hub.switches().throw_as(&operator, user("alice"), None));
    for (door, path) in [(Door::Mcp, "/mcp"), (Door::Api, "/api")] {
        let denied = world.hub.authenticate(&door, &world.access_token("alice", path)).await.unwrap_err();
        assert_eq!(denied, Denied::Refused);
    }
    let ticket = |subject: &str| {
        let (app, origin) = (APP.parse().unwrap(), ORIGIN.parse().unwrap());
        let token = world.id_token(subject);
        let hub = world.hub.clone();
        async move {
            hub.tickets()
                .issue(&token, TicketWish { app, origin, session_expires_at: None, session: None })
                .await
                .err()
        }
    };
    assert!(matches!(ticket("alice").await, Some(TicketError::Denied(Denied::Refused))));
    assert!(ticket("bob").await.is_none());
    let document = || deputy_core::DocumentId::fresh().unwrap();
    let opened = FakeTab::connect(&world.hub, &before_user, &document(), ORIGIN).await;
    assert_eq!(opened.err().unwrap().code, CloseCode::Revoked);
    drop(world.hub.switches().throw_as(&operator, app(APP), None));
    assert!(matches!(ticket("bob").await, Some(TicketError::Stopped(_))));
    let opened = FakeTab::connect(&world.hub, &before_app, &document(), ORIGIN).await;
    assert_eq!(opened.err().unwrap().code, CloseCode::Revoked);
}

#[tokio::test]
async fn a_tab_whose_line_was_being_written_when_the_switch_was_thrown_is_not_let_in() {
    let world = World::new().await;
    let operator = world.operator("olga").await;
    let ticket = world.ticket("alice").await;
    world.tables.set_stalled(true);
    let document = deputy_core::DocumentId::fresh().unwrap();
    // Polled in this order: the tab waits for its line when the switch is thrown.
    let (opened, ()) = tokio::join!(FakeTab::connect(&world.hub, &ticket, &document, ORIGIN), async {
        drop(world.hub.switches().throw_as(&operator, app(APP), None));
        world.tables.set_stalled(false);
    });
    assert_eq!(opened.err().unwrap().code, CloseCode::Revoked);
    assert_eq!(world.hub.tabs().users_kept(), 1, "its end is remembered, no tab is");
    assert!(names(&world, &world.caller("alice").await).is_empty());
}

#[tokio::test]
async fn a_restart_keeps_what_is_thrown_and_a_wish_that_waited_and_r14_one_that_cannot_read_it_does_not_start()
 {
    let world = World::new().await;
    let operator = world.operator("olga").await;
    world.hub.switches().throw_as(&operator, tool("note"), None).await.unwrap();
    world.hub.supervisor().shut_down().await;
    // Nobody runs: the wish waits.
    world.tables.wish(SwitchOrder::Throw(switch(&world, agent("agent-1"))));
    world.tables.set_unreadable(true);
    assert!(world.again(permit_all(), Vec::new()).await.is_err());
    world.tables.set_unreadable(false);
    let world = world.again(permit_all(), Vec::new()).await.unwrap();
    let targets: Vec<SwitchTarget> =
        world.hub.switches().thrown(&TenantId::single()).into_iter().map(|switch| switch.target).collect();
    assert_eq!(targets, vec![tool("note"), agent("agent-1")]);
    world.until("the wish is granted", || world.tables.is_content()).await;
    assert_eq!(world.tables.kept_switches().len(), 2);
}

#[tokio::test]
async fn a_switch_that_is_thrown_and_released_while_the_log_is_broken_ends_released_with_both_lines() {
    let world = World::new().await;
    world.tables.set_broken(true);
    world.tables.wish(SwitchOrder::Throw(switch(&world, SwitchTarget::All)));
    world.tables.wish(SwitchOrder::Release(switch(&world, SwitchTarget::All)));
    let all = || world.hub.switches().thrown(&TenantId::single());
    world.until("it is thrown", || !all().is_empty()).await;
    world.tables.set_broken(false);
    world.until("it is released", || all().is_empty() && world.tables.is_content()).await;
    assert!(world.tables.kept_switches().is_empty());
    for kind in [EventKind::SwitchThrown, EventKind::SwitchReleased] {
        assert_eq!(world.tables.of_kind(kind).len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn only_the_operators_own_group_makes_an_operator_and_nobody_who_acts_in_anothers_place() {
    let world = World::new().await;
    assert!(world.hub.switches().is_operator(&world.operator("olga").await));
    assert!(!world.hub.switches().is_operator(&world.person("alice").await));
    let token = world.token_in_groups("alice", &["deputy-operator", "Deputy-Operators", "deputy-operators "]);
    let alike = world.hub.authenticate(&Door::Api, &token).await.unwrap();
    assert!(!world.hub.switches().is_operator(&alike));
}
