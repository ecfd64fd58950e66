//! What servers over HTTP say unasked.

use super::fixture::{Conn, Fixture, Request, SOON, until};
use super::server::Legacy;
use deputy_hub::ports::Upstream as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::broadcast;

fn list_changed(what: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": format!("notifications/{what}/list_changed")})
}

fn updated(uri: &str) -> Value {
    let meta = json!({"io.modelcontextprotocol/subscriptionId": 1});
    json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri, "_meta": meta}})
}

#[tokio::test]
async fn rule_14_a_legacy_servers_changes_are_heard_on_its_own_stream() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let mut changes = upstream.changes("alice");
    until("somebody hears", || server.hearers.load(Ordering::SeqCst) == 1).await;
    server.tell(list_changed("tools"));
    tokio::time::timeout(SOON, changes.changed()).await.unwrap().unwrap();
    assert_eq!((changes.borrow().tools, changes.borrow().prompts), (1, 0));
}

#[tokio::test]
async fn updates_of_a_legacy_resource_are_subscribed_to_once_and_ended_with_the_last_listener() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let mut one = upstream.updates("alice", "file:///a");
    let mut two = upstream.updates("alice", "file:///a");
    let subscribed = fixture.request(|request| request.what() == "resources/subscribe").await;
    assert_eq!(subscribed.body["params"]["uri"], "file:///a");
    until("somebody hears", || server.hearers.load(Ordering::SeqCst) == 1).await;
    server.tell(updated("file:///b"));
    server.tell(updated("file:///a"));
    for listener in [&mut one, &mut two] {
        let update = tokio::time::timeout(SOON, listener.recv()).await.unwrap().unwrap();
        assert_eq!(update.get(), r#"{"uri":"file:///a"}"#);
    }
    drop(one);
    drop(two);
    fixture.request(|request| request.what() == "resources/unsubscribe").await;
    let subscriptions = fixture.whats().iter().filter(|what| *what == "resources/subscribe").count();
    assert_eq!(subscriptions, 1);
}

/// A modern server on whose listen streams a test speaks.
async fn modern() -> (Fixture, broadcast::Sender<Value>) {
    let (sender, _) = broadcast::channel(16);
    let speaking = sender.clone();
    let fixture = Fixture::new(move |request, conn| serve(request, conn, speaking.clone()).boxed()).await;
    (fixture, sender)
}

async fn serve(request: Request, mut conn: Conn, speaking: broadcast::Sender<Value>) -> Option<Conn> {
    if request.what() != "subscriptions/listen" {
        conn.result(&request, r#"{"supportedVersions":["2026-07-28"]}"#).await;
        return Some(conn);
    }
    let mut told = speaking.subscribe();
    conn.stream().await;
    conn.event(
        &json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {}}),
    )
    .await;
    loop {
        tokio::select! {
            () = conn.closed() => return None,
            message = told.recv() => {
                let message = message.ok()?;
                if message.is_null() {
                    return None;
                }
                conn.event(&message).await;
            }
        }
    }
}

#[tokio::test]
async fn rule_14_a_modern_servers_changes_are_listened_to_and_nothing_is_missed_when_the_stream_breaks() {
    let (fixture, server) = modern().await;
    let upstream = fixture.upstream();
    let mut changes = upstream.changes("alice");
    let listened = fixture.request(|request| request.what() == "subscriptions/listen").await;
    assert_eq!(listened.body["params"]["notifications"]["promptsListChanged"], true);
    until("it listens", || server.receiver_count() == 1).await;
    server.send(list_changed("prompts")).unwrap();
    tokio::time::timeout(SOON, changes.changed()).await.unwrap().unwrap();
    let seen = *changes.borrow_and_update();
    assert_eq!((seen.prompts, seen.tools), (1, 0));
    server.send(Value::Null).unwrap();
    tokio::time::timeout(SOON, changes.changed()).await.unwrap().unwrap();
    assert_eq!(changes.borrow().tools, 1, "something may have been missed");
}

#[tokio::test]
async fn what_is_listened_to_follows_the_listeners() {
    let (fixture, server) = modern().await;
    let upstream = fixture.upstream();
    let changes = upstream.changes("alice");
    until("it listens", || server.receiver_count() == 1).await;
    let mut updates = upstream.updates("alice", "file:///a");
    let wanted = json!(["file:///a"]);
    fixture
        .request(|request| request.body["params"]["notifications"]["resourceSubscriptions"] == wanted)
        .await;
    until("the old one has ended", || server.receiver_count() == 1).await;
    server.send(updated("file:///a")).unwrap();
    tokio::time::timeout(SOON, updates.recv()).await.unwrap().unwrap();
    drop((changes, updates));
    until("nobody listens", || server.receiver_count() == 0).await;
}

fn task_changed(id: &str) -> Value {
    let params = json!({"taskId": id, "status": "completed", "result": {"content": []}});
    json!({"jsonrpc": "2.0", "method": "notifications/tasks", "params": params})
}

#[tokio::test]
async fn rule_14_who_listens_to_a_task_gets_word_when_the_server_listens_and_when_the_task_changed() {
    let (fixture, server) = modern().await;
    let upstream = fixture.upstream();
    let (mut one, mut other) = (upstream.task_changes("alice", "t-1"), upstream.task_changes("alice", "t-2"));
    let wanted = json!(["t-1", "t-2"]);
    let asked = fixture.request(|request| request.body["params"]["notifications"]["taskIds"] == wanted).await;
    // The extension is declared by this request alone: nobody listens to a task that the hub does not know.
    let capabilities = &asked.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(capabilities, &json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
    until("the old one has ended", || server.receiver_count() == 1).await;
    // What became of them before the stream stood is not known.
    for task in [&mut one, &mut other] {
        tokio::time::timeout(SOON, task.recv()).await.unwrap().unwrap();
    }
    while one.try_recv().is_ok() || other.try_recv().is_ok() {}
    server.send(task_changed("t-9")).unwrap();
    server.send(task_changed("t-2")).unwrap();
    tokio::time::timeout(SOON, other.recv()).await.unwrap().unwrap();
    assert!(one.try_recv().is_err(), "it is the other one's");
    drop((one, other));
    until("nobody listens", || server.receiver_count() == 0).await;
}

#[tokio::test]
async fn principals_hear_apart() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let (alices, bobs) = (upstream.changes("alice"), upstream.changes("bob"));
    until("both hear", || server.hearers.load(Ordering::SeqCst) == 2).await;
    assert_eq!(server.sessions.load(Ordering::SeqCst), 2);
    let upstream = Arc::new(upstream);
    drop((alices, bobs));
    tokio::time::timeout(Duration::from_secs(5), upstream.close()).await.unwrap();
}
