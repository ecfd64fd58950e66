//! Those who wait for something of a session: for an answer, for what belongs to no request.

use super::{Lane, Session};
use crate::sse::Source;
use deputy_protocol::jsonrpc::{self, Fault, Id, code};
use deputy_protocol::relay::raw;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Somebody uses the session.
pub(super) struct Use(pub(super) Arc<Session>);

impl Drop for Use {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.users = state.users.saturating_sub(1);
        state.used_at = Instant::now();
    }
}

/// A request that waits for its answer.
pub(crate) struct Pending {
    pub(super) client_id: Id,
    pub(super) own: i64,
    pub(super) told: mpsc::Receiver<Box<RawValue>>,
    /// `None` once it was answered.
    pub(super) done: Option<oneshot::Receiver<Box<RawValue>>>,
    pub(super) kept: Use,
}

impl Pending {
    /// The answer alone; what is told meanwhile goes to whoever listens.
    pub(crate) async fn answer(&mut self) -> Box<RawValue> {
        self.told.close();
        let Some(done) = &mut self.done else { return self.lost() };
        let answered = done.await;
        self.done = None;
        answered.unwrap_or_else(|_| self.lost())
    }

    /// Whether it was answered.
    pub(crate) const fn is_over(&self) -> bool {
        self.done.is_none()
    }

    /// Nobody waits any more.
    pub(crate) fn give_up(&mut self) {
        self.cancel();
        self.done = None;
    }

    fn lost(&self) -> Box<RawValue> {
        let fault = Fault::new(code::INTERNAL, "the server ended before it answered");
        raw(&fault.answering(Some(&self.client_id)).response())
    }

    /// What is said if it takes too long.
    pub(crate) fn too_late(&self) -> Box<RawValue> {
        let fault = Fault::new(code::INTERNAL, "the server did not answer in time");
        raw(&fault.answering(Some(&self.client_id)).response())
    }
}

impl Source for Pending {
    async fn next(&mut self) -> Option<Box<RawValue>> {
        let done = self.done.as_mut()?;
        let answered = tokio::select! {
            biased;
            Some(told) = self.told.recv() => return Some(told),
            answered = done => answered,
        };
        self.done = None;
        Some(answered.unwrap_or_else(|_| self.lost()))
    }
}

impl Pending {
    fn cancel(&self) {
        let session = &self.kept.0;
        if session.state().waiting.remove(&self.own).is_some() {
            let params = raw(&json!({ "requestId": self.own, "reason": "nobody waits for it any more" }));
            let text = jsonrpc::asking(None, "notifications/cancelled", Some(&params));
            let _ = session.outgoing.try_send(text.get().to_owned());
        }
    }
}

impl Drop for Pending {
    /// Who has gone away from a modern request has cancelled it; a legacy call goes on, for its client may only have lost
    /// the connection.
    fn drop(&mut self) {
        if self.done.is_some() && self.kept.0.lane == Lane::Stateless {
            self.cancel();
        }
    }
}

/// A client that hears what belongs to no request.
pub(crate) struct Listener {
    pub(super) number: u64,
    pub(super) messages: mpsc::Receiver<Box<RawValue>>,
    pub(super) kept: Use,
}

impl Source for Listener {
    async fn next(&mut self) -> Option<Box<RawValue>> {
        self.messages.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.kept.0.state();
        if state.listener.as_ref().is_some_and(|(number, _)| *number == self.number) {
            state.listener = None;
        }
    }
}
