//! A server that the guard starts on a socket, and starts again when it ends.

use crate::lines::Lines;
use crate::process::{Process, log};
use crate::settings::Program;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// What ran for so long did not fail at its start.
const RAN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
const LOG_LINE: usize = 2048;

/// Until the end.
pub(crate) async fn keep_running(program: Program, socket: PathBuf, stop: CancellationToken) {
    let mut wait = FIRST_WAIT;
    while !stop.is_cancelled() {
        // What an earlier run left there would keep the server from listening.
        let _ = std::fs::remove_file(&socket);
        let began = Instant::now();
        match Process::start(&program, Some(&socket)) {
            Ok((process, pipes)) => {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = async { log(pipes.stderr).await; std::future::pending::<()>().await } => {}
                    () = async { while !process.has_exited() { tokio::time::sleep(LOOK).await } } => {}
                    () = swallow(pipes.stdout) => {}
                }
                drop(pipes.stdin);
                process.end().await;
            }
            Err(error) => tracing::error!(error, "the server does not start"),
        }
        if began.elapsed() >= RAN {
            wait = FIRST_WAIT;
        }
        if !stop.is_cancelled() {
            tracing::error!("the server ended; it is started again");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Its output is read, so that it does not stop for want of room; then never again ready.
async fn swallow(stdout: tokio::process::ChildStdout) {
    let mut lines = Lines::new(stdout, LOG_LINE);
    while let Ok(Some(_)) = lines.next().await {}
    std::future::pending::<()>().await;
}
