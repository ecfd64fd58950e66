//! How an upstream is, from what it last did.

use deputy_hub::ports::Clock;
use deputy_hub::ports::upstream::{Failure, Health, Reply};
use std::sync::{Arc, Mutex, PoisonError};

/// Notes what happens.
pub(super) struct Noted {
    clock: Arc<dyn Clock>,
    health: Mutex<Health>,
}

impl Noted {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let health = Health { is_up: None, revision: None, last_error: None, starts: 0 };
        Self { clock, health: Mutex::new(health) }
    }

    pub(super) fn health(&self) -> Health {
        self.with(|health| health.clone())
    }

    /// What a request ended in. That a client went away, or came back too late, says nothing about the server.
    pub(super) fn outcome(&self, outcome: &Result<Reply, Failure>, was_sent: bool) {
        match outcome {
            Err(Failure::Lost(_)) if !was_sent => {}
            Ok(_) | Err(Failure::TooLarge { .. } | Failure::Untranslatable(_)) => {
                self.with(|health| health.is_up = Some(true));
            }
            Err(Failure::Cancelled) => {}
            Err(failure) => self.failed(&failure.to_string()),
        }
    }

    /// Something went wrong.
    pub(super) fn failed(&self, why: &str) {
        let now = self.clock.now();
        self.with(|health| {
            health.is_up = Some(false);
            health.last_error = Some((now, why.to_owned()));
        });
    }

    /// It speaks this.
    pub(super) fn speaks(&self, revision: &str) {
        self.with(|health| {
            if health.revision.as_deref() != Some(revision) {
                health.revision = Some(revision.to_owned());
            }
        });
    }

    /// Its process was started once more.
    pub(super) fn started(&self) {
        self.with(|health| health.starts = health.starts.saturating_add(1));
    }

    fn with<T>(&self, what: impl FnOnce(&mut Health) -> T) -> T {
        what(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
