//! `/mcp` to clients of older revisions (MCP 2025-06-18 and 2025-03-26), through the real router into a real hub.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Doors, Reply};
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_testkit::{FakeUpstream, Said, result};
use http::StatusCode;
use serde_json::{Value, json};

/// Opens a session as a client that never sends a version header.
async fn opened(doors: &Doors, subject: &str, version: &str) -> String {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}});
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let reply = doors.send(doors.post(subject, &[], body.to_string())).await;
    assert_eq!(reply.json()["result"]["protocolVersion"], version);
    let session = reply.header("mcp-session-id").unwrap().to_owned();
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(say(doors, subject, &session, &ready).await.status, StatusCode::ACCEPTED);
    session
}

async fn say(doors: &Doors, subject: &str, session: &str, body: &Value) -> Reply {
    doors.send(doors.post(subject, &[("mcp-session-id", session)], body.to_string())).await
}

fn request(id: Value, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn call(id: Value, name: &str) -> Value {
    request(id, "tools/call", &json!({"name": name, "arguments": {}}))
}

/// The answers of a batch by their ids.
fn by_id(answers: &Value, id: &Value) -> Value {
    let answers = answers.as_array().expect("an array");
    answers.iter().find(|answer| answer["id"] == *id).unwrap_or_else(|| panic!("no {id}")).clone()
}

#[tokio::test]
async fn era_rule_21_a_client_that_never_sends_the_version_header_is_served_in_each_revision() {
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let doors = Doors::new().await;
        let mut tab = doors.world.tab("alice").await;
        let session = opened(&doors, "alice", version).await;
        let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
        let listed =
            say(&doors, "alice", &session, &request(json!(1), "tools/list", &json!({}))).await.json();
        assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 6, "{version}");
        let body = call(json!(1), "crm__list");
        let (reply, _) = tokio::join!(say(&doors, "alice", &session, &body), tab.answer("three"));
        assert_eq!(reply.json()["result"]["content"][0]["text"], "three", "{version}");
        tab.offer(&["find"]).await;
        assert_eq!(stream.message().await.unwrap()["method"], "notifications/tools/list_changed");
        let ping = say(&doors, "alice", &session, &request(json!(1), "ping", &json!({}))).await;
        assert_eq!((ping.status, &ping.json()["result"]), (StatusCode::OK, &json!({})), "{version}");
        let ended = doors.send(doors.within("DELETE", "alice", &session)).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT, "{version}");
    }
}

#[tokio::test]
async fn era_rule_21_the_session_and_not_the_header_says_which_revision_is_spoken() {
    let doors = Doors::new().await;
    let june = opened(&doors, "alice", "2025-06-18").await;
    let ping = request(json!(1), "ping", &json!({}));
    for (header, status) in
        [("2025-03-26", 200), ("2025-11-25", 200), ("2026-07-28", 400), ("2024-11-05", 400), ("x", 400)]
    {
        let headers = [("mcp-session-id", june.as_str()), ("mcp-protocol-version", header)];
        let reply = doors.send(doors.post("alice", &headers, ping.to_string())).await;
        assert_eq!(reply.status, status, "{header}");
    }
    let headers = [("mcp-session-id", june.as_str()), ("mcp-protocol-version", "2025-03-26")];
    let reply = doors.send(doors.post("alice", &headers, json!([ping]).to_string())).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn gateway_rule_6_titles_and_structure_reach_the_revisions_that_know_them_and_no_other() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    tab.offer_definitions(vec![json!({"name": "list", "title": "All", "description": "all", "kind": "imperative",
        "inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}})])
        .await;
    doors.world.accept_definitions("alice").await;
    for (version, knows) in [("2025-11-25", true), ("2025-06-18", true), ("2025-03-26", false)] {
        let session = opened(&doors, "alice", version).await;
        let listed =
            say(&doors, "alice", &session, &request(json!(1), "tools/list", &json!({}))).await.json();
        let tool = &listed["result"]["tools"][0];
        assert_eq!(tool.get("title").is_some(), knows, "{tool}");
        assert_eq!(tool.get("outputSchema").is_some(), knows, "{tool}");
        assert_eq!(tool["annotations"].get("title").is_some(), !knows, "{tool}");
        let answer = async {
            let (id, _) = tab.start_call().await;
            tab.say(&id, TabFrame::Result(ToolResult::Json { value: json!({"n": 1}) })).await;
        };
        let body = call(json!(1), "crm__list");
        let (reply, ()) = tokio::join!(say(&doors, "alice", &session, &body), answer);
        let result = &reply.json()["result"];
        assert_eq!(result.get("structuredContent").is_some(), knows, "{result}");
        assert_eq!(result["content"][0]["text"], r#"{"n":1}"#);
    }
}

#[tokio::test]
async fn gateway_rule_24_a_batch_is_answered_with_every_answer_and_its_id() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = opened(&doors, "alice", "2025-03-26").await;
    let batch = json!([
        request(json!(1), "ping", &json!({})),
        {"jsonrpc": "2.0", "method": "notifications/whatever"},
        call(json!("1"), "crm__list"),
        {"jsonrpc": "2.0", "id": 9, "result": {}},
        request(json!(2), "tools/list", &json!({})),
        request(json!(3), "resources/list", &json!({})),
        request(json!(4), "tools/call", &json!({})),
        {"x": 1},
    ]);
    let (reply, _) = tokio::join!(say(&doors, "alice", &session, &batch), tab.answer("three"));
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, Some("application/json")));
    let answers = reply.json();
    assert_eq!(answers.as_array().unwrap().len(), 6);
    assert_eq!(by_id(&answers, &json!(1))["result"], json!({}));
    assert_eq!(by_id(&answers, &json!("1"))["result"]["content"][0]["text"], "three");
    assert_eq!(by_id(&answers, &json!(2))["result"]["tools"].as_array().unwrap().len(), 6);
    assert_eq!(by_id(&answers, &json!(3))["error"]["code"], -32601);
    assert_eq!(by_id(&answers, &json!(4))["error"]["code"], -32602);
    assert_eq!(by_id(&answers, &Value::Null)["error"]["code"], -32600);
}

#[tokio::test]
async fn gateway_rule_24_the_calls_of_a_batch_run_at_the_same_time_and_can_be_cancelled_by_it() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = opened(&doors, "alice", "2025-03-26").await;
    let batch = json!([
        call(json!(1), "crm__list"),
        call(json!(2), "crm__find"),
        call(json!(3), "crm__list"),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}},
    ]);
    let answers = async {
        let (first, _) = tab.start_call().await;
        let (second, _) = tab.start_call().await;
        for id in [second, first] {
            tab.say(&id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
        }
    };
    let (reply, ()) = tokio::join!(say(&doors, "alice", &session, &batch), answers);
    let answers = reply.json();
    for id in [1, 2] {
        assert_eq!(by_id(&answers, &json!(id))["result"]["content"][0]["text"], "done");
    }
    let cancelled = by_id(&answers, &json!(3));
    assert!(cancelled["error"].is_object() || cancelled["result"]["isError"] == true, "{cancelled}");
    while let Some(said) = tab.try_hear() {
        assert!(!matches!(said, Said::Call(..)), "the cancelled call ran");
    }
}

#[tokio::test]
async fn gateway_rule_24_a_batch_that_wants_progress_or_asks_a_person_is_answered_as_a_stream() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = opened(&doors, "alice", "2025-03-26").await;
    let params = json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": 7}});
    let batch = json!([request(json!(1), "ping", &json!({})), request(json!(2), "tools/call", &params)]);
    let headers = [("mcp-session-id", session.as_str())];
    let mut stream = doors.open(doors.post("alice", &headers, batch.to_string())).await;
    assert_eq!(stream.message().await.unwrap()["id"], 1);
    let (id, _) = tab.start_call().await;
    tab.say(&id, TabFrame::Progress { progress: 1.0, total: None, message: None }).await;
    assert_eq!(stream.message().await.unwrap()["params"]["progressToken"], 7);
    tab.say(&id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
    assert_eq!(stream.message().await.unwrap()["id"], 2);
    assert!(stream.message().await.is_none());

    let batch = json!([request(json!(3), "ping", &json!({})), call(json!(4), "crm__note")]);
    let mut stream = doors.open(doors.post("alice", &headers, batch.to_string())).await;
    assert_eq!(stream.message().await.unwrap()["id"], 3);
    doors.approve("alice").await;
    let (last, _) = tokio::join!(stream.message(), tab.answer("noted"));
    assert_eq!(last.unwrap()["result"]["content"][0]["text"], "noted");
    assert!(stream.message().await.is_none());
}

#[tokio::test]
async fn gateway_rule_24_a_batch_that_wants_no_answer_is_accepted_and_one_too_long_is_refused() {
    let doors = Doors::new().await;
    let session = opened(&doors, "alice", "2025-03-26").await;
    let quiet =
        json!([{"jsonrpc": "2.0", "method": "notifications/x"}, {"jsonrpc": "2.0", "id": 1, "result": {}}]);
    let reply = say(&doors, "alice", &session, &quiet).await;
    assert!(reply.status == StatusCode::ACCEPTED && reply.body.is_empty());
    let pings = |count| json!(vec![request(json!(1), "ping", &json!({})); count]);
    let reply = say(&doors, "alice", &session, &pings(64)).await;
    assert_eq!(reply.json().as_array().unwrap().len(), 64);
    for bad in [pings(65), json!([])] {
        let reply = say(&doors, "alice", &session, &bad).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32600)));
    }
}

#[tokio::test]
async fn gateway_rule_24_what_belongs_to_no_batch_is_refused_in_one() {
    let doors = Doors::new().await;
    let session = opened(&doors, "alice", "2025-03-26").await;
    let modern = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}});
    let batch = json!([
        request(json!(1), "initialize", &json!({"protocolVersion": "2025-03-26", "capabilities": {}})),
        request(json!(2), "tools/list", &modern),
        request(json!(3), "ping", &json!({})),
    ]);
    let reply = say(&doors, "alice", &session, &batch).await;
    assert_eq!(reply.header("mcp-session-id"), None);
    let answers = reply.json();
    for id in [1, 2] {
        assert_eq!(by_id(&answers, &json!(id))["error"]["code"], -32600);
    }
    assert_eq!(by_id(&answers, &json!(3))["result"], json!({}));
}

#[tokio::test]
async fn gateway_rule_24_later_revisions_have_no_batches_and_strangers_to_the_session_neither() {
    let doors = Doors::new().await;
    let batch = json!([request(json!(1), "ping", &json!({}))]);
    for version in ["2025-06-18", "2025-11-25"] {
        let session = opened(&doors, "alice", version).await;
        let reply = say(&doors, "alice", &session, &batch).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32600)));
    }
    let session = opened(&doors, "alice", "2025-03-26").await;
    assert_eq!(say(&doors, "bob", &session, &batch).await.status, StatusCode::NOT_FOUND);
    assert_eq!(say(&doors, "alice", "0123", &batch).await.status, StatusCode::NOT_FOUND);
    // Without a session a missing header means 2025-03-26: there batches are known, and the session is what is missing.
    for (headers, words) in [
        (&[][..], "mcp-session-id"),
        (&[("mcp-protocol-version", "2025-03-26")], "mcp-session-id"),
        (&[("mcp-protocol-version", "2025-06-18")], "batches"),
        (&[("mcp-protocol-version", "2026-07-28")], "batches"),
    ] {
        let reply = doors.send(doors.post("alice", headers, batch.to_string())).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains(words), "{:?}", reply.json());
    }
}

#[tokio::test]
async fn gateway_rule_22_progress_harms_no_answer_in_json() {
    let doors = Doors::new().await;
    let mut tab = doors.world.tab("alice").await;
    let session = opened(&doors, "alice", "2025-06-18").await;
    let params = json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": "p"}});
    let body = request(json!(1), "tools/call", &params);
    let mut asked = doors.post("alice", &[("mcp-session-id", session.as_str())], body.to_string());
    asked.headers_mut().insert("accept", "application/json".parse().unwrap());
    let answer = async {
        let (id, _) = tab.start_call().await;
        for step in 1..=200 {
            tab.say(&id, TabFrame::Progress { progress: f64::from(step), total: None, message: None }).await;
        }
        tab.say(&id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
    };
    let (reply, ()) = tokio::join!(doors.send(asked), answer);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.json()["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn what_a_modern_server_says_in_structures_is_said_so_that_each_older_revision_knows_it() {
    let files = FakeUpstream::with_tools(&[]);
    let tool = json!({"name": "list", "description": "", "inputSchema": {"type": "object"},
        "outputSchema": {"type": "array", "items": {"type": "string"}}});
    files.set_tools(vec![tool]);
    let link = json!({"type": "resource_link", "uri": "file:///a", "name": "a"});
    let said = json!({"resultType": "complete", "content": [link], "structuredContent": ["a"]});
    files.answers(move |_| Ok(result(&said)));
    for (path, name) in [("/s/files/mcp", "list"), ("/mcp", "files__list")] {
        let doors = Doors::before(&files, path).await;
        for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
            let session = opened(&doors, "alice", version).await;
            let list = request(json!(1), "tools/list", &json!({}));
            let listed = say(&doors, "alice", &session, &list).await.json();
            let tools = listed["result"]["tools"].as_array().unwrap();
            let tool = tools.iter().find(|tool| tool["name"] == name).expect("the tool itself is listed");
            assert_eq!(tool.get("outputSchema"), None, "{path} {version}");
            let called = say(&doors, "alice", &session, &call(json!(2), name)).await.json();
            let result = &called["result"];
            assert_eq!(result.get("structuredContent"), None, "{path} {version} {result}");
            let kind = if version == "2025-03-26" { "text" } else { "resource_link" };
            assert_eq!(result["content"][0]["type"], kind, "{path} {version} {result}");
            let words = result["content"].as_array().unwrap().iter();
            let words: Vec<_> = words.filter_map(|block| block["text"].as_str()).collect();
            let expected = if version == "2025-03-26" { "a: " } else { "[\"a\"]" };
            assert!(words[0].starts_with(expected), "{path} {version} {words:?}");
        }
        let modern = doors.modern("alice", &json!(3), "tools/call", json!({"name": name, "arguments": {}}));
        assert_eq!(doors.send(modern).await.json()["result"]["structuredContent"], json!(["a"]), "{path}");
    }
}
