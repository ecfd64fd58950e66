//! Which agents have read what nobody vouches for (webmcp reference, section 4: "contaminated output").
//!
//! Text that a tool returns may carry orders to a model. The hub does not judge text; it remembers that a client of a user
//! was given some, and policy can ask (`context.untrusted`). A hub that cannot tell says yes: for a while after its
//! start, and for a while after it had to forget somebody.

use crate::ports::Clock;
use deputy_core::{Client, Timestamp, User};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long untrusted output counts after it was released.
pub const TAINTED_FOR: Duration = Duration::from_secs(1800);
/// Clients that are remembered.
const REMEMBERED: usize = 100_000;

/// By the machine's clock and by one that nobody sets: it is over once both say so.
#[derive(Clone, Copy)]
struct Moment {
    at: Timestamp,
    elapsed: Duration,
}

struct Memory {
    released: HashMap<(User, Client), Moment>,
    /// From here on everybody is remembered.
    knows_since: Moment,
}

/// Remembers who was given untrusted output.
pub struct Taint {
    memory: Mutex<Memory>,
    clock: Arc<dyn Clock>,
}

impl Taint {
    /// Knows nothing yet, so it says yes of everybody for [`TAINTED_FOR`].
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let knows_since = moment(&*clock);
        Self { memory: Mutex::new(Memory { released: HashMap::new(), knows_since }), clock }
    }

    /// Whether untrusted output may have been released to this client of this user in the last half hour.
    #[must_use]
    pub fn of(&self, user: &User, client: &Client) -> bool {
        let now = moment(&*self.clock);
        let memory = self.memory();
        let released = || memory.released.get(&(user.clone(), client.clone()));
        counts(memory.knows_since, now) || released().is_some_and(|then| counts(*then, now))
    }

    /// Untrusted output is about to be released to them.
    pub(crate) fn mark(&self, user: &User, client: &Client) {
        let now = moment(&*self.clock);
        let mut memory = self.memory();
        if memory.released.len() >= REMEMBERED {
            memory.released.retain(|_, then| counts(*then, now));
        }
        if memory.released.len() >= REMEMBERED {
            memory.released.clear();
            memory.knows_since = now;
        }
        memory.released.insert((user.clone(), client.clone()), now);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn moment(clock: &dyn Clock) -> Moment {
    Moment { at: clock.now(), elapsed: clock.elapsed() }
}

fn counts(then: Moment, now: Moment) -> bool {
    now.at.since(then.at) < TAINTED_FOR || now.elapsed.saturating_sub(then.elapsed) < TAINTED_FOR
}
