//! One call, as its trace tells it: what belongs to what, and what is never told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use deputy_core::EventKind;
use deputy_hub::approvals::{Say, Word};
use deputy_hub::ports::spans::{EndedSpan, SpanKind};
use deputy_hub::ports::upstream::{Ask, Failure, Reply};
use deputy_hub::traces::Sample;
use deputy_hub::{CallEvent, Wish};
use deputy_policy::PolicySet;
use deputy_protocol::relay::Object;
use deputy_protocol::trace::TraceContext;
use deputy_testkit::{FakeUpstream, HeldSpans, World, permit_all, relayed, wish};
use serde_json::{Value, json};
use std::sync::Arc;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SECRET: &str = "0badc0de";

struct Traced {
    world: World,
    spans: Arc<HeldSpans>,
    files: Arc<FakeUpstream>,
}

async fn traced(policy: PolicySet) -> Traced {
    let (spans, files) = (Arc::<HeldSpans>::default(), FakeUpstream::with_tools(&["list", "note", "wipe"]));
    let world = World::traced(policy, ("files", Arc::clone(&files)), Some(spans.tracing(Sample::ALL))).await;
    Traced { world, spans, files }
}

/// As when nobody wants spans.
async fn untraced() -> (World, Arc<FakeUpstream>) {
    let files = FakeUpstream::with_tools(&["list"]);
    (World::traced(permit_all(), ("files", Arc::clone(&files)), None).await, files)
}

fn context() -> Option<TraceContext> {
    TraceContext::parse(PARENT, Some("rojo=1"))
}

/// Runs a wish within a request of its own, to its last event.
async fn run(world: &World, at: Option<&str>, mut wish: Wish, context: Option<TraceContext>) -> CallEvent {
    let caller = match at {
        Some(server) => world.caller_at(server, "alice").await,
        None => world.caller("alice").await,
    };
    let method = wish.relay.as_ref().map_or("tools/call", |relay| relay.method());
    let served = world.hub.traces().serve(method, "2026-07-28", context);
    wish.trace = served.trace();
    let mut events = world.hub.call(caller, wish);
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    last.expect("a call ends with an event")
}

fn note() -> Wish {
    let params = json!({"name": "note", "arguments": {"text": SECRET}, "_meta": {"baggage": "b=2"}});
    relayed("files", "tools/call", &params)
}

fn meta(ask: &Ask) -> Value {
    let params = Object::parse(ask.params.as_ref().unwrap()).unwrap();
    serde_json::from_str(params.get("_meta").map_or("null", serde_json::value::RawValue::get)).unwrap()
}

fn said<'a>(span: &'a EndedSpan, name: &str) -> Option<&'a str> {
    span.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_ref())
}

#[tokio::test]
async fn a_call_to_a_server_is_one_trace_whose_spans_belong_to_each_other() {
    let Traced { world, spans, files } = traced(permit_all()).await;
    let last = run(&world, Some("files"), note(), context()).await;
    assert!(matches!(last, CallEvent::Replied(Reply::Result(_))), "{last:?}");
    let all = spans.all();
    let names: Vec<(&str, SpanKind)> = all.iter().map(|span| (span.name.as_ref(), span.kind)).collect();
    let expected = [
        ("decide", SpanKind::Internal),
        ("record intent", SpanKind::Internal),
        ("tools/call note", SpanKind::Client),
        ("record outcome", SpanKind::Internal),
        ("tools/call note", SpanKind::Server),
    ];
    assert_eq!(names, expected);
    let root = &all[4];
    assert_eq!(root.parent, context().map(|context| context.span));
    for child in &all[..4] {
        assert_eq!(child.parent, Some(root.own.span), "{}", child.name);
        assert!(child.began_ns >= root.began_ns && child.ended_ns <= root.ended_ns, "{}", child.name);
    }
    for span in &all {
        assert_eq!(span.trace(), context().unwrap().trace);
        assert_eq!(span.own.state().map(AsRef::as_ref), Some("rojo=1"));
        assert_eq!(span.error, None);
    }
    // What the server is told is the span that asked it, in the client's trace.
    let asked = &files.asked()[0];
    assert_eq!(asked.trace, Some(all[2].own.clone()));
    let told = json!({"traceparent": all[2].own.parent(), "tracestate": "rojo=1", "baggage": "b=2"});
    assert_eq!(meta(asked), told);
    assert!(all[2].own.parent().ends_with("-01"));
}

#[tokio::test]
async fn spans_say_what_was_called_and_how_it_ended_in_the_words_of_opentelemetry() {
    let Traced { world, spans, .. } = traced(permit_all()).await;
    run(&world, Some("files"), note(), None).await;
    let all = spans.all();
    let (client, root) = (&all[2], &all[4]);
    for span in [client, root] {
        for (name, value) in [
            ("mcp.method.name", "tools/call"),
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "note"),
            ("deputy.source", "files"),
            ("deputy.outcome", "succeeded"),
        ] {
            assert_eq!(said(span, name), Some(value), "{} of {}", name, span.name);
        }
    }
    assert_eq!(said(root, "mcp.protocol.version"), Some("2026-07-28"));
    assert_eq!(said(root, "deputy.class"), Some("write"));
    assert_eq!(said(client, "deputy.lane"), Some("open"));
    let intent = &world.tables.of_kind(EventKind::Intent)[0];
    assert_eq!(said(root, "deputy.call"), intent.call.as_ref().map(deputy_core::CallId::as_str));
}

#[tokio::test]
async fn no_span_holds_arguments_answers_people_or_tokens() {
    let Traced { world, spans, files } = traced(permit_all()).await;
    files.answers(|_| {
        Ok(deputy_testkit::result(
            &json!({"resultType": "complete", "content": [{"type": "text", "text": SECRET}]}),
        ))
    });
    run(&world, Some("files"), note(), None).await;
    let read = relayed("files", "resources/read", &json!({"uri": format!("file:///{SECRET}")}));
    run(&world, Some("files"), read, None).await;
    let unknown = relayed("files", "tools/call", &json!({"name": format!("x{SECRET}")}));
    run(&world, Some("files"), unknown, None).await;
    files.answers(|_| Err(Failure::NotSent(SECRET.to_owned())));
    run(&world, Some("files"), note(), None).await;
    let told = format!("{:?}", spans.all());
    for never in [SECRET, "alice", "agent-1", "idp.example"] {
        assert!(!told.contains(never), "{never}: {told}");
    }
    assert!(spans.all().len() > 10);
}

#[tokio::test]
async fn a_call_in_a_tab_is_traced_alike() {
    let Traced { world, spans, .. } = traced(PolicySet::shipped().unwrap()).await;
    let mut tab = world.tab("alice").await;
    world.accept_definitions("alice").await;
    let (last, _) = tokio::join!(run(&world, None, wish("list", &json!({})), None), tab.answer("done"));
    assert!(matches!(last, CallEvent::Done(Ok(_))), "{last:?}");
    let all = spans.all();
    let root = all.iter().find(|span| span.kind == SpanKind::Server).expect("a root");
    let client = all.iter().find(|span| span.kind == SpanKind::Client).expect("a client");
    assert_eq!((root.name.as_ref(), client.name.as_ref()), ("tools/call list", "tools/call list"));
    assert_eq!((client.parent, root.parent), (Some(root.own.span), None));
    assert_eq!(said(client, "deputy.lane"), Some("session"));
    // A read is asked beside its line, and waits for it before its answer is released.
    let order: Vec<&str> = all.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(order, ["decide", "tools/call list", "record intent", "record outcome", "tools/call list"]);
}

#[tokio::test]
async fn a_refusal_is_an_error_with_its_reason() {
    let Traced { world, spans, .. } =
        traced(PolicySet::parse(&[("none.cedar".to_owned(), String::new())]).unwrap()).await;
    run(&world, Some("files"), note(), None).await;
    let root = spans.all().pop().expect("a root");
    assert_eq!(root.error.as_deref(), Some("policy_denied"));
    assert_eq!(said(&root, "deputy.reason"), Some("policy_denied"));
    assert_eq!(spans.all().len(), 2, "nothing was recorded as performed");
}

#[tokio::test]
async fn what_a_tool_or_a_server_says_of_its_own_failure_is_an_error() {
    let Traced { world, spans, files } = traced(permit_all()).await;
    files.answers(|_| {
        Ok(deputy_testkit::result(&json!({"resultType": "complete", "content": [], "isError": true})))
    });
    run(&world, Some("files"), note(), None).await;
    let client =
        |spans: &HeldSpans| spans.all().into_iter().rfind(|span| span.kind == SpanKind::Client).unwrap();
    assert_eq!(client(&spans).error.as_deref(), Some("tool_error"));
    files.answers(|_| Ok(Reply::Fault { code: -32_602, message: SECRET.to_owned(), data: None }));
    run(&world, Some("files"), note(), None).await;
    let root = spans.all().pop().expect("a root");
    assert_eq!(root.error.as_deref(), Some("-32602"));
    assert_eq!(said(&root, "rpc.response.status_code"), Some("-32602"));
    files.answers(|_| Err(Failure::TimedOut));
    run(&world, Some("files"), note(), None).await;
    assert_eq!(client(&spans).error.as_deref(), Some("outcome_unknown"));
}

#[tokio::test]
async fn waiting_for_a_person_is_a_span_of_its_own_below_the_decision() {
    let ask = r#"@id("ask") permit(principal, action, resource) when { context.approved };"#;
    let Traced { world, spans, .. } =
        traced(PolicySet::parse(&[("ask.cedar".to_owned(), ask.to_owned())]).unwrap()).await;
    let parked = run(&world, Some("files"), note(), context()).await;
    let CallEvent::Parked { approval, .. } = parked else { panic!("{parked:?}") };
    let root = spans.all().pop().expect("a root");
    assert_eq!((said(&root, "deputy.reason"), root.error.as_deref()), (Some("approval_required"), None));
    let person = world.person("alice").await;
    let pending = world.hub.approvals().pending(&person).await.unwrap();
    let word = Word::plain(approval.clone(), pending[0].record.digest, Say::Approve);
    world.hub.approvals().decide(&person, vec![word]).await.unwrap();
    run(&world, Some("files"), Wish { approval: Some(approval), ..note() }, context()).await;
    let waits = spans.one("wait for a person");
    let decides = spans.all().into_iter().rfind(|span| span.name == "decide").unwrap();
    assert_eq!(waits.parent, Some(decides.own.span));
}

#[tokio::test]
async fn without_telemetry_what_a_client_brings_goes_on_unchanged_and_nothing_else_does() {
    let (world, files) = untraced().await;
    let call = |meta: Value| relayed("files", "tools/call", &json!({"name": "list", "_meta": meta}));
    let good = json!({"traceparent": PARENT, "tracestate": "rojo=1", "x.y/z": 1});
    run(&world, Some("files"), call(good.clone()), context()).await;
    // A header says it, and `_meta` does not.
    run(&world, Some("files"), call(json!({})), context()).await;
    // Nobody says anything, or nothing of use.
    run(&world, Some("files"), call(json!({"x.y/z": 1})), None).await;
    run(&world, Some("files"), call(json!({"traceparent": "00-a", "tracestate": "rojo=1"})), None).await;
    let asked = files.asked();
    assert_eq!((meta(&asked[0]), asked[0].trace.clone()), (good, context()));
    assert_eq!(
        (meta(&asked[1]), asked[1].trace.clone()),
        (json!({"traceparent": PARENT, "tracestate": "rojo=1"}), context())
    );
    assert_eq!((meta(&asked[2]), asked[2].trace.clone()), (json!({"x.y/z": 1}), None));
    assert_eq!((meta(&asked[3]), asked[3].trace.clone()), (json!({}), None));
}

#[tokio::test]
async fn the_lines_of_a_call_name_its_trace() {
    let (world, _files) = untraced().await;
    let call = relayed("files", "tools/call", &json!({"name": "list"}));
    run(&world, Some("files"), call.clone(), context()).await;
    run(&world, Some("files"), call, None).await;
    for kind in [EventKind::Intent, EventKind::Outcome] {
        let traces: Vec<Option<String>> = world
            .tables
            .of_kind(kind)
            .iter()
            .map(|line| line.detail.get("trace").and_then(Value::as_str).map(ToOwned::to_owned))
            .collect();
        assert_eq!(traces, [Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()), None]);
    }
}
