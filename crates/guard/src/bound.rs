//! Whose session each of the server's session ids is: another's is as unknown as none, and the server is not asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The sessions of a server that gives out ids itself.
pub(crate) struct Bound {
    most: usize,
    most_each: usize,
    idle: Duration,
    table: Mutex<HashMap<String, (String, Instant)>>,
}

impl Bound {
    pub(crate) fn new(most: usize, most_each: usize, idle: Duration) -> Self {
        Self { most, most_each, idle, table: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more of this owner's.
    pub(crate) fn has_room(&self, owner: &str) -> bool {
        let mut table = self.table();
        table.retain(|_, (_, used_at)| used_at.elapsed() <= self.idle);
        table.len() < self.most && table.values().filter(|(own, _)| own == owner).count() < self.most_each
    }

    /// The server opened a session for this owner. Not if it is another's already.
    pub(crate) fn bind(&self, id: &str, owner: &str) -> bool {
        let mut table = self.table();
        match table.get(id) {
            Some((own, _)) if own != owner => false,
            _ => {
                table.insert(id.to_owned(), (owner.to_owned(), Instant::now()));
                true
            }
        }
    }

    /// Whether a session is this owner's; it is used now.
    pub(crate) fn is_of(&self, id: &str, owner: &str) -> bool {
        match self.table().get_mut(id) {
            Some((own, used_at)) if own == owner && used_at.elapsed() <= self.idle => {
                *used_at = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// It is over.
    pub(crate) fn forget(&self, id: &str) {
        self.table().remove(id);
    }
}
