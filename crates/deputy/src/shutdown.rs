//! The end: SIGTERM and SIGINT become a cancelled token, and everything that runs winds down by it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Installed handlers. From here on the signals end the program only through [`Signals::cancel`].
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers; needs a running tokio runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves with the name of the first signal that comes.
    pub async fn first(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Waits for the first signal, then cancels.
    pub async fn cancel(mut self, stop: CancellationToken) {
        let name = self.first().await;
        tracing::info!(signal = name, "shutting down");
        stop.cancel();
    }
}
