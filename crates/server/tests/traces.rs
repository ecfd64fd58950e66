//! Which trace a request belongs to, as the doors of both eras read it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use axum::body::Body;
use common::Doors;
use deputy_hub::ports::spans::{EndedSpan, SpanKind};
use deputy_hub::traces::Sample;
use deputy_server::{Hosts, operations, router};
use deputy_testkit::{FakeUpstream, HeldSpans, PUBLIC_URL, World, permit_all};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt as _;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01";
const PATH: &str = "/s/files/mcp";

struct Traced {
    doors: Doors,
    spans: Arc<HeldSpans>,
    files: Arc<FakeUpstream>,
}

async fn traced() -> Traced {
    let (spans, files) = (Arc::<HeldSpans>::default(), FakeUpstream::with_tools(&["list"]));
    let tracing = Some(spans.tracing(Sample::ALL));
    let world = World::traced(permit_all(), ("files", Arc::clone(&files)), tracing).await;
    let router = router(&world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
    Traced { doors: Doors { world: Arc::new(world), router, path: PATH.to_owned() }, spans, files }
}

impl Traced {
    /// The root that a call with these headers and this `_meta` has.
    async fn root(&self, headers: &[(&str, &str)], meta: Value) -> EndedSpan {
        let mut request =
            self.doors.modern("alice", &json!(1), "tools/call", json!({"name": "list", "_meta": meta}));
        for (name, value) in headers {
            request.headers_mut().append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        self.ended(request).await
    }

    async fn ended(&self, request: Request<Body>) -> EndedSpan {
        let before = self.spans.all().len();
        let reply = self.doors.send(request).await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        let root = |spans: &HeldSpans| {
            spans.all().into_iter().skip(before).find(|span| span.kind == SpanKind::Server)
        };
        self.doors.world.until("the request ends", || root(&self.spans).is_some()).await;
        root(&self.spans).unwrap()
    }
}

fn parent(span: &EndedSpan) -> Option<String> {
    let parent = span.parent?;
    Some(format!("00-{}-{parent}-01", span.own.trace))
}

#[tokio::test]
async fn w3c_a_request_belongs_to_the_trace_of_its_headers() {
    let traced = traced().await;
    let headers = [("traceparent", PARENT), ("tracestate", "rojo=1"), ("tracestate", "congo=2")];
    let root = traced.root(&headers, json!({})).await;
    assert_eq!(parent(&root).as_deref(), Some(PARENT));
    assert_eq!(root.own.state().map(AsRef::as_ref), Some("rojo=1,congo=2"));
}

#[tokio::test]
async fn sep_414_what_meta_says_goes_before_the_headers() {
    let traced = traced().await;
    let root = traced.root(&[("traceparent", OTHER)], json!({"traceparent": PARENT})).await;
    assert_eq!(parent(&root).as_deref(), Some(PARENT));
    let root = traced.root(&[("traceparent", PARENT)], json!({"traceparent": "00-broken"})).await;
    assert_eq!(parent(&root).as_deref(), Some(PARENT));
}

#[tokio::test]
async fn w3c_a_malformed_or_repeated_traceparent_is_ignored_and_the_call_goes_on() {
    let traced = traced().await;
    for headers in [&[("traceparent", "00-broken")][..], &[("traceparent", PARENT), ("traceparent", OTHER)]] {
        let root = traced.root(headers, json!({"tracestate": "rojo=1"})).await;
        assert_eq!(parent(&root), None, "{headers:?}");
        let asked = traced.files.asked().pop().unwrap();
        let told = asked.params.unwrap().get().to_owned();
        assert!(!told.contains("broken") && !told.contains("rojo") && !told.contains("bbbb"), "{told}");
    }
}

#[tokio::test]
async fn a_call_of_the_legacy_era_is_traced_alike_and_names_its_revision() {
    let traced = traced().await;
    let session = traced.doors.initialized("alice").await;
    let params = json!({"name": "list", "_meta": {"traceparent": PARENT}});
    let root = traced.ended(traced.doors.legacy("alice", &session, &json!(1), "tools/call", &params)).await;
    assert_eq!(parent(&root).as_deref(), Some(PARENT));
    let revision = root.attributes.iter().find(|attribute| attribute.name == "mcp.protocol.version").unwrap();
    assert_eq!(revision.value, "2025-11-25");
    assert_eq!(root.error, None);
    let client = traced.spans.all().into_iter().find(|span| span.kind == SpanKind::Client).unwrap();
    assert_eq!(traced.files.asked()[0].trace.as_ref().map(|told| told.span), Some(client.own.span));
}

#[tokio::test]
async fn a_call_whose_client_goes_away_is_a_cancelled_request() {
    let traced = traced().await;
    traced.files.hangs();
    let request = traced.doors.modern("alice", &json!(1), "tools/call", json!({"name": "list"}));
    let stream = traced.doors.open(request).await;
    drop(stream);
    let root = || traced.spans.all().into_iter().find(|span| span.kind == SpanKind::Server);
    traced.doors.world.until("the request ends", || root().is_some()).await;
    assert_eq!(root().unwrap().error.as_deref(), Some("cancelled"));
    // The corridor still tells what became of it.
    let client = || traced.spans.all().into_iter().find(|span| span.kind == SpanKind::Client);
    traced.doors.world.until("the effect ends", || client().is_some()).await;
    assert_eq!(client().unwrap().parent, Some(root().unwrap().own.span));
}

#[tokio::test]
async fn metrics_say_what_became_of_spans() {
    let traced = traced().await;
    traced.root(&[], json!({})).await;
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let answer = operations(&traced.doors.world.hub).oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("\ndeputy_spans_total{state=\"exported\"} 5\n"), "{text}");
    assert!(text.contains("\ndeputy_spans_total{state=\"dropped\"} 0\n"), "{text}");
}
