//! Tasks that a stream listens to (`taskIds`, modern era alone). A server's word that one changed is only a reason to look:
//! what became of the task is asked for with `tasks/get` through the corridor, so that it is decided, recorded and released
//! like any answer of that server's, and only then told.

use super::{McpDoor, Scope, relay, tasks};
use deputy_hub::ports::upstream::{ClientSide, Reply};
use deputy_hub::{CallEvent, Hub, Reach, Server};
use deputy_protocol::mcp::tasks as wire;
use deputy_protocol::relay::raw;
use serde_json::json;
use serde_json::value::RawValue;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a client asks after a task with.
const GET: &str = "tasks/get";
/// Tasks that wait to be told; who is looking waits for room.
const WAITING: usize = 16;

/// The tasks of one stream.
pub(super) struct Tasked {
    hub: Arc<Hub>,
    reach: Arc<Reach>,
    heard: mpsc::Receiver<(Arc<Server>, Box<RawValue>)>,
}

/// One of them.
struct Followed {
    hub: Arc<Hub>,
    reach: Arc<Reach>,
    server: Arc<Server>,
    /// The server's own id of it.
    own: String,
    /// The id that the client knows.
    shown: String,
    /// Whether URIs are told in their public form.
    is_renamed: bool,
    client: ClientSide,
    tell: mpsc::Sender<(Arc<Server>, Box<RawValue>)>,
}

impl Tasked {
    /// Begins to listen to those of these tasks that are this caller's to hear of, by the ids that the client knows; and
    /// says which they are. A client that does not know tasks hears of none.
    pub(super) fn begin(
        door: &McpDoor,
        reach: &Arc<Reach>,
        client: ClientSide,
        wanted: Vec<String>,
    ) -> (Vec<String>, Self) {
        let (tell, heard) = mpsc::channel(WAITING);
        let wanted = if wire::known_by(&client.capabilities) { wanted } else { Vec::new() };
        let mut granted = Vec::new();
        for shown in wanted {
            let Some((server, own)) = meant(door, reach, &shown) else { continue };
            if !may(&door.hub, reach, &server) {
                continue;
            }
            granted.push(shown.clone());
            let followed = Followed {
                hub: Arc::clone(&door.hub),
                reach: Arc::clone(reach),
                server,
                own,
                shown,
                is_renamed: door.scope == Scope::All,
                client: client.clone(),
                tell: tell.clone(),
            };
            let changes = followed.changes();
            door.hub.supervisor().start_until_shutdown(async move {
                tokio::select! {
                    () = followed.tell.closed() => {}
                    () = followed.run(changes) => {}
                }
            });
        }
        (granted, Self { hub: Arc::clone(&door.hub), reach: Arc::clone(reach), heard })
    }

    /// The next task that is to be told. Never resolves when nothing can come any more; dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Box<RawValue> {
        while let Some((server, task)) = self.heard.recv().await {
            // INVARIANT: asked anew before anything is told: what waited until they may not hear it is not told.
            if may(&self.hub, &self.reach, &server) {
                return task;
            }
        }
        pending().await
    }
}

/// Of which server a task is, and under which id.
fn meant(door: &McpDoor, reach: &Reach, shown: &str) -> Option<(Arc<Server>, String)> {
    let (source, own) = match &door.scope {
        Scope::Server(name) => (name.clone(), shown.to_owned()),
        Scope::All => tasks::opened(&door.hub, &reach.caller().principal(), shown)?,
    };
    Some((door.hub.servers().of(&reach.user().tenant, &source)?.clone(), own))
}

fn may(hub: &Hub, reach: &Reach, server: &Server) -> bool {
    hub.may_look(reach, server, GET)
}

impl Followed {
    fn changes(&self) -> mpsc::Receiver<()> {
        let principal = self.server.principal(&self.reach.caller().principal());
        self.server.upstream.task_changes(&principal, &self.own)
    }

    /// Until nothing more becomes of it. While the client may not hear of it the server is not listened to.
    async fn run(&self, mut changes: mpsc::Receiver<()>) {
        let mut rights = self.hub.changes(&self.reach);
        let mut told: Option<Box<RawValue>> = None;
        loop {
            while may(&self.hub, &self.reach, &self.server) {
                tokio::select! {
                    Ok(()) = rights.changed() => {}
                    changed = changes.recv() => {
                        if changed.is_none() {
                            return;
                        }
                        if self.look(&mut told).await {
                            return;
                        }
                    }
                }
            }
            drop(changes);
            while !may(&self.hub, &self.reach, &self.server) {
                if rights.changed().await.is_err() {
                    return;
                }
            }
            changes = self.changes();
            // What happened meanwhile is not known.
            if self.look(&mut told).await {
                return;
            }
        }
    }

    /// Tells how it stands, unless that was told already. True: nothing more is to be told, or nobody listens.
    async fn look(&self, told: &mut Option<Box<RawValue>>) -> bool {
        let Some(task) = self.now().await else { return false };
        let is_over = wire::is_over(&task);
        if told.as_ref().is_some_and(|told| told.get() == task.get()) {
            return is_over;
        }
        *told = Some(task.clone());
        self.tell.send((Arc::clone(&self.server), task)).await.is_err() || is_over
    }

    /// How it stands, if that is released to the client. A refusal is not told: whoever wants to know asks `tasks/get` and
    /// hears why. Where a person would have to say yes, nobody is asked for what nobody waits for.
    async fn now(&self) -> Option<Box<RawValue>> {
        let params = raw(&json!({"taskId": self.own}));
        let Ok(mut wish) = relay::wish(&self.server.name, GET, Some(&params), self.client.clone()) else {
            return None;
        };
        wish.relay = wish.relay.map(|relay| Box::new(relay.unattended()));
        let mut events = self.hub.call(self.reach.caller().clone(), wish);
        loop {
            match events.next().await {
                Some(CallEvent::Progress { .. } | CallEvent::Told(_)) => {}
                Some(CallEvent::Replied(Reply::Result(result))) => {
                    let source = &self.server.name;
                    let shown = |result| wire::answered(source, &self.shown, result);
                    return Some(if self.is_renamed { shown(&result) } else { result });
                }
                Some(
                    CallEvent::Parked { .. } | CallEvent::Replied(Reply::Fault { .. }) | CallEvent::Done(_),
                )
                | None => return None,
            }
        }
    }
}
