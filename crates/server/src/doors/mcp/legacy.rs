//! 2025-11-25: `initialize`, then a session.

use super::call;
use super::held::{Held, Step};
use super::reply::{self, Stage};
use super::sessions::Session;
use super::stream;
use super::{McpDoor, SESSION, Wire, listen};
use axum::response::{IntoResponse, Response};
use deputy_hub::Caller;
use deputy_protocol::jsonrpc::{Fault, Id, Request, code, response};
use deputy_protocol::mcp::headers::Header;
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::{initialize, tools, version};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// `initialize`.
pub(super) fn open(door: &McpDoor, caller: &Caller, id: &Id, params: &Params<'_>) -> Response {
    let opening = match initialize::opening(params) {
        Ok(opening) => opening,
        Err(fault) => return reply::fault(&fault.answering(Some(id)), Stage::Legacy),
    };
    let session = door.sessions.open(caller.principal(), opening.label.clone(), door.hub.now());
    let named = session.and_then(|session| HeaderValue::from_str(session.id()).ok());
    let Some(named) = named else {
        let fault = Fault::new(code::INTERNAL, "no session can be opened now").answering(Some(id));
        return reply::fault(&fault, Stage::Busy);
    };
    let mut answer = reply::message(&response(id, initialize::result(&opening)));
    answer.headers_mut().insert(SESSION, named);
    answer
}

/// A request within a session.
pub(super) async fn answer(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Response {
    let refused = |fault: Fault, stage| reply::fault(&fault.answering(Some(&request.id)), stage);
    let session = match session(door, &caller, wire) {
        Ok(session) => session,
        Err((fault, stage)) => return refused(fault, stage),
    };
    let caller = match session.label() {
        Some(label) => caller.announced_as(label),
        None => caller,
    };
    let done = match request.method.as_str() {
        // Levels are accepted and change nothing: the hub sends no log messages.
        "ping" | "logging/setLevel" => Ok(json!({})),
        "tools/list" => list(door, caller, params),
        "tools/call" => match call(door, caller, wire, &session, &request.id, params).await {
            Ok(response) => return response,
            Err(fault) => Err(fault),
        },
        _ => Err(Fault::new(code::METHOD_NOT_FOUND, "there is no such method here")),
    };
    match done {
        Ok(result) => reply::message(&response(&request.id, result)),
        Err(fault) => refused(fault, Stage::Legacy),
    }
}

/// A notification within a session.
pub(super) fn notified(
    door: &McpDoor,
    caller: &Caller,
    wire: &Wire,
    method: &str,
    params: &Params<'_>,
) -> Response {
    match session(door, caller, wire) {
        Ok(session) => {
            let cancelled =
                params.members().read::<Value>("requestId").filter(|_| method == "notifications/cancelled");
            if let Some(id) = cancelled.as_ref().and_then(Id::from_value) {
                session.cancel(&id);
            }
            reply::accepted()
        }
        Err((fault, stage)) => reply::fault(&fault, stage),
    }
}

/// The server's stream.
pub(super) fn stream(door: &McpDoor, caller: Caller, wire: &Wire) -> Response {
    match session(door, &caller, wire) {
        Ok(session) => listen::legacy(door, caller, session),
        Err((fault, stage)) => reply::fault(&fault, stage),
    }
}

/// The client ends its session. Calls that still run go on: nobody cancelled them.
pub(super) fn end(door: &McpDoor, caller: &Caller, wire: &Wire) -> Response {
    let id = wire.session.value().unwrap_or_default();
    if door.sessions.end(id, &caller.principal(), door.hub.now()) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        reply::fault(&unknown(), Stage::NoSession)
    }
}

fn session(door: &McpDoor, caller: &Caller, wire: &Wire) -> Result<Arc<Session>, (Fault, Stage)> {
    let fits = match &wire.routing.version {
        // A missing header passes: some clients never send it (gateway rule 21).
        Header::Absent => true,
        Header::One(named) => version::fits_a_session(named),
        Header::Unusable => false,
    };
    if !fits {
        let words = "`MCP-Protocol-Version` is not the version of this session";
        return Err((Fault::new(code::INVALID_REQUEST, words), Stage::Envelope));
    }
    let id = wire.session.value().unwrap_or_default();
    let found = door.sessions.find(id, &caller.principal(), door.hub.now());
    found.ok_or_else(|| (unknown(), Stage::NoSession))
}

fn unknown() -> Fault {
    Fault::new(code::INVALID_REQUEST, "there is no such session; send `initialize` again")
}

fn list(door: &McpDoor, caller: Caller, params: &Params<'_>) -> Result<Value, Fault> {
    tools::first_page(params)?;
    let listed = door.hub.tools(&door.hub.reach(caller));
    Ok(tools::legacy_list(&call::entries(&listed)))
}

async fn call(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    session: &Arc<Session>,
    id: &Id,
    params: &Params<'_>,
) -> Result<Response, Fault> {
    let asked = tools::asked(params)?;
    let Some(place) = door.calls.take(caller.principal()) else {
        return Ok(reply::message(&response(id, call::busy(&door.hub).legacy())));
    };
    let token = params.progress_token().filter(|_| wire.takes_stream);
    let streams = token.is_some();
    let held = Held {
        hub: Arc::clone(&door.hub),
        caller,
        wish: call::wish(asked, None),
        id: id.clone(),
        token,
        running: session.begin(id),
        place,
    };
    let mut steps = held.start();
    if streams {
        return Ok(stream::answer(steps));
    }
    let prompt = tokio::time::sleep(stream::PROMPT);
    tokio::pin!(prompt);
    loop {
        let step = tokio::select! {
            step = steps.step() => step,
            () = &mut prompt, if wire.takes_stream => return Ok(stream::answer(steps)),
        };
        match step {
            Some(Step::Ended(last)) => return Ok(reply::message(&last)),
            // People are slow: from here on the connection is kept alive by comments.
            Some(Step::Waiting) if wire.takes_stream => return Ok(stream::answer(steps)),
            Some(Step::Waiting | Step::Moved(_)) => {}
            None => return Err(Fault::new(code::INTERNAL, "the call ended without an answer")),
        }
    }
}
