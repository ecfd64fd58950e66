//! The hub's end of a socket: a queue of what is still to be said, which takes no room while nothing is.

use deputy_hub::ports::TabLink;
use deputy_protocol::tab::{CloseCode, HubFrame};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Frames that wait for a slow socket; more than the calls that can be in flight and waiting.
const QUEUE: usize = 256;

/// A frame that waits, with its id. Boxed: the queue keeps its room for as long as the tab lives.
pub(super) type Queued = Box<(String, HubFrame)>;

/// What the hub holds.
#[derive(Default)]
pub(super) struct SocketLink {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Queued>,
    close: Option<(CloseCode, String)>,
    /// Nobody reads the queue any more.
    gone: bool,
}

/// What the socket has to do next.
pub(super) enum Next {
    /// Say this.
    Say(Queued),
    /// End, for this reason.
    Close(CloseCode, String),
}

/// The socket's end of the queue.
pub(super) struct Queue(Arc<SocketLink>);

impl SocketLink {
    pub(super) fn new() -> (Arc<Self>, Queue) {
        let link = Arc::new(Self::default());
        (Arc::clone(&link), Queue(link))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The next frame, or how the hub wants the socket closed: that comes before everything that waits.
    pub(super) async fn next(&self) -> Next {
        loop {
            {
                let mut waiting = self.0.waiting();
                if let Some((code, reason)) = waiting.close.clone() {
                    return Next::Close(code, reason);
                }
                if let Some(queued) = waiting.frames.pop_front() {
                    return Next::Say(queued);
                }
            }
            // What came since then left its permit.
            self.0.news.notified().await;
        }
    }

    /// The next frame that waits already.
    pub(super) fn pop(&self) -> Option<Queued> {
        self.0.waiting().frames.pop_front()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.gone = true;
        waiting.frames = VecDeque::new();
    }
}

impl TabLink for SocketLink {
    fn send(&self, id: &str, frame: HubFrame) -> bool {
        let queued = Box::new((id.to_owned(), frame));
        let mut waiting = self.waiting();
        if waiting.gone || waiting.frames.len() >= QUEUE {
            return false;
        }
        waiting.frames.push_back(queued);
        drop(waiting);
        self.news.notify_one();
        true
    }

    fn close(&self, code: CloseCode, reason: &str) {
        // The first reason is the true one.
        self.waiting().close.get_or_insert_with(|| (code, reason.to_owned()));
        self.news.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_in_order_and_a_close_comes_before_them() {
        let (link, queue) = SocketLink::new();
        assert!(link.send("a", HubFrame::Ping) && link.send("b", HubFrame::Ping));
        assert!(matches!(queue.next().await, Next::Say(queued) if queued.0 == "a"));
        link.close(CloseCode::Restart, "the first");
        link.close(CloseCode::Normal, "the second");
        assert!(
            matches!(queue.next().await, Next::Close(CloseCode::Restart, reason) if reason == "the first")
        );
        assert_eq!(queue.pop().map(|queued| queued.0), Some("b".to_owned()));
        assert!(queue.pop().is_none());
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_a_frame_and_of_a_close() {
        let (link, queue) = SocketLink::new();
        let (next, sent) = tokio::join!(queue.next(), async { link.send("a", HubFrame::Ping) });
        assert!(sent && matches!(next, Next::Say(_)));
        let (next, ()) = tokio::join!(queue.next(), async { link.close(CloseCode::Normal, "x") });
        assert!(matches!(next, Next::Close(CloseCode::Normal, _)));
    }

    #[tokio::test]
    async fn a_slow_socket_is_sent_no_more_than_the_queue_takes_and_one_that_is_gone_nothing() {
        let (link, queue) = SocketLink::new();
        assert!((0..QUEUE).all(|_| link.send("a", HubFrame::Ping)));
        assert!(!link.send("a", HubFrame::Ping));
        assert!(queue.pop().is_some() && link.send("a", HubFrame::Ping));
        drop(queue);
        assert!(!link.send("a", HubFrame::Ping));
    }
}
