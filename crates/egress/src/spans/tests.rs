//! Against a collector on this machine, which reads by the types that OpenTelemetry publishes.

use super::*;
use crate::client::{NamedHosts, Settings};
use crate::resolver::Resolver;
use crate::stranger::Script;
use crate::upstream::NoCredential;
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_hub::ports::spans::{Attribute, SpanKind};
use deputy_protocol::trace::{SpanId, TraceContext, TraceId};
use deputy_testkit::{FakeCollector, attribute};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn span(number: u64) -> EndedSpan {
    EndedSpan {
        own: TraceContext::parse(PARENT, Some("rojo=1")).unwrap().from_span(SpanId::new(number)),
        parent: Some(SpanId::new(0x00f0_67aa_0ba9_02b7)),
        parent_is_remote: true,
        kind: SpanKind::Server,
        name: "tools/call note".into(),
        began_ns: 1_795_262_400_000_000_001,
        ended_ns: 1_795_262_400_000_000_900,
        attributes: vec![Attribute { name: "mcp.method.name", value: "tools/call".into() }],
        error: None,
    }
}

fn client(host: &str, resolver: Arc<dyn Resolver>, timeout: Duration) -> HttpClient {
    let named = NamedHosts::of(&[Url::parse(&format!("http://{host}")).unwrap()]);
    HttpClient::plain_inside(Settings { resolver, timeout, ..Settings::new(named) }).unwrap()
}

fn at(endpoint: &str, credential: Arc<dyn Credential>) -> (SpanQueue, SpanExporter) {
    let endpoint = Url::parse(endpoint).unwrap();
    let resolver = Script::new(&[&["127.0.0.1"]]);
    let client = client(endpoint.host_str().unwrap(), resolver, Duration::from_secs(2));
    let (service_name, instance) = ("deputy-north".to_owned(), "i1".to_owned());
    SpanExporter::new(client, Collector { endpoint, credential, service_name, instance })
}

fn to(collector: &FakeCollector) -> (SpanQueue, SpanExporter) {
    at(&collector.endpoint(), Arc::new(NoCredential))
}

struct Key;

#[async_trait]
impl Credential for Key {
    async fn headers(&self, _: &str) -> Result<Vec<(String, Secret<String>)>, crate::upstream::NoHeaders> {
        Ok(vec![("x-key".to_owned(), Secret::new("k3y".to_owned()))])
    }
}

#[tokio::test]
async fn otlp_a_span_arrives_whole_by_opentelemetrys_own_reading() {
    let collector = FakeCollector::start();
    let (queue, mut exporter) = at(&format!("{}/tenant/", collector.endpoint()), Arc::new(Key));
    queue.take(EndedSpan { error: Some("policy_denied".into()), ..span(7) });
    queue.take(EndedSpan { parent: None, kind: SpanKind::Client, ..span(8) });
    queue.take(EndedSpan { parent_is_remote: false, kind: SpanKind::Internal, ..span(9) });
    exporter.last().await;
    let exports = collector.exports();
    assert_eq!((exports.len(), exports[0].path.as_str()), (1, "/tenant/v1/traces"));
    let header = |name: &str| {
        exports[0].headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!((header("content-type"), header("x-key")), (Some("application/x-protobuf"), Some("k3y")));
    let resource = &exports[0].message.resource_spans[0];
    let of_resource = &resource.resource.as_ref().unwrap().attributes;
    for (key, value) in
        [("service.name", "deputy-north"), ("service.instance.id", "i1"), ("telemetry.sdk.name", "deputy")]
    {
        assert_eq!(attribute(of_resource, key).as_deref(), Some(value));
    }
    assert_eq!(resource.scope_spans[0].scope.as_ref().unwrap().name, "deputy");
    let spans = collector.spans();
    let first = &spans[0];
    assert_eq!(first.trace_id, TraceId::new(first.trace_id.clone().try_into().unwrap()).unwrap().to_bytes());
    assert_eq!(first.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    assert_eq!(
        (first.span_id.as_slice(), first.parent_span_id.as_slice()),
        (&7_u64.to_be_bytes()[..], &0x00f0_67aa_0ba9_02b7_u64.to_be_bytes()[..])
    );
    assert_eq!((first.name.as_str(), first.trace_state.as_str()), ("tools/call note", "rojo=1"));
    assert_eq!(first.start_time_unix_nano, 1_795_262_400_000_000_001);
    assert_eq!(first.end_time_unix_nano, 1_795_262_400_000_000_900);
    assert_eq!(attribute(&first.attributes, "mcp.method.name").as_deref(), Some("tools/call"));
    assert_eq!(attribute(&first.attributes, "error.type").as_deref(), Some("policy_denied"));
    assert_eq!(first.status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(spans.iter().map(|span| span.kind).collect::<Vec<_>>(), [2, 3, 1]);
    assert_eq!(spans.iter().map(|span| span.flags).collect::<Vec<_>>(), [0x301, 0x101, 0x101]);
    assert!(spans[1].parent_span_id.is_empty() && spans[1].status.is_none());
    assert_eq!(queue.counts(), SpanCounts { exported: 3, dropped: 0 });
}

#[tokio::test]
async fn spans_go_together_and_nobody_waits_for_long() {
    let collector = FakeCollector::start();
    let (queue, mut exporter) = to(&collector);
    (1..=600).for_each(|number| queue.take(span(number)));
    drop(queue);
    // Ends with its queue.
    exporter.run().await;
    let sizes: Vec<usize> = collector
        .exports()
        .iter()
        .map(|export| export.message.resource_spans[0].scope_spans[0].spans.len())
        .collect();
    assert_eq!(sizes, [BATCH, 600 - BATCH]);
}

#[tokio::test]
async fn what_finds_no_room_is_counted_and_whoever_ended_it_did_not_wait() {
    let collector = FakeCollector::start();
    let (queue, mut exporter) = to(&collector);
    (0..WAITING as u64 + 300).for_each(|number| queue.take(span(number)));
    assert_eq!(queue.counts(), SpanCounts { exported: 0, dropped: 300 });
    exporter.last().await;
    assert_eq!(queue.counts(), SpanCounts { exported: WAITING as u64, dropped: 300 });
}

#[tokio::test]
async fn a_collector_that_is_gone_gets_a_batch_five_times_and_then_it_is_counted() {
    let collector = FakeCollector::start();
    collector.answers(503, Vec::new());
    let (queue, mut exporter) = to(&collector);
    exporter.first_wait = Duration::from_millis(1);
    queue.take(span(1));
    assert!(exporter.gather().await);
    exporter.deliver().await;
    assert_eq!(collector.exports().len(), 5);
    assert_eq!(queue.counts(), SpanCounts { exported: 0, dropped: 1 });
    assert!(exporter.is_failing);
    // It comes back, and nothing of before stands in the way.
    collector.answers(200, Vec::new());
    queue.take(span(2));
    exporter.last().await;
    assert_eq!(queue.counts(), SpanCounts { exported: 1, dropped: 1 });
    assert!(!exporter.is_failing);
}

#[tokio::test]
async fn what_a_collector_will_never_take_is_not_sent_twice() {
    let collector = FakeCollector::start();
    collector.answers(400, Vec::new());
    let (queue, mut exporter) = to(&collector);
    queue.take(span(1));
    assert!(exporter.gather().await);
    exporter.deliver().await;
    assert_eq!(collector.exports().len(), 1);
    assert_eq!(queue.counts().dropped, 1);
}

#[tokio::test]
async fn otlp_what_a_collector_says_it_refused_is_counted_as_dropped() {
    let collector = FakeCollector::start();
    // `partial_success { rejected_spans: 1 }`.
    collector.answers(200, vec![0x0a, 0x02, 0x08, 0x01]);
    let (queue, mut exporter) = to(&collector);
    (1..=3).for_each(|number| queue.take(span(number)));
    exporter.last().await;
    assert_eq!(queue.counts(), SpanCounts { exported: 2, dropped: 1 });
}

#[tokio::test]
async fn a_run_that_is_dropped_loses_no_span() {
    let collector = FakeCollector::start();
    collector.answers(503, Vec::new());
    let (queue, mut exporter) = to(&collector);
    queue.take(span(1));
    tokio::select! {
        () = exporter.run() => panic!("it goes on"),
        spans = collector.until_spans(1) => drop(spans),
    }
    collector.answers(200, Vec::new());
    exporter.last().await;
    assert_eq!(queue.counts(), SpanCounts { exported: 1, dropped: 0 });
}

#[tokio::test]
async fn r6_plain_http_stays_inside_and_goes_to_the_named_host_alone() {
    let quick = Duration::from_millis(50);
    for (host, address, may) in [
        ("collector.test", "127.0.0.1", true),
        ("collector.test", "10.1.2.3", true),
        ("collector.test", "93.184.216.34", false),
        ("collector.test", "169.254.169.254", false),
        ("other.test", "127.0.0.1", false),
    ] {
        let client = client("collector.test", Script::new(&[&[address]]), quick);
        let url = Url::parse(&format!("http://{host}:9/")).unwrap();
        let got = client.get(&url, Ask::Configured, "*/*", 64).await;
        assert_eq!(!matches!(got, Err(EgressError::NotAllowed { .. })), may, "{host} at {address}: {got:?}");
    }
    let literal = Url::parse("http://93.184.216.34:4318/").unwrap();
    let client = client("93.184.216.34", Script::new(&[&["93.184.216.34"]]), quick);
    assert!(matches!(client.client_for(&literal, Ask::Configured), Err(EgressError::NotAllowed { .. })));
}
