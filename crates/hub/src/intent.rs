//! The proofs between a decision and an effect (invariant 4).
//!
//! ```text
//! Authorized<Caller> ──journal──▶ Intent ──┬─ read ─▶ ReadIntent ──────▶ Ready (its answer waits for the line)
//!                                          └─ else ─▶ Durable<Intent> ─▶ Ready
//! ```
//!
//! The line of a read at a server waits a moment for its outcome's, so that both are one commit: see [`Line`].
//!
//! Nothing outside this crate can make any of them.

use crate::caller::Caller;
use crate::journal::Journal;
use crate::ports::{Appended, StoreError};
use deputy_core::{Call, Event, Facts, User};
use deputy_policy::Authorized;
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long the line of a read at a server may wait for its outcome's. Nothing of the read is released meanwhile; if the hub
/// ends, what is not in the log is a read whose answer nobody got.
const LONGEST_HELD: Duration = Duration::from_millis(5);

/// Decided, and its line made. Not yet a right to act.
pub struct Intent {
    authorized: Authorized<Caller>,
    line: Line,
}

/// The line of an intent on its way to the disk. It is handed to the log at once, or, of a read at a server, held. What is held
/// reaches the log whatever becomes of the call: with the outcome's line, when somebody asks whether it is on disk, after
/// [`LONGEST_HELD`], or at the latest when the call is dropped.
pub(crate) struct Line {
    journal: Arc<Journal>,
    state: Mutex<State>,
}

enum State {
    /// Made, and not handed to the log yet.
    Held(Box<Event>),
    /// Handed to the log.
    Sent {
        /// Tells when it is on disk.
        sent: Shared<Appended>,
        /// What was handed over, of a read: it may have happened although its line could not be written.
        copy: Option<Box<Event>>,
    },
    /// Handed to the log by whoever took it.
    Taken,
}

impl Line {
    /// Handed to the log at once. If that fails nothing has happened, so nobody asks for it again.
    pub(crate) fn sent(journal: &Arc<Journal>, event: Event) -> Self {
        let sent = journal.append_later(vec![event]).shared();
        Self { journal: Arc::clone(journal), state: Mutex::new(State::Sent { sent, copy: None }) }
    }

    pub(crate) fn held(journal: &Arc<Journal>, event: Event) -> Self {
        Self { journal: Arc::clone(journal), state: Mutex::new(State::Held(Box::new(event))) }
    }

    /// Hands it to the log, if that was not done. `None`: somebody else did.
    pub(crate) fn send(&self) -> Option<Shared<Appended>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match std::mem::replace(&mut *state, State::Taken) {
            State::Held(event) => {
                let sent = self.journal.append_later(vec![(*event).clone()]).shared();
                State::Sent { sent, copy: Some(event) }
            }
            other => other,
        };
        match &*state {
            State::Sent { sent, .. } => Some(sent.clone()),
            State::Held(_) | State::Taken => None,
        }
    }

    /// The line, if it was not handed to the log, or was and is known to have failed: whoever takes it hands it over.
    fn take(&self) -> Option<Event> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Held(event) => Some(*event),
            State::Sent { sent, copy: Some(copy) } if matches!(sent.peek(), Some(Err(_))) => Some(*copy),
            other => {
                *state = other;
                None
            }
        }
    }

    fn is_held(&self) -> bool {
        matches!(&*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Held(_))
    }

    async fn on_disk(&self) -> Result<(), StoreError> {
        match self.send() {
            Some(sent) => sent.await.map(|_| ()),
            None => Err(StoreError::Unavailable("the intent's line is not known to be on disk".to_owned())),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_held() {
            drop(self.send());
        }
    }
}

/// Something whose line is on disk.
pub struct Durable<T>(T);

/// A read whose line is still on its way to the disk: it may be performed, but nothing of its answer may be released
/// before [`Ready::on_disk`].
pub struct ReadIntent(Intent);

/// What a lane performs against.
pub enum Ready {
    /// Its line is on disk: any class.
    Durable(Durable<Intent>),
    /// A read beside its line.
    Read(ReadIntent),
}

impl Intent {
    pub(crate) const fn new(authorized: Authorized<Caller>, line: Line) -> Self {
        Self { authorized, line }
    }

    /// The class decides: a risky call waits here until its line is on disk, a read goes on beside it.
    pub(crate) async fn ready(self) -> Result<Ready, (Self, StoreError)> {
        // INVARIANT: only a class that is not risky becomes a `ReadIntent`.
        if !self.is_risky() {
            return Ok(Ready::Read(ReadIntent(self)));
        }
        match self.line.on_disk().await {
            Ok(()) => Ok(Ready::Durable(Durable(self))),
            Err(error) => Err((self, error)),
        }
    }

    /// Whether its line has to be on disk before anything is done.
    pub(crate) fn is_risky(&self) -> bool {
        self.authorized.call().tool.class.is_risky()
    }

    pub(crate) const fn authorized(&self) -> &Authorized<Caller> {
        &self.authorized
    }
}

impl Ready {
    /// The call to perform.
    #[must_use]
    pub fn call(&self) -> &Call {
        self.intent().authorized.call()
    }

    /// On whose behalf.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.intent().authorized.caller()
    }

    /// Waits until the intent's line is on disk: the gate that everything released passes.
    pub(crate) async fn on_disk(&self) -> Result<(), StoreError> {
        self.intent().line.on_disk().await
    }

    /// Does something of which nothing is released until it ends, beside the line's way to the disk: a line that is held sets
    /// out if it takes long.
    pub(crate) async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        match self {
            Self::Durable(_) => return work.await,
            Self::Read(_) if self.line_is_held() => tokio::select! {
                biased;
                done = work.as_mut() => return done,
                () = tokio::time::sleep(LONGEST_HELD) => {}
            },
            Self::Read(_) => {}
        }
        // Whoever records the outcome asks for the line again, and is told then if it failed.
        let (done, _) = tokio::join!(work, self.on_disk());
        done
    }

    /// Whether the intent's line still waits for its outcome's.
    pub(crate) fn line_is_held(&self) -> bool {
        self.intent().line.is_held()
    }

    /// The intent's line, if it still waits or could not be written: whoever takes it hands it to the log, before the
    /// outcome's.
    pub(crate) fn take_line(&self) -> Option<Event> {
        self.intent().line.take()
    }

    pub(crate) const fn intent(&self) -> &Intent {
        match self {
            Self::Durable(Durable(intent)) => intent,
            Self::Read(ReadIntent(intent)) => intent,
        }
    }
}

/// The right to look, not to act: lists and subscriptions of this caller.
pub struct Reach(Caller);

impl Reach {
    pub(crate) const fn new(caller: Caller) -> Self {
        Self(caller)
    }

    /// Whose.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }

    /// The person.
    #[must_use]
    pub fn user(&self) -> &User {
        self.0.user()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{AuditLog, Clock};
    use deputy_audit::arguments::Recording;
    use deputy_core::{EventKind, TenantId, Timestamp};

    #[derive(Default)]
    struct Handed(Mutex<Vec<EventKind>>);

    impl AuditLog for Handed {
        fn append(&self, events: Vec<Event>) -> Appended {
            self.0.lock().expect("lock").extend(events.iter().map(|event| event.kind));
            Box::pin(std::future::ready(Ok(0)))
        }
    }

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
    }

    fn held(log: &Arc<Handed>) -> Line {
        let journal = Journal::new(Arc::<Handed>::clone(log), Arc::new(Still), Recording::Hash);
        let event = Event::new(Timestamp::from_millis(0), TenantId::single(), EventKind::Intent);
        Line::held(&Arc::new(journal), event)
    }

    #[test]
    fn a_held_line_whose_call_is_dropped_reaches_the_log() {
        let log = Arc::new(Handed::default());
        let line = held(&log);
        assert!(log.0.lock().expect("lock").is_empty());
        drop(line);
        assert_eq!(*log.0.lock().expect("lock"), [EventKind::Intent]);
    }

    #[test]
    fn a_line_is_handed_over_once() {
        let log = Arc::new(Handed::default());
        let line = held(&log);
        assert!(line.send().is_some() && line.send().is_some());
        assert!(line.take().is_none(), "it is not there to be taken any more");
        drop(line);
        assert_eq!(log.0.lock().expect("lock").len(), 1);
    }
}
