//! A call of the legacy era: it outlives its connection, and waits for a person by itself.
//!
//! In that era a lost connection is not a cancellation, only `notifications/cancelled` is. So the call runs in a task of
//! the supervisor, and the connection merely listens.

use super::call;
use super::places::Place;
use super::sessions::Running;
use super::stream::Source;
use deputy_core::Reason;
use deputy_hub::{CallEvent, Caller, Events, Hub, Refused, Wish};
use deputy_protocol::jsonrpc::{Fault, Id, code, response};
use deputy_protocol::mcp::version::Revision;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long to wait before a person is asked about again, if the hub did not hold the call itself.
const PAUSE: Duration = Duration::from_millis(250);

/// What the connection is told.
#[derive(Debug)]
pub(super) enum Step {
    /// A progress notification.
    Moved(Value),
    /// A person is asked.
    Waiting,
    /// The response.
    Ended(Value),
}

/// Everything that a held call needs.
pub(super) struct Held {
    pub(super) hub: Arc<Hub>,
    pub(super) caller: Caller,
    pub(super) wish: Wish,
    pub(super) revision: Revision,
    pub(super) id: Id,
    pub(super) token: Option<Id>,
    pub(super) running: Running,
    pub(super) place: Place,
}

/// How one round ended.
enum Round {
    Last(Value),
    Parked(deputy_core::ApprovalId),
}

impl Held {
    /// Runs the call to its end, in a task of its own.
    fn start(mut self, steps: mpsc::Sender<Step>) {
        let supervisor = self.hub.supervisor().clone();
        supervisor.start(async move {
            let last = self.carry(&steps).await;
            let Self { place, running, .. } = self;
            drop((place, running));
            // The connection may be gone; the log has the outcome all the same.
            let _ = steps.send(Step::Ended(last)).await;
        });
    }

    async fn carry(&mut self, steps: &mpsc::Sender<Step>) -> Value {
        loop {
            match self.round(steps).await {
                Round::Last(last) => return last,
                Round::Parked(approval) => self.wish.approval = Some(approval),
            }
            if let Some(last) = self.given_up() {
                return last;
            }
            tokio::select! {
                () = self.running.cancelled() => return self.cancelled(),
                () = self.hub.supervisor().stopping().cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Through the corridor once.
    async fn round(&self, steps: &mpsc::Sender<Step>) -> Round {
        let mut events = self.hub.call(self.caller.clone(), self.wish.clone());
        events.keep_running();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = self.running.cancelled() => return Round::Last(self.stop(events).await),
            };
            match event {
                Some(event @ CallEvent::Progress { .. }) => {
                    if let Some(moved) = call::moved(self.token.as_ref(), &event) {
                        // A connection that does not read loses progress, not the call.
                        let _ = steps.try_send(Step::Moved(moved));
                    }
                }
                Some(CallEvent::Parked { approval, .. }) => {
                    let _ = steps.try_send(Step::Waiting);
                    return Round::Parked(approval);
                }
                Some(CallEvent::Done(done)) => return Round::Last(self.ended(done)),
                None => return Round::Last(self.ended(Err(Refused::new(Reason::Internal)))),
            }
        }
    }

    /// The client cancelled: the corridor is told, and what it says last is the answer.
    async fn stop(&self, mut events: Events) -> Value {
        events.cancel();
        loop {
            match events.next().await {
                Some(CallEvent::Done(done)) => return self.ended(done),
                Some(CallEvent::Progress { .. }) => {}
                Some(CallEvent::Parked { .. }) | None => return self.cancelled(),
            }
        }
    }

    /// Nobody is held longer than their right lasts, nor over the end of the hub.
    fn given_up(&self) -> Option<Value> {
        if self.hub.supervisor().stopping().is_cancelled() {
            return Some(self.ended(Err(Refused::because(Reason::NotStarted, "the hub stops"))));
        }
        if self.hub.now() >= self.caller.expires_at() {
            return Some(self.ended(Err(Refused::new(Reason::GrantExpired))));
        }
        None
    }

    fn ended(&self, done: Result<deputy_hub::ToolAnswer, Refused>) -> Value {
        response(&self.id, call::ending(done).legacy(self.revision))
    }

    fn cancelled(&self) -> Value {
        Fault::new(code::CANCELLED, "the call was cancelled").answering(Some(&self.id)).response()
    }
}

/// What the connection hears of one call, or of all in a batch. Dropping it ends none of them.
pub(super) struct Steps {
    ready: VecDeque<Value>,
    receiver: mpsc::Receiver<Step>,
    awaited: usize,
}

impl Steps {
    /// Starts the calls; what is ready is heard first.
    pub(super) fn of(ready: Vec<Value>, calls: Vec<Held>) -> Self {
        let (sender, receiver) = mpsc::channel(64);
        let awaited = calls.len();
        calls.into_iter().for_each(|call| call.start(sender.clone()));
        Self { ready: ready.into(), receiver, awaited }
    }

    /// The next step; `None` after the last.
    pub(super) async fn step(&mut self) -> Option<Step> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(Step::Ended(ready));
        }
        if self.awaited == 0 {
            return None;
        }
        let step = self.receiver.recv().await?;
        if matches!(step, Step::Ended(_)) {
            self.awaited -= 1;
        }
        Some(step)
    }

    /// The same, to be heard once more.
    pub(super) fn again(mut self, heard: Vec<Value>) -> Self {
        self.ready.extend(heard);
        self
    }
}

impl Source for Steps {
    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.step().await? {
                Step::Moved(message) | Step::Ended(message) => return Some(message),
                Step::Waiting => {}
            }
        }
    }
}
