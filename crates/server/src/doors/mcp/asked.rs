//! What a server asks a client of the legacy era: sent on the stream of the call, answered by a message of its own.

use deputy_protocol::jsonrpc::{Id, Response};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Questions of one session that may be open.
const OPEN: usize = 64;

/// The client's word: a result or an error, as it was sent.
pub(super) type Word = Result<Box<RawValue>, Box<RawValue>>;

/// Open questions of one session, by ids of ours.
#[derive(Debug, Default)]
pub(super) struct Asked {
    next: AtomicU64,
    open: Mutex<HashMap<Id, oneshot::Sender<Word>>>,
}

impl Asked {
    /// A new id, and where its answer comes. `None`: too many are open.
    pub(super) fn begin(&self) -> Option<(Id, oneshot::Receiver<Word>)> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, waiting| !waiting.is_closed());
        if open.len() >= OPEN {
            return None;
        }
        let id = Id::Text(format!("deputy-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let (sender, receiver) = oneshot::channel();
        open.insert(id.clone(), sender);
        Some((id, receiver))
    }

    /// The client answered. An answer to nothing is dropped.
    pub(super) fn answer(&self, response: &Response<'_>) {
        let waiting = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&response.id);
        if let Some(waiting) = waiting {
            let word = response.outcome.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
            // Whoever waited may have gone.
            let _ = waiting.send(word);
        }
    }
}
