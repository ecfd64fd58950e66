//! 2025-11-25 and the two revisions before it: `initialize`, then a session.

use super::call;
use super::changes::fingerprint;
use super::combined;
use super::held::{Gathered, Held, Steps, gathered};
use super::relay::{self, Looked};
use super::reply::{self, Stage};
use super::sessions::Session;
use super::short;
use super::stream::{self, Outgoing};
use super::{McpDoor, SESSION, Scope, Wire, listen};
use axum::response::{IntoResponse, Response};
use deputy_core::SourceName;
use deputy_hub::ports::upstream::ClientSide;
use deputy_hub::servers::items_of;
use deputy_hub::{Caller, Target, Wish};
use deputy_protocol::jsonrpc::{self, Fault, Id, Request, code, relayed, response};
use deputy_protocol::mcp::headers::Header;
use deputy_protocol::mcp::initialize::Opening;
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::version::Revision;
use deputy_protocol::mcp::{initialize, older, tools};
use deputy_protocol::relay::raw;
use http::{HeaderValue, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// `initialize`.
pub(super) async fn open(door: &McpDoor, caller: Caller, id: &Id, params: &Params<'_>) -> Response {
    let holder = door.holder(&caller);
    let opened = async {
        let opening = initialize::opening(params)?;
        let result = introduced(door, caller, &opening).await?;
        Ok((opening, result))
    };
    let (opening, result) = match opened.await {
        Ok(opened) => opened,
        Err(fault) => return reply::fault(&Fault::answering(fault, Some(id)), Stage::Legacy),
    };
    let session = door.sessions.open(holder, &opening, door.hub.steady());
    let named = session.and_then(|session| HeaderValue::from_str(session.id()).ok());
    let Some(named) = named else {
        let fault = Fault::new(code::INTERNAL, "no session can be opened now").answering(Some(id));
        return reply::fault(&fault, Stage::Busy);
    };
    let mut answer = reply::message(relayed(id, Ok(&result)));
    answer.headers_mut().insert(SESSION, named);
    answer
}

/// Who is talked to: the hub, or the server behind it.
async fn introduced(door: &McpDoor, caller: Caller, opening: &Opening) -> Result<Box<RawValue>, Fault> {
    let Scope::Server(name) = &door.scope else {
        return Ok(raw(&initialize::result(opening, door.has_servers(&caller))));
    };
    let server = door.server(&caller, name)?;
    let client = ClientSide {
        capabilities: opening.capabilities.clone(),
        implementation: opening.implementation.clone(),
        ..ClientSide::default()
    };
    match door.discover(&door.hub.reach(caller), &server, client).await? {
        Looked::Result(discovered) => initialize::relayed(opening, &discovered)
            .map_err(|error| Fault::new(code::INTERNAL, error.to_string())),
        Looked::Shared(_) | Looked::Error { .. } => {
            Err(Fault::new(code::INTERNAL, "the server does not say what it can do"))
        }
    }
}

/// A message that answers what the client was asked.
pub(super) fn responded(
    door: &McpDoor,
    caller: &Caller,
    wire: &Wire,
    answer: &jsonrpc::Response<'_>,
) -> Response {
    if wire.session == Header::Absent {
        // In the modern era servers ask nothing, so there is nothing that this could answer.
        return reply::accepted();
    }
    match session(door, caller, wire) {
        Ok(session) => {
            session.asked.answer(answer);
            reply::accepted()
        }
        Err((fault, stage)) => reply::fault(&fault, stage),
    }
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
    let held = match begin(door, caller, wire, &session, request, params).await {
        Begun::Answered(answer) => return reply::message(answer),
        Begun::Held(held) => held,
    };
    let needs = Arc::clone(&held.needs);
    let streams = held.token.is_some() && matches!(held.wish.target, Target::Public(_));
    match gathered(wire, streams, Steps::of(Vec::new(), vec![*held])).await {
        Gathered::Goes(steps) => stream::answer(steps),
        Gathered::Over(mut answers) => {
            let lost = || Fault::new(code::INTERNAL, "the call ended without an answer");
            let answer =
                answers.pop().unwrap_or_else(|| raw(&lost().answering(Some(&request.id)).response()));
            match needs.get() {
                Some(needs) => reply::insufficient(door, *needs, answer),
                None => reply::message(answer),
            }
        }
    }
}

/// How a request begins: with its answer, or as a call that takes its time.
pub(super) enum Begun {
    Answered(Outgoing),
    Held(Box<Held>),
}

/// Begins a request within its session.
pub(super) async fn begin(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    session: &Arc<Session>,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Begun {
    let caller = session.named(caller);
    if let Scope::Server(name) = &door.scope {
        return servers(door, caller, wire, name, session, request, params).await;
    }
    let done = match request.method.as_str() {
        // Levels are accepted and change nothing: the hub sends no log messages.
        "ping" | "logging/setLevel" => Ok(json!({})),
        "tools/list" => match list(door, caller, wire, session, params).await {
            Ok(list) => return Begun::Answered(relayed(&request.id, Ok(&list))),
            Err(fault) => Err(fault),
        },
        "tools/call" => match call(door, caller, wire, session, request, params).await {
            Ok(held) => return held,
            Err(fault) => Err(fault),
        },
        method if combined::is_list(method) && door.has_servers(&caller) => {
            return match door.list_all(caller, method, params).await {
                Ok(looked) => answered(&request.id, looked),
                Err(fault) => Begun::Answered(raw(&fault.answering(Some(&request.id)).response())),
            };
        }
        method
            if (combined::is_routed(method) || method.starts_with("resources/"))
                && door.has_servers(&caller) =>
        {
            match combined::route(method, request.params) {
                Ok((source, own)) => {
                    let method = request.method.clone();
                    let request = Request { id: request.id.clone(), method, params: Some(&own) };
                    let Ok(params) = Params::parse(Some(&own)) else {
                        let fault = Fault::new(code::INTERNAL, "the parameters cannot be passed on");
                        return Begun::Answered(raw(&fault.answering(Some(&request.id)).response()));
                    };
                    return servers(door, caller, wire, &source, session, &request, &params).await;
                }
                Err(fault) => Err(fault),
            }
        }
        _ => Err(Fault::new(code::METHOD_NOT_FOUND, "there is no such method here")),
    };
    Begun::Answered(match done {
        Ok(result) => raw(&response(&request.id, result)),
        Err(fault) => raw(&fault.answering(Some(&request.id)).response()),
    })
}

/// A request to one server.
async fn servers(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    name: &SourceName,
    session: &Arc<Session>,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Begun {
    let id = &request.id;
    let looked = async {
        let server = door.server(&caller, name)?;
        Ok(match request.method.as_str() {
            "ping" => Ok(Looked::Result(raw(&json!({})))),
            "logging/setLevel" => {
                let level = params.members().text("level");
                let level =
                    level.ok_or_else(|| Fault::new(code::INVALID_PARAMS, "`level` must be a string"))?;
                session.set_log_level(level);
                Ok(Looked::Result(raw(&json!({}))))
            }
            method @ ("resources/subscribe" | "resources/unsubscribe") => {
                let uri = params.members().text("uri");
                let uri = uri.ok_or_else(|| Fault::new(code::INVALID_PARAMS, "`uri` must be a string"))?;
                let reach = Arc::new(door.hub.reach(caller));
                let may = door.hub.may_look(&reach, &server, "resources/list");
                if method == "resources/unsubscribe" {
                    session.subscribed.end(name, &uri);
                } else if !may || !session.subscribed.begin(&door.hub, reach, &server, &uri, door.updates()) {
                    return Err(Fault::new(code::INVALID_REQUEST, "this resource cannot be subscribed to"));
                }
                Ok(Looked::Result(raw(&json!({}))))
            }
            method if items_of(method).is_some() => {
                let looked = door.list(caller, &server, method, params).await?;
                Ok(if method == "tools/list" { fitted(looked) } else { looked })
            }
            method => {
                let token = params.progress_token().filter(|_| wire.takes_stream);
                let client = session.client_side(token.is_some());
                let wish = relay::wish(name, method, request.params, client)?;
                // A state would be one of the modern era, which this session is not of.
                Err((wish, token, caller))
            }
        })
    };
    match looked.await {
        Err(fault) => Begun::Answered(raw(&Fault::answering(fault, Some(id)).response())),
        Ok(Ok(looked)) => answered(id, looked),
        Ok(Err((wish, token, caller))) => held(door, caller, wire, session, id, (wish, token, params)),
    }
}

/// A call that is about to run, if the caller has a place for one more.
fn held(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    session: &Arc<Session>,
    id: &Id,
    (mut wish, token, params): (Wish, Option<Id>, &Params<'_>),
) -> Begun {
    let Some(place) = door.calls.take(caller.principal()) else {
        return Begun::Answered(raw(&response(id, call::busy(&door.hub).legacy(session.revision()))));
    };
    Begun::Held(Box::new(Held {
        hub: Arc::clone(&door.hub),
        served: wire.served(door, &mut wish, session.revision().text(), params),
        renaming: door.renaming(&caller, &wish),
        server: door.leads_to(&caller, &wish),
        began: door.hub.now(),
        caller,
        wish,
        revision: session.revision(),
        id: id.clone(),
        token,
        running: session.begin(id),
        place,
        session: Arc::clone(session),
        takes_stream: wire.takes_stream,
        needs: Arc::default(),
    }))
}

/// A server's tools, for a client that knows less than it says of them.
fn fitted(looked: Looked) -> Looked {
    let said = match &looked {
        Looked::Result(list) => list,
        Looked::Shared(list) => list.as_ref(),
        Looked::Error { .. } => return looked,
    };
    older::list(said).map_or(looked, Looked::Result)
}

fn answered(id: &Id, looked: Looked) -> Begun {
    Begun::Answered(match looked {
        Looked::Result(result) => relayed(id, Ok(&result)),
        Looked::Shared(result) => relayed(id, Ok(&result)),
        Looked::Error { error, .. } => relayed(id, Err(&error)),
    })
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
        Ok(session) => listen::legacy(door, session.named(caller), session),
        Err((fault, stage)) => reply::fault(&fault, stage),
    }
}

/// The client ends its session. Calls that still run go on: nobody cancelled them.
pub(super) fn end(door: &McpDoor, caller: &Caller, wire: &Wire) -> Response {
    let id = wire.session.value().unwrap_or_default();
    if door.sessions.end(id, &door.holder(caller), door.hub.steady()) {
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
    let found = door.sessions.find(id, &door.holder(caller), door.hub.steady());
    found.ok_or_else(|| (unknown(), Stage::NoSession))
}

fn unknown() -> Fault {
    Fault::new(code::INVALID_REQUEST, "there is no such session; send `initialize` again")
}

async fn list(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    session: &Session,
    params: &Params<'_>,
) -> Result<Box<RawValue>, Fault> {
    let (principal, reach) = (caller.principal(), door.hub.reach(caller));
    let (mut listed, missing) = call::everything(&door.hub, &reach).await;
    if session.seen().is_none() {
        session.sees(fingerprint(&listed, door.hub.server_changes(&reach)));
    }
    if wire.wants_short(&door.hub) {
        listed = short::list(&door.hub, listed);
    }
    let (page, next) = door.tools_page(&listed, &principal, params)?;
    let list = tools::legacy_list(&call::entries(page), session.revision(), &missing);
    Ok(relay::leading_on(list, next.as_deref()))
}

async fn call(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    session: &Arc<Session>,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Result<Begun, Fault> {
    let meant = short::meant(request.params)?;
    let own = Params::parse(meant.as_deref())?;
    let (id, asked) = (&request.id, tools::asked(&own)?);
    if short::finds(&asked.name) {
        let found = short::find(&door.hub, &door.hub.reach(caller), &asked.arguments).await;
        return Ok(Begun::Answered(raw(&response(id, call::ending(found).legacy(session.revision())))));
    }
    let token = params.progress_token().filter(|_| wire.takes_stream);
    let client = session.client_side(token.is_some());
    let wish = call::wish(asked, None, meant.as_deref(), client)?;
    Ok(held(door, caller, wire, session, id, (wish, token, params)))
}
