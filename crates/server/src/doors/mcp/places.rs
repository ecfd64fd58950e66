//! How much one principal may hold at once: streams, calls (gateway rule 26). Nobody can take everybody's place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts places that are taken.
#[derive(Debug)]
pub(super) struct Places {
    per_principal: usize,
    taken: Mutex<HashMap<Arc<str>, usize>>,
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    principal: Arc<str>,
}

impl Places {
    /// So many for each.
    pub(super) fn new(per_principal: usize) -> Arc<Self> {
        Arc::new(Self { per_principal, taken: Mutex::default() })
    }

    /// `None`: all of this principal's are taken.
    pub(super) fn take(self: &Arc<Self>, principal: impl Into<Arc<str>>) -> Option<Place> {
        let principal = principal.into();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(Arc::clone(&principal)).or_default();
        if *count >= self.per_principal {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { places: Arc::clone(self), principal })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let left = taken.get_mut(&self.principal).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            taken.remove(&self.principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_rule_26_places_per_principal_are_bounded_and_given_back() {
        let places = Places::new(3);
        let mut held: Vec<Place> = (0..3).filter_map(|_| places.take("a".to_owned())).collect();
        assert_eq!(held.len(), 3);
        assert!(places.take("a".to_owned()).is_none());
        assert!(places.take("b".to_owned()).is_some());
        held.pop();
        assert!(places.take("a".to_owned()).is_some());
        drop(held);
        assert!(places.taken.lock().expect("lock").is_empty());
    }
}
