//! Servers of the modern era, over HTTP.

use super::fixture::{Conn, Fixture, Request, able, ask, call, fault, reply, reply_and_told, result, value};
use crate::upstream::{Challenge, Credential, HttpSettings, HttpUpstream, NoHeaders};
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_hub::ports::Upstream as _;
use deputy_hub::ports::upstream::{Failure, Reply};
use deputy_protocol::relay::raw;
use deputy_protocol::trace::TraceContext;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

pub(super) async fn modern() -> Fixture {
    Fixture::new(|request, conn| serve(request, conn).boxed()).await
}

async fn serve(request: Request, mut conn: Conn) -> Option<Conn> {
    let params = &request.body["params"];
    match request.what() {
        "server/discover" => {
            let found = r#"{"supportedVersions":["2026-07-28"],"capabilities":{},"resultType":"complete"}"#;
            conn.result(&request, found).await;
        }
        "tools/list" => {
            let schema = |kind: &str| json!({"type": "object", "properties": {"p": {"type": kind, "x-mcp-header": "P"}}});
            let tools = json!([{"name": "marked", "inputSchema": schema("string")}, {"name": "wrong", "inputSchema": schema("number")}]);
            conn.result(
                &request,
                &json!({"tools": tools, "resultType": "complete", "ttlMs": 5, "cacheScope": "public"})
                    .to_string(),
            )
            .await;
        }
        "tools/call" => return call_tool(&request, conn).await,
        "prompts/get" => conn.error("404 Not Found", &request.body["id"], -32601).await,
        "resources/read" => conn.error("200 OK", &request.body["id"], -32602).await,
        _ => {
            conn.error("400 Bad Request", &request.body["id"], if params.is_null() { -32600 } else { -32021 })
                .await
        }
    }
    Some(conn)
}

async fn call_tool(request: &Request, mut conn: Conn) -> Option<Conn> {
    let params = &request.body["params"];
    match params["name"].as_str().unwrap() {
        "marked" if request.header("mcp-param-p") != Some("v") => {
            conn.error("400 Bad Request", &request.body["id"], -32020).await;
        }
        "asks" if params.get("requestState") == Some(&json!("theirs")) => {
            conn.result(request, &json!({"content": [], "got": params["inputResponses"]}).to_string()).await;
        }
        "asks" => {
            let asks = r#"{"resultType":"input_required","inputRequests":{"q":{"method":"roots/list"}},"requestState":"theirs"}"#;
            conn.result(request, asks).await;
        }
        "progress" => {
            conn.stream().await;
            let token = &params["_meta"]["progressToken"];
            let params = json!({"progressToken": token, "progress": 0.5});
            conn.event(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}))
                .await;
            conn.event_result(request, json!({"content": [], "resultType": "complete"})).await;
            return None;
        }
        "chunked" => {
            let body = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": {"content": []}});
            let event = format!("data: {body}\n\n");
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            conn.raw(&format!("{head}{:x}\r\n{event}\r\n0\r\n\r\n", event.len())).await;
        }
        _ => conn.result(request, r#"{ "content" : [ ],"isError":true,"n":1.0 }"#).await,
    }
    Some(conn)
}

#[tokio::test]
async fn rule_02_a_result_is_relayed_and_only_what_it_lacks_is_added() {
    let fixture = modern().await;
    let upstream = fixture.upstream();
    let expected = r#"{ "content" : [ ],"isError":true,"n":1.0,"resultType":"complete"}"#;
    assert_eq!(result(&upstream, call("echo")).await, expected);
    assert_eq!(upstream.health().revision.as_deref(), Some("2026-07-28"));
}

#[tokio::test]
async fn rule_11_the_headers_are_ours_and_repeat_the_body() {
    let fixture = modern().await;
    let mut ask = call("héllo");
    ask.params = Some(raw(
        &json!({"name": "héllo", "_meta": {"traceparent": "00-1", "io.modelcontextprotocol/clientInfo": {"name": "x"}}}),
    ));
    ask.client.implementation = Some(raw(&json!({"name": "c", "version": "1"})).into());
    result(&fixture.upstream(), ask).await;
    let sent = fixture.request(|request| request.what() == "tools/call").await;
    let mut names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "content-length",
        "content-type",
        "host",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "user-agent",
    ];
    assert_eq!(names, expected);
    assert_eq!(sent.header("mcp-name"), Some("=?base64?aMOpbGxv?="));
    let meta = &sent.body["params"]["_meta"];
    assert_eq!(
        (&meta["traceparent"], &meta["io.modelcontextprotocol/clientInfo"]["name"]),
        (&json!("00-1"), &json!("c"))
    );
}

#[tokio::test]
async fn rule_13_equal_requests_have_ids_and_tokens_of_their_own() {
    let fixture = modern().await;
    let upstream = fixture.upstream();
    let mut ask = call("progress");
    ask.params = Some(raw(&json!({"name": "progress", "_meta": {"progressToken": 1}})));
    ask.client.progress = true;
    let (one, two) = tokio::join!(reply_and_told(&upstream, ask.clone()), reply_and_told(&upstream, ask));
    for (reply, told) in [one, two] {
        assert!(matches!(reply, Ok(Reply::Result(_))));
        assert_eq!(told[0].params.as_ref().unwrap().get(), r#"{"progress":0.5}"#);
    }
    let ids: Vec<Value> = fixture.requests().iter().map(|request| request.body["id"].clone()).collect();
    assert!(ids.iter().all(|id| ids.iter().filter(|other| *other == id).count() == 1), "{ids:?}");
}

#[tokio::test]
async fn rule_03_a_modern_server_sees_this_requests_capabilities_and_its_state_is_its_own() {
    let fixture = modern().await;
    let upstream = fixture.upstream();
    let ask = able(call("asks"), &json!({"roots": {}}));
    let asked = value(&upstream, ask.clone()).await;
    assert_eq!(asked["requestState"], "theirs");
    let done = value(&upstream, super::fixture::retry(ask, &asked, &json!({"q": {"roots": []}}))).await;
    assert_eq!(done["got"], json!({"q": {"roots": []}}));
    let sent = fixture.request(|request| request.what() == "tools/call").await;
    assert_eq!(
        sent.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"],
        json!({"roots": {}})
    );
}

#[tokio::test]
async fn rule_17_a_missing_header_is_looked_up_and_the_call_sent_once_more() {
    let fixture = modern().await;
    let upstream = fixture.upstream();
    let mut ask = call("marked");
    ask.params = Some(raw(&json!({"name": "marked", "arguments": {"p": "v"}})));
    result(&upstream, ask.clone()).await;
    assert_eq!(fixture.whats(), ["server/discover", "tools/call", "tools/list", "tools/call"]);
    result(&upstream, ask).await;
    assert_eq!(fixture.whats().len(), 5, "from then on it is known");
}

#[tokio::test]
async fn a_tool_whose_marks_are_wrong_is_dropped_from_the_list() {
    let fixture = modern().await;
    let list = value(&fixture.upstream(), ask("tools/list", json!({}))).await;
    assert_eq!(list["tools"].as_array().unwrap().len(), 1);
    assert_eq!((&list["tools"][0]["name"], &list["cacheScope"]), (&json!("marked"), &json!("public")));
}

#[tokio::test]
async fn rule_10_an_error_stays_one_whatever_its_status() {
    let fixture = modern().await;
    let upstream = fixture.upstream();
    assert_eq!(fault(reply(&upstream, ask("prompts/get", json!({"name": "p"}))).await).0, -32601);
    assert_eq!(fault(reply(&upstream, ask("resources/read", json!({"uri": "u"}))).await).0, -32602);
    assert_eq!(fault(reply(&upstream, ask("completion/complete", json!({}))).await).0, -32021);
    assert_eq!(upstream.health().is_up, Some(true));
}

#[tokio::test]
async fn rule_15_cancelling_closes_the_stream() {
    let closed = Arc::new(Notify::new());
    let noticing = Arc::clone(&closed);
    let fixture = Fixture::new(move |request, mut conn| {
        let closed = Arc::clone(&noticing);
        async move {
            if request.what() != "tools/call" {
                return serve(request, conn).await;
            }
            conn.stream().await;
            conn.closed().await;
            closed.notify_one();
            None
        }
        .boxed()
    })
    .await;
    let upstream = fixture.upstream();
    let cancel = CancellationToken::new();
    let asking = upstream.ask(call("hang"), mpsc::channel(1).0, &cancel);
    let cancelling = async {
        fixture.request(|request| request.what() == "tools/call").await;
        cancel.cancel();
    };
    let (reply, ()) = tokio::join!(asking, cancelling);
    assert_eq!(reply.err(), Some(Failure::Cancelled));
    tokio::time::timeout(super::fixture::SOON, closed.notified()).await.unwrap();
    assert!(!fixture.whats().contains(&"notifications/cancelled".to_owned()));
}

#[tokio::test]
async fn connections_are_kept_whatever_form_answers_have() {
    let fixture = modern().await;
    let upstream = fixture.upstream();
    for tool in ["echo", "chunked", "chunked", "echo"] {
        result(&upstream, call(tool)).await;
    }
    assert_eq!(fixture.connections(), 1);
}

struct Renewing(AtomicBool);

#[async_trait]
impl Credential for Renewing {
    async fn headers(&self, principal: &str) -> Result<Vec<(String, Secret<String>)>, NoHeaders> {
        let token = if self.0.load(Ordering::SeqCst) { "new" } else { "old" };
        Ok(vec![("authorization".to_owned(), Secret::new(format!("Bearer {token} of {principal}")))])
    }

    async fn refused(&self, _: &str, challenge: &Challenge) -> Result<bool, NoHeaders> {
        assert_eq!(
            (challenge.status, challenge.www_authenticate.as_deref()),
            (401, Some("Bearer scope=\"a\""))
        );
        Ok(!self.0.swap(true, Ordering::SeqCst))
    }
}

async fn guarded(accepted: &'static str) -> Fixture {
    Fixture::new(move |request, mut conn| {
        async move {
            if request.header("authorization") == Some(accepted) {
                return serve(request, conn).await;
            }
            conn.answer("401 Unauthorized", "www-authenticate: Bearer scope=\"a\"\r\n", "").await;
            Some(conn)
        }
        .boxed()
    })
    .await
}

#[tokio::test]
async fn a_refused_credential_is_renewed_once() {
    let fixture = guarded("Bearer new of alice").await;
    let credential = Arc::new(Renewing(AtomicBool::new(false)));
    let upstream = HttpUpstream::new(HttpSettings { credential, ..fixture.settings() });
    result(&upstream, call("echo")).await;
}

#[tokio::test]
async fn a_credential_that_stays_refused_is_a_failure_that_says_so() {
    let fixture = guarded("Bearer never").await;
    let credential = Arc::new(Renewing(AtomicBool::new(false)));
    let upstream = HttpUpstream::new(HttpSettings { credential, ..fixture.settings() });
    let refused = reply(&upstream, call("echo")).await.err();
    assert!(matches!(&refused, Some(Failure::NotSent(why)) if why.contains("401")), "{refused:?}");
    assert_eq!(upstream.health().is_up, Some(false));
}

#[tokio::test]
async fn w3c_a_trace_is_told_in_headers_too() {
    let fixture = modern().await;
    let mut ask = call("echo");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    ask.trace = TraceContext::parse(parent, Some("rojo=1"));
    result(&fixture.upstream(), ask).await;
    let sent = fixture.request(|request| request.what() == "tools/call").await;
    assert_eq!((sent.header("traceparent"), sent.header("tracestate")), (Some(parent), Some("rojo=1")));
}
