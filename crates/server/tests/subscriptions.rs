//! Streams that are open when a right ends: within a second nothing of the source is told, nor listened to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Doors, Stream};
use deputy_core::{Client, SwitchTarget, TenantId};
use deputy_testkit::{FakeUpstream, TestIssuer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const URI: &str = "file:///a";
const METHODS: [&str; 3] = [
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/tools/list_changed",
];

async fn doors(path: &str) -> (Doors, Arc<FakeUpstream>) {
    let files = FakeUpstream::with_tools(&["list"]);
    (Doors::before(&files, path).await, files)
}

/// A switch for all of the server.
fn whole() -> [SwitchTarget; 3] {
    [
        SwitchTarget::Server { name: "files".parse().unwrap() },
        SwitchTarget::Agent { client: Client("agent-1".to_owned()) },
        SwitchTarget::All,
    ]
}

fn reading() -> SwitchTarget {
    SwitchTarget::Tool { source: "files".parse().unwrap(), tool: "resources/read".parse().unwrap() }
}

fn person() -> SwitchTarget {
    SwitchTarget::User { issuer: TestIssuer::ISSUER.parse().unwrap(), subject: "alice".parse().unwrap() }
}

async fn throw(doors: &Doors, target: &SwitchTarget) {
    let olga = doors.world.operator("olga").await;
    drop(doors.world.hub.switches().throw_as(&olga, target.clone(), None));
}

async fn release(doors: &Doors, target: &SwitchTarget) {
    let olga = doors.world.operator("olga").await;
    let id = target.id(&TenantId::single());
    assert!(doors.world.hub.switches().release_as(&olga, &id).await.unwrap());
}

/// A stream at the server's own address that hears everything of it, in this era.
async fn listens(doors: &Doors, era: &str) -> Stream {
    if era == "modern" {
        let wanted = json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true,
            "resourcesListChanged": true, "resourceSubscriptions": [URI]}});
        let mut stream = doors.open(doors.modern("alice", &json!("s"), "subscriptions/listen", wanted)).await;
        assert_eq!(stream.message().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
        return stream;
    }
    let session = doors.initialized("alice").await;
    let stream = doors.open(doors.within("GET", "alice", &session)).await;
    subscribes(doors, &session, URI).await;
    stream
}

async fn subscribes(doors: &Doors, session: &str, uri: &str) {
    let wish = doors.legacy("alice", session, &json!(1), "resources/subscribe", &json!({"uri": uri}));
    assert_eq!(doors.send(wish).await.json()["result"], json!({}));
}

/// The next messages' methods, in the order of the alphabet.
async fn methods(stream: &mut Stream, count: usize) -> Vec<String> {
    let mut methods = Vec::new();
    for _ in 0..count {
        let message = stream.message().await.expect("the stream ended");
        methods.push(message["method"].as_str().expect("a notification").to_owned());
    }
    methods.sort();
    methods
}

/// What is told when a right ends, and that within a second nobody listens to the resource.
async fn ending(doors: &Doors, files: &FakeUpstream, stream: &mut Stream, count: usize) -> Vec<String> {
    let thrown = Instant::now();
    let told = methods(stream, count).await;
    doors.world.until("nobody listens to the resource", || files.listeners(URI) == 0).await;
    assert!(thrown.elapsed() < Duration::from_secs(1), "{:?}", thrown.elapsed());
    told
}

#[tokio::test]
async fn rule_14_a_thrown_switch_silences_an_open_stream_and_ends_what_is_relayed_until_it_is_released() {
    for era in ["modern", "legacy"] {
        for target in whole() {
            let (doors, files) = doors("/s/files/mcp").await;
            let mut stream = listens(&doors, era).await;
            files.updated(URI);
            assert_eq!(methods(&mut stream, 1).await, ["notifications/resources/updated"], "{era} {target}");
            throw(&doors, &target).await;
            // Their lists are empty now: that is all that is told.
            assert_eq!(ending(&doors, &files, &mut stream, 3).await, METHODS, "{era} {target}");
            files.prompts_changed();
            files.set_tools(Vec::new());
            files.updated(URI);
            release(&doors, &target).await;
            let back = [
                "notifications/prompts/list_changed",
                "notifications/resources/list_changed",
                "notifications/resources/updated",
                "notifications/tools/list_changed",
            ];
            assert_eq!(methods(&mut stream, 4).await, back, "{era} {target}");
            files.updated(URI);
            assert_eq!(methods(&mut stream, 1).await, ["notifications/resources/updated"], "{era} {target}");
        }
    }
}

/// The caller hears that its resources changed, and from then on of prompts, and of no resource.
async fn hears_of_prompts_alone(doors: &Doors, files: &FakeUpstream, stream: &mut Stream, era: &str) {
    let told = ending(doors, files, stream, 1).await;
    assert_eq!(told, ["notifications/resources/list_changed"], "{era}");
    files.updated(URI);
    files.prompts_changed();
    assert_eq!(methods(stream, 1).await, ["notifications/prompts/list_changed"], "{era}");
}

#[tokio::test]
async fn rule_14_a_switch_for_reading_resources_silences_them_alone() {
    for era in ["modern", "legacy"] {
        let (doors, files) = doors("/s/files/mcp").await;
        let mut stream = listens(&doors, era).await;
        throw(&doors, &reading()).await;
        hears_of_prompts_alone(&doors, &files, &mut stream, era).await;
    }
}

#[tokio::test]
async fn rule_14_a_policy_that_changes_silences_what_it_no_longer_allows() {
    for era in ["modern", "legacy"] {
        let (doors, files) = doors("/s/files/mcp").await;
        let mut stream = listens(&doors, era).await;
        let policy =
            r#"@id("p") permit(principal, action, resource) unless { resource.name == "resources/read" };"#;
        let policy = [("all.cedar".to_owned(), policy.to_owned())];
        doors.world.hub.policies().reload(&policy).await.unwrap();
        hears_of_prompts_alone(&doors, &files, &mut stream, era).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rule_14_prompts_that_change_for_a_second_are_told_five_times_and_the_last_of_it_too() {
    for era in ["modern", "legacy"] {
        let (doors, files) = doors("/s/files/mcp").await;
        let mut stream = listens(&doors, era).await;
        let busy = async {
            for _ in 0..100 {
                files.prompts_changed();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let mut told = 0;
        tokio::pin!(busy);
        loop {
            tokio::select! {
                biased;
                message = stream.message() => {
                    assert_eq!(message.unwrap()["method"], "notifications/prompts/list_changed", "{era}");
                    told += 1;
                }
                () = &mut busy => break,
            }
        }
        assert!((3..=5).contains(&told), "{era}: {told}");
        assert_eq!(methods(&mut stream, 1).await, ["notifications/prompts/list_changed"], "{era}");
    }
}

#[tokio::test]
async fn a_stopped_persons_streams_end_at_once() {
    for path in ["/s/files/mcp", "/mcp"] {
        let (doors, _files) = doors(path).await;
        let wanted = json!({"notifications": {"toolsListChanged": true}});
        let mut modern = doors.open(doors.modern("alice", &json!("s"), "subscriptions/listen", wanted)).await;
        assert!(modern.message().await.unwrap()["method"].is_string());
        let session = doors.initialized("alice").await;
        let mut legacy = doors.open(doors.within("GET", "alice", &session)).await;
        let thrown = Instant::now();
        throw(&doors, &person()).await;
        let end = modern.message().await.unwrap();
        assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!("s"), &json!("complete")), "{path}");
        assert!(modern.message().await.is_none(), "{path}");
        assert!(legacy.message().await.is_none(), "{path}");
        assert!(thrown.elapsed() < Duration::from_secs(1), "{path}");
    }
}

#[tokio::test]
async fn rule_14_at_the_one_address_too_a_relayed_subscription_ends_with_the_right_to_it() {
    let (doors, files) = doors("/mcp").await;
    let session = doors.initialized("alice").await;
    subscribes(&doors, &session, "files+file:///a").await;
    // Nobody listens on the stream yet, so what is heard waits.
    files.updated(URI);
    let target = reading();
    throw(&doors, &target).await;
    doors.world.until("nobody listens to the resource", || files.listeners(URI) == 0).await;
    let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
    release(&doors, &target).await;
    doors.world.until("it is listened to again", || files.listeners(URI) == 1).await;
    let told = stream.message().await.unwrap();
    assert_eq!(told["params"], json!({"uri": "files+file:///a"}));
    files.updated(URI);
    assert_eq!(methods(&mut stream, 1).await, ["notifications/resources/updated"]);
}

#[tokio::test]
async fn rule_14_at_the_one_address_a_listener_hears_of_resources_by_their_public_names_while_it_may() {
    let (doors, files) = doors("/mcp").await;
    let uris = ["files+file:///a", "other+file:///a", "file:///a"];
    let wanted = json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": uris}});
    let mut stream = doors.open(doors.modern("alice", &json!("s"), "subscriptions/listen", wanted)).await;
    let granted = &stream.message().await.unwrap()["params"]["notifications"];
    assert_eq!(granted, &json!({"toolsListChanged": true, "resourceSubscriptions": ["files+file:///a"]}));
    files.updated(URI);
    let told = stream.message().await.unwrap();
    assert_eq!(told["params"]["uri"], "files+file:///a");
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    let target = reading();
    throw(&doors, &target).await;
    doors.world.until("nobody listens to the resource", || files.listeners(URI) == 0).await;
    release(&doors, &target).await;
    assert_eq!(methods(&mut stream, 1).await, ["notifications/resources/updated"]);
    drop(stream);
    doors.world.until("its end is heard", || files.listeners(URI) == 0).await;
}

#[tokio::test]
async fn rule_14_whoever_may_not_reach_a_server_does_not_hear_at_the_one_address_that_its_tools_changed() {
    let (files, other) = (FakeUpstream::with_tools(&["list"]), FakeUpstream::with_tools(&["find"]));
    let doors = Doors::before_both(&files, &other).await;
    let listed = doors.send(doors.modern("alice", &json!(1), "tools/list", json!({}))).await.json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 2);
    let policy = r#"@id("p") permit(principal, action, resource) unless { resource.name == "list" };"#;
    doors.world.hub.policies().reload(&[("all.cedar".to_owned(), policy.to_owned())]).await.unwrap();
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut stream = doors.open(doors.modern("alice", &json!("s"), "subscriptions/listen", wanted)).await;
    stream.message().await.unwrap();
    files.set_tools(vec![json!({"name": "list", "description": "other", "inputSchema": {"type": "object"}})]);
    // Longer than a word waits for those that follow it.
    assert!(tokio::time::timeout(Duration::from_millis(400), stream.message()).await.is_err());
    other.set_tools(Vec::new());
    let told: Value = stream.message().await.unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed");
}
