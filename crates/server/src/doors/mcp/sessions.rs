//! Sessions of the legacy era: in memory, bound to one principal, limited in number and time (gateway rule 26). A hub
//! that restarted knows none; clients are told 404 and initialize anew. Times are those of a clock that nobody sets.

use super::asked::Asked;
use super::elicited::Elicited;
use super::subscribed::Subscribed;
use deputy_core::id::random_hex;
use deputy_core::{Digest, Timestamp};
use deputy_hub::Caller;
use deputy_hub::ports::upstream::ClientSide;
use deputy_protocol::jsonrpc::Id;
use deputy_protocol::mcp::initialize::Opening;
use deputy_protocol::mcp::version::Revision;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// No session is older.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// No session is unused for longer.
const IDLE: Duration = Duration::from_secs(3600);
/// Sessions of one principal; one more ends the one that was unused for longest. All the agents of one user may well be
/// one principal: the same program a hundred times.
const PER_PRINCIPAL: usize = 128;
/// Sessions of all.
const IN_ALL: usize = 50_000;

/// All that are open.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

/// One client's conversation.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    principal: String,
    label: Option<String>,
    opening: Opening,
    opened_at: Timestamp,
    used_at: AtomicU64,
    ended: CancellationToken,
    calls: AtomicU64,
    running: Mutex<HashMap<u64, (Id, CancellationToken)>>,
    stream: Mutex<CancellationToken>,
    seen: Mutex<Option<Digest>>,
    log_level: Mutex<Option<String>>,
    pub(super) asked: Asked,
    pub(super) elicited: Elicited,
    pub(super) subscribed: Subscribed,
}

impl Sessions {
    /// Opens one for this principal (person, client and tenant). `None`: there are too many, or no randomness.
    pub(super) fn open(&self, principal: String, opening: &Opening, now: Timestamp) -> Option<Arc<Session>> {
        let session = Arc::new(Session {
            id: random_hex().ok()?,
            principal,
            label: opening.label.clone(),
            opening: opening.clone(),
            opened_at: now,
            used_at: AtomicU64::new(now.millis()),
            ended: CancellationToken::new(),
            calls: AtomicU64::new(0),
            running: Mutex::default(),
            stream: Mutex::default(),
            seen: Mutex::default(),
            log_level: Mutex::default(),
            asked: Asked::default(),
            elicited: Elicited::default(),
            subscribed: Subscribed::default(),
        });
        let mut open = lock(&self.0);
        open.retain(|_, session| session.is_alive(now));
        let own = open.values().filter(|other| other.principal == session.principal);
        let (count, longest) = own.fold((0, None::<Arc<Session>>), |(count, longest), other| {
            let is_older = longest.as_ref().is_none_or(|longest| other.used() < longest.used());
            (count + 1, if is_older { Some(Arc::clone(other)) } else { longest })
        });
        if let Some(longest) = longest.filter(|_| count >= PER_PRINCIPAL) {
            open.remove(&longest.id);
            longest.end();
        }
        if open.len() >= IN_ALL {
            return None;
        }
        open.insert(session.id.clone(), Arc::clone(&session));
        Some(session)
    }

    /// The principal's own session. Another principal's is as unknown as none (R3, invariant 7).
    pub(super) fn find(&self, id: &str, principal: &str, now: Timestamp) -> Option<Arc<Session>> {
        let found = lock(&self.0).get(id).filter(|session| session.principal == principal).cloned();
        let session = found.filter(|session| session.is_alive(now))?;
        session.touch(now);
        Some(session)
    }

    /// Ends it; `false` if there is none.
    pub(super) fn end(&self, id: &str, principal: &str, now: Timestamp) -> bool {
        let Some(session) = self.find(id, principal, now) else { return false };
        lock(&self.0).remove(id);
        session.end();
        true
    }
}

impl Session {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The revision that `initialize` was answered with.
    pub(super) const fn revision(&self) -> Revision {
        self.opening.revision
    }

    /// What the client said of itself when it opened the session, for one request of it.
    pub(super) fn client_side(&self, progress: bool) -> ClientSide {
        ClientSide {
            capabilities: self.opening.capabilities.clone(),
            implementation: self.opening.implementation.clone(),
            log_level: lock(&self.log_level).clone(),
            progress,
        }
    }

    /// From now on the client wants log messages from this level on.
    pub(super) fn set_log_level(&self, level: String) {
        *lock(&self.log_level) = Some(level);
    }

    /// The caller under the name that the client gave itself, and with what it can do.
    pub(super) fn named(&self, caller: Caller) -> Caller {
        let caller = caller.speaking_through(&self.client_side(false));
        match &self.label {
            Some(label) => caller.announced_as(label),
            None => caller,
        }
    }

    /// The list that the client last saw, or was last told of.
    pub(super) fn seen(&self) -> Option<Digest> {
        *lock(&self.seen)
    }

    /// The client now knows of this list.
    pub(super) fn sees(&self, list: Digest) {
        *lock(&self.seen) = Some(list);
    }

    /// It was used just now.
    pub(super) fn touch(&self, now: Timestamp) {
        self.used_at.fetch_max(now.millis(), Ordering::Relaxed);
    }

    /// A call begins under the client's id.
    pub(super) fn begin(self: &Arc<Self>, id: &Id) -> Running {
        let cancel = CancellationToken::new();
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        lock(&self.running).insert(number, (id.clone(), cancel.clone()));
        Running { session: Arc::clone(self), number, cancel }
    }

    /// Cancels the call with this id. Some clients use one id for every request: where several run under it, nobody can
    /// tell which is meant, and none is cancelled.
    pub(super) fn cancel(&self, id: &Id) {
        let running = lock(&self.running);
        let mut meant = running.values().filter(|(running, _)| running == id);
        if let (Some((_, cancel)), None) = (meant.next(), meant.next()) {
            cancel.cancel();
        }
    }

    /// A stream of changes begins; the one before it ends. The token ends with the session, too.
    pub(super) fn begin_stream(&self) -> CancellationToken {
        let next = self.ended.child_token();
        std::mem::replace(&mut *lock(&self.stream), next.clone()).cancel();
        next
    }

    fn end(&self) {
        self.ended.cancel();
    }

    fn used(&self) -> u64 {
        self.used_at.load(Ordering::Relaxed)
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        let alive = now.since(self.opened_at) < LIFE && now.since(Timestamp::from_millis(self.used())) < IDLE;
        if !alive {
            self.end();
        }
        alive && !self.ended.is_cancelled()
    }
}

/// A call that runs; dropping it takes it off the list.
#[derive(Debug)]
pub(super) struct Running {
    session: Arc<Session>,
    number: u64,
    cancel: CancellationToken,
}

impl Running {
    /// Resolves when the client cancels the call.
    pub(super) async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.session.running).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn opened(sessions: &Sessions, principal: &str, now: Timestamp) -> Arc<Session> {
        let opening = Opening {
            label: None,
            revision: Revision::November2025,
            capabilities: deputy_protocol::relay::raw(&serde_json::json!({})).into(),
            implementation: None,
        };
        sessions.open(principal.to_owned(), &opening, now).expect("session")
    }

    #[test]
    fn r3_a_session_is_unknown_to_everybody_but_its_principal() {
        let sessions = Sessions::default();
        let session = opened(&sessions, "alice", NOW);
        assert!(sessions.find(session.id(), "alice", NOW).is_some());
        assert!(sessions.find(session.id(), "bob", NOW).is_none());
        assert!(!sessions.end(session.id(), "bob", NOW));
        assert!(sessions.end(session.id(), "alice", NOW));
        assert!(sessions.find(session.id(), "alice", NOW).is_none());
    }

    #[test]
    fn gateway_rule_26_a_session_ends_when_it_is_idle_or_old() {
        let sessions = Sessions::default();
        let session = opened(&sessions, "alice", NOW);
        let stream = session.begin_stream();
        assert!(sessions.find(session.id(), "alice", NOW.plus(IDLE)).is_none());
        assert!(stream.is_cancelled());
        let session = opened(&sessions, "alice", NOW);
        let mut now = NOW;
        while now.plus(IDLE / 2).since(NOW) < LIFE {
            now = now.plus(IDLE / 2);
            assert!(sessions.find(session.id(), "alice", now).is_some());
        }
        assert!(sessions.find(session.id(), "alice", NOW.plus(LIFE)).is_none());
    }

    #[test]
    fn gateway_rule_26_one_session_too_many_ends_the_one_unused_for_longest() {
        let sessions = Sessions::default();
        let bobs = opened(&sessions, "bob", NOW);
        let own: Vec<_> = (0..PER_PRINCIPAL)
            .map(|second| opened(&sessions, "alice", NOW.plus(Duration::from_secs(second as u64))))
            .collect();
        let later = NOW.plus(Duration::from_secs(100));
        assert!(sessions.find(own[0].id(), "alice", later).is_some());
        opened(&sessions, "alice", later);
        assert!(sessions.find(own[0].id(), "alice", later).is_some());
        assert!(sessions.find(own[1].id(), "alice", later).is_none());
        assert!(sessions.find(bobs.id(), "bob", later).is_some());
    }

    #[tokio::test]
    async fn a_cancel_that_could_mean_two_calls_means_none() {
        let sessions = Sessions::default();
        let session = opened(&sessions, "alice", NOW);
        let (one, text) = (Id::Integer(1), Id::Text("1".to_owned()));
        let first = session.begin(&one);
        let second = session.begin(&one);
        let other = session.begin(&text);
        session.cancel(&one);
        assert!(
            !first.cancel.is_cancelled() && !second.cancel.is_cancelled() && !other.cancel.is_cancelled()
        );
        drop(second);
        session.cancel(&one);
        assert!(first.cancel.is_cancelled() && !other.cancel.is_cancelled());
    }

    #[test]
    fn a_new_stream_of_a_session_ends_the_one_before() {
        let sessions = Sessions::default();
        let session = opened(&sessions, "alice", NOW);
        let first = session.begin_stream();
        let second = session.begin_stream();
        assert!(first.is_cancelled() && !second.is_cancelled());
        sessions.end(session.id(), "alice", NOW);
        assert!(second.is_cancelled());
    }
}
