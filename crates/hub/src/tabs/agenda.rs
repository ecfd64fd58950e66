//! When which tab is to be looked at, so that nobody looks at those with which nothing is due.

use super::Tab;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Tabs that are due within so many milliseconds of each other are looked at together.
const SLOT_MS: u64 = 100;

/// Tabs by the slot of time in which they are due, by the clock that nobody sets. A tab may stand here several times; what
/// counts is the slot that it was given last.
#[derive(Default)]
pub(super) struct Agenda(Mutex<BTreeMap<u64, Vec<Weak<Tab>>>>);

impl Agenda {
    /// From now on the tab is due then, and at no other time.
    pub(super) fn put(&self, tab: &Arc<Tab>, due: Duration) {
        let slot = millis(due).div_ceil(SLOT_MS);
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tab.set_due(slot);
        slots.entry(slot).or_default().push(Arc::downgrade(tab));
    }

    /// Takes those out that are due by now.
    pub(super) fn take(&self, elapsed: Duration) -> Vec<Arc<Tab>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let later = slots.split_off(&(millis(elapsed) / SLOT_MS).saturating_add(1));
        let due = std::mem::replace(&mut *slots, later);
        drop(slots);
        let still = |(slot, tab): (u64, Weak<Tab>)| tab.upgrade().filter(|tab| tab.is_due(slot));
        due.into_iter()
            .flat_map(|(slot, tabs)| tabs.into_iter().map(move |tab| (slot, tab)))
            .filter_map(still)
            .collect()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
