//! What goes over the wire: the part of OTLP's messages that is sent and read here (opentelemetry-proto 1.x, binary).
//!
//! The numbers are those of the published `trace.proto`, `common.proto` and `resource.proto`; the tests read what is written
//! here by the types that OpenTelemetry itself makes of them.

use deputy_hub::ports::spans::{EndedSpan, SpanKind};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// Text is all that we say.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    string_value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
}

/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;
/// Whether the parent is remote is known; it is.
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The body that carries these spans.
pub(super) fn request(service_name: &str, instance: &str, spans: &[EndedSpan]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = [
        ("service.name", service_name),
        ("service.version", version),
        ("service.instance.id", instance),
        ("telemetry.sdk.name", "deputy"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", version),
    ];
    let attributes = attributes.into_iter().map(|(key, value)| said(key, value)).collect();
    let scope = Scope { name: "deputy".to_owned(), version: version.to_owned() };
    let scope_spans = ScopeSpans { scope: Some(scope), spans: spans.iter().map(span).collect() };
    let resource_spans =
        ResourceSpans { resource: Some(Resource { attributes }), scope_spans: vec![scope_spans] };
    Request { resource_spans: vec![resource_spans] }.encode_to_vec()
}

fn said(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { string_value: Some(value.to_owned()) }) }
}

fn span(ended: &EndedSpan) -> Span {
    let mut attributes: Vec<KeyValue> =
        ended.attributes.iter().map(|attribute| said(attribute.name, &attribute.value)).collect();
    if let Some(error) = &ended.error {
        attributes.push(said("error.type", error));
    }
    let remote = if ended.parent.is_some() && ended.parent_is_remote { IS_REMOTE } else { 0 };
    Span {
        trace_id: ended.own.trace.to_bytes().to_vec(),
        span_id: ended.own.span.to_bytes().to_vec(),
        trace_state: ended.own.state().map(ToString::to_string).unwrap_or_default(),
        parent_span_id: ended.parent.map(|parent| parent.to_bytes().to_vec()).unwrap_or_default(),
        name: ended.name.clone().into_owned(),
        kind: match ended.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
        },
        start_time_unix_nano: ended.began_ns,
        end_time_unix_nano: ended.ended_ns,
        attributes,
        status: ended.error.as_ref().map(|_| Status { code: ERROR }),
        flags: u32::from(ended.own.flags()) | KNOWS_REMOTE | remote,
    }
}

/// How many spans an answer says were not taken.
pub(super) fn refused(answer: &[u8]) -> usize {
    let response = Response::decode(answer).unwrap_or_default();
    let rejected = response.partial_success.map_or(0, |partial| partial.rejected_spans);
    usize::try_from(rejected).unwrap_or_default()
}
