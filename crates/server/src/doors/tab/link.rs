//! The hub's end of a socket: a queue of what is still to be said.

use deputy_hub::ports::TabLink;
use deputy_protocol::tab::{CloseCode, HubFrame};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, mpsc};

/// Frames that wait for a slow socket; more than the calls that can be in flight and waiting.
const QUEUE: usize = 256;

/// A frame that waits, with its id. Boxed: the queue of every tab has room for 32 of them from the beginning.
pub(super) type Queued = Box<(String, HubFrame)>;

/// What the hub holds.
pub(super) struct SocketLink {
    frames: mpsc::Sender<Queued>,
    close: Mutex<Option<(CloseCode, String)>>,
    closing: Notify,
}

impl SocketLink {
    pub(super) fn new() -> (Self, mpsc::Receiver<Queued>) {
        let (frames, queue) = mpsc::channel(QUEUE);
        (Self { frames, close: Mutex::new(None), closing: Notify::new() }, queue)
    }

    /// Resolves when the hub wants the socket closed.
    pub(super) async fn closed(&self) -> (CloseCode, String) {
        loop {
            let wanted = self.close.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(wanted) = wanted {
                return wanted;
            }
            self.closing.notified().await;
        }
    }
}

impl TabLink for SocketLink {
    fn send(&self, id: &str, frame: HubFrame) -> bool {
        self.frames.try_send(Box::new((id.to_owned(), frame))).is_ok()
    }

    fn close(&self, code: CloseCode, reason: &str) {
        let mut wanted = self.close.lock().unwrap_or_else(PoisonError::into_inner);
        // The first reason is the true one.
        wanted.get_or_insert_with(|| (code, reason.to_owned()));
        drop(wanted);
        self.closing.notify_one();
    }
}
