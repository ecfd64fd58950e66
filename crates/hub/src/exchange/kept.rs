//! What is in memory: tokens, what is not asked again yet, and who is asking just now. Nothing of it is written anywhere.

use super::asking::Fresh;
use super::refusal::Hold;
use super::{Asker, Connection, ExchangeRefusal, Way};
use deputy_core::{Digest, Secret, SourceName, Timestamp, User};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The most entries of each kind.
const MOST: usize = 100_000;
/// The first wait after a failure that may pass; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest such wait; and how long after a server refused a token its next one is not dropped again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) type Flight = Arc<tokio::sync::Mutex<()>>;

/// For whom and for which connection: its resource, scopes and authorization server are fixed. `None`: for the hub itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    user: Option<User>,
    server: SourceName,
}

impl Key {
    pub(super) fn of(connection: &Connection, asker: &Asker) -> Self {
        let user = (!matches!(connection.way, Way::ClientCredentials { .. })).then(|| asker.user.clone());
        Self { user, server: connection.server.clone() }
    }
}

struct Token {
    token: Secret<String>,
    ends_at: Timestamp,
    /// It lives of this login.
    login: Option<Digest>,
}

struct Held {
    refusal: ExchangeRefusal,
    login: Option<Digest>,
    until: Duration,
    wait: Duration,
}

#[derive(Default)]
pub(super) struct Kept {
    tokens: HashMap<Key, Token>,
    held: HashMap<Key, Held>,
    refused: HashMap<Key, Duration>,
    flights: HashMap<Key, Flight>,
    disabled: HashMap<SourceName, ExchangeRefusal>,
}

impl Kept {
    pub(super) fn known(
        &self,
        key: &Key,
        login: Option<Digest>,
        now: Timestamp,
        elapsed: Duration,
    ) -> Option<Result<Secret<String>, ExchangeRefusal>> {
        if let Some(refusal) = self.disabled.get(&key.server) {
            return Some(Err(refusal.clone()));
        }
        // Another login is another token: the earlier one's may have been taken away.
        let token = self.tokens.get(key).filter(|token| token.login == login && token.ends_at > now);
        if let Some(token) = token {
            return Some(Ok(Secret::new(token.token.expose().clone())));
        }
        let held = self.held.get(key).filter(|held| held.login == login && held.until > elapsed);
        held.map(|held| Err(held.refusal.clone()))
    }

    /// Who flies for this key; `None`: there is no room.
    pub(super) fn flight(&mut self, key: &Key) -> Option<Flight> {
        if self.flights.len() >= MOST && !self.flights.contains_key(key) {
            self.flights.retain(|_, flight| Arc::strong_count(flight) > 1);
            if self.flights.len() >= MOST {
                return None;
            }
        }
        Some(Arc::clone(self.flights.entry(key.clone()).or_default()))
    }

    pub(super) fn keep(&mut self, key: Key, fresh: Fresh, login: Option<Digest>) {
        self.held.remove(&key);
        // What does not fit is not kept: it is had anew at the next call.
        if self.tokens.len() < MOST || self.tokens.contains_key(&key) {
            let token = Token { token: fresh.access.token, ends_at: fresh.ends_at, login };
            self.tokens.insert(key, token);
        }
    }

    pub(super) fn hold(
        &mut self,
        key: Key,
        login: Option<Digest>,
        hold: Hold,
        now: Duration,
        refusal: ExchangeRefusal,
    ) {
        let wait = match hold {
            Hold::None => return,
            Hold::For(span) => span,
            Hold::Growing => {
                let last = self.held.get(&key).map(|held| held.wait);
                last.map_or(FIRST_WAIT, |last| (last * 2).min(LONGEST_WAIT))
            }
        };
        if self.held.len() < MOST || self.held.contains_key(&key) {
            self.held.insert(key, Held { refusal, login, until: now.saturating_add(wait), wait });
        }
    }

    pub(super) fn refused(&mut self, key: &Key, now: Duration) -> bool {
        if self.disabled.contains_key(&key.server) {
            return false;
        }
        let lately = self.refused.get(key).is_some_and(|at| now.saturating_sub(*at) < LONGEST_WAIT);
        if lately {
            // Others came with the same old token; whoever came with the new one is refused once more, and that is all.
            return self.tokens.contains_key(key);
        }
        if self.refused.len() < MOST {
            self.refused.insert(key.clone(), now);
        }
        self.tokens.remove(key).is_some()
    }

    pub(super) fn disable(&mut self, server: &SourceName, refusal: ExchangeRefusal) {
        self.disabled.insert(server.clone(), refusal);
        self.tokens.retain(|key, _| key.server != *server);
    }

    pub(super) fn drop_person(&mut self, user: &User) {
        self.tokens.retain(|key, _| key.user.as_ref() != Some(user));
    }

    pub(super) fn forget(&mut self, now: Timestamp, elapsed: Duration, lives: impl Fn(&Digest) -> bool) {
        self.tokens.retain(|_, token| token.ends_at > now && token.login.as_ref().is_none_or(&lives));
        // A wait is remembered a while beyond its end, so that the next one is longer.
        self.held.retain(|_, held| held.until.saturating_add(LONGEST_WAIT) > elapsed);
        self.refused.retain(|_, at| elapsed.saturating_sub(*at) < LONGEST_WAIT);
        self.flights.retain(|_, flight| Arc::strong_count(flight) > 1);
    }

    /// Only tokens of people of whom this is so stay.
    pub(super) fn drop_unless(&mut self, stays: impl Fn(&User, &SourceName) -> bool) {
        self.tokens.retain(|key, _| key.user.as_ref().is_none_or(|user| stays(user, &key.server)));
    }

    /// One token, whatever it is: there is another one.
    pub(super) fn drop_one(&mut self, key: &Key) {
        self.tokens.remove(key);
        self.held.remove(key);
        self.refused.remove(key);
    }

    /// The token that is sent now.
    pub(super) fn current(&self, key: &Key) -> Option<Secret<String>> {
        self.tokens.get(key).map(|token| Secret::new(token.token.expose().clone()))
    }

    pub(super) fn tokens(&self) -> usize {
        self.tokens.len()
    }
}
