//! What a call answers with: a stream, not one value.

use crate::ports::upstream::{Reply, Told};
use crate::supervisor::Supervisor;
use deputy_core::{ApprovalId, Effect, Reason, Timestamp};
use deputy_protocol::mcp::labels::Labels;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::future::poll_fn;
use std::task::Poll;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a tool answered, in the shape of an MCP tool result.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// Content blocks.
    pub content: Vec<Value>,
    /// The structured result, whole.
    pub structured_content: Option<Value>,
    /// The tool ran and says that it failed.
    pub is_error: bool,
    /// Where it comes from, and how far to believe it; the tool has no say in them (P29).
    pub labels: Box<Labels>,
}

/// A call that did not end with an answer of the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The stable reason.
    pub reason: Reason,
    /// [`Reason::words`], and what is known beyond.
    pub message: String,
    /// How far the agent's permission would have to go, where that is what is missing.
    pub needs: Option<Effect>,
    /// The hub's own page that the person has to open first, where that is what is missing.
    pub open: Option<Box<HubPage>>,
}

/// A page of the hub's that a person has to open before a call can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPage {
    /// Its address.
    pub url: String,
    /// With which the client comes back, if the call had got so far that something has to be remembered of it.
    pub state: Option<String>,
}

impl Refused {
    /// With the reason's own words.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, message: reason.words().to_owned(), needs: None, open: None }
    }

    /// With a further sentence.
    #[must_use]
    pub fn because(reason: Reason, detail: impl std::fmt::Display) -> Self {
        Self { reason, message: format!("{} ({detail})", reason.words()), needs: None, open: None }
    }
}

/// One step of a call.
#[derive(Debug, Clone)]
pub enum CallEvent {
    /// It moves. Released only after the intent is durable.
    Progress {
        /// How far.
        progress: f64,
        /// Of how much.
        total: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// A server tells something on the way: progress, a log message. Released only after the intent is durable.
    Told(Told),
    /// A person is asked; the stream ends here. Call again with this approval.
    Parked {
        /// Which question.
        approval: ApprovalId,
        /// Until when it can be decided.
        expires_at: Timestamp,
    },
    /// It ended.
    Done(Result<ToolAnswer, Refused>),
    /// It ended with a server's own reply, to be passed on as it is. One that asks the client something has a
    /// `requestState` of the hub's.
    Replied(Reply),
}

/// The steps of one call. Dropping it cancels the call, unless [`Events::keep_running`] was said.
pub struct Events {
    receiver: mpsc::Receiver<CallEvent>,
    cancel: CancellationToken,
    cancel_on_drop: bool,
    carried: Option<Carried>,
}

/// A call that goes on only as far as whoever hears of it asks for its next step.
struct Carried {
    call: BoxFuture<'static, ()>,
    supervisor: Supervisor,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn channel() -> (mpsc::Sender<CallEvent>, CancellationToken, Self) {
        let (sender, receiver) = mpsc::channel(64);
        let cancel = CancellationToken::new();
        let events = Self { receiver, cancel: cancel.clone(), cancel_on_drop: true, carried: None };
        (sender, cancel, events)
    }

    /// The same, of a call that has no task of its own as long as it is heard.
    pub(crate) fn carrying(mut self, call: BoxFuture<'static, ()>, supervisor: Supervisor) -> Self {
        self.carried = Some(Carried { call, supervisor });
        self
    }

    /// The next step; `None` after the last. Nothing is lost when this is dropped unfinished.
    pub async fn next(&mut self) -> Option<CallEvent> {
        poll_fn(|cx| {
            let Some(carried) = &mut self.carried else { return self.receiver.poll_recv(cx) };
            if carried.call.as_mut().poll(cx).is_ready() {
                self.carried = None;
                return self.receiver.poll_recv(cx);
            }
            // Only the call itself says anything, and it is this task that takes it further.
            self.receiver.try_recv().map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
        })
        .await
    }

    /// From now on the call runs in a task of its own, whether its steps are asked for or not: for who may not ask for a
    /// while.
    pub fn let_go(&mut self) {
        if let Some(Carried { call, supervisor }) = self.carried.take() {
            supervisor.start(call);
        }
    }

    /// Stops the call: the tab is told at once, the outcome is still recorded.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// A handle that stops the call from elsewhere.
    #[must_use]
    pub fn canceller(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// From now on dropping does not cancel: in the legacy era a lost connection is not a cancellation.
    pub const fn keep_running(&mut self) {
        self.cancel_on_drop = false;
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if self.cancel_on_drop {
            self.cancel.cancel();
        }
        // INVARIANT: a call that was begun comes to its end, and to the log, whoever goes away.
        self.let_go();
    }
}
