//! Servers of the legacy era, over HTTP.

use super::fixture::{
    Fixture, SOON, able, ask, call, fault, reply, reply_and_told, result, retry, until, value,
};
use super::server::Legacy;
use crate::upstream::{HttpSettings, HttpUpstream, Limits};
use deputy_hub::ports::Upstream as _;
use deputy_hub::ports::upstream::{Failure, Reply};
use deputy_protocol::relay::raw;
use deputy_protocol::trace::TraceContext;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn can_elicit() -> Value {
    json!({"elicitation": {}})
}

fn said_to(fixture: &Fixture, what: &str) -> Vec<Value> {
    fixture
        .requests()
        .into_iter()
        .filter(|request| request.what() == what)
        .map(|request| request.body)
        .collect()
}

#[tokio::test]
async fn rule_02_every_legacy_revision_is_found_out_and_its_result_relayed_to_the_byte() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let (fixture, _) = Legacy::start(revision).await;
        let upstream = fixture.upstream();
        let expected = r#"{"content":[ ],"structuredContent":null,"n":1.0,"resultType":"complete"}"#;
        assert_eq!(result(&upstream, call("echo")).await, expected);
        assert_eq!(upstream.health().revision.as_deref(), Some(revision));
        assert_eq!(upstream.health().is_up, Some(true));
        let called = fixture.request(|request| request.what() == "tools/call").await;
        let version = (revision >= "2025-06-18").then_some(revision);
        assert_eq!(called.header("mcp-protocol-version"), version);
        assert_eq!(called.header("mcp-session-id"), Some("s1"));
    }
}

#[tokio::test]
async fn rule_12_a_legacy_list_is_private_and_not_kept() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let list = result(&fixture.upstream(), ask("tools/list", json!({}))).await;
    let expected = r#"{"tools":[{ "name":"t" }],"ttlMs":0,"resultType":"complete","cacheScope":"private"}"#;
    assert_eq!(list, expected);
}

#[tokio::test]
async fn discover_is_answered_from_the_session() {
    let (fixture, _) = Legacy::start("2025-06-18").await;
    let found = value(&fixture.upstream(), ask("server/discover", json!({}))).await;
    assert_eq!(
        (&found["instructions"], &found["supportedVersions"]),
        (&json!("be kind"), &json!(["2026-07-28"]))
    );
    assert_eq!(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "legacy");
}

#[tokio::test]
async fn rule_03_sessions_are_keyed_by_principal_capabilities_and_client() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let mut other_client = able(call("echo"), &can_elicit());
    other_client.client.implementation = Some(raw(&json!({"name": "c", "version": "1"})).into());
    let mut other_principal = call("echo");
    other_principal.principal = "bob".to_owned();
    let kinds = [call("echo"), able(call("echo"), &can_elicit()), other_client, other_principal];
    for ask in kinds.iter().chain(&kinds) {
        result(&upstream, ask.clone()).await;
    }
    assert_eq!(server.sessions.load(Ordering::SeqCst), 4);
    let opened: Vec<Value> =
        said_to(&fixture, "initialize").iter().map(|body| body["params"]["capabilities"].clone()).collect();
    assert_eq!(opened, [json!({}), can_elicit(), can_elicit(), json!({})]);
}

#[tokio::test]
async fn rule_04_a_forgotten_session_is_opened_anew_once() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    result(&upstream, call("echo")).await;
    server.forgotten.store(1, Ordering::SeqCst);
    result(&upstream, call("echo")).await;
    assert_eq!(server.sessions.load(Ordering::SeqCst), 2);
    server.forgotten.store(1000, Ordering::SeqCst);
    assert!(matches!(reply(&upstream, call("echo")).await, Err(Failure::NotSent(_))));
    assert!(server.sessions.load(Ordering::SeqCst) <= 4);
}

#[tokio::test]
async fn rule_10_an_unknown_resource_has_the_modern_code() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let refused = reply(&fixture.upstream(), ask("resources/read", json!({"uri": "u"}))).await;
    assert_eq!(fault(refused), (-32602, "no".to_owned()));
}

#[tokio::test]
async fn rule_24_a_batch_is_accepted() {
    let (fixture, _) = Legacy::start("2025-03-26").await;
    let mut ask = call("batch");
    ask.client.log_level = Some("info".to_owned());
    let (reply, told) = reply_and_told(&fixture.upstream(), ask).await;
    assert!(matches!(reply, Ok(Reply::Result(_))));
    assert_eq!(told[0].method, "notifications/message");
}

#[tokio::test]
async fn rule_22_progress_is_told_without_token_and_another_calls_is_not() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let mut ask = call("progress");
    ask.client.progress = true;
    let (reply, told) = reply_and_told(&fixture.upstream(), ask).await;
    assert!(matches!(reply, Ok(Reply::Result(_))));
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].params.as_deref().map(|params| params.get()),
        Some(r#"{"progress":1.0,"message":"half"}"#)
    );
}

#[tokio::test]
async fn the_log_is_filtered_per_request_and_its_level_is_set_once() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let mut ask = call("progress");
    ask.client.log_level = Some("info".to_owned());
    for _ in 0..2 {
        let (_, told) = reply_and_told(&upstream, ask.clone()).await;
        assert_eq!(told.len(), 1);
        assert!(told[0].params.as_ref().unwrap().get().contains("warning"));
    }
    ask.client.log_level = None;
    assert_eq!(reply_and_told(&upstream, ask).await.1.len(), 0);
    assert_eq!(said_to(&fixture, "logging/setLevel").len(), 1);
}

#[tokio::test]
async fn rule_03_a_question_in_the_middle_is_asked_of_the_client_and_its_answer_goes_on_with_the_open_call() {
    for tool in ["ask", "ask_on_own_stream"] {
        let (fixture, _) = Legacy::start("2025-11-25").await;
        let upstream = fixture.upstream();
        let ask = able(call(tool), &can_elicit());
        let asked = value(&upstream, ask.clone()).await;
        assert_eq!(asked["resultType"], "input_required");
        assert_eq!(asked["inputRequests"]["k1"]["method"], "elicitation/create");
        let params = json!({"message": "question 70", "requestedSchema": {"type": "object"}});
        assert_eq!(asked["inputRequests"]["k1"]["params"], params);
        let answer = json!({"action": "accept", "content": {"a": 1}});
        let answers = json!({"k1": answer, "unknown": {}});
        let done = value(&upstream, retry(ask, &asked, &answers)).await;
        assert_eq!((&done["answers"], &done["resultType"]), (&json!([answer]), &json!("complete")), "{tool}");
        assert_eq!(said_to(&fixture, "tools/call").len(), 1, "it is the same call");
    }
}

#[tokio::test]
async fn what_a_server_asks_at_once_is_asked_of_the_client_at_once() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let ask = able(call("ask_both"), &can_elicit());
    let asked = value(&upstream, ask.clone()).await;
    let messages = ["k1", "k2"].map(|key| asked["inputRequests"][key]["params"]["message"].clone());
    assert_eq!(messages, [json!("question 70"), json!("question \"71\"")]);
    let answers = json!({"k1": {"action": "decline"}, "k2": {"action": "cancel"}});
    let done = value(&upstream, retry(ask, &asked, &answers)).await;
    assert_eq!(done["answers"], json!([{"action": "decline"}, {"action": "cancel"}]));
}

#[tokio::test]
async fn several_rounds_are_gone_through_and_a_missing_answer_is_asked_for_again() {
    let (fixture, _) = Legacy::start("2025-06-18").await;
    let upstream = fixture.upstream();
    let ask = able(call("ask_twice"), &can_elicit());
    let first = value(&upstream, ask.clone()).await;
    let again = value(&upstream, retry(ask.clone(), &first, &json!({}))).await;
    assert_eq!(again["inputRequests"], first["inputRequests"]);
    assert_ne!(again["requestState"], first["requestState"]);
    let second = value(&upstream, retry(ask.clone(), &again, &json!({"k1": {"action": "decline"}}))).await;
    assert!(second["inputRequests"]["k2"]["params"]["message"].as_str().unwrap().contains("71"));
    let done = value(&upstream, retry(ask, &second, &json!({"k2": {"action": "cancel"}}))).await;
    assert_eq!(done["answers"], json!([{"action": "decline"}, {"action": "cancel"}]));
}

#[tokio::test]
async fn rule_20_a_state_is_good_once_and_for_its_principal_and_method_alone() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let ask = able(call("ask"), &can_elicit());
    let asked = value(&upstream, ask.clone()).await;
    let answers = json!({"k1": {"action": "accept"}});
    let good = retry(ask.clone(), &asked, &answers);
    let (mut bobs, mut another) = (good.clone(), good.clone());
    bobs.principal = "bob".to_owned();
    another.method = "prompts/get".to_owned();
    for bad in [bobs, another] {
        assert!(matches!(reply(&upstream, bad).await, Err(Failure::Lost(why)) if why.contains("unknown")));
    }
    assert!(matches!(reply(&upstream, good.clone()).await, Ok(Reply::Result(_))));
    assert!(matches!(reply(&upstream, good).await, Err(Failure::Lost(_))));
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_given_up_and_the_server_told() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let limits = Limits { parked: Duration::from_millis(50), ..super::fixture::limits() };
    let upstream = HttpUpstream::new(HttpSettings { limits, ..fixture.settings() });
    let ask = able(call("ask"), &can_elicit());
    let asked = value(&upstream, ask.clone()).await;
    let called = fixture.request(|request| request.what() == "tools/call").await;
    let cancelled = fixture.request(|request| request.what() == "notifications/cancelled").await;
    assert_eq!(cancelled.body["params"]["requestId"], called.body["id"]);
    let late = reply(&upstream, retry(ask, &asked, &json!({"k1": {"action": "accept"}}))).await;
    assert!(matches!(late, Err(Failure::Lost(why)) if why.contains("unknown")));
}

#[tokio::test]
async fn rule_03_what_the_client_did_not_declare_is_refused_at_the_server() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let done = value(&fixture.upstream(), call("ask")).await;
    assert_eq!(done["answers"][0]["code"], -32601);
}

#[tokio::test]
async fn an_address_to_be_opened_first_is_asked_for_and_then_the_call_is_made_anew() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let ask = able(call("open_first"), &json!({"elicitation": {"url": {}}}));
    let asked = value(&upstream, ask.clone()).await;
    assert_eq!(asked["inputRequests"]["k1"]["params"]["url"], "https://a.example/");
    let declined = retry(ask.clone(), &asked, &json!({"k1": {"action": "decline"}}));
    assert!(fault(reply(&upstream, declined).await).1.contains("did not"));
    let asked = value(&upstream, ask.clone()).await;
    server.is_opened.store(true, Ordering::SeqCst);
    let done = value(&upstream, retry(ask, &asked, &json!({"k1": {"action": "accept"}}))).await;
    assert_eq!(done["resultType"], "complete");
    let sent = said_to(&fixture, "tools/call").pop().unwrap();
    assert_eq!(sent["params"].get("requestState"), None, "the handle stays here");
    server.is_opened.store(false, Ordering::SeqCst);
    assert_eq!(fault(reply(&upstream, call("open_first")).await).0, -32021);
}

#[tokio::test]
async fn a_stream_that_the_server_closes_early_is_resumed_where_it_ended() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let done = value(&fixture.upstream(), call("polled")).await;
    assert_eq!(done["polled"], true);
    let resumed = fixture.request(|request| request.header("last-event-id").is_some()).await;
    assert_eq!((resumed.method.as_str(), resumed.header("mcp-session-id")), ("GET", Some("s1")));
}

#[tokio::test]
async fn a_connection_that_dies_in_the_answer_is_a_loss() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    assert!(matches!(reply(&fixture.upstream(), call("dies")).await, Err(Failure::Lost(_))));
}

#[tokio::test]
async fn rule_15_a_cancelled_call_is_told_by_a_notification() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    let (cancel, told) = (CancellationToken::new(), mpsc::channel(1).0);
    let asking = upstream.ask(call("hang"), told, &cancel);
    let cancelling = async {
        let called = fixture.request(|request| request.what() == "tools/call").await;
        cancel.cancel();
        called
    };
    let (reply, called) = tokio::join!(asking, cancelling);
    assert_eq!(reply.err(), Some(Failure::Cancelled));
    let cancelled = fixture.request(|request| request.what() == "notifications/cancelled").await;
    assert_eq!(cancelled.body["params"]["requestId"], called.body["id"]);
}

#[tokio::test]
async fn a_call_without_answer_is_out_of_time_and_stopped() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    result(&upstream, call("echo")).await;
    let mut ask = call("hang");
    ask.timeout = Duration::from_millis(100);
    assert_eq!(reply(&upstream, ask).await.err(), Some(Failure::TimedOut));
    fixture.request(|request| request.what() == "notifications/cancelled").await;
}

#[tokio::test]
async fn rule_26_idle_sessions_end_and_say_goodbye() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let limits = Limits { idle: Duration::from_millis(60), ..super::fixture::limits() };
    let upstream = HttpUpstream::new(HttpSettings { limits, ..fixture.settings() });
    result(&upstream, call("echo")).await;
    let goodbye = fixture.request(|request| request.method == "DELETE").await;
    assert_eq!(goodbye.header("mcp-session-id"), Some("s1"));
    until("its stream is closed", || server.hearers.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn rule_26_the_sessions_are_bounded_and_the_longest_idle_one_makes_room() {
    let (fixture, server) = Legacy::start("2025-11-25").await;
    let limits = Limits { sessions: 2, ..super::fixture::limits() };
    let upstream = HttpUpstream::new(HttpSettings { limits, ..fixture.settings() });
    for principal in ["a", "b", "c"] {
        let mut ask = call("echo");
        ask.principal = principal.to_owned();
        result(&upstream, ask).await;
    }
    fixture.request(|request| request.method == "DELETE").await;
    assert_eq!(server.sessions.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn closing_ends_all_sessions_at_the_server() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let upstream = fixture.upstream();
    result(&upstream, call("echo")).await;
    tokio::time::timeout(SOON, upstream.close()).await.unwrap();
    assert!(fixture.whats().contains(&"DELETE".to_owned()));
}

#[tokio::test]
async fn w3c_a_trace_is_told_in_the_headers_of_the_call_and_of_nothing_else() {
    let (fixture, _) = Legacy::start("2025-11-25").await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut call = call("echo");
    call.trace = TraceContext::parse(parent, None);
    result(&fixture.upstream(), call).await;
    let called = fixture.request(|request| request.what() == "tools/call").await;
    assert_eq!((called.header("traceparent"), called.header("tracestate")), (Some(parent), None));
    let opened = fixture.request(|request| request.what() == "initialize").await;
    assert_eq!(opened.header("traceparent"), None);
}
