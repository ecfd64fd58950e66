//! Calls that came together: people decide each, and the approved ones are used up together or not at all (APR-07).
//!
//! Each call of the batch has a slot. A slot is open until it is known what the call needs: nothing (a read runs unasked,
//! a denied call is denied), or an approval that was given. Once no slot is open, all given approvals are spent in one
//! transaction. A call that a person refused drops out; one that became stale takes all the others with it.

use super::{Approvals, Standing};
use crate::ports::{Spending, StoreError};
use deputy_core::{ApprovalId, Reason};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Calls that came together.
pub struct Batch {
    id: String,
    state: Mutex<State>,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    open: BTreeSet<usize>,
    ready: BTreeMap<usize, Spending>,
    spending: bool,
    came: Option<Came>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Spent,
    Void(Reason),
}

/// One call's place in its batch. When the last copy is dropped, the call needs nothing any more.
#[derive(Clone)]
pub struct Slot(Arc<Place>);

struct Place {
    batch: Arc<Batch>,
    index: usize,
}

impl Batch {
    /// The slots of `count` calls.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn of(count: usize) -> Result<Vec<Slot>, StoreError> {
        let state = State { open: (0..count).collect(), ..State::default() };
        let random = deputy_core::id::random_hex();
        let random = random.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let batch = Arc::new(Self {
            id: format!("batch_{random}"),
            state: Mutex::new(state),
            moved: watch::Sender::new(0),
        });
        let slot = |index| Slot(Arc::new(Place { batch: Arc::clone(&batch), index }));
        Ok((0..count).map(slot).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moves(&self) {
        self.moved.send_modify(|count| *count += 1);
    }
}

impl Slot {
    /// The batch's name.
    #[must_use]
    pub fn batch(&self) -> &str {
        &self.0.batch.id
    }

    /// This call needs no approval, or will get none.
    pub(crate) fn settle(&self) {
        self.0.settle();
    }

    /// This call cannot run as it was approved: no other of the batch does.
    pub(crate) fn spoil(&self, reason: Reason) {
        let mut state = self.0.batch.state();
        if state.came.is_none() && !state.spending {
            state.came = Some(Came::Void(reason));
        }
        drop(state);
        self.0.batch.moves();
    }

    /// What came of the batch, if it is over for this call.
    pub(super) fn came_of(&self, id: &ApprovalId) -> Option<Standing> {
        let state = self.0.batch.state();
        let mine = state.ready.get(&self.0.index).is_some_and(|spending| spending.id == *id);
        match state.came? {
            Came::Spent if mine => Some(Standing::Spent),
            Came::Spent => None,
            Came::Void(reason) => Some(Standing::Unusable(reason)),
        }
    }

    /// This call's approval was given. Whoever comes last spends all of them; the others wait.
    pub(super) async fn arrive(&self, approvals: &Approvals, spending: Spending) -> Option<Standing> {
        let id = spending.id.clone();
        let all = {
            let mut state = self.0.batch.state();
            state.open.remove(&self.0.index);
            if state.came.is_none() {
                state.ready.insert(self.0.index, spending);
            }
            let last = state.open.is_empty() && !state.spending && state.came.is_none();
            state.spending |= last;
            last.then(|| state.ready.values().cloned().collect::<Vec<_>>())
        };
        if let Some(all) = all {
            let came = match approvals.spend(all).await {
                Standing::Spent => Came::Spent,
                Standing::Unusable(reason) => Came::Void(reason),
                Standing::Failed(error) => {
                    // Nothing was used up: whoever comes next tries again.
                    self.0.batch.state().spending = false;
                    return Some(Standing::Failed(error));
                }
                _ => Came::Void(Reason::Internal),
            };
            self.0.batch.state().came = Some(came);
            self.0.batch.moves();
        }
        self.came_of(&id)
    }

    /// Resolves when another call of the batch moved.
    pub(super) async fn moved(&self) {
        let mut moved = self.0.batch.moved.subscribe();
        // The batch lives as long as its slots.
        let _ = moved.changed().await;
    }
}

impl Place {
    fn settle(&self) {
        let mut state = self.batch.state();
        let was_open = state.open.remove(&self.index);
        drop(state);
        if was_open {
            self.batch.moves();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.batch.state();
        if state.came.is_none() && !state.spending {
            // Nobody waits for this call any more: its approval is not used up.
            state.ready.remove(&self.index);
        }
        drop(state);
        self.settle();
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slot").field(&self.0.batch.id).field(&self.0.index).finish()
    }
}
