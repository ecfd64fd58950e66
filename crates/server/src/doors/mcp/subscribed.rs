//! Resources that a legacy session is subscribed to, and what was heard of them.

use super::stream::Outgoing;
use deputy_core::SourceName;
use deputy_hub::{Server, Supervisor};
use deputy_protocol::mcp::listen;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Mutex as Turn, mpsc};
use tokio_util::sync::CancellationToken;

/// Messages that wait for a client that does not listen; later ones are dropped.
const WAITING: usize = 256;

/// Subscriptions of one session.
#[derive(Debug)]
pub(super) struct Subscribed {
    open: Mutex<HashMap<String, CancellationToken>>,
    heard: mpsc::Sender<Outgoing>,
    hears: Turn<mpsc::Receiver<Outgoing>>,
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
        supervisor: &Supervisor,
        server: &Server,
        principal: &str,
        uri: &str,
        public: fn(&SourceName, &RawValue) -> Box<RawValue>,
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
        let (mut updates, heard) = (server.upstream.updates(principal, uri), self.heard.clone());
        let source = server.name.clone();
        supervisor.start_until_shutdown(async move {
            loop {
                let update = tokio::select! {
                    () = over.cancelled() => return,
                    () = heard.closed() => return,
                    update = updates.recv() => update,
                };
                let Some(params) = update else { return };
                // A client that does not listen loses what is too much.
                let _ = heard.try_send(listen::updated(None, &public(&source, &params)));
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
    pub(super) async fn next(&self) -> Option<Outgoing> {
        self.hears.lock().await.recv().await
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        for over in self.open.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            over.cancel();
        }
    }
}
