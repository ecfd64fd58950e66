//! Word that a list changed: many changes in a short time are one (gateway rule 14).

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long after the first change the word goes out, so that it speaks for the changes that follow at once.
const TRAILING: Duration = Duration::from_millis(100);
/// At most five a second.
const APART: Duration = Duration::from_millis(200);

/// The changes of one user's list, coalesced.
#[derive(Debug)]
pub(super) struct Changes {
    counter: watch::Receiver<u64>,
    due: Option<Instant>,
    told: Option<Instant>,
}

impl Changes {
    /// From now on.
    pub(super) fn new(mut counter: watch::Receiver<u64>) -> Self {
        counter.mark_unchanged();
        Self { counter, due: None, told: None }
    }

    /// Resolves when there is something to tell; `None` when there never will be again. Dropping the future loses
    /// nothing.
    pub(super) async fn next(&mut self) -> Option<()> {
        let due = match self.due {
            Some(due) => due,
            None => {
                self.counter.changed().await.ok()?;
                let trailing = Instant::now() + TRAILING;
                let due = self.told.map_or(trailing, |told| trailing.max(told + APART));
                self.due = Some(due);
                due
            }
        };
        sleep_until(due).await;
        self.counter.mark_unchanged();
        self.due = None;
        self.told = Some(Instant::now());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test]
    async fn gateway_rule_14_a_burst_is_told_once_and_a_later_change_again() {
        let counter = watch::Sender::new(0_u64);
        let mut changes = Changes::new(counter.subscribe());
        let started = Instant::now();
        for _ in 0..50 {
            counter.send_modify(|count| *count += 1);
        }
        assert_eq!(changes.next().await, Some(()));
        assert!(started.elapsed() >= TRAILING);
        assert!(timeout(Duration::from_millis(20), changes.next()).await.is_err(), "told twice");
        counter.send_modify(|count| *count += 1);
        assert_eq!(changes.next().await, Some(()));
        assert!(started.elapsed() >= TRAILING + APART);
    }

    #[tokio::test]
    async fn a_change_is_not_lost_when_the_future_is_dropped() {
        let counter = watch::Sender::new(0_u64);
        let mut changes = Changes::new(counter.subscribe());
        counter.send_modify(|count| *count += 1);
        assert!(timeout(Duration::from_millis(1), changes.next()).await.is_err());
        assert_eq!(changes.next().await, Some(()));
        drop(counter);
        assert_eq!(changes.next().await, None);
    }
}
