//! Traces as the program makes them: from a request at the door to what a collector reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop"
)]

use deputy::settings::{SecretSource, Settings, Telemetry};
use deputy::telemetry::traces::{Carrier, traces};
use deputy::wire::Running;
use deputy_hub::traces::{Sample, Tracing};
use deputy_hub::{CallEvent, Wish};
use deputy_testkit::{FakeCollector, FakeUpstream, World, attribute, permit_all, relayed};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn telemetry(endpoint: &str, headers: Option<SecretSource>) -> Telemetry {
    let endpoint = endpoint.parse().unwrap();
    Telemetry { endpoint, headers, sample: Sample::ALL, service_name: "deputy-test".to_owned() }
}

async fn world(telemetry: &Telemetry) -> (World, Arc<FakeUpstream>, Tracing, Carrier) {
    let files = FakeUpstream::with_tools(&["note"]);
    let (tracing, carrier) = traces(telemetry).unwrap();
    let world = World::traced(permit_all(), ("files", Arc::clone(&files)), Some(tracing.clone())).await;
    (world, files, tracing, carrier)
}

async fn call(world: &World, context: Option<&str>) {
    let wish = relayed("files", "tools/call", &json!({"name": "note", "arguments": {"text": "0badc0de"}}));
    let context = context.and_then(|parent| deputy_protocol::trace::TraceContext::parse(parent, None));
    let served = world.hub.traces().serve("tools/call", "2026-07-28", context);
    let wish = Wish { trace: served.trace(), ..wish };
    let mut events = world.hub.call(world.caller_at("files", "alice").await, wish);
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(CallEvent::Replied(_))), "{last:?}");
}

#[tokio::test]
async fn one_call_is_one_trace_at_the_collector_with_the_right_parents() {
    let collector = FakeCollector::start();
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("otlp.headers");
    std::fs::write(&headers, "authorization: Bearer k3y\n").unwrap();
    let telemetry = telemetry(&collector.endpoint(), Some(SecretSource::File(headers)));
    let (world, files, _, carrier) = world(&telemetry).await;
    world.hub.supervisor().start_until_shutdown(carrier.run());
    call(&world, Some(PARENT)).await;
    let spans = collector.until_spans(5).await;
    let named = |name: &str, kind: i32| {
        spans
            .iter()
            .find(|span| span.name == name && span.kind == kind)
            .unwrap_or_else(|| panic!("no {name}"))
    };
    let root = named("tools/call note", 2);
    assert_eq!(root.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    let client = named("tools/call note", 3);
    for child in [named("decide", 1), named("record intent", 1), client, named("record outcome", 1)] {
        assert_eq!(child.parent_span_id, root.span_id, "{}", child.name);
    }
    for span in &spans {
        assert_eq!(span.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    }
    assert_eq!(files.asked()[0].trace.as_ref().unwrap().span.to_bytes().as_slice(), client.span_id);
    assert_eq!(attribute(&client.attributes, "gen_ai.tool.name").as_deref(), Some("note"));
    let export = &collector.exports()[0];
    assert!(export.headers.contains(&("authorization".to_owned(), "Bearer k3y".to_owned())));
    let told = format!("{:?}", export.message);
    assert!(!told.contains("0badc0de") && !told.contains("alice") && !told.contains("k3y"), "{told}");
}

#[tokio::test]
async fn a_dead_collector_costs_spans_and_no_calls_and_memory_stays_bounded() {
    // A port that nobody listens on any more.
    let endpoint = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let (world, _files, tracing, carrier) = world(&telemetry(&endpoint, None)).await;
    world.hub.supervisor().start_until_shutdown(carrier.clone().run());
    let began = Instant::now();
    for _ in 0..600 {
        call(&world, None).await;
    }
    assert!(began.elapsed() < Duration::from_secs(60), "calls waited for the collector");
    let counts = tracing.sink.counts();
    // 600 calls end 3000 spans; at most a queue and a batch of them are kept.
    assert_eq!(counts.exported, 0);
    assert!(counts.dropped >= 3000 - 2048 - 512, "{counts:?}");
    // The end does not wait for it either.
    world.hub.supervisor().shut_down().await;
    carrier.last().await;
    assert!(began.elapsed() < Duration::from_secs(90));
    assert!(tracing.sink.counts().dropped > counts.dropped);
}

#[tokio::test]
async fn what_ended_last_is_exported_before_the_program_ends() {
    let collector = FakeCollector::start();
    let (world, _files, _, carrier) = world(&telemetry(&collector.endpoint(), None)).await;
    call(&world, None).await;
    carrier.last().await;
    assert_eq!(collector.spans().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_sends_spans_where_its_settings_say_and_nowhere_without_them() {
    let collector = FakeCollector::start();
    let folder = tempfile::tempdir().unwrap();
    let text = "[hub]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"data\"\n\
                [[identity_provider]]\nname = \"acme\"\nissuer = \"http://127.0.0.1:9\"\n";
    let with = format!(
        "{text}[telemetry]\notlp_endpoint = \"{}\"\nservice_name = \"deputy-north\"\n",
        collector.endpoint()
    );
    for (text, counts) in [(text, false), (with.as_str(), true)] {
        let settings = Settings::parse(text, &folder.path().join("deputy.toml")).unwrap();
        let running = Running::start(&settings, CancellationToken::new()).await.unwrap();
        assert_eq!(running.hub.traces().counts().is_some(), counts);
        drop(running.hub.traces().serve("tools/call", "2026-07-28", None));
        running.end().await;
    }
    let exports = collector.exports();
    assert_eq!((exports.len(), collector.spans().len()), (1, 1));
    let resource = exports[0].message.resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name").as_deref(), Some("deputy-north"));
}
