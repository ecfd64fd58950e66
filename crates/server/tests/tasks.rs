//! Tasks at `/mcp` (extension `io.modelcontextprotocol/tasks`): they are asked for where they were made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Doors, Stream};
use deputy_core::{EventKind, SwitchTarget};
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

/// A stream that listens to these tasks, and what of it is granted.
async fn listens(doors: &Doors, who: &str, ids: &[&str]) -> (Stream, Value) {
    let params = json!({"notifications": {"taskIds": ids, "toolsListChanged": true},
        "_meta": {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}});
    let mut stream = doors.open(doors.modern(who, &json!("s"), "subscriptions/listen", params)).await;
    let first = stream.message().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    (stream, first["params"]["notifications"].clone())
}

/// From now on the server's task stands so.
fn stands(files: &FakeUpstream, status: &str) {
    let status = status.to_owned();
    files.answers(move |ask| {
        let link = json!({"type": "resource_link", "uri": "file:///a", "name": "a"});
        Ok(result(&match ask.method.as_str() {
            "tools/call" => {
                json!({"resultType": "task", "taskId": "own-1", "status": "working", "ttlMs": 60_000, "x": 1.5})
            }
            _ if status == "completed" => json!({"resultType": "complete", "taskId": "own-1", "status": status,
                "result": {"content": [link]}, "more": 1.5}),
            _ => json!({"resultType": "complete", "taskId": "own-1", "status": status}),
        }))
    });
}

#[tokio::test]
async fn rule_14_who_listens_to_a_task_hears_all_of_it_under_the_id_that_they_know() {
    for path in ["/mcp", "/s/files/mcp"] {
        let files = server();
        stands(&files, "working");
        let doors = Doors::before(&files, path).await;
        let (id, uri) = if path == "/mcp" {
            (made(&doors, "alice").await, "files+file:///a")
        } else {
            ("own-1".to_owned(), "file:///a")
        };
        let (mut stream, granted) = listens(&doors, "alice", &[&id]).await;
        assert_eq!(granted, json!({"taskIds": [id], "toolsListChanged": true}), "{path}");
        for status in ["working", "input_required", "completed"] {
            stands(&files, status);
            files.task_changed("own-1");
            // Word of a change of which nothing is seen is no change.
            files.task_changed("own-1");
            let told = stream.message().await.unwrap();
            assert_eq!(told["method"], "notifications/tasks", "{path}");
            let params = &told["params"];
            assert_eq!((&params["taskId"], &params["status"]), (&json!(id), &json!(status)), "{path}");
            assert_eq!(params["_meta"]["io.modelcontextprotocol/subscriptionId"], "s", "{path}");
            assert_eq!(params.get("resultType"), None, "{path}");
            if status == "completed" {
                assert_eq!(params["result"]["content"][0]["uri"], uri, "{path}");
                assert_eq!(params["more"], 1.5, "{path}");
            }
        }
        // Nothing more becomes of it.
        doors.world.until("nobody listens to the task", || files.task_listeners("own-1") == 0).await;
    }
}

#[tokio::test]
async fn rule_13_nobody_listens_to_a_task_but_by_the_id_that_was_given_to_them() {
    let files = server();
    let doors = Doors::before(&files, "/mcp").await;
    let id = made(&doors, "alice").await;
    for (who, id) in [("bob", id.as_str()), ("alice", "own-1"), ("alice", "files__own-1"), ("alice", "")] {
        let (_stream, granted) = listens(&doors, who, &[id]).await;
        assert_eq!(granted, json!({"toolsListChanged": true}), "{who} {id}");
    }
    assert_eq!(files.task_listeners("own-1"), 0);
}

#[tokio::test]
async fn r1_what_a_stream_tells_of_a_task_is_a_call_in_the_log_like_any_other() {
    let files = server();
    let doors = Doors::before(&files, "/mcp").await;
    let id = made(&doors, "alice").await;
    let (mut stream, _) = listens(&doors, "alice", &[&id]).await;
    let lines = doors.world.tables.events().len();
    files.task_changed("own-1");
    assert_eq!(stream.message().await.unwrap()["params"]["status"], "completed");
    let new = doors.world.tables.events().split_off(lines);
    let kinds: Vec<_> =
        new.iter().map(|event| (event.kind, event.tool.as_ref().map(ToString::to_string))).collect();
    let get = Some("tasks/get".to_owned());
    assert_eq!(kinds, [(EventKind::Intent, get.clone()), (EventKind::Outcome, get)]);
}

#[tokio::test]
async fn rule_14_a_task_that_a_switch_or_the_policy_takes_away_is_silent() {
    let reading = SwitchTarget::Tool { source: "files".parse().unwrap(), tool: "tasks/get".parse().unwrap() };
    for is_switch in [true, false] {
        let files = server();
        let doors = Doors::before(&files, "/mcp").await;
        let id = made(&doors, "alice").await;
        let (mut stream, _) = listens(&doors, "alice", &[&id]).await;
        if is_switch {
            let olga = doors.world.operator("olga").await;
            drop(doors.world.hub.switches().throw_as(&olga, reading.clone(), None));
        } else {
            let policy =
                r#"@id("p") permit(principal, action, resource) unless { resource.name == "tasks/get" };"#;
            doors.world.hub.policies().reload(&[("all.cedar".to_owned(), policy.to_owned())]).await.unwrap();
        }
        doors.world.until("nobody listens to the task", || files.task_listeners("own-1") == 0).await;
        files.task_changed("own-1");
        let (mut other, granted) = listens(&doors, "alice", &[&id]).await;
        assert_eq!(granted, json!({"toolsListChanged": true}), "nor is it granted anew");
        files.set_tools(vec![json!({"name": "new", "inputSchema": {"type": "object"}})]);
        for stream in [&mut stream, &mut other] {
            assert_eq!(stream.message().await.unwrap()["method"], "notifications/tools/list_changed");
        }
        assert!(asked(&files, "tasks/get").is_empty());
    }
}

#[tokio::test]
async fn rule_14_where_a_person_would_have_to_say_yes_nobody_is_asked_and_the_task_is_heard_of_later() {
    let files = server();
    let doors = Doors::before(&files, "/s/files/mcp").await;
    let asks = r#"@id("p") permit(principal, action, resource)
        when { resource.name != "tasks/get" || context.approved };"#;
    let reload = async |text: &str| {
        doors.world.hub.policies().reload(&[("all.cedar".to_owned(), text.to_owned())]).await.unwrap();
    };
    reload(asks).await;
    let (mut stream, _) = listens(&doors, "alice", &["own-1"]).await;
    let refused = || doors.world.tables.of_kind(EventKind::Refusal).len();
    for round in 1..=3 {
        files.task_changed("own-1");
        doors.world.until("it is refused", || refused() == round).await;
    }
    let person = doors.world.person("alice").await;
    assert_eq!(doors.world.hub.approvals().pending(&person).await.unwrap().len(), 0);
    assert!(asked(&files, "tasks/get").is_empty());
    assert_eq!(files.task_listeners("own-1"), 1);
    reload(r#"@id("p") permit(principal, action, resource);"#).await;
    files.task_changed("own-1");
    assert_eq!(stream.message().await.unwrap()["method"], "notifications/tasks");
}

#[tokio::test]
async fn rule_14_a_client_that_does_not_know_tasks_hears_of_none() {
    let files = server();
    let doors = Doors::before(&files, "/s/files/mcp").await;
    let wanted = json!({"notifications": {"taskIds": ["own-1"], "toolsListChanged": true}});
    let mut stream = doors.open(doors.modern("alice", &json!("s"), "subscriptions/listen", wanted)).await;
    let first = stream.message().await.unwrap();
    assert_eq!(first["params"]["notifications"], json!({"toolsListChanged": true}));
    assert_eq!(files.task_listeners("own-1"), 0);
}

#[tokio::test]
async fn rule_26_a_stream_listens_to_so_many_tasks_and_to_no_more() {
    let files = server();
    let doors = Doors::before(&files, "/s/files/mcp").await;
    let ids: Vec<_> = (0..65).map(|index| index.to_string()).collect();
    let refused =
        ask(&doors, "alice", "subscriptions/listen", json!({"notifications": {"taskIds": ids}})).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert_eq!(refused["error"]["message"], "`taskIds` has more than 64 entries");
}
