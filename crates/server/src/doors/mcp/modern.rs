//! 2026-07-28: each request by itself. Closing the stream of a call cancels it.

use super::call::{self, Bound};
use super::places::Place;
use super::reply::{self, Stage};
use super::stream::{self, Source};
use super::{McpDoor, Wire, listen};
use axum::response::Response;
use deputy_core::Reason;
use deputy_hub::{CallEvent, Caller, Events, Hub, Refused};
use deputy_protocol::jsonrpc::{Fault, Id, Request, code, response};
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::{approval, discover, headers, tools, version};
use serde_json::Value;
use std::sync::Arc;

pub(super) async fn answer(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Response {
    let refused = |fault: Fault, stage| reply::fault(&fault.answering(Some(&request.id)), stage);
    if let Err(fault) = envelope(wire, &request.method, params) {
        return refused(fault, Stage::Envelope);
    }
    let caller = match params.client_label() {
        Some(label) => caller.announced_as(&label),
        None => caller,
    };
    let done = match request.method.as_str() {
        "server/discover" => Ok(reply::message(&response(&request.id, discover::result()))),
        "tools/list" => list(door, caller, &request.id, params),
        "tools/call" => call(door, caller, wire, &request.id, params).await,
        "subscriptions/listen" => listen::modern(door, caller, &request.id, params),
        _ => Err(Fault::new(code::METHOD_NOT_FOUND, "there is no such method here")),
    };
    done.unwrap_or_else(|fault| refused(fault, Stage::Modern))
}

/// The envelope is whole, the headers say the same, and the version is spoken: in this order, so that a client that
/// disagrees with itself is told that first.
fn envelope(wire: &Wire, method: &str, params: &Params<'_>) -> Result<(), Fault> {
    let envelope = params.envelope()?;
    let name = headers::named_by(method).and_then(|member| params.members().text(member));
    wire.routing.check(envelope.version, method, name.as_deref())?;
    if version::MODERN_SPOKEN.contains(&envelope.version) {
        Ok(())
    } else {
        Err(version::unsupported(envelope.version))
    }
}

fn list(door: &McpDoor, caller: Caller, id: &Id, params: &Params<'_>) -> Result<Response, Fault> {
    tools::first_page(params)?;
    let listed = door.hub.tools(&door.hub.reach(caller));
    Ok(reply::message(&response(id, tools::modern_list(&call::entries(&listed)))))
}

async fn call(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    id: &Id,
    params: &Params<'_>,
) -> Result<Response, Fault> {
    let asked = tools::asked(params)?;
    let bound = Bound::to(&caller, &asked);
    let approval = asked.state.as_deref().map(|state| bound.open(&door.hub, state)).transpose()?;
    let Some(place) = door.calls.take(caller.principal()) else {
        return Ok(reply::message(&response(id, call::busy(&door.hub).modern())));
    };
    let token = params.progress_token().filter(|_| wire.takes_stream);
    let events = door.hub.call(caller, call::wish(asked, approval));
    let hub = Arc::clone(&door.hub);
    let mut calling = Calling { hub, bound, id: id.clone(), token, events, over: false, _place: place };
    let prompt = match calling.token {
        Some(_) => None,
        None if wire.takes_stream => tokio::time::timeout(stream::PROMPT, calling.next()).await.ok(),
        None => Some(calling.next().await),
    };
    Ok(match prompt {
        Some(last) => reply::message(&last.unwrap_or_else(|| calling.lost())),
        None => stream::answer(calling),
    })
}

/// A call on its way. Dropping it, because the client closed the connection, cancels it.
struct Calling {
    hub: Arc<Hub>,
    bound: Bound,
    id: Id,
    token: Option<Id>,
    events: Events,
    over: bool,
    _place: Place,
}

impl Source for Calling {
    async fn next(&mut self) -> Option<Value> {
        while !self.over {
            let event = self.events.next().await;
            if let Some(CallEvent::Progress { .. }) = &event {
                match event.as_ref().and_then(|event| call::moved(self.token.as_ref(), event)) {
                    Some(notification) => return Some(notification),
                    None => continue,
                }
            }
            self.over = true;
            return Some(event.map_or_else(|| self.lost(), |event| self.last(event)));
        }
        None
    }
}

impl Calling {
    fn last(&self, event: CallEvent) -> Value {
        let done = match event {
            CallEvent::Parked { approval, expires_at } => {
                match self.bound.seal(&self.hub, &approval, expires_at) {
                    Ok(state) => return response(&self.id, approval::required(&state)),
                    Err(refused) => Err(refused),
                }
            }
            CallEvent::Done(done) => done,
            CallEvent::Progress { .. } => Err(Refused::new(Reason::Internal)),
        };
        response(&self.id, call::ending(done).modern())
    }

    /// The corridor ended without a word.
    fn lost(&self) -> Value {
        response(&self.id, call::ending(Err(Refused::new(Reason::Internal))).modern())
    }
}
