//! Which tokens were acted on: each counts once (`jti`).

use super::SignalFault;
use deputy_core::{Digest, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are remembered. They are signed by a configured provider, so no stranger fills this.
const MOST: usize = 50_000;

#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<Digest, Timestamp>>);

impl Seen {
    /// Whether it is the first time.
    pub(super) fn take(&self, mark: Digest, until: Timestamp, now: Timestamp) -> Result<bool, SignalFault> {
        let mut seen = self.marks();
        if seen.len() >= MOST {
            seen.retain(|_, until| *until > now);
            if seen.len() >= MOST {
                return Err(SignalFault::Unavailable);
            }
        }
        Ok(seen.insert(mark, until).is_none())
    }

    /// It was not acted on after all: it may come again.
    pub(super) fn forget(&self, mark: &Digest) {
        self.marks().remove(mark);
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<Digest, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
