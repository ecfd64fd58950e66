//! Many at once: a hundred agents of one user, a thousand tabs of one user, and what the others notice of it (nothing).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Doors, Reply, Stream};
use deputy_core::{Arguments, DocumentId, EventKind};
use deputy_protocol::tab::{CloseCode, TabFrame, ToolResult};
use deputy_testkit::{APP, FakeTab, ORIGIN, Said, World};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How many of the messages that come until the stream is silent for a while are words of a change.
async fn words(stream: &mut Stream) -> usize {
    let mut count = 0;
    while let Ok(message) = timeout(Duration::from_secs(2), stream.message()).await {
        let message = message.expect("the stream goes on");
        assert_eq!(message["method"], "notifications/tools/list_changed");
        count += 1;
    }
    count
}

async fn listening(doors: &Doors, subject: &str, number: usize) -> Stream {
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let request = doors.modern(subject, &json!(number), "subscriptions/listen", wanted);
    let mut stream = doors.open(request).await;
    assert_eq!(stream.message().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    stream
}

/// A user's agents: one that listens in the modern era, and one per legacy revision with its session's stream.
async fn of_every_era(doors: &Doors, subject: &str) -> Vec<Stream> {
    let mut streams = vec![listening(doors, subject, 1).await];
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let params = json!({"protocolVersion": version, "capabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let reply = doors.send(doors.post(subject, &[], body.to_string())).await;
        let session = reply.header("mcp-session-id").unwrap().to_owned();
        streams.push(doors.open(doors.within("GET", subject, &session)).await);
    }
    streams
}

#[tokio::test(start_paused = true)]
async fn p19_a_burst_of_changes_is_one_word_to_every_agent_of_the_user_in_every_era() {
    let doors = Doors::new().await;
    let tab = doors.world.tab("alice").await;
    let mut alice = of_every_era(&doors, "alice").await;
    let mut bob = of_every_era(&doors, "bob").await;
    for number in 0..20 {
        tab.offer(&["list", &format!("tool{number}")]).await;
    }
    for stream in &mut alice {
        assert_eq!(words(stream).await, 1);
    }
    for stream in &mut bob {
        assert_eq!(words(stream).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn p19_what_leaves_the_list_as_it_was_is_not_told() {
    let doors = Doors::new().await;
    let tab = doors.world.tab("alice").await;
    let mut streams = of_every_era(&doors, "alice").await;
    // The same tools again; a tool that agents never see; a tool that came and went at once.
    tab.offer(&["list", "find", "note", "wipe", "mail", "odd"]).await;
    tab.say("f", TabFrame::Focus { focused: true }).await;
    tab.offer(&["list", "find", "note", "wipe", "mail", "odd", "new"]).await;
    tab.offer(&["list", "find", "note", "wipe", "mail", "odd"]).await;
    for stream in &mut streams {
        assert_eq!(words(stream).await, 0);
    }
    tab.offer(&["list"]).await;
    for stream in &mut streams {
        assert_eq!(words(stream).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn p19_changes_without_end_are_told_at_most_five_times_a_second() {
    let doors = Doors::new().await;
    let tab = doors.world.tab("alice").await;
    let mut streams = of_every_era(&doors, "alice").await;
    let changing = async {
        for number in 0..400 {
            tab.offer(&[&format!("tool{number}")]).await;
            sleep(Duration::from_millis(25)).await;
        }
    };
    let counts = join_all(streams.iter_mut().map(words));
    let (counts, ()) = tokio::join!(counts, changing);
    for count in counts {
        assert!((45..=51).contains(&count), "{count} words in ten seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn p19_a_policy_that_comes_into_force_is_told_to_those_whose_list_it_changes() {
    let doors = Doors::new().await;
    let _alices = doors.world.tab("alice").await;
    let _bobs = doors.world.tab("bob").await;
    let mut alice = of_every_era(&doors, "alice").await;
    let mut bob = of_every_era(&doors, "bob").await;
    let mut tabless = of_every_era(&doors, "carol").await;
    let permit = "@id(\"all\") permit (principal, action, resource);".to_owned();
    let reload = async |files: &[(String, String)]| {
        doors.world.hub.policies().reload(files).await.expect("a good policy");
    };
    reload(&[("a.cedar".to_owned(), permit.clone())]).await;
    for streams in [&mut alice, &mut bob, &mut tabless] {
        for stream in streams {
            // Nothing was hidden before, nothing is now.
            assert_eq!(words(stream).await, 0);
        }
    }
    reload(&[("a.cedar".to_owned(), "@id(\"none\") forbid (principal, action, resource);".to_owned())]).await;
    for stream in alice.iter_mut().chain(&mut bob) {
        assert_eq!(words(stream).await, 1);
    }
    for stream in &mut tabless {
        assert_eq!(words(stream).await, 0);
    }
    let listed = doors.send(doors.modern("alice", &json!(1), "tools/list", json!({}))).await.json();
    assert_eq!(listed["result"]["tools"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn p19_a_session_whose_stream_was_away_is_told_what_changed_meanwhile() {
    let doors = Doors::new().await;
    let tab = doors.world.tab("alice").await;
    let session = doors.initialized("alice").await;
    doors.send(doors.legacy("alice", &session, &json!(1), "tools/list", &json!({}))).await;
    tab.offer(&["list"]).await;
    let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
    assert_eq!(words(&mut stream).await, 1);
    drop(stream);
    tab.offer(&["find"]).await;
    let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
    assert_eq!(words(&mut stream).await, 1);
    drop(stream);
    let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
    assert_eq!(words(&mut stream).await, 0);
}

/// A page that answers every call with its arguments, for as long as it is left alone.
async fn echo(mut tab: FakeTab) {
    loop {
        match tab.listen().await {
            Said::Call(id, call) => {
                tab.say(&id, TabFrame::Accepted).await;
                tab.say(&id, TabFrame::Started).await;
                let text = call.arguments.get().to_owned();
                tab.say(&id, TabFrame::Result(ToolResult::Text { text })).await;
            }
            Said::Ping(id) => tab.say(&id, TabFrame::Pong).await,
            Said::Cancel(_) => {}
        }
    }
}

/// The answer, whether it came as JSON or, because it took long, at the end of a stream.
fn last_of(reply: &Reply) -> Value {
    if reply.header("content-type") == Some("application/json") {
        return reply.json();
    }
    let text = std::str::from_utf8(&reply.body).unwrap();
    let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
    serde_json::from_str(last.expect("a message")).unwrap()
}

/// One agent of a hundred: listens, and calls ten times, one after the other, in the tab that it chose (one tab alone
/// takes 96 at once, P14).
async fn agent(doors: &Doors, number: usize, tab: &DocumentId) -> Stream {
    let modern = number.is_multiple_of(2);
    let session = if modern { String::new() } else { doors.initialized("alice").await };
    let stream = if modern {
        listening(doors, "alice", number).await
    } else {
        doors.open(doors.within("GET", "alice", &session)).await
    };
    for round in 0..10 {
        let arguments = json!({"agent": number, "round": round});
        let params = json!({"name": "crm__list", "arguments": arguments, "_meta": {"dev.deputy/tab": tab}});
        let request = if modern {
            doors.modern("alice", &json!(1), "tools/call", params)
        } else {
            doors.legacy("alice", &session, &json!(1), "tools/call", &params)
        };
        let answer = last_of(&doors.send(request).await);
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert_eq!(serde_json::from_str::<Value>(text).ok(), Some(arguments), "{answer}");
    }
    stream
}

#[tokio::test]
async fn a_hundred_agents_of_one_user_listen_and_call_and_each_gets_its_own_answers() {
    let doors = Doors::new().await;
    let supervisor = doors.world.hub.supervisor().clone();
    let mut tabs = Vec::new();
    for _ in 0..3 {
        let tab = doors.world.tab("alice").await;
        tabs.push(tab.attached.tab().document.clone());
        supervisor.start_until_shutdown(echo(tab));
    }
    let agents = (0..100).map(|number| agent(&doors, number, &tabs[number % tabs.len()]));
    let mut streams = join_all(agents).await;
    assert_eq!(doors.world.tables.of_kind(EventKind::Intent).len(), 1000);
    let outcomes = doors.world.tables.of_kind(EventKind::Outcome);
    assert!(outcomes.len() == 1000 && outcomes.iter().all(|line| line.reason.is_none()));
    let _fourth = doors.world.tab("alice").await;
    for message in join_all(streams.iter_mut().map(Stream::message)).await {
        assert_eq!(message.expect("the stream goes on")["method"], "notifications/tools/list_changed");
    }
}

/// A socket of one more document of `subject`.
async fn one_more(world: &World, subject: &str) -> Result<FakeTab, deputy_hub::tabs::Unwelcome> {
    let ticket = world.ticket(subject).await;
    FakeTab::connect(&world.hub, &ticket, &DocumentId::fresh().unwrap(), ORIGIN).await
}

#[tokio::test]
async fn p18_of_a_thousand_tabs_of_one_user_sixty_four_stay_and_the_others_are_told_why() {
    let world = World::new().await;
    let mut bobs = world.tab("bob").await;
    let arrived = join_all((0..1000).map(|_| one_more(&world, "alice"))).await;
    let (welcome, refused): (Vec<_>, Vec<_>) = arrived.into_iter().partition(Result::is_ok);
    assert_eq!((welcome.len(), refused.len()), (64, 936));
    for unwelcome in refused.into_iter().filter_map(Result::err) {
        assert_eq!((unwelcome.code, unwelcome.code.number()), (CloseCode::RateLimited, 4429));
        assert!(unwelcome.reason.contains("too many tabs"), "{}", unwelcome.reason);
    }
    // Nothing of those that were refused is kept.
    assert_eq!(world.tables.of_kind(EventKind::TabOpened).len(), 65);
    assert_eq!(world.hub.tabs().users_kept(), 2);
    // Bob notices nothing.
    let raw = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
    let wish = deputy_hub::Wish {
        target: deputy_hub::Target::public(&format!("{APP}__list")),
        arguments: Arguments::parse(&raw).unwrap(),
        timeout: None,
        tab: None,
        approval: None,
        batch: None,
        relay: None,
        trace: deputy_hub::traces::Trace::default(),
    };
    let (answer, _) = tokio::join!(world.run(world.caller("bob").await, wish), bobs.answer("three"));
    assert!(!answer.expect("an answer").is_error);
    assert!(one_more(&world, "bob").await.is_ok());
    // One goes, one may come.
    if let Some(Ok(tab)) = welcome.into_iter().next() {
        tab.attached.lost();
    }
    let gone = || world.tables.of_kind(EventKind::TabClosed).len() == 1;
    world.until("the lost tab is off the list", gone).await;
    assert!(one_more(&world, "alice").await.is_ok());
    assert!(one_more(&world, "alice").await.is_err());
}

#[tokio::test]
async fn p18_sixty_four_stay_also_when_all_come_in_while_the_log_is_slow() {
    let world = World::new().await;
    world.tables.set_stalled(true);
    let arriving = join_all((0..200).map(|_| one_more(&world, "alice")));
    let (arrived, ()) = tokio::join!(arriving, async {
        // Polled after all of them: each has passed the first look, and waits for its line.
        world.tables.set_stalled(false);
    });
    assert_eq!(arrived.iter().filter(|tab| tab.is_ok()).count(), 64);
    assert_eq!(
        arrived
            .iter()
            .filter_map(|tab| tab.as_ref().err())
            .filter(|why| why.code == CloseCode::RateLimited)
            .count(),
        136
    );
}
