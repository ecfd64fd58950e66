//! What happened, counted: for operators' metrics. Labels are words of fixed sets and names of the configuration, never
//! anything that a caller chose.

use deputy_core::{Event, Outcome};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of how long calls took, in milliseconds.
pub const BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 10_000, 60_000];

/// One thing that is counted, by what it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The kind of line.
    pub kind: &'static str,
    /// How a call ended; empty for other lines.
    pub outcome: &'static str,
    /// Why; empty where there is no reason.
    pub reason: &'static str,
    /// The configured source; empty for lines about none.
    pub source: String,
}

/// Counts.
#[derive(Debug, Default)]
pub struct Meter {
    lines: Mutex<BTreeMap<Counted, u64>>,
    took: [AtomicU64; BOUNDS_MS.len() + 1],
    took_us: AtomicU64,
}

/// How long calls took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Took {
    /// How many took at most each of [`BOUNDS_MS`], and how many at all.
    pub at_most: Vec<u64>,
    /// Together, in microseconds.
    pub sum_us: u64,
}

impl Meter {
    /// A line of the log was handed over.
    pub(crate) fn line(&self, event: &Event) {
        let counted = Counted {
            kind: event.kind.code(),
            outcome: event.outcome.map_or("", word),
            reason: event.reason.map_or("", |reason| reason.code()),
            source: event.source.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner).entry(counted).or_insert(0) += 1;
    }

    /// A call ended, one way or another.
    pub(crate) fn took(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MS.iter().position(|bound| millis < *bound).unwrap_or(BOUNDS_MS.len());
        if let Some(bucket) = self.took.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.took_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// All lines so far, by what they were.
    #[must_use]
    pub fn lines(&self) -> Vec<(Counted, u64)> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|(counted, count)| (counted.clone(), *count)).collect()
    }

    /// How long calls took so far.
    #[must_use]
    pub fn durations(&self) -> Took {
        let mut sum = 0;
        let at_most = self.took.iter().map(|bucket| {
            sum += bucket.load(Ordering::Relaxed);
            sum
        });
        Took { at_most: at_most.collect(), sum_us: self.took_us.load(Ordering::Relaxed) }
    }
}

/// The stable word for an outcome.
#[must_use]
pub const fn word(outcome: Outcome) -> &'static str {
    outcome.code()
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::{EventKind, TenantId, Timestamp};

    #[test]
    fn lines_are_counted_by_what_they_were() {
        let meter = Meter::default();
        let mut event = Event::new(Timestamp::from_millis(0), TenantId::single(), EventKind::Outcome);
        event.outcome = Some(Outcome::Failed);
        meter.line(&event);
        meter.line(&event);
        let lines = meter.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].0.outcome, lines[0].1), ("failed", 2));
    }

    #[test]
    fn buckets_hold_what_took_less_and_the_last_one_all() {
        let meter = Meter::default();
        for millis in [0, 1, 70, 999_999] {
            meter.took(Duration::from_millis(millis));
        }
        let took = meter.durations();
        assert_eq!(took.at_most.first(), Some(&1));
        assert_eq!(took.at_most.get(1), Some(&2));
        assert_eq!(took.at_most.get(6), Some(&3));
        assert_eq!(took.at_most.last(), Some(&4));
    }
}
