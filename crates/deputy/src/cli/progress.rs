//! A sign of life for what takes longer than two seconds.

use super::terminal::Terminal;
use std::future::Future;
use std::time::Duration;

/// How long nobody minds waiting in silence.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for the work; after two seconds says that it still runs, and again whenever the wait has doubled.
pub(super) async fn visible<T>(terminal: Terminal, what: &str, work: impl Future<Output = T>) -> T {
    let started = tokio::time::Instant::now();
    let mut patience = PATIENCE;
    tokio::pin!(work);
    loop {
        match tokio::time::timeout_at(started + patience, &mut work).await {
            Ok(done) => return done,
            Err(_) => terminal.note(&format!("...   {what}: still waiting after {} s", patience.as_secs())),
        }
        patience *= 2;
    }
}
