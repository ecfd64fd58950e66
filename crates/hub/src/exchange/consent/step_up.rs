//! What a server wants beyond what a person consented to (403, `insufficient_scope`): they are asked for it once more, a few
//! times at most.

use super::{MOST, pinned_scopes};
use crate::exchange::kept::Key;
use crate::exchange::{Asker, Connection, Exchange, ExchangeRefusal};
use deputy_identity::exchange::user_oauth::Challenge;
use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

/// How often within [`WITHIN`] a person is asked for more.
const MOST_TIMES: usize = 3;
const WITHIN: Duration = Duration::from_secs(3600);
/// Scopes that one consent may have.
const MOST_SCOPES: usize = 100;

/// What is wanted, of whom, and when they were asked.
#[derive(Default)]
pub(super) struct Steps {
    wanted: HashMap<Key, Vec<String>>,
    times: HashMap<Key, Vec<Duration>>,
}

impl Steps {
    pub(super) fn sweep(&mut self, now: Duration) {
        self.times.retain(|_, times| {
            times.retain(|at| now.saturating_sub(*at) < WITHIN);
            !times.is_empty()
        });
        let times = &self.times;
        self.wanted.retain(|key, _| times.contains_key(key));
    }

    /// `false`: they were asked too often.
    fn want(&mut self, key: Key, scopes: Vec<String>, now: Duration) -> bool {
        if self.times.len() >= MOST && !self.times.contains_key(&key) {
            return false;
        }
        let times = self.times.entry(key.clone()).or_default();
        times.retain(|at| now.saturating_sub(*at) < WITHIN);
        let is_asked_already = self.wanted.get(&key) == Some(&scopes);
        if !is_asked_already {
            if times.len() >= MOST_TIMES {
                return false;
            }
            times.push(now);
        }
        self.wanted.insert(key, scopes);
        true
    }

    pub(super) fn wanted(&self, key: &Key) -> Option<Vec<String>> {
        self.wanted.get(key).cloned()
    }

    /// They consented.
    pub(super) fn settled(&mut self, key: &Key) {
        self.wanted.remove(key);
    }
}

impl Exchange {
    /// The server wants more than was consented to. `Some`: what the agent is told, for the person can consent to it; `None`:
    /// that would not help.
    pub(in crate::exchange) fn step_up(
        &self,
        connection: &Connection,
        asker: &Asker,
        challenge: &Challenge,
    ) -> Option<ExchangeRefusal> {
        if challenge.error.as_deref() != Some("insufficient_scope") {
            return None;
        }
        let more = challenge.scopes.as_ref()?;
        let consent = self.access.consent(&asker.user, &connection.server)?;
        // Asking for what was granted already would not help.
        if more.iter().all(|scope| consent.scopes.contains(scope)) {
            return None;
        }
        if pinned_scopes(connection).is_some_and(|pinned| more.iter().any(|scope| !pinned.contains(scope))) {
            tracing::warn!(server = %connection.server, "a server wants scopes beyond those in the configuration");
            return None;
        }
        let mut union = consent.asked.clone();
        for scope in consent.scopes.iter().chain(more) {
            if !union.contains(scope) {
                union.push(scope.clone());
            }
        }
        if union.len() > MOST_SCOPES {
            return None;
        }
        let key = Key::of(connection, asker);
        let mut steps = self.consents.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.want(key, union, self.clock.elapsed()).then(|| self.asks_consent(connection))
    }
}
