//! Connections that wait for their next request.

use super::Open;
use deputy_hub::Supervisor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long one waits at most.
const IDLE: Duration = Duration::from_secs(30);
/// How many wait at most; one more is closed.
const MOST: usize = 512;

/// The idle connections to one address; the one that was used last is used first, so that the others can end.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    supervisor: Supervisor,
}

#[derive(Default)]
struct Idle {
    /// Those that have waited longest are first.
    open: Vec<(Open, Instant)>,
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(supervisor: Supervisor) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), supervisor })
    }

    /// One on which a request can go out; those that have ended are dropped.
    pub(super) fn take(&self) -> Option<Open> {
        loop {
            let (mut open, since) = self.lock().open.pop()?;
            if since.elapsed() < IDLE && open.is_idle() {
                return Some(open);
            }
        }
    }

    /// Keeps one whose answer was read to its end, if it can carry another request.
    pub(super) fn put(self: &Arc<Self>, mut open: Open) {
        if !open.is_idle() {
            return;
        }
        let mut idle = self.lock();
        if idle.open.len() >= MOST {
            return;
        }
        idle.open.push((open, Instant::now()));
        let is_swept = std::mem::replace(&mut idle.is_swept, true);
        drop(idle);
        if !is_swept {
            let pool = Arc::downgrade(self);
            self.supervisor.start_until_shutdown(async move {
                loop {
                    tokio::time::sleep(IDLE).await;
                    if pool.upgrade().is_none_or(|pool| pool.sweep()) {
                        return;
                    }
                }
            });
        }
    }

    /// Closes those that have waited long enough, or were ended by the other side. True: none is left.
    fn sweep(&self) -> bool {
        let mut idle = self.lock();
        let mut kept = std::mem::take(&mut idle.open);
        kept.retain_mut(|(open, since)| since.elapsed() < IDLE && open.is_idle());
        idle.open = kept;
        idle.is_swept = !idle.open.is_empty();
        !idle.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
