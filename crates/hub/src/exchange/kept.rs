//! Tokens in memory: each of one person, one login, one server; gone with the login (D7, C4).

use super::NoToken;
use deputy_core::{Digest, Secret, SourceName, Timestamp, User};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens that are kept at once.
const MOST: usize = 100_000;

/// Whose token, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) user: User,
    pub(super) login: Option<Digest>,
    pub(super) server: SourceName,
}

/// What was had last.
pub(super) enum Had {
    Token { token: Secret<String>, until: Timestamp },
    Refused { none: NoToken, until: Timestamp },
}

/// One key's place: whoever holds it exchanges, everybody else waits for what comes of it.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Had>>>;

#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<Key, Slot>>);

impl Kept {
    /// The place of a key. What belongs to logins that have ended is wiped on the way.
    pub(super) fn slot(&self, key: Key, lives: impl Fn(&Digest) -> bool) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !slots.contains_key(&key) && (slots.len() >= MOST || slots.len().is_multiple_of(256)) {
            slots.retain(|key, _| key.login.is_none_or(|login| lives(&login)));
            if slots.len() >= MOST {
                // What is still waited for lives on with whoever waits.
                slots.clear();
            }
        }
        Arc::clone(slots.entry(key).or_default())
    }

    pub(super) fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
