//! How many streams one principal may hold open (gateway rule 26).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Streams per principal.
pub(super) const PER_PRINCIPAL: usize = 32;

/// Counts places that are taken.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<String, usize>>);

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    principal: String,
}

impl Places {
    /// `None`: all of this principal's are taken.
    pub(super) fn take(self: &Arc<Self>, principal: String) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(principal.clone()).or_default();
        if *count >= PER_PRINCIPAL {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { places: Arc::clone(self), principal })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn gateway_rule_26_streams_per_principal_are_bounded_and_given_back() {
        let places = Arc::new(Places::default());
        let mut held: Vec<Place> = (0..PER_PRINCIPAL).filter_map(|_| places.take("a".to_owned())).collect();
        assert_eq!(held.len(), PER_PRINCIPAL);
        assert!(places.take("a".to_owned()).is_none());
        assert!(places.take("b".to_owned()).is_some());
        held.pop();
        assert!(places.take("a".to_owned()).is_some());
        drop(held);
        assert!(places.0.lock().expect("lock").is_empty());
    }
}
