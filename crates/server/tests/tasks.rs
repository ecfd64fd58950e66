//! Tasks at `/mcp` (extension `io.modelcontextprotocol/tasks`): they are asked for where they were made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::Doors;
use deputy_hub::ports::upstream::{Ask, Reply};
use deputy_protocol::relay::Object;
use deputy_testkit::{FakeUpstream, result};
use serde_json::{Value, json};
use std::sync::Arc;

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// A server whose tool becomes a task.
fn server() -> Arc<FakeUpstream> {
    let files = FakeUpstream::with_tools(&["list"]);
    files.answers(|ask| {
        let block = json!({"type": "resource_link", "uri": "file:///a", "name": "a"});
        Ok(result(&match ask.method.as_str() {
            "tools/call" => {
                json!({"resultType": "task", "taskId": "own-1", "status": "working", "ttlMs": 60_000, "x": 1.5})
            }
            "tasks/get" => {
                let done = json!({"content": [block], "structuredContent": null});
                json!({"resultType": "complete", "taskId": "own-1", "status": "completed", "result": done})
            }
            _ => json!({"resultType": "complete"}),
        }))
    });
    files
}

async fn ask(doors: &Doors, who: &str, method: &str, mut params: Value) -> Value {
    let capabilities = json!({"extensions": {EXTENSION: {}}});
    params["_meta"] = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
    doors.send(doors.modern(who, &json!(7), method, params)).await.json()
}

/// Calls the tool that becomes a task; its id.
async fn made(doors: &Doors, who: &str) -> String {
    let made = ask(doors, who, "tools/call", json!({"name": "files__list", "arguments": {}})).await;
    assert_eq!(
        (&made["result"]["resultType"], &made["result"]["x"]),
        (&json!("task"), &json!(1.5)),
        "{made}"
    );
    made["result"]["taskId"].as_str().unwrap().to_owned()
}

fn asked(files: &FakeUpstream, method: &str) -> Vec<Ask> {
    files.asked().into_iter().filter(|ask| ask.method == method).collect()
}

fn member(ask: &Ask, name: &str) -> Value {
    Object::parse(ask.params.as_deref().unwrap()).unwrap().read(name).unwrap_or_default()
}

#[tokio::test]
async fn rule_19_a_task_that_was_made_at_the_one_address_leads_back_to_its_server() {
    let files = server();
    let doors = Doors::before(&files, "/mcp").await;
    let id = made(&doors, "alice").await;
    assert_ne!(id, "own-1");
    for (method, params) in [
        ("tasks/get", json!({"taskId": id})),
        ("tasks/update", json!({"taskId": id, "inputResponses": {"k": {"action": "accept"}}})),
        ("tasks/cancel", json!({"taskId": id})),
    ] {
        let answer = ask(&doors, "alice", method, params).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{method}: {answer}");
        assert_eq!(member(&asked(&files, method)[0], "taskId"), "own-1", "{method}");
    }
    let answers = member(&asked(&files, "tasks/update")[0], "inputResponses");
    assert_eq!(answers, json!({"k": {"action": "accept"}}));
}

#[tokio::test]
async fn rule_09_what_a_task_came_to_has_the_clients_id_and_public_uris() {
    let files = server();
    let doors = Doors::before(&files, "/mcp").await;
    let id = made(&doors, "alice").await;
    let got = ask(&doors, "alice", "tasks/get", json!({"taskId": id})).await;
    assert_eq!(got["result"]["taskId"], json!(id));
    assert_eq!(got["result"]["result"]["content"][0]["uri"], "files+file:///a");
    assert_eq!(got["result"]["result"].get("structuredContent"), Some(&Value::Null));
}

#[tokio::test]
async fn rule_13_nobody_reaches_a_task_but_by_the_id_that_was_given_to_them() {
    let files = server();
    let doors = Doors::before(&files, "/mcp").await;
    let id = made(&doors, "alice").await;
    for (who, id) in [("bob", id.as_str()), ("alice", "own-1"), ("alice", "files__own-1"), ("alice", "")] {
        let refused = ask(&doors, who, "tasks/get", json!({"taskId": id})).await;
        assert_eq!(refused["error"]["code"], -32602, "{who} {id}: {refused}");
        assert_eq!(refused["error"]["message"], "there is no such task here");
    }
    assert!(asked(&files, "tasks/get").is_empty());
}

#[tokio::test]
async fn rule_06_the_extension_is_announced_where_there_are_servers_and_in_the_modern_era_alone() {
    let files = server();
    let doors = Doors::before(&files, "/mcp").await;
    let discovered = ask(&doors, "alice", "server/discover", json!({})).await;
    assert_eq!(discovered["result"]["capabilities"]["extensions"], json!({EXTENSION: {}}));
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}}});
    let opened = doors.send(doors.post("alice", &[], body.to_string())).await.json();
    assert_eq!(opened["result"]["capabilities"].get("extensions"), None);
    let alone = Doors::new().await;
    let discovered = ask(&alone, "alice", "server/discover", json!({})).await;
    assert_eq!(discovered["result"]["capabilities"].get("extensions"), None);
}

#[tokio::test]
async fn rule_03_a_server_is_never_told_that_a_client_of_the_legacy_era_knows_tasks() {
    let files = FakeUpstream::with_tools(&["list"]);
    files.answers(|_| -> Result<Reply, _> { Ok(result(&json!({"content": []}))) });
    let doors = Doors::before(&files, "/mcp").await;
    let knows = json!({"extensions": {EXTENSION: {}, "io.modelcontextprotocol/ui": {}}, "roots": {}});
    let session = doors.initialized_with("alice", &knows).await;
    let call = json!({"name": "files__list", "arguments": {}});
    doors.send(doors.legacy("alice", &session, &json!(1), "tools/call", &call)).await;
    let told: Value = serde_json::from_str(asked(&files, "tools/call")[0].client.capabilities.get()).unwrap();
    assert_eq!(told, json!({"extensions": {"io.modelcontextprotocol/ui": {}}, "roots": {}}));
}
