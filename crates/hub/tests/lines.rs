//! What the lines of a call say (AUD-07), and when they are handed to the log.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{EventKind, Outcome};
use deputy_hub::ports::Clock as _;
use deputy_hub::{CallEvent, Door, Trust};
use deputy_policy::PolicySet;
use deputy_testkit::{FakeUpstream, PUBLIC_URL, TestIssuer, World, relayed, wish};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn aud_07_an_intent_names_who_through_whom_what_and_by_which_right_and_the_outcome_how_it_ended() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let now = world.clock.now().seconds();
    let act = json!({ "sub": "agent-7", "act": { "sub": "agent-3" } });
    let token = world.issuer.sign(
        "at+jwt",
        &json!({
            "iss": TestIssuer::ISSUER, "sub": "alice", "aud": format!("{PUBLIC_URL}/mcp"), "client_id": "agent-1",
            "iat": now, "exp": now + 3600, "jti": "token-1", "act": act,
        }),
    );
    let caller = world.hub.authenticate(&Door::Mcp, &token).await.unwrap();
    let (answer, _) = tokio::join!(world.run(caller, wish("list", &json!({}))), tab.answer("done"));
    answer.unwrap();
    let (intents, outcomes) =
        (world.tables.of_kind(EventKind::Intent), world.tables.of_kind(EventKind::Outcome));
    for line in [&intents[0], &outcomes[0]] {
        assert_eq!(line.user.as_ref().unwrap().subject.as_str(), "alice");
        assert_eq!(line.client.as_ref().unwrap().0, "agent-1");
        assert!(line.agent.is_some());
        assert_eq!(line.detail["personal.acting"], json!({ "act": act }), "the whole chain");
        assert_eq!(line.call, intents[0].call);
        assert!(line.call.is_some() && line.source.is_some() && line.class.is_some());
        assert!(line.definition.is_some() && line.arguments.is_some() && line.tab.is_some());
        assert_eq!(line.tool.as_ref().unwrap().as_str(), "list");
    }
    assert!(!intents[0].policies.is_empty() && intents[0].policy_version.is_some());
    assert_eq!(intents[0].lane.as_deref(), Some("session"));
    assert_eq!(outcomes[0].outcome, Some(Outcome::Succeeded));
}

async fn serving(files: &Arc<FakeUpstream>) -> World {
    let text = "@id(\"all\") permit(principal, action, resource);".to_owned();
    let policy = PolicySet::parse(&[("all.cedar".to_owned(), text)]).unwrap();
    World::with_servers(policy, vec![("files", Arc::clone(files), Trust::FirstUse)]).await
}

#[tokio::test]
async fn a_read_that_a_server_answers_at_once_is_one_commit() {
    let files = FakeUpstream::with_tools(&["list"]);
    let world = serving(&files).await;
    let caller = world.caller_at("files", "alice").await;
    let mut events = world.hub.call(caller, relayed("files", "tools/call", &json!({"name": "list"})));
    assert!(matches!(events.next().await, Some(CallEvent::Replied(_))));
    let handed_over = world.tables.until_handed_over(&[EventKind::Intent, EventKind::Outcome]).await;
    assert!(!handed_over.contains(&vec![EventKind::Intent]), "and its intent is not written twice");
}

#[tokio::test(start_paused = true)]
async fn aud_01_a_read_that_a_server_takes_long_for_is_in_the_log_while_it_runs() {
    let files = FakeUpstream::with_tools(&["list"]);
    files.hangs();
    let world = serving(&files).await;
    let caller = world.caller_at("files", "alice").await;
    let began = tokio::time::Instant::now();
    let _events = world.hub.call(caller, relayed("files", "tools/call", &json!({"name": "list"})));
    world.tables.until_handed_over(&[EventKind::Intent]).await;
    assert!(began.elapsed() <= Duration::from_millis(10), "after {:?}", began.elapsed());
    assert!(world.tables.of_kind(EventKind::Outcome).is_empty());
}

#[tokio::test]
async fn invariant_14_a_read_whose_line_had_gone_ahead_and_failed_is_written_with_its_outcome() {
    let files = FakeUpstream::with_tools(&["list"]);
    let world = serving(&files).await;
    let caller = world.caller_at("files", "alice").await;
    let list = relayed("files", "tools/call", &json!({"name": "list"}));
    // Its definition is pinned at the first.
    let first = world.hub.call(caller.clone(), list.clone()).next().await;
    assert!(matches!(first, Some(CallEvent::Replied(_))), "{first:?}");
    files.hangs();
    world.tables.set_broken(true);
    let failures = world.tables.failures();
    let mut events = world.hub.call(caller, list);
    world.until("the line failed", || world.tables.failures() > failures).await;
    world.tables.set_broken(false);
    events.cancel();
    let refused = events.next().await;
    assert!(matches!(refused, Some(CallEvent::Done(Err(_)))), "{refused:?}");
    world.until("both lines", || world.tables.of_kind(EventKind::Outcome).len() == 2).await;
    assert_eq!(world.tables.of_kind(EventKind::Intent).len(), 2);
}
