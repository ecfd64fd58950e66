//! Batches: several messages in one body (2025-03-26 alone; gateway rule 24). Each is treated as if it had come by
//! itself, the calls among them run at the same time, and requests are answered together.

use super::held::{Gathered, Held, Steps, gathered};
use super::legacy::{self, Begun};
use super::reply::{self, Stage};
use super::sessions::Session;
use super::stream::Outgoing;
use super::{McpDoor, SESSION, Wire, stream};
use axum::response::Response;
use deputy_hub::Caller;
use deputy_hub::approvals::{Batch, Slot};
use deputy_protocol::jsonrpc::{Fault, Message, Request, code};
use deputy_protocol::mcp::headers::Header;
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::version::Revision;
use deputy_protocol::relay::raw;
use std::sync::Arc;

pub(super) async fn answer(
    door: &McpDoor,
    caller: &Caller,
    wire: &Wire,
    messages: Vec<Result<Message<'_>, Fault>>,
) -> Response {
    let session = match session(door, caller, wire) {
        Ok(session) => session,
        Err((fault, stage)) => return reply::fault(&fault, stage),
    };
    let (mut ready, mut calls): (Vec<Outgoing>, Vec<Held>) = (Vec::new(), Vec::new());
    let slots = match Batch::of(messages.len()) {
        Ok(slots) => slots,
        Err(error) => {
            tracing::error!(%error, "a batch could not be begun");
            return reply::fault(&Fault::new(code::INTERNAL, "try again"), Stage::Envelope);
        }
    };
    // A slot that no call takes is dropped, and waits for nothing.
    for (message, slot) in messages.into_iter().zip(slots) {
        let begun = match message {
            Ok(message) => begin(door, caller, wire, &session, &message, slot).await,
            Err(fault) => Err(fault),
        };
        match begun {
            Ok(Some(Begun::Answered(answer))) => ready.push(answer),
            Ok(Some(Begun::Held(held))) => calls.push(*held),
            Ok(None) => {}
            Err(fault) => ready.push(raw(&fault.response())),
        }
    }
    if ready.is_empty() && calls.is_empty() {
        return reply::accepted();
    }
    let streams = calls.iter().any(|held| held.token.is_some());
    match gathered(wire, streams, Steps::of(ready, calls)).await {
        Gathered::Over(answers) => reply::message(raw(&answers)),
        Gathered::Goes(steps) => stream::answer(steps),
    }
}

/// The session, if its revision has batches. Without one a missing version header means 2025-03-26, and what is missing
/// is the session.
fn session(door: &McpDoor, caller: &Caller, wire: &Wire) -> Result<Arc<Session>, (Fault, Stage)> {
    let unknown = || {
        let words = "batches are not part of this protocol version";
        (Fault::new(code::INVALID_REQUEST, words), Stage::Envelope)
    };
    if wire.session == Header::Absent {
        let revision = match &wire.routing.version {
            Header::Unusable => None,
            header => Revision::without_session(header.value()),
        };
        if !revision.is_some_and(Revision::has_batches) {
            return Err(unknown());
        }
        let words = format!("`{}` is missing: send `initialize` first, by itself", SESSION.as_str());
        return Err((Fault::new(code::INVALID_REQUEST, words), Stage::Envelope));
    }
    let session = legacy::session(door, caller, wire)?;
    if session.revision().has_batches() { Ok(session) } else { Err(unknown()) }
}

/// One message of the batch; `None`: it wants no answer.
async fn begin(
    door: &McpDoor,
    caller: &Caller,
    wire: &Wire,
    session: &Arc<Session>,
    message: &Message<'_>,
    slot: Slot,
) -> Result<Option<Begun>, Fault> {
    match message {
        Message::Request(request) => {
            let params = params(request).map_err(|fault| fault.answering(Some(&request.id)))?;
            let mut begun = legacy::begin(door, caller.clone(), wire, session, request, &params).await;
            if let Begun::Held(held) = &mut begun {
                held.wish.batch = Some(slot);
            }
            Ok(Some(begun))
        }
        Message::Notification(notification) => {
            // One that cannot be read has no id to answer to.
            if let Ok(params) = Params::parse(notification.params) {
                legacy::hear(session, &notification.method, &params);
            }
            Ok(None)
        }
        Message::Response(response) => {
            session.asked.answer(response);
            Ok(None)
        }
    }
}

/// What belongs to no batch: the opening of a session, and the modern era.
fn params<'a>(request: &Request<'a>) -> Result<Params<'a>, Fault> {
    let params = Params::parse(request.params)?;
    if request.method == "initialize" || params.is_modern() {
        return Err(Fault::new(code::INVALID_REQUEST, "this request cannot be part of a batch"));
    }
    Ok(params)
}
