//! Servers over HTTP that do not do what they should.

use super::fixture::{Conn, Fixture, Request, call, fault, limits, reply, result};
use crate::upstream::{HttpSettings, HttpUpstream};
use deputy_hub::ports::Upstream as _;
use deputy_hub::ports::upstream::Failure;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A modern server, but for how it answers calls.
async fn but<A>(answer: A) -> Fixture
where
    A: Fn(Request, Conn) -> BoxFuture<'static, Option<Conn>> + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    Fixture::new(move |request, mut conn| {
        let answer = Arc::clone(&answer);
        async move {
            if request.what() == "tools/call" {
                return answer(request, conn).await;
            }
            conn.result(&request, r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#).await;
            Some(conn)
        }
        .boxed()
    })
    .await
}

async fn saying(status: &'static str, headers: &'static str, body: &'static str) -> Fixture {
    but(move |_, mut conn| {
        async move {
            conn.answer(status, headers, body).await;
            Some(conn)
        }
        .boxed()
    })
    .await
}

async fn failure(fixture: &Fixture) -> Failure {
    reply(&fixture.upstream(), call("t")).await.expect_err("a failure")
}

#[tokio::test]
async fn rule_10_what_is_no_message_is_of_no_use() {
    for (status, headers, body) in [
        ("200 OK", "content-type: text/html\r\n", "<html>"),
        ("200 OK", "content-type: application/json\r\n", "{}"),
        ("200 OK", "content-type: application/json\r\n", r#"{"jsonrpc":"2.0","id":999,"result":{}}"#),
        ("202 Accepted", "", ""),
        ("204 No Content", "", ""),
        ("400 Bad Request", "", "no"),
        ("307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n", ""),
        ("200 OK", "content-encoding: gzip\r\n", "x"),
    ] {
        let fixture = saying(status, headers, body).await;
        let failure = failure(&fixture).await;
        assert!(matches!(failure, Failure::Unusable(_)), "{status} {body}: {failure:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = saying("200 OK", "", "").await;
    let location = format!("location: {}\r\n", elsewhere.url());
    let fixture = but(move |_, mut conn| {
        let location = location.clone();
        async move {
            conn.answer("307 Temporary Redirect", &location, "").await;
            Some(conn)
        }
        .boxed()
    })
    .await;
    failure(&fixture).await;
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_server_error_may_have_had_an_effect_and_a_refusal_not() {
    let lost = failure(&saying("502 Bad Gateway", "", "oops").await).await;
    assert!(matches!(lost, Failure::Lost(_)), "{lost:?}");
    for status in ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests"] {
        let refused = failure(&saying(status, "", "").await).await;
        assert!(matches!(refused, Failure::NotSent(_)), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_there_means_nothing_was_sent() {
    let fixture = saying("200 OK", "", "").await;
    let mut settings = fixture.settings();
    settings.url.set_port(Some(1)).unwrap();
    let upstream = HttpUpstream::new(settings);
    assert!(matches!(reply(&upstream, call("t")).await, Err(Failure::NotSent(_))));
    assert!(upstream.health().last_error.is_some());
}

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer_is_a_loss() {
    let fixture = but(|_, _| async { None }.boxed()).await;
    assert!(matches!(failure(&fixture).await, Failure::Lost(_)));
}

#[tokio::test]
async fn rule_26_an_answer_of_100_mb_is_not_read() {
    let announced = but(|_, mut conn| {
        async move {
            conn.raw(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n",
            )
            .await;
            conn.closed().await;
            None
        }
        .boxed()
    })
    .await;
    let too_large = Failure::TooLarge { limit_bytes: limits().answer_bytes };
    assert_eq!(failure(&announced).await, too_large);
    for kind in ["application/json", "text/event-stream"] {
        let endless = but(move |_, mut conn| {
            async move {
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\ndata: ");
                conn.raw(&head).await;
                let piece = "x".repeat(1 << 16);
                while conn.raw(&piece).await {}
                None
            }
            .boxed()
        })
        .await;
        assert_eq!(failure(&endless).await, too_large, "{kind}");
    }
}

#[tokio::test]
async fn rule_16_junk_and_comments_in_a_stream_harm_nothing() {
    let fixture = but(|request, mut conn| {
        async move {
            conn.stream().await;
            conn.raw(": c\n\ndata:\n\ndata: junk\n\nevent: other\ndata: {}\n\ndata: [1]\n\n").await;
            conn.event(&json!({"jsonrpc": "2.0", "id": 12345, "result": {}})).await;
            conn.event(&json!({"jsonrpc": "2.0", "id": "x", "method": "roots/list"})).await;
            conn.event_result(&request, json!({"content": []})).await;
            None
        }
        .boxed()
    })
    .await;
    assert_eq!(result(&fixture.upstream(), call("t")).await, r#"{"content":[],"resultType":"complete"}"#);
}

#[tokio::test]
async fn an_error_without_id_is_the_answer_to_the_only_request() {
    let fixture =
        saying("200 OK", "", r#"{"jsonrpc":"2.0","id":null,"error":{"code":7,"message":"m"}}"#).await;
    assert_eq!(fault(reply(&fixture.upstream(), call("t")).await), (7, "m".to_owned()));
}

#[tokio::test]
async fn the_era_is_found_out_again_when_it_stops_fitting() {
    let is_modern = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&is_modern);
    let fixture = Fixture::new(move |request, mut conn| {
        let is_modern = now.load(Ordering::SeqCst);
        async move {
            let id = &request.body["id"];
            match request.what() {
                "server/discover" if is_modern => {
                    conn.result(&request, r#"{"supportedVersions":["2026-07-28"]}"#).await;
                }
                "initialize" if is_modern => conn.error("400 Bad Request", id, -32022).await,
                "initialize" => {
                    let result =
                        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}});
                    let body = json!({"jsonrpc": "2.0", "id": id, "result": result});
                    conn.answer("200 OK", "mcp-session-id: s\r\n", &body.to_string()).await;
                }
                _ if !is_modern && request.header("mcp-session-id").is_none() => {
                    conn.error("400 Bad Request", &Value::Null, -32000).await;
                }
                _ if is_modern && request.header("mcp-method").is_none() => {
                    conn.error("400 Bad Request", &Value::Null, -32020).await;
                }
                "notifications/initialized" => conn.answer("202 Accepted", "", "").await,
                "GET" => conn.answer("405 Method Not Allowed", "", "").await,
                _ => conn.result(&request, r#"{"content":[]}"#).await,
            }
            Some(conn)
        }
        .boxed()
    })
    .await;
    let upstream = fixture.upstream();
    for revision in ["2026-07-28", "2025-06-18", "2026-07-28"] {
        is_modern.store(revision == "2026-07-28", Ordering::SeqCst);
        result(&upstream, call("t")).await;
        assert_eq!(upstream.health().revision.as_deref(), Some(revision));
    }
}

#[tokio::test]
async fn a_server_that_hangs_at_the_probe_is_asked_in_the_other_era() {
    let fixture = Fixture::new(|request, mut conn| {
        async move {
            match request.what() {
                "server/discover" => conn.closed().await,
                "initialize" => {
                    conn.result(&request, r#"{"protocolVersion":"2025-03-26","capabilities":{}}"#).await
                }
                "GET" => conn.answer("405 Method Not Allowed", "", "").await,
                "notifications/initialized" => conn.answer("202 Accepted", "", "").await,
                _ => conn.result(&request, "{}").await,
            }
            Some(conn)
        }
        .boxed()
    })
    .await;
    let limits = crate::upstream::Limits { probe: Duration::from_millis(50), ..limits() };
    let upstream = HttpUpstream::new(HttpSettings { limits, ..fixture.settings() });
    result(&upstream, call("t")).await;
    assert_eq!(upstream.health().revision.as_deref(), Some("2025-03-26"));
}

#[tokio::test]
async fn a_server_that_never_becomes_ready_was_sent_nothing() {
    let fixture = Fixture::new(|_, mut conn| {
        async move {
            conn.closed().await;
            None
        }
        .boxed()
    })
    .await;
    let mut ask = call("t");
    ask.timeout = Duration::from_millis(100);
    assert!(matches!(reply(&fixture.upstream(), ask).await, Err(Failure::NotSent(_))));
}
