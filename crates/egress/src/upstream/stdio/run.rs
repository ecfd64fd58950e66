//! Starting a process, keeping its pipes, and stopping it with everything that it started.
//!
//! A process leads a group of its own. It is reaped only after its group was killed, so that the number of the group
//! cannot be another's by then. What leaves the group on purpose (`setsid`) is not followed.

use super::Inner;
use super::lines::{Line, Lines};
use super::process::Process;
use deputy_hub::ports::upstream::Failure;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, waitid, waitpgid,
};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long what a dead process wrote last is waited for; something that it started may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long what a process leaves behind has, after SIGTERM.
const LEFT_BEHIND: Duration = Duration::from_millis(100);
/// How long those that were killed take to be gone.
const BURIED: Duration = Duration::from_secs(1);
/// One line of its error output, in the log.
const LOG_LINE: usize = 2048;

/// Starts one more.
pub(super) fn start(inner: &Arc<Inner>, principal: &str) -> Result<Arc<Process>, Failure> {
    let settings = &inner.settings;
    let not_sent = |why: String| Failure::NotSent(format!("`{}` does not start: {why}", settings.program));
    let program = find(inner).map_err(not_sent)?;
    let mut command = Command::new(program);
    command
        .args(&settings.arguments)
        .env_clear()
        .envs(&settings.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(directory) = &settings.directory {
        command.current_dir(directory);
    }
    let children = signal(SignalKind::child()).map_err(|error| not_sent(error.to_string()))?;
    let mut child = command.spawn().map_err(|error| not_sent(error.to_string()))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(pid), (Some(stdin), Some(stdout), Some(stderr))) = (pid, pipes) else {
        return Err(not_sent("it has no pipes".to_owned()));
    };
    inner.noted.started();
    let (process, queue) = Process::new(principal, inner);
    let closing = CancellationToken::new();
    settings.supervisor.start(write(stdin, queue, closing.clone()));
    settings.supervisor.start(log(stderr, settings.name.clone()));
    let running = Running { child, pid, children, closing };
    settings.supervisor.start(running.run(Arc::clone(inner), Arc::clone(&process), stdout));
    Ok(process)
}

/// A name without a slash is looked up in the `PATH` that the process gets.
fn find(inner: &Inner) -> Result<PathBuf, String> {
    let program = &inner.settings.program;
    if program.contains('/') {
        return Ok(PathBuf::from(program));
    }
    let path = inner.settings.environment.get("PATH");
    let path =
        path.ok_or("it has no slash, and its environment has no `PATH`: give one, or the whole path")?;
    let mut candidates = path.split(':').filter(|directory| !directory.is_empty());
    let found =
        candidates.find_map(|directory| Some(Path::new(directory).join(program)).filter(|at| at.is_file()));
    found.ok_or_else(|| "it is not in the `PATH` of its environment".to_owned())
}

struct Running {
    child: Child,
    pid: Pid,
    children: SignalStream,
    closing: CancellationToken,
}

impl Running {
    async fn run(mut self, inner: Arc<Inner>, process: Arc<Process>, stdout: ChildStdout) {
        let mut lines = Lines::new(stdout, inner.settings.limits.answer_bytes);
        let is_unexpected = loop {
            tokio::select! {
                biased;
                () = process.stop.cancelled() => break false,
                line = lines.next() => match line {
                    Ok(Some(line)) => process.heard(&inner, &line).await,
                    _ => break true,
                },
                _ = self.children.recv() => if self.has_exited() {
                    let _ = tokio::time::timeout(LAST_WORDS, hear_out(&inner, &process, &mut lines)).await;
                    break true;
                },
            }
        };
        process.gone.cancel();
        process.open.end("its process ended before the answer");
        // One that ends at its first question is no failure yet: the handshake tries another.
        if is_unexpected && process.spoken.get().is_some() {
            inner.ended_unexpectedly(&process.principal);
        }
        self.stop(inner.settings.grace).await;
        process.ended.cancel();
    }

    /// Closed input, SIGTERM, SIGKILL, each after a while; the last two for the whole group.
    async fn stop(&mut self, grace: Duration) {
        self.closing.cancel();
        let ended_by_itself = self.exits_within(grace).await;
        let _ = kill_process_group(self.pid, Signal::TERM);
        if ended_by_itself {
            tokio::time::sleep(LEFT_BEHIND).await;
        } else {
            self.exits_within(grace).await;
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        let _ = self.child.wait().await;
        self.bury().await;
    }

    /// What it leaves behind is the hub's to reap where orphans are: in a container the hub may be the first process. Anywhere
    /// else it has no child in that group, and this ends at once.
    async fn bury(&mut self) {
        let all = async {
            while let Ok(buried) = waitpgid(self.pid, WaitOptions::NOHANG) {
                if buried.is_none() {
                    self.children.recv().await;
                }
            }
        };
        let _ = tokio::time::timeout(BURIED, all).await;
    }

    async fn exits_within(&mut self, span: Duration) -> bool {
        let exit = async {
            while !self.has_exited() {
                self.children.recv().await;
            }
        };
        tokio::time::timeout(span, exit).await.is_ok()
    }

    /// Whether it has ended; it stays to be reaped.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }
}

async fn hear_out(inner: &Inner, process: &Process, lines: &mut Lines<ChildStdout>) {
    while let Ok(Some(line)) = lines.next().await {
        process.heard(inner, &line).await;
    }
}

/// Writes what is queued; whoever queued something need not stay. Dropping the pipe closes it.
async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<String>, closing: CancellationToken) {
    let writing = async {
        while let Some(mut text) = queue.recv().await {
            text.push('\n');
            if stdin.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = writing => {}
    }
}

/// Its error output is for whoever looks for errors; it is no sign of one.
async fn log(stderr: ChildStderr, server: String) {
    let mut lines = Lines::new(stderr, LOG_LINE);
    while let Ok(Some(line)) = lines.next().await {
        match line {
            Line::Whole(line) => tracing::debug!(%server, line = %String::from_utf8_lossy(&line), "stderr"),
            Line::TooLong { head, .. } => {
                tracing::debug!(%server, line = %String::from_utf8_lossy(&head), "stderr, cut");
            }
        }
    }
}
