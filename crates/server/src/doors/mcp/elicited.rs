//! Addresses that the client of a legacy session was told to have its person open, and word that they did
//! (`notifications/elicitation/complete`, 2025-11-25). What was not told yet waits until the session's stream is open.

use super::sessions::Session;
use deputy_core::id::random_hex;
use deputy_core::{SourceName, Timestamp};
use deputy_hub::{Hub, Reach};
use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Addresses of one session that are waited for; the oldest gives way.
const OPEN: usize = 64;

/// Those of one session.
#[derive(Debug, Default)]
pub(super) struct Elicited {
    open: Mutex<VecDeque<One>>,
    begun: Notify,
}

#[derive(Debug)]
struct One {
    id: String,
    server: SourceName,
    /// When the person had connected the server, if they had, as the client was told to have them do it anew.
    before: Option<Timestamp>,
}

impl Elicited {
    /// The client is told to have its person connect this server: the id that it knows this by. `None`: there is no
    /// randomness.
    pub(super) fn begin(&self, server: SourceName, before: Option<Timestamp>) -> Option<String> {
        let id = random_hex().ok()?;
        let mut open = self.open();
        if open.len() >= OPEN {
            open.pop_front();
        }
        open.push_back(One { id: id.clone(), server, before });
        drop(open);
        self.begun.notify_one();
        Some(id)
    }

    /// One that is done, which is forgotten with this: the server was connected since. `connected` says when it was, last.
    fn take_done(&self, connected: impl Fn(&SourceName) -> Option<Timestamp>) -> Option<String> {
        let mut open = self.open();
        let is_done = |one: &One| {
            let now = connected(&one.server);
            now.is_some() && now != one.before
        };
        let done = open.iter().position(is_done)?;
        open.remove(done).map(|one| one.id)
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<One>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of it is told on one stream of the session.
pub(super) struct Done {
    hub: Arc<Hub>,
    reach: Arc<Reach>,
    session: Arc<Session>,
    changes: watch::Receiver<u64>,
}

impl Done {
    pub(super) fn of(hub: &Arc<Hub>, reach: &Arc<Reach>, session: &Arc<Session>) -> Self {
        Self {
            hub: Arc::clone(hub),
            reach: Arc::clone(reach),
            session: Arc::clone(session),
            changes: hub.changes(reach),
        }
    }

    /// The id of the next that is done. Nothing is lost when this is dropped unfinished.
    pub(super) async fn next(&mut self) -> String {
        loop {
            // Before the look, so that what happens during it is looked at again.
            self.changes.mark_unchanged();
            let connected = |server: &SourceName| self.hub.connected_at(self.reach.user(), server);
            if let Some(id) = self.session.elicited.take_done(connected) {
                return id;
            }
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { return pending().await },
                () = self.session.elicited.begun.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const LATER: Timestamp = Timestamp::from_seconds(1_800_000_001);

    fn server() -> SourceName {
        "ledger".parse().expect("a name")
    }

    #[test]
    fn an_address_is_done_once_when_its_server_was_connected_since() {
        let elicited = Elicited::default();
        let first = elicited.begin(server(), None).expect("an id");
        assert_eq!(elicited.take_done(|_| None), None);
        assert_eq!(elicited.take_done(|_| Some(THEN)), Some(first));
        assert_eq!(elicited.take_done(|_| Some(THEN)), None);
    }

    #[test]
    fn what_was_connected_before_is_done_only_when_it_is_connected_anew() {
        let elicited = Elicited::default();
        let id = elicited.begin(server(), Some(THEN)).expect("an id");
        assert_eq!(elicited.take_done(|_| Some(THEN)), None);
        assert_eq!(elicited.take_done(|_| None), None);
        assert_eq!(elicited.take_done(|_| Some(LATER)), Some(id));
    }

    #[test]
    fn one_address_too_many_forgets_the_oldest() {
        let elicited = Elicited::default();
        let ids: Vec<_> = (0..=OPEN).map(|_| elicited.begin(server(), None).expect("an id")).collect();
        let done: Vec<_> = std::iter::from_fn(|| elicited.take_done(|_| Some(THEN))).collect();
        assert_eq!(done, ids[1..]);
    }
}
