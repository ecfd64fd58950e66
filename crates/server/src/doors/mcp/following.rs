//! What one server tells whoever listens: its lists changed, its resources were updated.

use super::sessions::Session;
use super::stream::Outgoing;
use deputy_hub::ports::upstream::Changed;
use deputy_hub::{Caller, Hub, Server};
use deputy_protocol::jsonrpc::Id;
use deputy_protocol::mcp::listen::{self, Filter};
use deputy_protocol::relay::raw;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll, select_all, unfold};
use serde_json::value::RawValue;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What is followed.
pub(super) struct Heard {
    filter: Filter,
    lists: watch::Receiver<Changed>,
    seen: Changed,
    resources: SelectAll<BoxStream<'static, Box<RawValue>>>,
    session: Option<Arc<Session>>,
}

/// Everything that a session of the legacy era hears of by itself.
pub(super) fn everything() -> Filter {
    Filter {
        tools_list_changed: true,
        prompts_list_changed: true,
        resources_list_changed: true,
        resources: Vec::new(),
    }
}

/// Begins to listen, to what this caller may look at; what that is of all that was wanted.
pub(super) fn begin(hub: &Hub, caller: Caller, server: &Server, mut filter: Filter) -> (Filter, Heard) {
    let principal = server.principal(&caller.principal());
    let reach = hub.reach(caller);
    filter.prompts_list_changed &= hub.may_look(&reach, server, "prompts/list");
    if !hub.may_look(&reach, server, "resources/list") {
        filter.resources_list_changed = false;
        filter.resources.clear();
    }
    let lists = server.upstream.changes(&principal);
    let seen = *lists.borrow();
    let updates = filter.resources.iter().map(|uri| server.upstream.updates(&principal, uri));
    let resources = select_all(updates.map(stream));
    (filter.clone(), Heard { filter, lists, seen, resources, session: None })
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
            if let Some(what) = self.changed() {
                return match subscription {
                    Some(id) => raw(&listen::changed(id, what)),
                    None => raw(&listen::legacy_changed(what)),
                };
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
            tokio::select! {
                Ok(()) = self.lists.changed() => {}
                params = updated => return listen::updated(subscription, &params),
                Some(message) = subscribed => return message,
                else => pending().await,
            }
        }
    }

    /// One list that changed since it was told of.
    fn changed(&mut self) -> Option<&'static str> {
        let now = *self.lists.borrow_and_update();
        if now.tools != self.seen.tools {
            self.seen.tools = now.tools;
            if self.filter.tools_list_changed {
                return Some("tools");
            }
        }
        if now.prompts != self.seen.prompts {
            self.seen.prompts = now.prompts;
            if self.filter.prompts_list_changed {
                return Some("prompts");
            }
        }
        if now.resources != self.seen.resources {
            self.seen.resources = now.resources;
            if self.filter.resources_list_changed {
                return Some("resources");
            }
        }
        None
    }
}
