//! Streams that tell of changes: `subscriptions/listen` (modern), and the GET stream of a session (legacy).

use super::changes::{Changes, fingerprint};
use super::elicited::Done;
use super::following;
use super::places::Place;
use super::relay;
use super::reply::{self, Stage};
use super::sessions::Session;
use super::stream::{self, Outgoing, Source};
use super::subscribed::Subscribed;
use super::tasked::Tasked;
use super::{McpDoor, Scope};
use axum::response::Response;
use deputy_core::Digest;
use deputy_hub::{Caller, Hub, Reach};
use deputy_protocol::jsonrpc::{Fault, Id, code};
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::{combined, connect, listen};
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
    let mut filter = listen::filter(params)?;
    let wanted = std::mem::take(&mut filter.tasks);
    let client = relay::client_side(params);
    let Some(place) = door.listens.take(caller.principal()) else {
        let fault = Fault::new(code::INVALID_REQUEST, "too many streams are open; close one first");
        return Ok(reply::fault(&fault.answering(Some(id)), Stage::Busy));
    };
    // The watch begins before the acknowledgement, so that nothing falls between.
    let ended = CancellationToken::new();
    if let Scope::Server(name) = &door.scope {
        let server = door.server(&caller, name)?;
        let reach = Arc::new(door.hub.reach(caller));
        let (mut filter, heard) = following::begin(&door.hub, &reach, &server, filter);
        let (granted, tasked) = Tasked::begin(door, &reach, client, wanted);
        filter.tasks = granted;
        let watch = Watch::new(&door.hub, &reach, None, ended);
        let first = Some(raw(&listen::acknowledged(id, &filter)));
        return Ok(stream::answer(Following {
            id: Some(id.clone()),
            watch,
            first,
            heard,
            tasked: Some(tasked),
            done: None,
            over: false,
            _place: Some(place),
        }));
    }
    let reach = Arc::new(door.hub.reach(caller));
    let subscribed = Subscribed::default();
    let mut filter = filter.combined(|uri| subscribes(door, &reach, &subscribed, uri));
    let (granted, tasked) = Tasked::begin(door, &reach, client, wanted);
    filter.tasks = granted;
    let changes = filter.tools_list_changed.then(|| changes(&door.hub, &reach, None));
    let watch = Watch::new(&door.hub, &reach, changes, ended);
    let first = Some(raw(&listen::acknowledged(id, &filter)));
    let (id, over) = (id.clone(), false);
    Ok(stream::answer(Listening { id, watch, subscribed, tasked, first, over, _place: place }))
}

/// Begins to hear of a resource under its public URI. `false`: it is none of theirs.
fn subscribes(door: &McpDoor, reach: &Arc<Reach>, subscribed: &Subscribed, uri: &str) -> bool {
    let Some((source, own)) = combined::own_uri(uri) else { return false };
    let server = door.hub.servers().of(&reach.user().tenant, &source).cloned();
    server.is_some_and(|server| {
        door.hub.may_look(reach, &server, "resources/list")
            && subscribed.begin(&door.hub, Arc::clone(reach), &server, &own, door.updates())
    })
}

/// Opens the stream of a session; an older one of the same session ends.
pub(super) fn legacy(door: &McpDoor, caller: Caller, session: Arc<Session>) -> Response {
    if let Scope::Server(name) = &door.scope {
        let server = match door.server(&caller, name) {
            Ok(server) => server,
            Err(fault) => return reply::fault(&fault, Stage::NoSession),
        };
        let reach = Arc::new(door.hub.reach(caller));
        let (_, heard) = following::begin(&door.hub, &reach, &server, following::everything());
        let heard = heard.and(&session);
        let watch = Watch::new(&door.hub, &reach, None, session.begin_stream());
        return stream::answer(Following {
            id: None,
            watch,
            first: None,
            heard,
            tasked: None,
            done: Some(Done::of(&door.hub, &reach, &session)),
            over: false,
            _place: None,
        });
    }
    let reach = Arc::new(door.hub.reach(caller));
    let changes = changes(&door.hub, &reach, session.seen());
    session.sees(changes.seen());
    let watch = Watch::new(&door.hub, &reach, Some(changes), session.begin_stream());
    let done = Done::of(&door.hub, &reach, &session);
    stream::answer(Hearing { session, watch, done })
}

/// What changes in this caller's list, beginning with what the client has seen, if that is known.
fn changes(hub: &Arc<Hub>, reach: &Arc<Reach>, seen: Option<Digest>) -> Changes {
    let counter = hub.changes(reach);
    let (hub, reach) = (Arc::clone(hub), Arc::clone(reach));
    Changes::new(counter, Box::new(move || fingerprint(&hub.tools(&reach), hub.server_changes(&reach))), seen)
}

/// Changes, until the hub stops, the caller's token expires, the person is stopped, or somebody ends it.
struct Watch {
    hub: Arc<Hub>,
    reach: Arc<Reach>,
    changes: Option<Changes>,
    ended: CancellationToken,
    expires_at: Instant,
}

impl Watch {
    fn new(hub: &Arc<Hub>, reach: &Arc<Reach>, changes: Option<Changes>, ended: CancellationToken) -> Self {
        let expires_at = Instant::now() + reach.caller().expires_at().since(hub.now());
        Self { hub: Arc::clone(hub), reach: Arc::clone(reach), changes, ended, expires_at }
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
            () = self.hub.supervisor().stopping().cancelled() => None,
            () = self.ended.cancelled() => None,
            () = self.hub.until_person_stopped(&self.reach) => None,
            () = sleep_until(self.expires_at) => None,
            changed = change => changed,
        }
    }
}

/// A modern subscription.
struct Listening {
    id: Id,
    watch: Watch,
    subscribed: Subscribed,
    tasked: Tasked,
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
        let (hub, reach) = (Arc::clone(&self.watch.hub), Arc::clone(&self.watch.reach));
        loop {
            tokio::select! {
                biased;
                list = self.watch.next() => {
                    if list.is_some() {
                        return Some(raw(&listen::tools_changed(&self.id)));
                    }
                    self.over = true;
                    return Some(raw(&listen::ended(&self.id)));
                }
                Some((source, params)) = self.subscribed.next() => {
                    if hub.may_hear_of_resources(&reach, &source) {
                        return Some(listen::updated(Some(&self.id), &params));
                    }
                }
                task = self.tasked.next() => return Some(listen::task(&self.id, &task)),
            }
        }
    }
}

/// What one server tells: on a subscription, or on the stream of a session.
struct Following {
    /// Of the subscription; none in a session.
    id: Option<Id>,
    watch: Watch,
    first: Option<Outgoing>,
    heard: following::Heard,
    /// Of a subscription; a session of the legacy era knows no tasks.
    tasked: Option<Tasked>,
    /// In a session: addresses that its person was to open.
    done: Option<Done>,
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
        let (id, tasked) = (self.id.as_ref(), self.tasked.as_mut());
        let task = async {
            match (id, tasked) {
                (Some(id), Some(tasked)) => listen::task(id, &tasked.next().await),
                _ => pending().await,
            }
        };
        let done = self.done.as_mut();
        let opened = async {
            match done {
                Some(done) => raw(&connect::completed(&done.next().await)),
                None => pending().await,
            }
        };
        let told = tokio::select! {
            biased;
            _ = self.watch.next() => None,
            told = opened => Some(told),
            told = self.heard.next(id) => Some(told),
            told = task => Some(told),
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
    session: Arc<Session>,
    watch: Watch,
    done: Done,
}

impl Source for Hearing {
    async fn next(&mut self) -> Option<Outgoing> {
        let (hub, reach) = (Arc::clone(&self.watch.hub), Arc::clone(&self.watch.reach));
        loop {
            self.session.touch(hub.steady());
            tokio::select! {
                biased;
                list = self.watch.next() => {
                    self.session.sees(list?);
                    return Some(raw(&listen::legacy_tools_changed()));
                }
                id = self.done.next() => return Some(raw(&connect::completed(&id))),
                Some((source, params)) = self.session.subscribed.next() => {
                    // What was heard while they might hear it, and waited until they may not, is not told.
                    if hub.may_hear_of_resources(&reach, &source) {
                        return Some(listen::updated(None, &params));
                    }
                }
            }
        }
    }
}
