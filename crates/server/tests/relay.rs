//! `/s/{server}/mcp` and servers on `/mcp`, through the real router into a real hub, in both eras.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::Doors;
use deputy_hub::ports::upstream::{Failure, Reply, Told};
use deputy_protocol::relay::{Object, raw};
use deputy_testkit::{FakeUpstream, result};
use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

const PATH: &str = "/s/files/mcp";

async fn doors(names: &[&str]) -> (Doors, Arc<FakeUpstream>) {
    let files = FakeUpstream::with_tools(names);
    (Doors::before(&files, PATH).await, files)
}

async fn modern(doors: &Doors, method: &str, params: Value) -> (StatusCode, Value) {
    let reply = doors.send(doors.modern("alice", &json!(7), method, params)).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn a_server_is_introduced_in_its_own_words_in_both_eras() {
    let (doors, _files) = doors(&["list"]).await;
    let (_, discovered) = modern(&doors, "server/discover", json!({})).await;
    let result = &discovered["result"];
    assert_eq!(result["instructions"], "be kind");
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"]["resources"], json!({"subscribe": true}));
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}}});
    let opened = doors.send(doors.post("alice", &[], body.to_string())).await.json();
    assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(opened["result"]["serverInfo"], json!({"name": "fake", "version": "1"}));
    assert_eq!(opened["result"]["instructions"], "be kind");
}

#[tokio::test]
async fn an_address_that_is_written_in_another_way_leads_to_the_same_door() {
    let (doors, files) = doors(&["list"]).await;
    let mut answers = Vec::new();
    for (path, status) in
        [(PATH, StatusCode::OK), ("/s/fil%65s/mcp", StatusCode::OK), ("/s//mcp", StatusCode::NOT_FOUND)]
    {
        let mut request = doors.modern("alice", &json!(7), "tools/call", json!({"name": "list"}));
        *request.uri_mut() = path.parse().unwrap();
        let reply = doors.send(request).await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        answers.push((status == StatusCode::OK).then(|| reply.json()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(files.asked().iter().filter(|ask| ask.method == "tools/call").count(), 2);
}

#[tokio::test]
async fn rule_02_names_and_unknown_members_arrive_unchanged() {
    let (doors, files) = doors(&[]).await;
    let tool = json!({"name": "list", "description": "d", "inputSchema": {"type": "object", "$defs": {"a": {}}},
        "execution": {"taskSupport": "optional"}, "icons": [{"src": "x"}], "_meta": {"a.b/c": 1.5}});
    files.set_tools(vec![tool.clone()]);
    let (_, listed) = modern(&doors, "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"], json!([tool]));
    assert_eq!(listed["result"]["cacheScope"], "private");
    let session = doors.initialized("alice").await;
    let listed =
        doors.send(doors.legacy("alice", &session, &json!(1), "tools/list", &json!({}))).await.json();
    assert_eq!(listed["result"]["tools"], json!([tool]));
}

#[tokio::test]
async fn rule_03_a_list_is_the_one_for_what_this_client_can_do_and_its_tools_can_be_called() {
    let (doors, files) = doors(&["list", "ask"]).await;
    files.lists_only_for("ask", "elicitation");
    for capabilities in [json!({}), json!({"elicitation": {}}), json!({})] {
        let (able, names) = match capabilities.get("elicitation") {
            None => (false, json!(["list"])),
            Some(_) => (true, json!(["list", "ask"])),
        };
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": capabilities});
        let (_, listed) = modern(&doors, "tools/list", json!({"_meta": meta})).await;
        let tools = listed["result"]["tools"].as_array().unwrap();
        assert_eq!(tools.iter().map(|tool| tool["name"].clone()).collect::<Value>(), names);
        let (_, called) = modern(&doors, "tools/call", json!({"name": "ask", "_meta": meta})).await;
        assert_eq!(called["result"]["isError"] != json!(true), able, "{called}");
        let session = doors.initialized_with("alice", &capabilities).await;
        let call = doors.legacy("alice", &session, &json!(1), "tools/call", &json!({"name": "ask"}));
        let called = doors.send(call).await.json();
        assert_eq!(called["result"]["isError"] != json!(true), able, "{called}");
    }
}

#[tokio::test]
async fn rule_17_headers_that_repeat_arguments_are_held_against_them() {
    let (doors, files) = doors(&[]).await;
    let region = json!({"type": "string", "x-mcp-header": "Region"});
    let schema = json!({"type": "object", "properties": {"region": region}});
    files.set_tools(vec![json!({"name": "list", "description": "d", "inputSchema": schema})]);
    let call = async |headers: &[&str], arguments: Value| {
        let params = json!({"name": "list", "arguments": arguments});
        let mut request = doors.modern("alice", &json!(7), "tools/call", params);
        for value in headers {
            request.headers_mut().append("mcp-param-region", value.parse().unwrap());
        }
        let reply = doors.send(request).await;
        (reply.status, reply.json()["error"]["code"].clone())
    };
    let eu = json!({"region": "eu"});
    for headers in [&[][..], &["us"], &["=?base64?ZXU?="], &["eu", "eu"]] {
        let refused = (StatusCode::BAD_REQUEST, json!(-32_020));
        assert_eq!(call(headers, eu.clone()).await, refused, "{headers:?}");
    }
    assert_eq!(call(&["eu"], json!({})).await.0, StatusCode::BAD_REQUEST);
    assert!(files.asked().is_empty());
    for headers in [["eu"], ["=?base64?ZXU=?="]] {
        assert_eq!(call(&headers, eu.clone()).await, (StatusCode::OK, Value::Null));
    }
    assert_eq!(call(&[], json!({})).await, (StatusCode::OK, Value::Null));
    // The legacy era has no such headers.
    let session = doors.initialized("alice").await;
    let params = json!({"name": "list", "arguments": eu});
    let answer = doors.send(doors.legacy("alice", &session, &json!(1), "tools/call", &params)).await.json();
    assert!(answer["result"].is_object());
}

#[tokio::test]
async fn rule_02_a_result_comes_as_it_was_sent_to_the_last_byte() {
    let (doors, files) = doors(&["list"]).await;
    let sent = r#"{ "resultType":"complete", "content":[],"big":1e400,"n":1.0,"s":null }"#;
    let answer = RawValue::from_string(sent.to_owned()).unwrap();
    files.answers(move |_| Ok(Reply::Result(answer.clone())));
    for (method, params) in [
        ("tools/call", json!({"name": "list"})),
        ("prompts/get", json!({"name": "p"})),
        ("resources/read", json!({"uri": "file:///a"})),
        ("completion/complete", json!({"ref": {}})),
        ("skills/run", json!({"x": 1})),
    ] {
        let reply = doors.send(doors.modern("alice", &json!("a"), method, params.clone())).await;
        let body = String::from_utf8(reply.body.to_vec()).unwrap();
        assert_eq!(body, format!(r#"{{"jsonrpc":"2.0","id":"a","result":{sent}}}"#), "{method}");
        let session = doors.initialized("alice").await;
        let reply = doors.send(doors.legacy("alice", &session, &json!("a"), method, &params)).await;
        let body = String::from_utf8(reply.body.to_vec()).unwrap();
        assert_eq!(body, format!(r#"{{"jsonrpc":"2.0","id":"a","result":{sent}}}"#), "{method}");
    }
}

#[tokio::test]
async fn rule_10_an_error_stays_an_error_with_the_status_of_its_era() {
    let (doors, files) = doors(&["list"]).await;
    for (code, status) in [(-32601, 404), (-32602, 200), (-32021, 400), (-5, 200)] {
        files.answers(move |_| {
            Ok(Reply::Fault { code, message: "no".to_owned(), data: Some(raw(&json!({"x": 1.5}))) })
        });
        let (got, answer) = modern(&doors, "tools/call", json!({"name": "list"})).await;
        let error = json!({"code": code, "message": "no", "data": {"x": 1.5}});
        assert_eq!((got.as_u16(), &answer["error"]), (status, &error));
        let session = doors.initialized("alice").await;
        let call = doors.legacy("alice", &session, &json!(1), "tools/call", &json!({"name": "list"}));
        let reply = doors.send(call).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]), (200, &error));
    }
}

#[tokio::test]
async fn rule_10_an_outage_is_a_tools_result_and_another_methods_error() {
    let (doors, files) = doors(&["list"]).await;
    files.answers(|_| Err(Failure::NotSent("it is not there".to_owned())));
    let (status, answer) = modern(&doors, "tools/call", json!({"name": "list"})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(answer["result"]["_meta"]["dev.deputy/reason"], "upstream_unavailable");
    let (_, answer) = modern(&doors, "resources/read", json!({"uri": "file:///a"})).await;
    assert_eq!(answer["error"]["data"]["dev.deputy/reason"], "upstream_unavailable");
}

#[tokio::test]
async fn invariant_7_a_token_for_one_server_opens_no_other_and_none_looks_like_missing() {
    let (doors, _files) = doors(&["list"]).await;
    let token = doors.world.access_token("alice", PATH);
    let mut answers = Vec::new();
    for path in ["/s/files/mcp", "/s/other/mcp", "/mcp"] {
        let mut request = doors.modern("alice", &json!(1), "tools/list", json!({}));
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let reply = doors.send(request).await;
        answers.push((reply.status, reply.body));
    }
    assert_eq!(answers[0].0, StatusCode::OK);
    assert_eq!(answers[1].0, StatusCode::UNAUTHORIZED);
    assert_eq!(answers[1], answers[2]);
}

#[tokio::test]
async fn rule_03_a_modern_client_answers_what_a_server_asks_by_calling_again() {
    let (doors, files) = doors(&["note"]).await;
    files.answers(asking);
    let (_, first) = modern(&doors, "tools/call", json!({"name": "note"})).await;
    let first = &first["result"];
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"]["k"]["method"], "elicitation/create");
    assert_ne!(first["requestState"], "theirs");
    let again = json!({"name": "note", "requestState": first["requestState"],
        "inputResponses": {"k": {"action": "accept"}}});
    let (_, second) = modern(&doors, "tools/call", again).await;
    assert_eq!(second["result"]["content"][0]["text"], "accept");
}

/// Asks the client once, and answers with its answer.
fn asking(ask: &deputy_hub::ports::upstream::Ask) -> Result<Reply, Failure> {
    let params = Object::parse(ask.params.as_deref().unwrap()).unwrap();
    Ok(result(&match params.read::<String>("requestState").as_deref() {
        None => json!({"resultType": "input_required", "requestState": "theirs",
            "inputRequests": {"k": {"method": "elicitation/create", "params": {"message": "?"}}}}),
        Some("theirs") => {
            let answers: Value = params.read("inputResponses").unwrap();
            json!({"resultType": "complete", "content": [{"type": "text", "text": answers["k"]["action"]}]})
        }
        Some(_) => json!({"resultType": "complete", "isError": true, "content": []}),
    }))
}

#[tokio::test]
async fn rule_03_a_legacy_client_is_asked_on_the_stream_of_its_call() {
    let (doors, files) = doors(&["note"]).await;
    files.answers(asking);
    let session = doors.initialized_with("alice", &json!({"elicitation": {}})).await;
    let call = doors.legacy("alice", &session, &json!(1), "tools/call", &json!({"name": "note"}));
    let mut stream = doors.open(call).await;
    let question = stream.message().await.unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"], json!({"message": "?"}));
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    let heard = doors.send(doors.post("alice", &headers, answer.to_string())).await;
    assert_eq!(heard.status, StatusCode::ACCEPTED);
    let last = stream.message().await.unwrap();
    assert_eq!(last["id"], 1);
    assert_eq!(last["result"]["content"][0]["text"], "decline");
    assert!(stream.message().await.is_none());
    let client = files.asked()[0].client.capabilities.get().to_owned();
    assert_eq!(client, r#"{"elicitation":{}}"#, "the client's own capabilities go upstream");
}

#[tokio::test]
async fn rule_22_progress_has_the_clients_own_token_and_only_if_it_gave_one() {
    let (doors, files) = doors(&["list"]).await;
    let progress = Told {
        method: "notifications/progress".to_owned(),
        params: Some(raw(&json!({"progress": 1, "total": 2}))),
    };
    files.tells(vec![progress]);
    let params = json!({"name": "list", "_meta": {"progressToken": "mine"}});
    let mut stream = doors.open(doors.modern("alice", &json!(1), "tools/call", params)).await;
    let told = stream.message().await.unwrap();
    assert_eq!(told["params"], json!({"progress": 1, "total": 2, "progressToken": "mine"}));
    assert!(stream.message().await.unwrap()["result"].is_object());
    let (_, quiet) = modern(&doors, "tools/call", json!({"name": "list"})).await;
    assert!(quiet["result"].is_object());
}

#[tokio::test]
async fn rule_01_a_long_list_is_given_out_in_pages_of_our_own() {
    let (doors, files) = doors(&[]).await;
    let names: Vec<String> = (0..2500).map(|n| format!("t{n}")).collect();
    files.set_tools(
        names
            .iter()
            .map(|name| json!({"name": name, "description": "", "inputSchema": {"type": "object"}}))
            .collect(),
    );
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
        let (_, listed) = modern(&doors, "tools/list", params).await;
        let tools = listed["result"]["tools"].as_array().unwrap();
        seen.extend(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match listed["result"]["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!((seen, pages), (names, 3));
    let (_, forged) = modern(&doors, "tools/list", json!({"cursor": "AAAA"})).await;
    assert_eq!(forged["error"]["code"], -32602);
}

#[tokio::test]
async fn rule_14_a_listener_hears_of_changes_and_updates_of_what_it_asked_for() {
    let (doors, files) = doors(&["list"]).await;
    let params = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["file:///a"]}});
    let mut stream = doors.open(doors.modern("alice", &json!("s"), "subscriptions/listen", params)).await;
    let first = stream.message().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        first["params"]["notifications"],
        json!({"toolsListChanged": true, "resourceSubscriptions": ["file:///a"]})
    );
    files.set_tools(Vec::new());
    let changed = stream.message().await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    files.updated("file:///a");
    let updated = stream.message().await.unwrap();
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], "file:///a");
}

#[tokio::test]
async fn rule_14_a_session_hears_on_its_stream_what_it_subscribed_to() {
    let (doors, files) = doors(&["list"]).await;
    let session = doors.initialized("alice").await;
    let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
    let subscribe =
        doors.legacy("alice", &session, &json!(1), "resources/subscribe", &json!({"uri": "file:///a"}));
    assert_eq!(doors.send(subscribe).await.json()["result"], json!({}));
    files.updated("file:///a");
    let updated = stream.message().await.unwrap();
    assert_eq!(updated["params"]["uri"], "file:///a");
    files.set_tools(Vec::new());
    assert_eq!(stream.message().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn servers_stand_beside_tabs_on_the_one_address_and_a_dead_one_is_named() {
    let files = FakeUpstream::with_tools(&["list"]);
    let doors = Doors::before(&files, "/mcp").await;
    let _tab = doors.world.tab("alice").await;
    let (_, listed) = modern(&doors, "tools/list", json!({})).await;
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"files__list") && names.contains(&"crm__list"), "{names:?}");
    let (_, called) = modern(&doors, "tools/call", json!({"name": "files__list", "arguments": {}})).await;
    assert_eq!(called["result"]["content"][0]["text"], "list", "it is told its own name");
}

#[tokio::test]
async fn rule_09_prompts_and_resources_of_all_servers_stand_together_and_lead_back() {
    let files = FakeUpstream::with_tools(&[]);
    files.answers(|ask| {
        let params = ask.params.as_deref().and_then(|params| Object::parse(params).ok()).unwrap_or_default();
        Ok(result(&match ask.method.as_str() {
            "prompts/list" => json!({"prompts": [{"name": "greet", "icons": []}]}),
            "resources/list" => {
                json!({"resources": [{"uri": "file:///a", "name": "a"}, {"uri": "ui://x/y", "name": "y"}]})
            }
            "resources/templates/list" => {
                json!({"resourceTemplates": [{"uriTemplate": "t://{id}", "name": "t"}]})
            }
            "prompts/get" => json!({"messages": [], "asked": params.read::<String>("name")}),
            "resources/read" => json!({"contents": [{"uri": params.read::<String>("uri"), "text": "t"}]}),
            other => json!({"asked": other}),
        }))
    });
    let doors = Doors::before(&files, "/mcp").await;
    let session = doors.initialized("alice").await;
    for era in ["modern", "legacy"] {
        let ask = async |method: &str, params: Value| match era {
            "modern" => modern(&doors, method, params).await.1["result"].clone(),
            _ => {
                doors.send(doors.legacy("alice", &session, &json!(1), method, &params)).await.json()["result"]
                    .clone()
            }
        };
        let prompts = ask("prompts/list", json!({})).await;
        assert_eq!(prompts["prompts"], json!([{"name": "files__greet", "icons": []}]), "{era}");
        let resources = ask("resources/list", json!({})).await;
        assert_eq!(resources["resources"][0]["uri"], "files+file:///a");
        assert_eq!(resources["resources"][1]["uri"], "ui://files/x/y");
        let templates = ask("resources/templates/list", json!({})).await;
        assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "files+t://{id}");
        assert_eq!(ask("prompts/get", json!({"name": "files__greet"})).await["asked"], "greet");
        let read = ask("resources/read", json!({"uri": "files+file:///a"})).await;
        assert_eq!(read["contents"][0]["uri"], "files+file:///a");
    }
    let own = files.asked().into_iter().filter(|ask| ask.method == "resources/read");
    assert!(own.into_iter().all(|ask| ask.params.unwrap().get().contains(r#""uri":"file:///a""#)));
}

#[tokio::test]
async fn rule_07_a_server_that_does_not_answer_hides_no_other_and_never_looks_empty() {
    let (good, dead) = (FakeUpstream::with_tools(&["list"]), FakeUpstream::with_tools(&[]));
    dead.is_down();
    good.answers(|_| Ok(result(&json!({"resources": [{"uri": "file:///a", "name": "a"}]}))));
    let doors = Doors::before_both(&good, &dead).await;
    let (_, listed) = modern(&doors, "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"][0]["name"], "files__list");
    let missing = &listed["result"]["_meta"]["dev.deputy/missing"];
    assert_eq!(
        (&missing[0]["source"], &missing[0]["reason"]),
        (&json!("other"), &json!("upstream_unavailable"))
    );
    let (_, listed) = modern(&doors, "resources/list", json!({})).await;
    assert_eq!(listed["result"]["resources"][0]["uri"], "files+file:///a");
    assert_eq!(listed["result"]["_meta"]["dev.deputy/missing"][0]["source"], "other");
}

#[tokio::test]
async fn many_tools_are_found_and_called_by_name_as_the_tools_they_are() {
    let files = FakeUpstream::with_tools(&["read_invoice", "send_mail", "list"]);
    let mut doors = Doors::before(&files, "/mcp").await;
    let session = doors.initialized("alice").await;
    doors.path = "/mcp?tools=search".to_owned();
    for era in ["modern", "legacy"] {
        let ask = async |method: &str, params: Value| match era {
            "modern" => modern(&doors, method, params).await.1["result"].clone(),
            _ => {
                doors.send(doors.legacy("alice", &session, &json!(1), method, &params)).await.json()["result"]
                    .clone()
            }
        };
        let listed = ask("tools/list", json!({})).await;
        let names: Vec<_> =
            listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
        assert_eq!(names, ["deputy__find_tools", "deputy__call_tool"], "{era}");
        let found =
            ask("tools/call", json!({"name": "deputy__find_tools", "arguments": {"query": "invoice"}})).await;
        assert_eq!(found["structuredContent"]["tools"][0]["name"], "files__read_invoice", "{era}");
        let call = json!({"name": "deputy__call_tool", "arguments": {"name": "files__read_invoice", "arguments": {"n": 1.0}}});
        assert_eq!(ask("tools/call", call).await["content"][0]["text"], "read_invoice");
    }
    let asked = files.asked();
    assert_eq!(asked.len(), 2);
    let sent = asked[0].params.as_ref().unwrap().get();
    assert!(sent.contains(r#""name":"read_invoice""#) && sent.contains(r#""arguments":{"n":1.0}"#), "{sent}");
    let intents = doors.world.tables.of_kind(deputy_core::EventKind::Intent);
    assert!(intents.iter().all(|line| line.tool.as_ref().unwrap().as_str() == "read_invoice"));
}
