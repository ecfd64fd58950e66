//! 2026-07-28: each request by itself. Closing the stream of a call cancels it.

use super::call::{self, Bound};
use super::combined;
use super::connecting;
use super::places::Place;
use super::relay::{self, Looked};
use super::reply::{self, Stage};
use super::short;
use super::stream::{self, Outgoing, Source};
use super::tasks;
use super::{McpDoor, Scope, Wire, listen};
use axum::response::Response;
use deputy_core::{Effect, Reason, SourceName, Tool};
use deputy_hub::ports::upstream::{ClientSide, Reply};
use deputy_hub::servers::items_of;
use deputy_hub::traces::Served;
use deputy_hub::{CallEvent, Caller, Events, Hub, Refused, Target, ToolAnswer, Wish};
use deputy_protocol::jsonrpc::{Fault, Id, Request, code, relayed, response};
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::tasks::is_method as is_task_method;
use deputy_protocol::mcp::{approval, connect, discover, headers, tools, version};
use deputy_protocol::relay::raw;
use serde_json::value::RawValue;
use std::borrow::Cow;
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
    let client = relay::client_side(params);
    let caller = if door.has_servers(&caller) { caller.speaking_through(&client) } else { caller };
    if let Scope::Server(server) = &door.scope {
        let done = servers(door, (caller, client), wire, server, request, params).await;
        return done.unwrap_or_else(|fault| refused(fault, Stage::Modern));
    }
    let done = match request.method.as_str() {
        "server/discover" => {
            let result = discover::result(door.has_servers(&caller));
            Ok(reply::message(raw(&response(&request.id, result))))
        }
        // Boxed, like what follows below: a call does not carry along what lists need.
        "tools/list" => Box::pin(list(door, caller, wire, &request.id, params)).await,
        "tools/call" => call(door, caller, wire, request, params).await,
        "subscriptions/listen" => listen::modern(door, caller, &request.id, params),
        method if combined::is_list(method) && door.has_servers(&caller) => {
            let looked = Box::pin(door.list_all(caller, method, params)).await;
            looked.map(|looked| answered(&request.id, looked))
        }
        method if combined::is_routed(method) && door.has_servers(&caller) => {
            let route = combined::route(method, request.params);
            Box::pin(routed(door, caller, wire, request, params, route)).await
        }
        method if is_task_method(method) && door.has_servers(&caller) => {
            let route = tasks::route(&door.hub, &caller, params, request.params);
            Box::pin(routed(door, caller, wire, request, params, route)).await
        }
        _ => Err(Fault::new(code::METHOD_NOT_FOUND, "there is no such method here")),
    };
    done.unwrap_or_else(|fault| refused(fault, Stage::Modern))
}

/// The envelope is whole, the headers say the same, and the version is spoken: in this order, so that a client that
/// disagrees with itself is told that first.
fn envelope(wire: &Wire, method: &str, params: &Params<'_>) -> Result<(), Fault> {
    let envelope = params.envelope()?;
    let name = headers::named_by(method).and_then(|member| params.members().borrowed(member));
    wire.routing.check(&envelope.version, method, name.as_deref())?;
    if version::MODERN_SPOKEN.contains(&envelope.version.as_ref()) {
        Ok(())
    } else {
        Err(version::unsupported(&envelope.version))
    }
}

/// A request to one server.
async fn servers(
    door: &McpDoor,
    (caller, client): (Caller, ClientSide),
    wire: &Wire,
    name: &SourceName,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Result<Response, Fault> {
    let server = door.server(&caller, name)?;
    let looked = match request.method.as_str() {
        "server/discover" => Box::pin(door.discover(&door.hub.reach(caller), &server, client)).await?,
        method if items_of(method).is_some() => Box::pin(door.list(caller, &server, method, params)).await?,
        "subscriptions/listen" => return listen::modern(door, caller, &request.id, params),
        // The modern era has none of these.
        "initialize" | "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            return Err(Fault::new(code::METHOD_NOT_FOUND, "there is no such method in this version"));
        }
        _ => {
            let mut wish = relay::wish(name, &request.method, request.params, client)?;
            if let Target::Own(_, tool) = &wish.target {
                let is_meant = |offered: &Tool| offered.definition.name == *tool;
                door.repeats(&caller, &server, is_meant, wire, params).await?;
            }
            let bound = Bound::to_wish(&caller, &wish);
            if let Some(approval) = wish
                .relay
                .as_ref()
                .and_then(|relay| relay.state())
                .and_then(|state| bound.open(&door.hub, &state).ok())
            {
                wish.approval = Some(approval);
                wish.relay = wish.relay.map(|relay| Box::new(relay.without_state()));
            }
            return Ok(carry(door, caller, wire, &request.id, params, wish, bound).await);
        }
    };
    Ok(answered(&request.id, looked))
}

fn answered(id: &Id, looked: Looked) -> Response {
    match looked {
        Looked::Result(result) => reply::message(relayed(id, Ok(&result))),
        Looked::Shared(result) => reply::shared(id, &result),
        Looked::Error { code, error } => reply::relayed_error(code, relayed(id, Err(&error)), Stage::Modern),
    }
}

/// A request for the server whose name, URI or task it has.
async fn routed(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    request: &Request<'_>,
    params: &Params<'_>,
    route: Result<(SourceName, Box<RawValue>), Fault>,
) -> Result<Response, Fault> {
    let (source, own) = route?;
    let request = Request { id: request.id.clone(), method: request.method.clone(), params: Some(&own) };
    let client = relay::client_side(params);
    servers(door, (caller, client), wire, &source, &request, params).await
}

async fn list(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    id: &Id,
    params: &Params<'_>,
) -> Result<Response, Fault> {
    let principal = caller.principal();
    let (mut listed, missing) = call::everything(&door.hub, &door.hub.reach(caller)).await;
    if wire.wants_short(&door.hub) {
        listed = short::list(&door.hub, listed);
    }
    let (page, next) = door.tools_page(&listed, &principal, params)?;
    let list = relay::leading_on(tools::modern_list(&call::entries(page), &missing), next.as_deref());
    Ok(reply::message(relayed(id, Ok(&list))))
}

async fn call(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Result<Response, Fault> {
    let meant = short::meant(request.params)?;
    let own = Params::parse(meant.as_deref())?;
    let (id, asked) = (&request.id, tools::asked(&own)?);
    if short::finds(&asked.name) {
        let found = short::find(&door.hub, &door.hub.reach(caller), &asked.arguments).await;
        return Ok(reply::message(raw(&response(id, call::ending(found).modern()))));
    }
    // What is called by way of `deputy__call_tool` was not called by its own definition.
    if let Some(Cow::Borrowed(_)) = &meant
        && let Some(source) = door.hub.server_named(&caller, &asked.name)
    {
        let server = door.server(&caller, &source)?;
        let is_meant = |offered: &Tool| offered.public_name().as_str() == asked.name;
        door.repeats(&caller, &server, is_meant, wire, params).await?;
    }
    let bound = Bound::to(&caller, &asked);
    let approval = match asked.state.as_deref().map(|state| bound.open(&door.hub, state)) {
        // A server's own question may be what it is the state of.
        Some(Err(_)) if door.hub.server_named(&caller, &asked.name).is_some() => None,
        opened => opened.transpose()?,
    };
    let wish = call::wish(asked, approval, meant.as_deref(), relay::client_side(params))?;
    Ok(carry(door, caller, wire, id, params, wish, bound).await)
}

/// Runs a wish, and answers with one message, or with a stream if it takes long or tells something on the way.
async fn carry(
    door: &McpDoor,
    caller: Caller,
    wire: &Wire,
    id: &Id,
    params: &Params<'_>,
    mut wish: Wish,
    bound: Bound,
) -> Response {
    let Some(place) = door.calls.take(caller.principal()) else {
        return reply::message(raw(&response(id, call::busy(&door.hub).modern())));
    };
    let token = params.progress_token().filter(|_| wire.takes_stream);
    let kind = Kind::of(&wish);
    let renaming = door.renaming(&caller, &wish);
    let is_of_task = wish.relay.as_ref().is_some_and(|relay| is_task_method(relay.method()));
    let task = params.members().text("taskId").filter(|_| is_of_task);
    let served = wire.served(door, &mut wish, version::MODERN, params);
    let opens = wish.relay.as_deref().is_some_and(connecting::can_ask);
    let events = door.hub.call_heard(caller, wish);
    let hub = Arc::clone(&door.hub);
    let tells = wire.takes_stream;
    let mut calling = Calling {
        hub,
        bound,
        id: id.clone(),
        token,
        events,
        kind,
        renaming,
        task,
        tells,
        opens,
        first: None,
        over: None,
        _place: place,
        _served: served,
    };
    let prompt = match calling.token {
        Some(_) if calling.kind == Kind::Tab => None,
        _ if wire.takes_stream => tokio::time::timeout(stream::PROMPT, calling.next()).await.ok(),
        _ => Some(calling.next().await),
    };
    if calling.over.is_none() {
        // A client that reads slowly does not hold up the call.
        calling.events.let_go();
    }
    match (prompt, calling.over) {
        (None, _) => stream::answer(calling),
        // Something is told before the end.
        (Some(first), None) => {
            calling.first = first;
            stream::answer(calling)
        }
        (Some(last), Some(Over::Error(code))) => {
            reply::relayed_error(code, last.unwrap_or_else(|| calling.lost()), Stage::Modern)
        }
        (Some(last), Some(Over::Exceeds(needs))) => {
            reply::insufficient(door, needs, last.unwrap_or_else(|| calling.lost()))
        }
        (Some(last), Some(Over::Result)) => reply::message(last.unwrap_or_else(|| calling.lost())),
    }
}

/// What a call that is refused is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A tool's result; its tool may be a tab's.
    Tab,
    /// A tool's result; it is a server's.
    Tool,
    /// An error.
    Method,
}

impl Kind {
    fn of(wish: &Wish) -> Self {
        match (&wish.target, &wish.relay) {
            (_, Some(relay)) if !relay.is_tool_call() => Self::Method,
            (Target::Public(_), _) => Self::Tab,
            _ => Self::Tool,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Result,
    Error(i64),
    /// The agent's permission does not go this far.
    Exceeds(Effect),
}

/// A call on its way. Dropping it, because the client closed the connection, cancels it.
struct Calling {
    hub: Arc<Hub>,
    bound: Bound,
    id: Id,
    token: Option<Id>,
    events: Events,
    kind: Kind,
    renaming: Option<relay::Renaming>,
    /// The task that it is about, under the id that the client knows.
    task: Option<String>,
    /// Whether the client hears anything but the end.
    tells: bool,
    /// Whether the client can be asked to have the person open an address.
    opens: bool,
    first: Option<Outgoing>,
    over: Option<Over>,
    _place: Place,
    _served: Served,
}

impl Source for Calling {
    async fn next(&mut self) -> Option<Outgoing> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while self.over.is_none() {
            let event = self.events.next().await;
            if let Some(event @ (CallEvent::Progress { .. } | CallEvent::Told(_))) = &event {
                match call::moved(self.token.as_ref(), event).filter(|_| self.tells) {
                    Some(notification) => return Some(notification),
                    None => continue,
                }
            }
            let (over, last) = event.map_or_else(|| (Over::Result, self.lost()), |event| self.last(event));
            self.over = Some(over);
            return Some(last);
        }
        None
    }
}

impl Calling {
    fn last(&self, event: CallEvent) -> (Over, Outgoing) {
        let done = match event {
            CallEvent::Parked { approval, expires_at } => {
                match self.bound.seal(&self.hub, &approval, expires_at) {
                    Ok(state) => return (Over::Result, raw(&response(&self.id, approval::required(&state)))),
                    Err(refused) => Err(refused),
                }
            }
            CallEvent::Replied(Reply::Result(result)) => match self.renamed(result) {
                Ok(result) => return (Over::Result, relayed(&self.id, Ok(&result))),
                Err(refused) => Err(refused),
            },
            CallEvent::Replied(Reply::Fault { code, message, data }) => {
                let error = relay::error_object(code, &message, data.as_deref());
                return (Over::Error(code), relayed(&self.id, Err(&error)));
            }
            CallEvent::Done(done) => done,
            CallEvent::Progress { .. } | CallEvent::Told(_) => Err(Refused::new(Reason::Internal)),
        };
        self.ended(done)
    }

    /// A server's result, under the names, URIs and ids that the client knows.
    fn renamed(&self, result: Box<RawValue>) -> Result<Box<RawValue>, Refused> {
        match (&self.renaming, &self.task) {
            (Some(renaming), Some(task)) => Ok(renaming.task(task, &result)),
            (Some(renaming), None) if self.kind != Kind::Method => {
                let result = relay::Renaming::result(Some(renaming), result);
                tasks::handed_out(&self.hub, self.bound.principal(), renaming.source(), result)
            }
            (renaming, _) => Ok(relay::Renaming::result(renaming.as_ref(), result)),
        }
    }

    fn ended(&self, done: Result<ToolAnswer, Refused>) -> (Over, Outgoing) {
        if let Err(Refused { open: Some(page), message, .. }) = &done
            && self.opens
        {
            let required = connect::required(&page.url, message, page.state.as_deref());
            return (Over::Result, raw(&response(&self.id, required)));
        }
        match (self.kind, done) {
            (Kind::Method, Err(refused)) => {
                let fault = relay::refusal(&refused).answering(Some(&self.id));
                let over = refused.needs.map_or(Over::Error(fault.code), Over::Exceeds);
                (over, raw(&fault.response()))
            }
            (_, done) => {
                let needs = done.as_ref().err().and_then(|refused| refused.needs);
                let over = needs.map_or(Over::Result, Over::Exceeds);
                (over, raw(&response(&self.id, call::ending(done).modern())))
            }
        }
    }

    /// The corridor ended without a word.
    fn lost(&self) -> Outgoing {
        self.ended(Err(Refused::new(Reason::Internal))).1
    }
}
