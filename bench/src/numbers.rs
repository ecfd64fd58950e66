//! Percentiles of what was measured.

use std::time::{Duration, Instant};

/// Durations of one thing, measured many times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<u64>);

impl Samples {
    /// Adds one.
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Runs something and adds how long it took.
    pub(crate) fn time<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = act();
        self.add(began.elapsed());
        done
    }

    /// Adds all of another's.
    pub(crate) fn take(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sorts them, once for all percentiles.
    pub(crate) fn sorted(mut self) -> Sorted {
        self.0.sort_unstable();
        Sorted(self.0)
    }
}

/// The same in order.
#[derive(Debug, Clone)]
pub(crate) struct Sorted(Vec<u64>);

impl Sorted {
    /// The nearest rank, in microseconds: the smallest sample that at least `per_mille` of 1000 are not above. 0 without
    /// samples.
    pub(crate) fn per_mille_us(&self, per_mille: usize) -> f64 {
        self.per_mille(per_mille).as_secs_f64() * 1e6
    }

    fn per_mille(&self, per_mille: usize) -> Duration {
        let rank = (self.0.len() * per_mille).div_ceil(1000).max(1);
        Duration::from_nanos(self.0.get(rank - 1).copied().unwrap_or(0))
    }

    /// The 99th percentile.
    pub(crate) fn p99(&self) -> Duration {
        self.per_mille(990)
    }

    /// The median in microseconds.
    pub(crate) fn p50_us(&self) -> f64 {
        self.per_mille_us(500)
    }

    /// In microseconds.
    pub(crate) fn p99_us(&self) -> f64 {
        self.per_mille_us(990)
    }
}

/// How many there were in a second.
#[expect(clippy::cast_precision_loss, reason = "nobody counts 2^52 of anything here")]
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(microseconds: impl IntoIterator<Item = u64>) -> Sorted {
        let mut samples = Samples::default();
        microseconds.into_iter().for_each(|one| samples.add(Duration::from_micros(one)));
        samples.sorted()
    }

    fn is(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() < 1e-6
    }

    #[test]
    fn a_percentile_is_the_smallest_sample_that_so_many_are_not_above() {
        let hundred = of((1..=100).rev());
        assert!(is(hundred.p50_us(), 50.0) && is(hundred.p99_us(), 99.0));
        assert!(is(hundred.per_mille_us(999), 100.0) && is(hundred.per_mille_us(1000), 100.0));
        assert!(is(hundred.per_mille_us(0), 1.0));
        assert!(is(of([7, 1, 3]).p50_us(), 3.0) && is(of([1, 2, 3, 4]).p50_us(), 2.0));
    }

    #[test]
    fn nothing_measured_is_nothing_and_one_sample_is_every_percentile() {
        assert!(is(of([]).p99_us(), 0.0));
        let one = of([5]);
        assert!(is(one.p50_us(), 5.0) && is(one.per_mille_us(999), 5.0));
    }

    #[test]
    fn samples_of_several_tasks_are_one_set() {
        let (mut all, mut other) = (Samples::default(), Samples::default());
        all.add(Duration::from_micros(1));
        other.add(Duration::from_micros(9));
        all.take(other);
        assert_eq!(all.len(), 2);
        assert!(is(all.sorted().per_mille_us(1000), 9.0));
    }

    #[test]
    fn a_rate_is_by_the_second() {
        assert!(is(per_second(30, Duration::from_millis(1500)), 20.0));
    }
}
