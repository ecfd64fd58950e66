//! A clock that moves only when told.

use deputy_core::Timestamp;
use deputy_hub::ports::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Stands at 2026-11-21T12:00:00Z until it is moved.
#[derive(Debug)]
pub struct StillClock {
    now: AtomicU64,
    elapsed: AtomicU64,
}

impl Default for StillClock {
    fn default() -> Self {
        Self { now: AtomicU64::new(1_795_262_400_000), elapsed: AtomicU64::new(1_000_000) }
    }
}

impl StillClock {
    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.set_forward(by);
        self.elapsed.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// Somebody sets the clock forward: no time passes.
    pub fn set_forward(&self, by: Duration) {
        self.now.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// Somebody sets the clock back: no time passes.
    pub fn set_back(&self, by: Duration) {
        self.now.fetch_sub(millis(by), Ordering::SeqCst);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

impl StillClock {}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed.load(Ordering::SeqCst))
    }
}
