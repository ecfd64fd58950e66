//! A sign of life for what takes longer than two seconds.

use super::terminal::Terminal;
use std::future::Future;
use std::time::Duration;

/// How long nobody minds waiting in silence.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for the work; after two seconds, and every two seconds from then on, says that it still runs.
pub(super) async fn visible<T>(terminal: Terminal, what: &str, work: impl Future<Output = T>) -> T {
    let started = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval_at(started + PATIENCE, PATIENCE);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = ticks.tick() => {
                terminal.note(&format!("...   {what}: still waiting after {} s", started.elapsed().as_secs()));
            }
        }
    }
}
