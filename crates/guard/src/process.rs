//! A program of the guard's own: started with nothing of the guard's environment, stopped with everything it started.
//!
//! It leads a process group of its own, and is reaped only after that group was killed, so that the group's number cannot be
//! another's by then. What leaves the group on purpose (`setsid`) is not followed.

use crate::lines::{Line, Lines};
use crate::settings::Program;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, waitid, waitpgid,
};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// How long it has to end after its input was closed, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// How long those that were killed take to be gone.
const BURIED: Duration = Duration::from_secs(1);
/// How often a program that ends is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// One line of its error output, in the log.
const LOG_LINE: usize = 2048;

/// A running program.
pub(crate) struct Process {
    child: Child,
    group: Pid,
}

/// Its ends.
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Process {
    /// Starts it. In its words `{socket}` stands for `socket`.
    pub(crate) fn start(program: &Program, socket: Option<&Path>) -> Result<(Self, Pipes), String> {
        let fill = |word: &String| match socket {
            Some(path) => word.replace("{socket}", &path.to_string_lossy()),
            None => word.clone(),
        };
        let mut words = program.words.iter().map(fill);
        let name = words.next().ok_or("it has no name")?;
        let mut command = Command::new(find(&name, program)?);
        command
            .args(words)
            .env_clear()
            .envs(&program.environment)
            .current_dir(&program.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("`{name}` does not start: {error}"))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        match (group, child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(group), Some(stdin), Some(stdout), Some(stderr)) => {
                Ok((Self { child, group }, Pipes { stdin, stdout, stderr }))
            }
            _ => Err(format!("`{name}` has no pipes")),
        }
    }

    /// Whether it has ended; it stays to be reaped.
    pub(crate) fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.group), options), Ok(None))
    }

    /// Its input was closed: SIGTERM after a while, then SIGKILL, both for the whole group.
    pub(crate) async fn end(mut self) {
        self.exits_within(GRACE).await;
        let _ = kill_process_group(self.group, Signal::TERM);
        self.exits_within(GRACE).await;
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait().await;
        self.bury().await;
    }

    /// What it leaves behind is the guard's to reap where orphans are: in a container the guard may be the first process.
    async fn bury(&self) {
        let all = async {
            while let Ok(buried) = waitpgid(self.group, WaitOptions::NOHANG) {
                if buried.is_none() {
                    tokio::time::sleep(LOOK).await;
                }
            }
        };
        let _ = tokio::time::timeout(BURIED, all).await;
    }

    async fn exits_within(&self, span: Duration) {
        let exit = async {
            while !self.has_exited() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(span, exit).await;
    }
}

/// A name without a slash is looked up in the `PATH` that the program gets.
fn find(name: &str, program: &Program) -> Result<PathBuf, String> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let path = program.environment.get("PATH").ok_or_else(|| {
        format!("`{name}` has no slash, and its environment has no `PATH`: give one, or the whole path")
    })?;
    let mut candidates = path.split(':').filter(|folder| !folder.is_empty());
    let found = candidates.find_map(|folder| Some(Path::new(folder).join(name)).filter(|at| at.is_file()));
    found.ok_or_else(|| format!("`{name}` is not in the `PATH` of its environment"))
}

/// Its error output is for whoever looks for errors; it is no sign of one.
pub(crate) async fn log(stderr: ChildStderr) {
    let mut lines = Lines::new(stderr, LOG_LINE);
    while let Ok(Some(line)) = lines.next().await {
        if let Line::Whole(line) = line {
            tracing::debug!(line = %String::from_utf8_lossy(&line), "the server's error output");
        }
    }
}
