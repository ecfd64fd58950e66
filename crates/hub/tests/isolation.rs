//! Invariant 13: over random worlds, a user never sees or reaches another's tab, tool, call or approval.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{EventKind, Facts as _, Reason};
use deputy_hub::{CallEvent, Door};
use deputy_protocol::tab::ByeReason;
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_testkit::{FakeTab, Said, World, wish};
use proptest::prelude::*;
use serde_json::json;

const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// What happens next in a random world.
#[derive(Debug, Clone)]
enum Step {
    Open(usize, usize),
    Call(usize, usize),
    Leave(usize),
    Ask(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_usize, 0..4_usize).prop_map(|(user, tool)| Step::Open(user, tool)),
        (0..3_usize, 0..4_usize).prop_map(|(user, tool)| Step::Call(user, tool)),
        (0..12_usize).prop_map(Step::Leave),
        (0..3_usize).prop_map(Step::Ask),
    ];
    proptest::collection::vec(step, 1..24)
}

struct Open {
    user: usize,
    tool: usize,
    tab: FakeTab,
}

/// Each tab's tool answers with its owner's name, so that a crossed wire shows.
async fn play(steps: Vec<Step>) {
    let world = World::new().await;
    let mut tabs: Vec<Open> = Vec::new();
    for step in steps {
        match step {
            Step::Open(user, tool) => {
                let tab = world.tab(USERS[user]).await;
                tab.offer(&[["list", "find", "note", "odd"][tool]]).await;
                tabs.push(Open { user, tool, tab });
            }
            Step::Leave(index) if index < tabs.len() => {
                let gone = tabs.remove(index);
                gone.tab.say("b", TabFrame::Bye { reason: ByeReason::Closed }).await;
            }
            Step::Leave(_) => {}
            Step::Call(user, tool) => call(&world, &mut tabs, user, tool % 2).await,
            Step::Ask(user) => ask(&world, &tabs, user).await,
        }
        for user in 0..3 {
            sees_only_own(&world, &tabs, user).await;
        }
    }
}

async fn sees_only_own(world: &World, tabs: &[Open], user: usize) {
    let caller = world.caller(USERS[user]).await;
    for listed in world.hub.tools(&world.hub.reach(caller)) {
        assert_eq!(listed.tool.owner.as_ref().map(|owner| owner.subject.as_str()), Some(USERS[user]));
        for summary in &listed.tabs {
            let owner = tabs.iter().find(|open| open.tab.attached.tab().document == summary.id);
            assert_eq!(owner.map(|open| open.user), Some(user), "a listed tab is its user's own");
        }
    }
    let person = world.person(USERS[user]).await;
    for seen in world.hub.approvals().pending(&person).await.unwrap() {
        assert_eq!(seen.record.requester, *person.user());
    }
}

async fn call(world: &World, tabs: &mut [Open], user: usize, tool: usize) {
    let name = ["list", "find"][tool];
    let mut events = world.hub.call(world.caller(USERS[user]).await, wish(name, &json!({})));
    if !tabs.iter().any(|open| open.user == user && open.tool == tool) {
        let Some(CallEvent::Done(Err(refused))) = events.next().await else { panic!("not refused") };
        assert!(matches!(refused.reason, Reason::ToolUnknown | Reason::TabGone), "{refused:?}");
        return;
    }
    let done = loop {
        for open in tabs.iter_mut() {
            while let Some(said) = open.tab.try_hear() {
                if let Said::Call(id, _) = said {
                    assert_eq!(open.user, user, "a call reached another user's tab");
                    open.tab.say(&id, TabFrame::Started).await;
                    let text = USERS[open.user].to_owned();
                    open.tab.say(&id, TabFrame::Result(ToolResult::Text { text })).await;
                }
            }
        }
        if let Ok(done) = tokio::time::timeout(std::time::Duration::from_millis(5), events.next()).await {
            break done;
        }
    };
    let Some(CallEvent::Done(Ok(answer))) = done else { panic!("no answer: {done:?}") };
    assert_eq!(answer.content[0]["text"], USERS[user]);
}

async fn ask(world: &World, tabs: &[Open], user: usize) {
    if !tabs.iter().any(|open| open.user == user && open.tool == 2) {
        return;
    }
    let mut events = world.hub.call(world.caller(USERS[user]).await, wish("note", &json!({"by": user})));
    let Some(CallEvent::Parked { approval, .. }) = events.next().await else { panic!("nobody was asked") };
    let other = world.person(USERS[(user + 1) % 3]).await;
    let own = world.hub.approvals().pending(&world.person(USERS[user]).await).await.unwrap();
    let digest = own.iter().find(|seen| seen.record.id == approval).unwrap().record.digest;
    let word = deputy_hub::approvals::Word::plain(approval, digest, deputy_hub::approvals::Say::Approve);
    assert!(world.hub.approvals().decide(&other, vec![word]).await.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn invariant_13_r20_no_user_ever_sees_or_reaches_anothers(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(steps));
    }
}

#[tokio::test]
async fn a_token_opens_only_the_door_it_is_for() {
    let world = World::new().await;
    let tickets = Door::Tickets("crm".parse().unwrap());
    let tokens = [
        (Door::Mcp, world.access_token("alice", "/mcp")),
        (Door::Api, world.access_token("alice", "/api")),
        (tickets, world.id_token("alice")),
    ];
    for (own, token) in &tokens {
        for (door, _) in &tokens {
            let opened = world.hub.authenticate(door, token).await;
            assert_eq!(opened.is_ok(), door == own, "{own:?} token at {door:?}");
        }
    }
}

#[tokio::test]
async fn the_first_use_of_a_token_is_a_line_and_the_next_is_not() {
    let world = World::new().await;
    for _ in 0..3 {
        world.caller("alice").await;
    }
    assert_eq!(world.tables.of_kind(EventKind::SignIn).len(), 1);
    world.tables.set_broken(true);
    let refused = world.hub.authenticate(&Door::Mcp, &world.access_token("bob", "/mcp")).await;
    assert!(refused.is_err(), "no line, no entrance");
}

#[tokio::test]
async fn b5_the_hub_starts_without_the_provider_and_heals_alone() {
    let world = World::unstarted(deputy_policy::PolicySet::shipped().unwrap());
    world.issuer.set_down(true);
    world.hub.start().await.unwrap();
    let denied = world.hub.authenticate(&Door::Mcp, &world.access_token("alice", "/mcp")).await;
    assert_eq!(denied.err(), Some(deputy_hub::Denied::Unavailable));
    world.issuer.set_down(false);
    world.clock.advance(std::time::Duration::from_secs(31));
    assert!(world.hub.authenticate(&Door::Mcp, &world.access_token("alice", "/mcp")).await.is_ok());
}

#[tokio::test]
async fn p5_what_a_page_says_of_itself_is_shown_and_decides_nothing() {
    let world = World::new().await;
    let page = deputy_protocol::tab::Page {
        url: "https://bank.example/alice".to_owned(),
        title: "Alice's bank\u{7}".to_owned(),
    };
    let (ticket, document) = (world.ticket("bob").await, deputy_core::DocumentId::fresh().unwrap());
    let tab =
        deputy_testkit::FakeTab::connect_saying(&world.hub, &ticket, &document, deputy_testkit::ORIGIN, page);
    let mut tab = tab.await.unwrap();
    tab.offer(&["list"]).await;
    assert!(world.hub.tools(&world.hub.reach(world.caller("alice").await)).is_empty());
    let listed = world.hub.tools(&world.hub.reach(world.caller("bob").await));
    assert_eq!(listed[0].tabs[0].title, "Alice's bank", "display data, without controls");
    assert_eq!(
        listed[0].tool.origin.as_str(),
        deputy_testkit::ORIGIN,
        "the socket's and the ticket's, not the page's"
    );
    let (answer, _) =
        tokio::join!(world.run(world.caller("bob").await, wish("list", &json!({}))), tab.answer("x"));
    assert!(answer.is_ok());
}
