//! Resources that a legacy session, or a stream of changes, is subscribed to, and what was heard of them.

use deputy_core::SourceName;
use deputy_hub::{Hub, Reach, Server};
use deputy_protocol::mcp::listen;
use deputy_protocol::relay::raw;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as Turn, mpsc};
use tokio_util::sync::CancellationToken;

/// Messages that wait for a client that does not listen; later ones are dropped.
const WAITING: usize = 256;

/// The parameters of an update, and of which source.
type Told = (SourceName, Box<RawValue>);
/// How an update of a source's resource is told.
type Public = fn(&SourceName, &RawValue) -> Box<RawValue>;

/// Subscriptions of one session, or of one stream.
#[derive(Debug)]
pub(super) struct Subscribed {
    open: Mutex<HashMap<String, CancellationToken>>,
    heard: mpsc::Sender<Told>,
    hears: Turn<mpsc::Receiver<Told>>,
}

impl Default for Subscribed {
    fn default() -> Self {
        let (heard, hears) = mpsc::channel(WAITING);
        Self { open: Mutex::default(), heard, hears: Turn::new(hears) }
    }
}

impl Subscribed {
    /// Begins to hear of a resource. `false`: there are too many.
    pub(super) fn begin(
        &self,
        hub: &Arc<Hub>,
        reach: Arc<Reach>,
        server: &Arc<Server>,
        uri: &str,
        public: Public,
    ) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{} {uri}", server.name);
        if open.contains_key(&key) {
            return true;
        }
        if open.len() >= listen::RESOURCES {
            return false;
        }
        let over = CancellationToken::new();
        open.insert(key, over.clone());
        drop(open);
        let following = Following {
            hub: Arc::clone(hub),
            reach,
            server: Arc::clone(server),
            uri: uri.to_owned(),
            public,
            heard: self.heard.clone(),
        };
        let updates = following.updates();
        hub.supervisor().start_until_shutdown(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = following.heard.closed() => {}
                () = following.run(updates) => {}
            }
        });
        true
    }

    /// Hears no more of it.
    pub(super) fn end(&self, server: &SourceName, uri: &str) {
        let key = format!("{server} {uri}");
        if let Some(over) = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&key) {
            over.cancel();
        }
    }

    /// The next message; it is lost if the future is dropped after it was taken, which `recv` does not do.
    pub(super) async fn next(&self) -> Option<Told> {
        self.hears.lock().await.recv().await
    }
}

/// One resource that is followed.
struct Following {
    hub: Arc<Hub>,
    reach: Arc<Reach>,
    server: Arc<Server>,
    uri: String,
    public: Public,
    heard: mpsc::Sender<Told>,
}

impl Following {
    fn updates(&self) -> mpsc::Receiver<Box<RawValue>> {
        self.server.upstream.updates(&self.server.principal(&self.reach.caller().principal()), &self.uri)
    }

    /// While the subscriber may hear of it (a switch may be thrown, the policy may change) the server is listened to; else
    /// it is not, and nothing is told.
    async fn run(&self, mut updates: mpsc::Receiver<Box<RawValue>>) {
        let mut rights = self.hub.changes(&self.reach);
        loop {
            while self.may() {
                tokio::select! {
                    Ok(()) = rights.changed() => {}
                    update = updates.recv() => {
                        let Some(params) = update else { return };
                        self.tell(&params);
                    }
                }
            }
            drop(updates);
            while !self.may() {
                if rights.changed().await.is_err() {
                    return;
                }
            }
            updates = self.updates();
            // What happened meanwhile is not known.
            self.tell(&raw(&json!({"uri": self.uri})));
        }
    }

    fn tell(&self, params: &RawValue) {
        if self.may() {
            let source = self.server.name.clone();
            let params = (self.public)(&source, params);
            // A client that does not listen loses what is too much.
            let _ = self.heard.try_send((source, params));
        }
    }

    fn may(&self) -> bool {
        self.hub.may_look(&self.reach, &self.server, "resources/list")
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        for over in self.open.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            over.cancel();
        }
    }
}
