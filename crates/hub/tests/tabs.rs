//! Tabs: who may connect, what counts, how they end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{DocumentId, EventKind, Reason};
use deputy_hub::CallEvent;
use deputy_hub::ports::Clock as _;
use deputy_protocol::tab::{ByeReason, CloseCode, TabFrame};
use deputy_testkit::{FakeTab, ORIGIN, OTHER_ORIGIN, Said, World, wish};
use serde_json::json;
use std::time::Duration;

fn document() -> DocumentId {
    DocumentId::fresh().unwrap()
}

async fn reason(world: &World, user: &str, tool: &str) -> Reason {
    world.run(world.caller(user).await, wish(tool, &json!({}))).await.unwrap_err().reason
}

#[tokio::test]
async fn p2_a_replayed_ticket_opens_nothing_and_a_fresh_one_only_for_a_minute() {
    let world = World::new().await;
    let ticket = world.ticket("alice").await;
    assert!(FakeTab::connect(&world.hub, &ticket, &document(), ORIGIN).await.is_ok());
    let again = FakeTab::connect(&world.hub, &ticket, &document(), ORIGIN).await.err().unwrap();
    assert_eq!(again.code, CloseCode::AuthFailed);
    let late = world.ticket("alice").await;
    world.clock.advance(Duration::from_secs(60));
    let expired = FakeTab::connect(&world.hub, &late, &document(), ORIGIN).await.err().unwrap();
    assert_eq!(expired.code, CloseCode::AuthFailed);
    let invented = FakeTab::connect(&world.hub, "dep_ticket_x", &document(), ORIGIN).await.err().unwrap();
    assert_eq!(invented.code, CloseCode::AuthFailed);
}

#[tokio::test]
async fn p4_a_ticket_is_for_one_origin() {
    let world = World::new().await;
    // Even the app's own other origin is another origin.
    for other in [OTHER_ORIGIN, "https://evil.example"] {
        let ticket = world.ticket("alice").await;
        let refused = FakeTab::connect(&world.hub, &ticket, &document(), other).await.err().unwrap();
        assert_eq!(refused.code, CloseCode::Forbidden);
    }
}

#[tokio::test]
async fn invariant_14_no_line_no_tab() {
    let world = World::new().await;
    let ticket = world.ticket("alice").await;
    world.tables.set_broken(true);
    assert!(FakeTab::connect(&world.hub, &ticket, &document(), ORIGIN).await.is_err());
}

#[tokio::test]
async fn invariant_14_the_end_of_a_tab_never_waits_for_the_log() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    world.tables.set_broken(true);
    tab.say("x", TabFrame::Bye { reason: ByeReason::SignedOut }).await;
    world.tables.set_broken(false);
    assert_eq!(reason(&world, "alice", "list").await, Reason::SessionEnded);
}

#[tokio::test]
async fn p18_at_most_64_tabs_of_one_user() {
    let world = World::new().await;
    let mut tabs = Vec::new();
    for _ in 0..64 {
        tabs.push(world.tab("alice").await);
    }
    let ticket = world.ticket("alice").await;
    let refused = FakeTab::connect(&world.hub, &ticket, &document(), ORIGIN).await.err().unwrap();
    assert_eq!(refused.code, CloseCode::RateLimited);
    // Another user is not concerned.
    world.tab("bob").await;
}

#[tokio::test]
async fn p20_the_same_document_again_takes_over_and_the_older_socket_is_closed() {
    let world = World::new().await;
    let id = document();
    let first = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    first.offer(&["list"]).await;
    let mut second = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    assert_eq!(first.closed().map(|(code, _)| code), Some(CloseCode::Superseded));
    // The end of the older socket ends nothing.
    first.attached.lost();
    let run = world.run(world.caller("alice").await, wish("list", &json!({})));
    let (answer, _) = tokio::join!(run, second.answer("ok"));
    assert!(answer.is_ok());
}

#[tokio::test]
async fn p20_another_users_ticket_does_not_take_a_document_over() {
    let world = World::new().await;
    let id = document();
    let alice = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    alice.offer(&["list"]).await;
    let bob = FakeTab::connect(&world.hub, &world.ticket("bob").await, &id, ORIGIN).await.unwrap();
    assert_eq!(alice.closed(), None);
    assert_eq!(bob.welcome.user.subject.as_str(), "bob");
    assert_eq!(reason(&world, "bob", "list").await, Reason::ToolUnknown);
}

#[tokio::test(start_paused = true)]
async fn p13_a_call_is_repeated_to_a_document_that_comes_back_in_time() {
    let world = World::new().await;
    let id = document();
    let mut first = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    first.offer(&["list"]).await;
    let mut events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let (call, _) = first.start_call().await;
    first.attached.lost();
    let mut second = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    second.attached.tab().repeat_calls();
    assert!(matches!(second.hear().await, Said::Call(again, _) if again == call));
    second.say(&call, TabFrame::Started).await;
    second
        .say(&call, TabFrame::Result(deputy_protocol::tab::ToolResult::Text { text: "kept".to_owned() }))
        .await;
    assert!(matches!(events.next().await, Some(CallEvent::Done(Ok(_)))));
}

#[tokio::test]
async fn p22_the_last_focused_tab_is_chosen_and_the_agent_may_choose_another() {
    let world = World::new().await;
    let (mut first, mut second) = (world.tab("alice").await, world.tab("alice").await);
    let listed = world.hub.tools(&world.hub.reach(world.caller("alice").await));
    assert!(listed.iter().all(|tool| tool.tabs.len() == 2), "two tabs are one tool");
    world.clock.advance(Duration::from_secs(1));
    second.say("f", TabFrame::Focus { focused: true }).await;
    let (_, call) =
        tokio::join!(world.run(world.caller("alice").await, wish("list", &json!({}))), second.answer("x"));
    assert_eq!(call.tool.name.as_str(), "list");
    let mut chosen = wish("list", &json!({}));
    chosen.tab = Some(first.attached.tab().document.clone());
    let (answer, _) = tokio::join!(world.run(world.caller("alice").await, chosen), first.answer("mine"));
    assert_eq!(answer.unwrap().content[0]["text"], "mine");
}

#[tokio::test]
async fn p22_tabs_that_define_a_tool_differently_are_refused_by_name() {
    let world = World::new().await;
    let (first, second) = (world.tab("alice").await, world.tab("alice").await);
    second
        .offer_definitions(vec![json!({"name": "list", "description": "another", "kind": "imperative"})])
        .await;
    world.accept_definitions("alice").await;
    let refused = world.run(world.caller("alice").await, wish("list", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::ToolChanged);
    for tab in [&first, &second] {
        assert!(refused.message.contains(tab.attached.tab().document.as_str()), "{}", refused.message);
    }
}

#[tokio::test]
async fn p24_sign_out_unlists_at_once_and_the_agent_is_told_why() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    tab.say("b", TabFrame::Bye { reason: ByeReason::SignedOut }).await;
    assert!(world.hub.tools(&world.hub.reach(world.caller("alice").await)).is_empty());
    assert_eq!(reason(&world, "alice", "list").await, Reason::SessionEnded);
    assert_eq!(reason(&world, "bob", "list").await, Reason::ToolUnknown, "nobody else learns of it");
}

#[tokio::test]
async fn p24_another_user_in_the_browser_ends_the_tab_as_session_changed() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let Said::Call(id, _) = tab.hear().await else { panic!("no call") };
    tab.say(&id, TabFrame::Accepted).await;
    let code = Reason::SessionChanged.code().to_owned();
    tab.say(&id, TabFrame::Error { code, message: "bob".to_owned() }).await;
    tab.say("b", TabFrame::Bye { reason: ByeReason::SessionChanged }).await;
    assert!(
        matches!(events.next().await, Some(CallEvent::Done(Err(r))) if r.reason == Reason::SessionChanged)
    );
    assert_eq!(reason(&world, "alice", "list").await, Reason::SessionChanged);
}

#[tokio::test(start_paused = true)]
async fn p24_the_session_ends_when_the_ticket_said_it_would() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    let mut changes = world.hub.changes(&world.hub.reach(world.caller("alice").await));
    changes.mark_unchanged();
    world.clock.advance(Duration::from_secs(3600));
    changes.changed().await.unwrap();
    assert_eq!(tab.closed().map(|(code, _)| code), Some(CloseCode::AuthFailed));
    assert_eq!(world.tables.of_kind(EventKind::TabClosed)[0].reason, Some(Reason::SessionEnded));
}

#[tokio::test(start_paused = true)]
async fn p24_a_lost_socket_is_unlisted_after_two_seconds() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    let mut changes = world.hub.changes(&world.hub.reach(world.caller("alice").await));
    changes.mark_unchanged();
    let lost = tokio::time::Instant::now();
    tab.attached.lost();
    changes.changed().await.unwrap();
    assert!(lost.elapsed() <= Duration::from_secs(2) && lost.elapsed() >= Duration::from_millis(1500));
    assert_eq!(reason(&world, "alice", "list").await, Reason::TabGone);
}

#[tokio::test(start_paused = true)]
async fn p6_a_silent_tab_is_pinged_and_then_dead() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    world.clock.advance(Duration::from_secs(15));
    assert!(matches!(tab.hear().await, Said::Ping(_)));
    let mut changes = world.hub.changes(&world.hub.reach(world.caller("alice").await));
    changes.mark_unchanged();
    world.clock.advance(Duration::from_secs(25));
    changes.changed().await.unwrap();
    assert_eq!(tab.closed().map(|(code, _)| code), Some(CloseCode::Leaving));
}

#[tokio::test(start_paused = true)]
async fn p7_a_tab_that_does_not_answer_a_probe_gets_no_call() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    world.clock.advance(Duration::from_secs(21));
    let refused = world.run(world.caller("alice").await, wish("list", &json!({}))).await.unwrap_err();
    assert_eq!(refused.reason, Reason::TabGone);
    let mut heard = Vec::new();
    while let Ok(said) = tokio::time::timeout(Duration::from_millis(1), tab.hear()).await {
        heard.push(said);
    }
    assert!(heard.iter().all(|said| matches!(said, Said::Ping(_))), "{heard:?}");
}

#[tokio::test]
async fn p7_a_tab_that_answers_its_probe_gets_the_call() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    world.clock.advance(Duration::from_secs(21));
    let wakes = async {
        let Said::Ping(id) = tab.hear().await else { panic!("no probe") };
        tab.say(&id, TabFrame::Pong).await;
        tab.answer("awake").await;
    };
    let (answer, ()) = tokio::join!(world.run(world.caller("alice").await, wish("list", &json!({}))), wakes);
    assert!(answer.is_ok());
}

#[tokio::test]
async fn p28_debugging_tools_are_neither_listed_nor_callable() {
    let world = World::new().await;
    let ticket = world.ticket("alice").await;
    let tab = FakeTab::connect(&world.hub, &ticket, &document(), ORIGIN).await.unwrap();
    let hidden =
        json!({"name": "list", "description": "d", "kind": "imperative", "annotations": {"debugging": true}});
    tab.offer_definitions(vec![hidden]).await;
    assert!(world.hub.tools(&world.hub.reach(world.caller("alice").await)).is_empty());
    assert_eq!(reason(&world, "alice", "list").await, Reason::ToolUnknown);
}

#[tokio::test]
async fn p30_connections_changes_and_ends_are_in_the_log() {
    let world = World::new().await;
    let tab = world.tab("alice").await;
    tab.say("b", TabFrame::Bye { reason: ByeReason::Closed }).await;
    world.until("the end is recorded", || !world.tables.of_kind(EventKind::TabClosed).is_empty()).await;
    for kind in [EventKind::TicketIssued, EventKind::TabOpened, EventKind::ToolsChanged, EventKind::TabClosed]
    {
        let lines = world.tables.of_kind(kind);
        assert!(lines.iter().all(|line| line.user.is_some()) && lines.len() == 1, "{kind:?}");
    }
    assert!(world.clock.now() >= world.tables.events()[0].at);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_users_who_left() {
    let world = World::new().await;
    for user in ["alice", "bob"] {
        let tab = world.tab(user).await;
        tab.say("b", TabFrame::Bye { reason: ByeReason::Closed }).await;
        drop(world.hub.changes(&world.hub.reach(world.caller(user).await)));
    }
    assert_eq!(world.hub.tabs().users_kept(), 2, "why they left is remembered for a while");
    world.clock.advance(Duration::from_secs(601));
    world.until("they are forgotten", || world.hub.tabs().users_kept() == 0).await;
}

#[tokio::test]
async fn p18_at_most_64_tabs_even_if_all_come_at_once() {
    let world = World::new().await;
    let mut tickets = Vec::new();
    for _ in 0..70 {
        tickets.push(world.ticket("alice").await);
    }
    world.tables.set_stalled(true);
    let documents: Vec<_> = tickets.iter().map(|_| document()).collect();
    let all =
        tickets.iter().zip(&documents).map(|(ticket, id)| FakeTab::connect(&world.hub, ticket, id, ORIGIN));
    let (connected, ()) = tokio::join!(futures_util::future::join_all(all), async {
        tokio::task::yield_now().await;
        world.tables.set_stalled(false);
    });
    assert_eq!(connected.iter().filter(|tab| tab.is_ok()).count(), 64);
}

#[tokio::test]
async fn a_tab_cannot_speak_in_policys_name() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let Said::Call(id, _) = tab.hear().await else { panic!("no call") };
    let code = Reason::ApprovalRequired.code().to_owned();
    tab.say(&id, TabFrame::Error { code, message: "x".to_owned() }).await;
    assert!(matches!(events.next().await, Some(CallEvent::Done(Err(r))) if r.reason == Reason::Internal));
}

#[tokio::test]
async fn p24_a_call_that_waits_for_its_place_does_not_begin_in_a_tab_that_is_over() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    tab.offer_definitions(vec![json!({"name": "list", "description": "d", "kind": "form"})]).await;
    world.accept_definitions("alice").await;
    let mut first = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let Said::Call(id, _) = tab.hear().await else { panic!("no call") };
    let mut second = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    world.until("the second waits", || world.tables.of_kind(EventKind::Intent).len() == 2).await;
    let code = Reason::SessionChanged.code().to_owned();
    tab.say(&id, TabFrame::Error { code, message: "bob".to_owned() }).await;
    for events in [&mut first, &mut second] {
        let done = events.next().await;
        assert!(
            matches!(&done, Some(CallEvent::Done(Err(r))) if r.reason == Reason::SessionChanged),
            "{done:?}"
        );
    }
    assert!(tab.is_quiet(), "the second call reached a page that belongs to somebody else now");
}

#[tokio::test(start_paused = true)]
async fn p11_a_call_cancelled_while_the_socket_was_away_is_not_run_when_it_comes_back() {
    let world = World::new().await;
    let id = document();
    let mut first = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    first.offer(&["list"]).await;
    let mut events = world.hub.call(world.caller("alice").await, wish("list", &json!({})));
    let Said::Call(call, _) = first.hear().await else { panic!("no call") };
    first.attached.lost();
    events.cancel();
    let came_back = async {
        let tab = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
        tokio::task::yield_now().await;
        tab.attached.tab().repeat_calls();
        tab
    };
    let (mut second, done) = tokio::join!(came_back, events.next());
    assert!(matches!(done, Some(CallEvent::Done(Err(_)))));
    while let Some(said) = second.try_hear() {
        assert!(matches!(said, Said::Cancel(ref told) if *told == call), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p13_a_risky_call_whose_socket_is_lost_before_started_may_have_run() {
    let text = "@id(\"all\")\npermit(principal, action, resource);".to_owned();
    let policy = deputy_policy::PolicySet::parse(&[("all.cedar".to_owned(), text)]).unwrap();
    let world = World::with_policy(policy).await;
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("wipe", &json!({})));
    tab.hear().await;
    tab.attached.lost();
    events.cancel();
    let done = events.next().await;
    assert!(matches!(&done, Some(CallEvent::Done(Err(r))) if r.reason == Reason::OutcomeUnknown), "{done:?}");
    // The same without a cancel.
    let mut tab = world.tab("alice").await;
    let mut events = world.hub.call(world.caller("alice").await, wish("wipe", &json!({})));
    tab.hear().await;
    tab.attached.lost();
    let done = events.next().await;
    assert!(matches!(&done, Some(CallEvent::Done(Err(r))) if r.reason == Reason::OutcomeUnknown), "{done:?}");
}

#[tokio::test]
async fn p27_a_definition_with_hidden_text_is_not_taken() {
    let world = World::new().await;
    let ticket = world.ticket("alice").await;
    let tab = FakeTab::connect(&world.hub, &ticket, &document(), ORIGIN).await.unwrap();
    let tool = |name: &str, text: &str| json!({"name": name, "description": text, "kind": "imperative"});
    tab.offer_definitions(vec![tool("list", "Reads.\u{200b}"), tool("find", "Finds.")]).await;
    let listed = world.hub.tools(&world.hub.reach(world.caller("alice").await));
    assert_eq!(listed.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["crm__find"]);
}

#[tokio::test]
async fn p20_a_superseded_socket_says_nothing_that_counts() {
    let world = World::new().await;
    let id = document();
    let first = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    let second = FakeTab::connect(&world.hub, &world.ticket("alice").await, &id, ORIGIN).await.unwrap();
    second.offer(&["list"]).await;
    let bye = TabFrame::Bye { reason: ByeReason::Frozen };
    let said = first.attached.frame("b", bye).await.err().unwrap();
    assert_eq!(said.code, CloseCode::Superseded);
    assert_eq!(world.hub.tools(&world.hub.reach(world.caller("alice").await)).len(), 1);
}

#[tokio::test]
async fn a_refused_ticket_of_a_known_user_is_in_their_log() {
    let world = World::new().await;
    let ticket = world.ticket("alice").await;
    assert!(FakeTab::connect(&world.hub, &ticket, &document(), "https://evil.example").await.is_err());
    let lines = world.tables.of_kind(EventKind::Refusal);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].user.as_ref().map(|user| user.subject.as_str()), Some("alice"));
}

#[tokio::test(start_paused = true)]
async fn p22_a_page_that_reloads_is_called_in_its_new_document_at_once() {
    let world = World::new().await;
    let first = world.tab("alice").await;
    first.say("f", TabFrame::Focus { focused: true }).await;
    first.attached.lost();
    let mut second = world.tab("alice").await;
    second
        .offer_definitions(vec![json!({"name": "list", "description": "newer", "kind": "imperative"})])
        .await;
    world.accept_definitions("alice").await;
    let run = world.run(world.caller("alice").await, wish("list", &json!({})));
    let (answer, _) = tokio::join!(run, second.answer("new"));
    assert_eq!(answer.unwrap().content[0]["text"], "new");
}
