//! `/mcp`: the agents' door, in both eras of the protocol (MCP 2026-07-28; 2025-11-25, 2025-06-18 and 2025-03-26).
//!
//! What a message means is decided in `deputy_protocol::mcp`; here it meets the hub. [`modern`] serves each request by
//! itself; [`legacy`] serves it within a session of [`sessions`]. All statuses are picked in [`reply`].

mod asked;
mod batch;
mod call;
mod changes;
mod combined;
mod connecting;
mod elicited;
mod following;
mod held;
mod legacy;
mod listen;
mod modern;
mod places;
mod relay;
mod reply;
mod sessions;
mod short;
mod stream;
mod subscribed;
mod tasked;
mod tasks;

use crate::caller;
use crate::layers::BODY_BYTES;
use crate::problem::Problem;
use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use deputy_core::SourceName;
use deputy_hub::finding::Listing;
use deputy_hub::traces::Served;
use deputy_hub::{Caller, Door, Hub, Wish};
use deputy_protocol::jsonrpc::{self, Body, Fault, Message, Notification};
use deputy_protocol::mcp::era::{self, Era};
use deputy_protocol::mcp::headers::{Header, Routing};
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::trace::TraceContext;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri, header};
use places::Places;
use reply::Stage;
use sessions::Sessions;
use std::sync::Arc;
use std::time::Duration;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Bodies up to here are cheaper to copy than their connection's buffer is to make anew.
const COPIED_BYTES: usize = 4 * 1024;
/// Streams that one principal may hold open. All the agents of one user may well be one principal: the same program a
/// hundred times.
const LISTENS: usize = 128;
/// Calls of one principal that may run, or wait for a person, at once.
const CALLS: usize = 256;
/// The header that names a legacy session.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The revision that a request speaks.
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The headers in which a modern request repeats itself.
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// W3C Trace Context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// What the door keeps: the hub, the sessions of the legacy era, and how much each principal holds at once.
#[derive(Clone)]
pub(crate) struct McpDoor {
    hub: Arc<Hub>,
    sessions: Arc<Sessions>,
    listens: Arc<Places>,
    calls: Arc<Places>,
    scope: Scope,
}

/// Which sources a request can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of the caller's: `/mcp`.
    All,
    /// One server, its names untouched: `/s/{server}/mcp`.
    Server(SourceName),
}

impl McpDoor {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self {
            scope: Scope::All,
            hub,
            sessions: Arc::new(Sessions::default()),
            listens: Places::new(LISTENS),
            calls: Places::new(CALLS),
        }
    }
}

/// The agents' doors: `/mcp` itself, or all of `/s/{server}/mcp`.
#[derive(Clone)]
pub(crate) enum Doors {
    Mcp(McpDoor),
    Servers(McpDoor),
}

/// Somebody who was let in, and where. It is the guard of these doors: no handler of theirs begins without one, and it costs
/// less than a layer before them.
pub(crate) struct Visit {
    door: McpDoor,
    caller: Caller,
}

impl FromRequestParts<Doors> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Problem> {
        let door = match doors {
            Doors::Mcp(door) => door.clone(),
            Doors::Servers(door) => {
                McpDoor { scope: Scope::Server(caller::server_named(parts).await?), ..door.clone() }
            }
        };
        let guarded = match &door.scope {
            Scope::All => Door::Mcp,
            Scope::Server(server) => Door::Server(server.clone()),
        };
        let caller = caller::admitted(&door.hub, &guarded, parts).await?;
        Ok(Self { door, caller })
    }
}

impl McpDoor {
    /// Whose sessions: a session of one address is none of another.
    fn holder(&self, caller: &Caller) -> String {
        match &self.scope {
            Scope::All => caller.principal().as_ref().to_owned(),
            Scope::Server(server) => format!("{} /s/{server}", caller.principal()),
        }
    }
}

/// What the headers of a request say.
struct Wire {
    routing: Routing,
    session: Header,
    /// `Mcp-Param-…`, by their names in lower case.
    params: Vec<(String, Header)>,
    takes_stream: bool,
    /// Which list of tools the address asks for, if it says.
    listing: Option<Listing>,
    /// `traceparent` and `tracestate`, if they are in good form.
    trace: Option<TraceContext>,
}

impl Wire {
    fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let one =
            |name: &HeaderName| Header::of(headers.get_all(name).iter().map(http::HeaderValue::as_bytes));
        let routing = Routing { version: one(&VERSION), method: one(&METHOD), name: one(&NAME) };
        let params = headers.keys().filter(|name| name.as_str().starts_with("mcp-param-"));
        Self {
            routing,
            session: one(&SESSION),
            params: params.map(|name| (name.as_str().to_owned(), one(name))).collect(),
            takes_stream: lists(headers, "text/event-stream"),
            listing: short::wanted(uri),
            trace: trace(headers),
        }
    }

    /// The trace of a request: what its `_meta` says goes before the headers, which may be of a connection that carries more
    /// than it (SEP-414).
    fn served(&self, door: &McpDoor, wish: &mut Wish, revision: &'static str, params: &Params<'_>) -> Served {
        let method = wish.relay.as_ref().map_or("tools/call", |relay| relay.method());
        let context = params.trace().or_else(|| self.trace.clone());
        let served = door.hub.traces().serve(method, revision, context);
        wish.trace = served.trace();
        served
    }

    /// Whether the agent is listed the two tools that find and call the others.
    fn wants_short(&self, hub: &Hub) -> bool {
        self.listing.unwrap_or_else(|| hub.listing()) == Listing::Short
    }

    /// One of `Mcp-Param-…`, by its name in lower case.
    fn param(&self, name: &str) -> Header {
        self.params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, header)| header.clone())
            .unwrap_or_default()
    }
}

/// `POST /mcp`, `POST /s/{server}/mcp`, from a table of routes.
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    received(visit, parts, body).await
}

/// The same, without one.
pub(crate) async fn posted(doors: &Doors, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    match Visit::from_request_parts(&mut parts, doors).await {
        Ok(visit) => received(visit, parts, body).await,
        Err(problem) => problem.into_response(),
    }
}

async fn received(Visit { door, caller }: Visit, parts: Parts, body: HttpBody) -> Response {
    let bytes = match read(&parts.headers, body).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    let wire = Wire::of(&parts.headers, &parts.uri);
    // What was sent lies in the connection's buffer. Without it, the buffer need not be made anew for the next request.
    drop(parts);
    let bytes = if bytes.len() > COPIED_BYTES { bytes } else { copied(bytes) };
    door.receive(caller, &wire, &bytes).await
}

fn copied(bytes: Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}

/// `GET /mcp`: the server's stream of a legacy session.
pub(crate) async fn get(Visit { door, caller }: Visit, uri: Uri, headers: HeaderMap) -> Response {
    let wire = Wire::of(&headers, &uri);
    if wire.session == Header::Absent {
        // The modern era has no such stream.
        return Problem::method_not_allowed().into_response();
    }
    if !wire.takes_stream {
        return Problem::not_acceptable("this address answers GET with `text/event-stream`").into_response();
    }
    legacy::stream(&door, caller, &wire)
}

/// `DELETE /mcp`: ends a legacy session.
pub(crate) async fn delete(Visit { door, caller }: Visit, uri: Uri, headers: HeaderMap) -> Response {
    let wire = Wire::of(&headers, &uri);
    if wire.session == Header::Absent {
        return Problem::method_not_allowed().into_response();
    }
    legacy::end(&door, &caller, &wire)
}

impl McpDoor {
    async fn receive(&self, caller: Caller, wire: &Wire, bytes: &[u8]) -> Response {
        match jsonrpc::parse(bytes) {
            Ok(Body::One(Message::Request(request))) => self.request(caller, wire, request).await,
            Ok(Body::One(Message::Notification(notification))) => self.notified(&caller, wire, &notification),
            Ok(Body::One(Message::Response(response))) => legacy::responded(self, &caller, wire, &response),
            // Boxed: what is rare does not make every request larger.
            Ok(Body::Batch(messages)) => Box::pin(batch::answer(self, &caller, wire, messages)).await,
            Err(fault) => reply::fault(&fault, Stage::Envelope),
        }
    }

    async fn request(&self, caller: Caller, wire: &Wire, request: jsonrpc::Request<'_>) -> Response {
        let has_session = wire.session != Header::Absent;
        let refused = |fault: Fault| reply::fault(&fault.answering(Some(&request.id)), Stage::Envelope);
        let params = match Params::parse(request.params) {
            Ok(params) => params,
            Err(fault) => return refused(fault),
        };
        match era::of(&request.method, &params, has_session, wire.routing.version.value()) {
            Ok(Era::Modern) => modern::answer(self, caller, wire, &request, &params).await,
            Ok(Era::Opening) => Box::pin(legacy::open(self, caller, &request.id, &params)).await,
            Ok(Era::Legacy) => Box::pin(legacy::answer(self, caller, wire, &request, &params)).await,
            Err(fault) => refused(fault),
        }
    }

    fn notified(&self, caller: &Caller, wire: &Wire, notification: &Notification<'_>) -> Response {
        let params = match Params::parse(notification.params) {
            Ok(params) => params,
            Err(fault) => return reply::fault(&fault, Stage::Envelope),
        };
        match era::of(&notification.method, &params, wire.session != Header::Absent, None) {
            // There is none that asks anything of a stateless server: closing a stream is what cancels.
            Ok(Era::Modern | Era::Opening) => reply::accepted(),
            Ok(Era::Legacy) => legacy::notified(self, caller, wire, &notification.method, &params),
            Err(fault) => reply::fault(&fault, Stage::Envelope),
        }
    }
}

/// The body, whole, in time, in JSON, not encoded: no decision is made on a part of it (R21).
async fn read(headers: &HeaderMap, body: HttpBody) -> Result<Bytes, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") || headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::unsupported_media("send `application/json` without a content encoding"));
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::too_large()),
        Err(_) => Err(Problem::too_slow()),
    }
}

/// A `traceparent` that is there twice is none; lines of `tracestate` are one list (W3C Trace Context).
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACE_PARENT).iter();
    let (parent, None) = (parents.next()?, parents.next()) else { return None };
    let states: Result<Vec<&str>, _> =
        headers.get_all(TRACE_STATE).iter().map(http::HeaderValue::to_str).collect();
    let state = states.ok().map(|lines| lines.join(","));
    TraceContext::parse(parent.to_str().ok()?.trim(), state.as_deref())
}

/// Whether `Accept` names a media type.
fn lists(headers: &HeaderMap, kind: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|part| part.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind))
}
