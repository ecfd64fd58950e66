//! 2025-11-25 and the two revisions before it: `initialize`, then a session.

use super::call;
use super::changes::fingerprint;
use super::held::{Held, Step, Steps};
use super::reply::{self, Stage};
use super::sessions::Session;
use super::stream;
use super::{McpDoor, SESSION, Wire, listen};
use axum::response::{IntoResponse, Response};
use deputy_hub::Caller;
use deputy_protocol::jsonrpc::{Fault, Id, Request, code, response};
use deputy_protocol::mcp::headers::Header;
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::version::Revision;
use deputy_protocol::mcp::{initialize, tools};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// `initialize`.
pub(super) fn open(door: &McpDoor, caller: &Caller, id: &Id, params: &Params<'_>) -> Response {
    let opening = match initialize::opening(params) {
        Ok(opening) => opening,
        Err(fault) => return reply::fault(&fault.answering(Some(id)), Stage::Legacy),
    };
    let session = door.sessions.open(caller.principal(), &opening, door.hub.steady());
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
    let session = match session(door, &caller, wire) {
        Ok(session) => session,
        Err((fault, stage)) => return reply::fault(&fault.answering(Some(&request.id)), stage),
    };
    let held = match begin(door, caller, wire, &session, request, params) {
        Begun::Answered(answer) => return reply::message(&answer),
        Begun::Held(held) => held,
    };
    let streams = held.token.is_some();
    match gathered(wire, streams, Steps::of(Vec::new(), vec![*held])).await {
        Gathered::Goes(steps) => stream::answer(steps),
        Gathered::Over(mut answers) => {
            let lost = || Fault::new(code::INTERNAL, "the call ended without an answer");
            let answer = answers.pop().unwrap_or_else(|| lost().answering(Some(&request.id)).response());
            reply::message(&answer)
        }
    }
}

/// How a request begins: with its answer, or as a call that takes its time.
pub(super) enum Begun {
    Answered(Value),
    Held(Box<Held>),
}

/// Begins a request within its session.
pub(super) fn begin(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    session: &Arc<Session>,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Begun {
    let caller = session.named(caller);
    let done = match request.method.as_str() {
        // Levels are accepted and change nothing: the hub sends no log messages.
        "ping" | "logging/setLevel" => Ok(json!({})),
        "tools/list" => list(door, caller, session, params),
        "tools/call" => match call(door, caller, wire, session, &request.id, params) {
            Ok(Begun::Answered(result)) => Ok(result),
            Ok(held) => return held,
            Err(fault) => Err(fault),
        },
        _ => Err(Fault::new(code::METHOD_NOT_FOUND, "there is no such method here")),
    };
    Begun::Answered(match done {
        Ok(result) => response(&request.id, result),
        Err(fault) => fault.answering(Some(&request.id)).response(),
    })
}

/// What became of calls that were begun.
pub(super) enum Gathered {
    /// All are over; their answers.
    Over(Vec<Value>),
    /// Some go on, to be heard as a stream.
    Goes(Steps),
}

/// Waits for the answers, unless a stream is better: progress was asked for, it takes long, or a person is asked.
pub(super) async fn gathered(wire: &Wire, streams: bool, mut steps: Steps) -> Gathered {
    if streams {
        return Gathered::Goes(steps);
    }
    let mut answers = Vec::new();
    let prompt = tokio::time::sleep(stream::PROMPT);
    tokio::pin!(prompt);
    loop {
        let step = tokio::select! {
            step = steps.step() => step,
            () = &mut prompt, if wire.takes_stream => return Gathered::Goes(steps.again(answers)),
        };
        match step {
            Some(Step::Ended(answer)) => answers.push(answer),
            // People are slow: from here on the connection is kept alive by comments.
            Some(Step::Waiting) if wire.takes_stream => return Gathered::Goes(steps.again(answers)),
            Some(Step::Waiting | Step::Moved(_)) => {}
            None => return Gathered::Over(answers),
        }
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
            hear(&session, method, params);
            reply::accepted()
        }
        Err((fault, stage)) => reply::fault(&fault, stage),
    }
}

/// Takes in a notification.
pub(super) fn hear(session: &Session, method: &str, params: &Params<'_>) {
    let cancelled =
        params.members().read::<Value>("requestId").filter(|_| method == "notifications/cancelled");
    if let Some(id) = cancelled.as_ref().and_then(Id::from_value) {
        session.cancel(&id);
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
    if door.sessions.end(id, &caller.principal(), door.hub.steady()) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        reply::fault(&unknown(), Stage::NoSession)
    }
}

/// The session that a request names. It alone decides which revision is spoken; the header must merely name one that
/// could be: clients send it who never read the answer to `initialize`.
pub(super) fn session(door: &McpDoor, caller: &Caller, wire: &Wire) -> Result<Arc<Session>, (Fault, Stage)> {
    let fits = match &wire.routing.version {
        // A missing header passes: some clients never send it (gateway rule 21).
        Header::Absent => true,
        Header::One(named) => Revision::from_text(named).is_some(),
        Header::Unusable => false,
    };
    if !fits {
        let words = "`MCP-Protocol-Version` is no version that a session here can have";
        return Err((Fault::new(code::INVALID_REQUEST, words), Stage::Envelope));
    }
    let id = wire.session.value().unwrap_or_default();
    let found = door.sessions.find(id, &caller.principal(), door.hub.steady());
    found.ok_or_else(|| (unknown(), Stage::NoSession))
}

fn unknown() -> Fault {
    Fault::new(code::INVALID_REQUEST, "there is no such session; send `initialize` again")
}

fn list(door: &McpDoor, caller: Caller, session: &Session, params: &Params<'_>) -> Result<Value, Fault> {
    tools::first_page(params)?;
    let listed = door.hub.tools(&door.hub.reach(caller));
    if session.seen().is_none() {
        session.sees(fingerprint(&listed));
    }
    Ok(tools::legacy_list(&call::entries(&listed), session.revision()))
}

fn call(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    session: &Arc<Session>,
    id: &Id,
    params: &Params<'_>,
) -> Result<Begun, Fault> {
    let asked = tools::asked(params)?;
    let Some(place) = door.calls.take(caller.principal()) else {
        return Ok(Begun::Answered(call::busy(&door.hub).legacy(session.revision())));
    };
    Ok(Begun::Held(Box::new(Held {
        hub: Arc::clone(&door.hub),
        caller,
        wish: call::wish(asked, None),
        revision: session.revision(),
        id: id.clone(),
        token: params.progress_token().filter(|_| wire.takes_stream),
        running: session.begin(id),
        place,
    })))
}
