//! Streams that tell of changes: `subscriptions/listen` (modern), and the GET stream of a session (legacy).

use super::changes::{Changes, fingerprint};
use super::following;
use super::places::Place;
use super::reply::{self, Stage};
use super::sessions::Session;
use super::stream::{self, Outgoing, Source};
use super::{McpDoor, Scope};
use axum::response::Response;
use deputy_core::{Digest, Timestamp};
use deputy_hub::{Caller, Hub};
use deputy_protocol::jsonrpc::{Fault, Id, code};
use deputy_protocol::mcp::listen;
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::relay::raw;
use std::future::pending;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Opens the stream of a listen request.
pub(super) fn modern(
    door: &McpDoor,
    caller: Caller,
    id: &Id,
    params: &Params<'_>,
) -> Result<Response, Fault> {
    let filter = listen::filter(params)?;
    let Some(place) = door.listens.take(caller.principal()) else {
        let fault = Fault::new(code::INVALID_REQUEST, "too many streams are open; close one first");
        return Ok(reply::fault(&fault.answering(Some(id)), Stage::Busy));
    };
    // The watch begins before the acknowledgement, so that nothing falls between.
    let expires_at = caller.expires_at();
    if let Scope::Server(name) = &door.scope {
        let server = door.server(&caller, name)?;
        let (filter, heard) = following::begin(&door.hub, caller, &server, filter);
        let watch = Watch::new(&door.hub, None, expires_at, CancellationToken::new());
        let first = Some(raw(&listen::acknowledged(id, &filter)));
        return Ok(stream::answer(Following {
            id: Some(id.clone()),
            watch,
            first,
            heard,
            over: false,
            _place: Some(place),
        }));
    }
    let filter = filter.of_tools();
    let changes = filter.tools_list_changed.then(|| changes(&door.hub, caller, None));
    let watch = Watch::new(&door.hub, changes, expires_at, CancellationToken::new());
    let first = Some(raw(&listen::acknowledged(id, &filter)));
    Ok(stream::answer(Listening { id: id.clone(), watch, first, over: false, _place: place }))
}

/// Opens the stream of a session; an older one of the same session ends.
pub(super) fn legacy(door: &McpDoor, caller: Caller, session: Arc<Session>) -> Response {
    let expires_at = caller.expires_at();
    if let Scope::Server(name) = &door.scope {
        let server = match door.server(&caller, name) {
            Ok(server) => server,
            Err(fault) => return reply::fault(&fault, Stage::NoSession),
        };
        let (_, heard) = following::begin(&door.hub, caller, &server, following::everything());
        let heard = heard.and(&session);
        let watch = Watch::new(&door.hub, None, expires_at, session.begin_stream());
        return stream::answer(Following { id: None, watch, first: None, heard, over: false, _place: None });
    }
    let changes = changes(&door.hub, caller, session.seen());
    session.sees(changes.seen());
    let watch = Watch::new(&door.hub, Some(changes), expires_at, session.begin_stream());
    stream::answer(Hearing { hub: Arc::clone(&door.hub), session, watch })
}

/// What changes in this caller's list, beginning with what the client has seen, if that is known.
fn changes(hub: &Arc<Hub>, caller: Caller, seen: Option<Digest>) -> Changes {
    let reach = hub.reach(caller);
    let counter = hub.changes(&reach);
    let hub = Arc::clone(hub);
    Changes::new(counter, Box::new(move || fingerprint(&hub.tools(&reach), hub.servers().mark(&reach))), seen)
}

/// Changes, until the hub stops, the caller's token expires, or somebody ends it.
struct Watch {
    changes: Option<Changes>,
    stopping: CancellationToken,
    ended: CancellationToken,
    expires_at: Instant,
}

impl Watch {
    fn new(hub: &Hub, changes: Option<Changes>, expires_at: Timestamp, ended: CancellationToken) -> Self {
        let expires_at = Instant::now() + expires_at.since(hub.now());
        Self { changes, stopping: hub.supervisor().stopping().clone(), ended, expires_at }
    }

    /// `None`: it is over.
    async fn next(&mut self) -> Option<Digest> {
        let changes = self.changes.as_mut();
        let change = async {
            match changes {
                Some(changes) => changes.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            () = self.ended.cancelled() => None,
            () = sleep_until(self.expires_at) => None,
            changed = change => changed,
        }
    }
}

/// A modern subscription.
struct Listening {
    id: Id,
    watch: Watch,
    first: Option<Outgoing>,
    over: bool,
    _place: Place,
}

impl Source for Listening {
    async fn next(&mut self) -> Option<Outgoing> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.over {
            return None;
        }
        if self.watch.next().await.is_some() {
            return Some(raw(&listen::tools_changed(&self.id)));
        }
        self.over = true;
        Some(raw(&listen::ended(&self.id)))
    }
}

/// What one server tells: on a subscription, or on the stream of a session.
struct Following {
    /// Of the subscription; none in a session.
    id: Option<Id>,
    watch: Watch,
    first: Option<Outgoing>,
    heard: following::Heard,
    over: bool,
    _place: Option<Place>,
}

impl Source for Following {
    async fn next(&mut self) -> Option<Outgoing> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.over {
            return None;
        }
        let told = tokio::select! {
            biased;
            _ = self.watch.next() => None,
            told = self.heard.next(self.id.as_ref()) => Some(told),
        };
        if told.is_none() {
            self.over = true;
            return self.id.as_ref().map(|id| raw(&listen::ended(id)));
        }
        told
    }
}

/// The stream of a session. While it is open the session is not idle.
struct Hearing {
    hub: Arc<Hub>,
    session: Arc<Session>,
    watch: Watch,
}

impl Source for Hearing {
    async fn next(&mut self) -> Option<Outgoing> {
        self.session.touch(self.hub.steady());
        tokio::select! {
            list = self.watch.next() => {
                self.session.sees(list?);
                Some(raw(&listen::legacy_tools_changed()))
            }
            Some(message) = self.session.subscribed.next() => Some(message),
        }
    }
}
