//! A clock that moves only when told.

use deputy_core::Timestamp;
use deputy_hub::ports::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Stands at 2026-11-21T12:00:00Z until it is moved.
#[derive(Debug)]
pub struct StillClock(AtomicU64);

impl Default for StillClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_795_262_400_000))
    }
}

impl StillClock {
    /// Moves on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl StillClock {
    /// Moves back, as a clock that was wrong is set right.
    pub fn set_back(&self, by: Duration) {
        self.0.fetch_sub(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
