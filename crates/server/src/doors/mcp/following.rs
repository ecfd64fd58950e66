//! What one server tells whoever listens: its lists changed, its resources were updated. What the listener may no longer
//! see, because a switch was thrown or the policy changed, is not told from then on, and not listened to either.

use super::changes::{Changes, Look, fingerprint_of, fingerprint_of_list};
use super::sessions::Session;
use super::stream::Outgoing;
use deputy_hub::ports::upstream::Changed;
use deputy_hub::{Hub, Reach, Server};
use deputy_protocol::jsonrpc::Id;
use deputy_protocol::mcp::listen::{self, Filter};
use deputy_protocol::relay::raw;
use futures_util::StreamExt as _;
use futures_util::future::select_all as select_first;
use futures_util::stream::{BoxStream, SelectAll, select_all, unfold};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What is followed.
pub(super) struct Heard {
    hub: Arc<Hub>,
    reach: Arc<Reach>,
    server: Arc<Server>,
    filter: Filter,
    may: May,
    /// Counts up when what they may see may have changed.
    rights: watch::Receiver<u64>,
    /// Has the lists looked at again.
    nudge: watch::Sender<u64>,
    /// What each list is of, and word of its changes.
    changes: Vec<(&'static str, Changes)>,
    lists: watch::Receiver<Changed>,
    seen: Changed,
    resources: SelectAll<BoxStream<'static, Box<RawValue>>>,
    ready: VecDeque<News>,
    session: Option<Arc<Session>>,
}

/// What this caller may hear of beyond tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct May {
    prompts: bool,
    resources: bool,
}

impl May {
    fn of(hub: &Hub, reach: &Reach, server: &Server) -> Self {
        Self {
            prompts: hub.may_look(reach, server, "prompts/list"),
            resources: hub.may_look(reach, server, "resources/list"),
        }
    }
}

/// What is to be told.
enum News {
    List(&'static str),
    Resource(Box<RawValue>),
}

/// Everything that a session of the legacy era hears of by itself.
pub(super) fn everything() -> Filter {
    Filter {
        tools_list_changed: true,
        prompts_list_changed: true,
        resources_list_changed: true,
        resources: Vec::new(),
        tasks: Vec::new(),
    }
}

/// Begins to listen, to what this caller may look at; what that is of all that was wanted.
pub(super) fn begin(
    hub: &Arc<Hub>,
    reach: &Arc<Reach>,
    server: &Arc<Server>,
    mut filter: Filter,
) -> (Filter, Heard) {
    // Before the look, so that nothing falls between.
    let mut rights = hub.changes(reach);
    rights.mark_unchanged();
    let may = May::of(hub, reach, server);
    filter.prompts_list_changed &= may.prompts;
    if !may.resources {
        filter.resources_list_changed = false;
        filter.resources.clear();
    }
    let lists = server.upstream.changes(&server.principal(&reach.caller().principal()));
    let seen = *lists.borrow();
    let nudge = watch::Sender::new(0);
    let wanted = [
        ("tools", filter.tools_list_changed),
        ("prompts", filter.prompts_list_changed),
        ("resources", filter.resources_list_changed),
    ];
    let changes = wanted
        .into_iter()
        .filter(|(_, is_wanted)| *is_wanted)
        .map(|(what, _)| {
            (what, Changes::new(nudge.subscribe(), look(what, hub, reach, server, lists.clone()), None))
        })
        .collect();
    let heard = Heard {
        hub: Arc::clone(hub),
        reach: Arc::clone(reach),
        server: Arc::clone(server),
        resources: updates(reach, server, &filter.resources),
        filter: filter.clone(),
        may,
        rights,
        nudge,
        changes,
        lists,
        seen,
        ready: VecDeque::new(),
        session: None,
    };
    (filter, heard)
}

/// How a list looks to this client now. One that they may no longer see is empty, and that is a change, too.
fn look(
    what: &'static str,
    hub: &Arc<Hub>,
    reach: &Arc<Reach>,
    server: &Arc<Server>,
    lists: watch::Receiver<Changed>,
) -> Look {
    let (hub, reach, server) = (Arc::clone(hub), Arc::clone(reach), Arc::clone(server));
    Box::new(move || {
        let (changed, connections) = (*lists.borrow(), hub.connections(&reach, &server));
        let and_connections = |changes: u64| changes.wrapping_add(connections);
        match what {
            "prompts" => {
                let may = hub.may_look(&reach, &server, "prompts/list");
                fingerprint_of_list(may, and_connections(changed.prompts))
            }
            "resources" => {
                let may = hub.may_look(&reach, &server, "resources/list");
                fingerprint_of_list(may, and_connections(changed.resources))
            }
            _ => fingerprint_of(hub.seen_tools(&reach, &server), and_connections(changed.tools)),
        }
    })
}

fn updates(reach: &Reach, server: &Server, uris: &[String]) -> SelectAll<BoxStream<'static, Box<RawValue>>> {
    let principal = server.principal(&reach.caller().principal());
    select_all(uris.iter().map(|uri| stream(server.upstream.updates(&principal, uri))))
}

fn stream(updates: mpsc::Receiver<Box<RawValue>>) -> BoxStream<'static, Box<RawValue>> {
    unfold(updates, |mut updates| async { updates.recv().await.map(|params| (params, updates)) }).boxed()
}

impl Heard {
    /// And what this session is subscribed to.
    pub(super) fn and(mut self, session: &Arc<Session>) -> Self {
        self.session = Some(Arc::clone(session));
        self
    }

    /// The next message, on this subscription or in a session. Never resolves when nothing can come any more.
    pub(super) async fn next(&mut self, subscription: Option<&Id>) -> Outgoing {
        loop {
            // INVARIANT: asked anew before anything is told, so that what is told is theirs to hear now.
            self.look_again();
            if !self.may.resources {
                self.ready.retain(|news| !matches!(news, News::Resource(_)));
            }
            match self.ready.pop_front() {
                Some(News::Resource(params)) => return listen::updated(subscription, &params),
                Some(News::List(what)) => return list_changed(subscription, what),
                None => {}
            }
            let subscribed = async {
                match &self.session {
                    Some(session) => session.subscribed.next().await,
                    None => pending().await,
                }
            };
            let updated = async {
                match self.resources.next().await {
                    Some(params) => params,
                    None => pending().await,
                }
            };
            let changes = &mut self.changes;
            let list = async {
                if changes.is_empty() {
                    return pending().await;
                }
                let each = changes
                    .iter_mut()
                    .map(|(what, changes)| Box::pin(async move { changes.next().await.map(|_| *what) }));
                select_first(each).await.0
            };
            tokio::select! {
                Ok(()) = self.rights.changed() => {}
                Ok(()) = self.lists.changed() => {}
                Some(what) = list => self.ready.push_back(News::List(what)),
                params = updated => self.ready.push_back(News::Resource(params)),
                Some((_, params)) = subscribed => self.ready.push_back(News::Resource(params)),
                else => pending().await,
            }
        }
    }

    /// What they may hear of may have changed, and so may the server's lists.
    fn look_again(&mut self) {
        let changed = self.rights.has_changed().unwrap_or(false);
        self.rights.mark_unchanged();
        let may = May::of(&self.hub, &self.reach, &self.server);
        let was = std::mem::replace(&mut self.may, may);
        if may.resources != was.resources {
            self.turn_resources();
        }
        let now = *self.lists.borrow_and_update();
        let seen = std::mem::replace(&mut self.seen, now);
        if changed || now != seen || may != was {
            self.nudge.send_modify(|count| *count += 1);
        }
    }

    /// Ends listening to resources, or begins it again: what happened meanwhile is not known, so each may have changed.
    fn turn_resources(&mut self) {
        if self.may.resources {
            self.resources = updates(&self.reach, &self.server, &self.filter.resources);
            let each = self.filter.resources.iter().map(|uri| News::Resource(raw(&json!({"uri": uri}))));
            self.ready.extend(each);
        } else {
            self.resources = SelectAll::new();
        }
    }
}

fn list_changed(subscription: Option<&Id>, what: &str) -> Outgoing {
    match subscription {
        Some(id) => raw(&listen::changed(id, what)),
        None => raw(&listen::legacy_changed(what)),
    }
}
