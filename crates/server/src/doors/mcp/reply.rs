//! JSON-RPC answers over HTTP: the one place that picks their statuses (reference, section 2.2).

use super::{McpDoor, Scope};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use deputy_core::Effect;
use deputy_hub::sign_in;
use deputy_protocol::jsonrpc::{Fault, Id, code};
use deputy_protocol::relay::raw;
use http::{HeaderValue, StatusCode, header};
use serde_json::value::RawValue;

/// How far a request came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not understood: no era yet, or its envelope is wrong.
    Envelope,
    /// Understood, modern.
    Modern,
    /// Understood, legacy.
    Legacy,
    /// Its session is not there, or not for this caller (invariant 7).
    NoSession,
    /// Too many at once.
    Busy,
}

pub(super) fn fault(fault: &Fault, stage: Stage) -> Response {
    let status = match stage {
        Stage::Envelope => StatusCode::BAD_REQUEST,
        Stage::Modern if fault.code == code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        Stage::Modern if fault.code == code::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
        Stage::Modern | Stage::Legacy => StatusCode::OK,
        Stage::NoSession => StatusCode::NOT_FOUND,
        Stage::Busy => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(status, raw(&fault.response()))
}

/// A response that holds an error of a server's.
pub(super) fn relayed_error(code: i64, answer: Box<RawValue>, stage: Stage) -> Response {
    let status = match (stage, code) {
        (Stage::Modern, code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        (Stage::Modern, code::MISSING_CAPABILITY) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    json(status, answer)
}

pub(super) fn message(value: Box<RawValue>) -> Response {
    json(StatusCode::OK, value)
}

/// A response with a result that many are given: copied once.
pub(super) fn shared(id: &Id, result: &RawValue) -> Response {
    let id = raw(id);
    let (id, result) = (id.get(), result.get());
    let mut text = String::with_capacity(64 + id.len() + result.len());
    for part in [r#"{"jsonrpc":"2.0","id":"#, id, r#","result":"#, result, "}"] {
        text.push_str(part);
    }
    written(StatusCode::OK, text)
}

/// A call for which the agent's permission goes not far enough, answered before anything else was: the client can ask the
/// person for more (MCP authorization, "Scope Challenge Handling"; RFC 6750 section 3.1). All the scopes that it takes are
/// named at once.
pub(super) fn insufficient(door: &McpDoor, needs: Effect, answer: Box<RawValue>) -> Response {
    let path = match &door.scope {
        Scope::All => "/mcp".to_owned(),
        Scope::Server(server) => format!("/s/{server}/mcp"),
    };
    let challenge = format!(
        "Bearer error=\"insufficient_scope\", scope=\"{}\", resource_metadata=\"{}/.well-known/oauth-protected-resource{path}\"",
        sign_in::scopes_up_to(needs).join(" "),
        door.hub.public_url()
    );
    let mut response = json(StatusCode::FORBIDDEN, answer);
    if let Ok(value) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// Heard, and there is nothing to say.
pub(super) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

fn json(status: StatusCode, value: Box<RawValue>) -> Response {
    let text: Box<str> = value.into();
    written(status, String::from(text))
}

fn written(status: StatusCode, text: String) -> Response {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    answer
}
