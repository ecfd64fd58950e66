//! JSON-RPC 2.0 envelopes, parsed once. `params` and `result` stay the text that was sent.

mod batch;
mod fault;
mod id;
mod members;

pub use fault::{Fault, code};
pub use id::Id;
pub use members::Members;

use batch::Batch;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The members of an envelope. A member that looks like one of them but for its case is refused (R9).
const RESERVED: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
/// The most messages in one batch.
pub const MAXIMUM_BATCH: usize = 64;

/// What one body holds.
#[derive(Debug)]
pub enum Body<'a> {
    /// One message.
    One(Message<'a>),
    /// A batch (MCP 2025-03-26 only), each message by itself right or wrong.
    Batch(Vec<Result<Message<'a>, Fault>>),
}

/// One message.
#[derive(Debug)]
pub enum Message<'a> {
    /// Wants an answer.
    Request(Request<'a>),
    /// Wants none.
    Notification(Notification<'a>),
    /// Is one.
    Response(Response<'a>),
}

/// An answer to a request of ours.
#[derive(Debug)]
pub struct Response<'a> {
    /// Which request it answers.
    pub id: Id,
    /// Its `result`, or its `error`.
    pub outcome: Result<&'a RawValue, &'a RawValue>,
}

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// What the answer must carry.
    pub id: Id,
    /// What is wanted.
    pub method: String,
    /// With what.
    pub params: Option<&'a RawValue>,
}

/// A notification.
#[derive(Debug)]
pub struct Notification<'a> {
    /// What happened.
    pub method: String,
    /// With what.
    pub params: Option<&'a RawValue>,
}

/// Parses a body.
///
/// # Errors
/// The fault to answer with, and the request's id where one could be read.
pub fn parse(bytes: &[u8]) -> Result<Body<'_>, Fault> {
    // Looked through once, where it is one good message.
    if let Ok(members) = Members::of_body(bytes, RESERVED) {
        return of_members(&members).map(Body::One);
    }
    let raw: &RawValue =
        serde_json::from_slice(bytes).map_err(|_| Fault::new(code::PARSE, "the body is not JSON"))?;
    if !raw.get().trim_start().starts_with('[') {
        return message(raw).map(Body::One);
    }
    let batch: Batch<'_> = serde_json::from_str(raw.get()).map_err(|_| {
        Fault::new(code::INVALID_REQUEST, format!("a batch has 1 to {MAXIMUM_BATCH} messages"))
    })?;
    Ok(Body::Batch(batch.0.into_iter().map(message).collect()))
}

/// The answer to a request.
#[must_use]
pub fn response(id: &Id, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// The answer to a request, with a result or an error that stays the text it was.
#[must_use]
pub fn relayed(id: &Id, outcome: Result<&RawValue, &RawValue>) -> Box<RawValue> {
    #[derive(serde::Serialize)]
    struct Answer<'a> {
        jsonrpc: &'static str,
        id: &'a Id,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a RawValue>,
    }
    let (result, error) = (outcome.ok(), outcome.err());
    crate::relay::raw(&Answer { jsonrpc: "2.0", id, result, error })
}

/// A request of ours, or, without an id, a notification, with parameters that stay the text they were.
#[must_use]
pub fn asking(id: Option<&Id>, method: &str, params: Option<&RawValue>) -> Box<RawValue> {
    #[derive(serde::Serialize)]
    struct Asking<'a> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        method: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        params: Option<&'a RawValue>,
    }
    crate::relay::raw(&Asking { jsonrpc: "2.0", id, method, params })
}

/// Something the other side is told without having asked.
#[must_use]
pub fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

fn message(raw: &RawValue) -> Result<Message<'_>, Fault> {
    let members =
        Members::parse(raw, RESERVED).map_err(|why| Fault::new(code::INVALID_REQUEST, why.to_string()))?;
    of_members(&members)
}

fn of_members<'a>(members: &Members<'a>) -> Result<Message<'a>, Fault> {
    let id = members.raw("id").map(|id| id.get().parse::<Id>()).transpose();
    let id = id.map_err(|()| Fault::new(code::INVALID_REQUEST, "`id` must be a string or an integer"))?;
    let invalid = |words: &str| Fault::new(code::INVALID_REQUEST, words).answering(id.as_ref());
    if members.borrowed("jsonrpc").as_deref() != Some("2.0") {
        return Err(invalid("`jsonrpc` must be \"2.0\""));
    }
    let outcome = match (members.raw("error"), members.raw("result")) {
        (Some(error), _) => Some(Err(error)),
        (None, result) => result.map(Ok),
    };
    let is_answer = outcome.is_some();
    if members.raw("method").is_none() {
        return match (id, outcome) {
            (Some(id), Some(outcome)) => Ok(Message::Response(Response { id, outcome })),
            _ => Err(Fault::new(code::INVALID_REQUEST, "`method` is missing")),
        };
    }
    let method = members.text("method").filter(|_| !is_answer).ok_or_else(|| invalid("not a request"))?;
    let params = members.raw("params");
    if params.is_some_and(|params| !params.get().starts_with(['{', '['])) {
        return Err(invalid("`params` must be an object"));
    }
    Ok(match id {
        Some(id) => Message::Request(Request { id, method, params }),
        None => Message::Notification(Notification { method, params }),
    })
}

#[cfg(test)]
mod tests;
