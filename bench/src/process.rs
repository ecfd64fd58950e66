//! A program that is measured from outside: its processor time and its memory, as the kernel counts them.

use crate::{Result, fail};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The processor that what is measured runs on, where it has one for itself.
const OWN_CORE: &str = "0";

/// A running program; it ends with this.
pub(crate) struct Process(Child);

impl Process {
    /// One that was started.
    pub(crate) const fn of(child: Child) -> Self {
        Self(child)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.0.wait()?;
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.0.kill()?;
        self.wait()
    }

    /// The processor time since it started.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        // In nanoseconds, of all its threads that live (proc_pid_schedstat): finer than the hundredths of `stat`.
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += text.split_whitespace().next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The resident memory in KiB.
    pub(crate) fn rss_kb(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse().ok());
        number.ok_or_else(|| "the program's memory cannot be read".into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about one that does not end.
        let _ = self.kill();
    }
}

/// A command for this program, on a processor of its own.
pub(crate) fn on_own_core(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", OWN_CORE]).arg(program);
    command
}

/// This program itself, playing a part: `deputy-bench play PART…`. Gives it with the lines that it says first, `lines` of
/// them.
pub(crate) fn play(part: &[&str], mut command: Command, lines: usize) -> Result<(Process, Vec<String>)> {
    let mut child = command.arg("play").args(part).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let said = child.stdout.take();
    let process = Process::of(child);
    let mut said = BufReader::new(said.ok_or("it says nothing")?).lines();
    let mut first = Vec::new();
    while first.len() < lines {
        match said.next() {
            Some(line) => first.push(line?),
            None => return fail(format!("`play {}` ended", part.join(" "))),
        }
    }
    Ok((process, first))
}
