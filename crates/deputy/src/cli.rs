//! The command line: one file per command.

mod approve;
mod audit;
mod check;
mod connect;
mod guard;
mod policy;
mod progress;
mod reference;
mod revoke;
mod serve;
mod stop;
pub mod terminal;
mod tools;
mod vault;
mod web;
mod wishes;

use crate::settings::{Settings, SettingsError};
use clap::{Args, Parser, Subcommand};
use deputy_core::Timestamp;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::Terminal;

const EXIT_CODES: &str = "Exit codes:\n  \
    0  done, and nothing is wrong\n  \
    1  a fault was found, or somebody refused\n  \
    2  the command line or the configuration is wrong";

/// Lets AI agents act as the signed-in user: with that user's permissions, with no key of their own, and with every
/// act written down before it counts.
#[derive(Debug, Parser)]
#[command(name = "deputy", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub
    Serve(serve::Arguments),
    Check(check::Arguments),
    /// Read and verify the audit log, without the hub
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check, test and explain policies, without the hub
    #[command(subcommand)]
    Policy(policy::Command),
    /// See which tools applications registered, and accept changed ones for everybody
    #[command(subcommand)]
    Tools(tools::Command),
    /// Keep the secrets that MCP servers want, sealed
    #[command(subcommand)]
    Vault(vault::Command),
    Approve(approve::Arguments),
    Stop(stop::StopArguments),
    Resume(stop::ResumeArguments),
    Revoke(revoke::RevokeArguments),
    Connect(connect::Arguments),
    Guard(guard::Arguments),
    /// Print a page of the reference
    #[command(hide = true)]
    Reference(reference::Arguments),
}

/// Which configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The configuration of the hub
    #[arg(long, value_name = "FILE", default_value = "deputy.toml")]
    config: PathBuf,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load(&self.config)
    }
}

/// Why a command did not do what was asked; decides the exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something is wrong with what was looked at, or somebody refused. It has been said already, or is said here.
    #[error("{0}")]
    Fault(String),
    /// The command line or the configuration is wrong.
    #[error("{0}")]
    Usage(String),
    /// The reader of our output went away, as `head` does: nothing is wrong.
    #[error("the output is not read any more")]
    Unread,
}

impl Failure {
    /// A fault that the command has told already.
    #[must_use]
    pub const fn told() -> Self {
        Self::Fault(String::new())
    }

    fn output(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Fault(format!("the output cannot be written: {error}")),
        }
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::Fault(_) => 1,
            Self::Usage(_) => 2,
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Runs the program with the process's own arguments.
#[must_use]
pub fn run() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // `--help` and `--version` come this way too. Nobody can be told that telling failed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let terminal = Terminal::of_process();
    match execute(line, terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() && !matches!(failure, Failure::Unread) {
                terminal.note(&format!("deputy: {text}"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn execute(line: CommandLine, terminal: Terminal) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Fault(format!("no threads to run on: {error}")))?;
    let done = runtime.block_on(dispatch(line.command, terminal));
    // A prompt may still wait for a line in a thread of its own; nobody waits for it.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => Box::pin(serve::run(arguments, terminal)).await,
        Command::Check(arguments) => Box::pin(check::run(arguments, terminal)).await,
        Command::Audit(command) => Box::pin(audit::run(command, terminal)).await,
        Command::Policy(command) => policy::run(command, terminal),
        Command::Tools(command) => Box::pin(tools::run(command, terminal)).await,
        Command::Vault(command) => Box::pin(vault::run(command, terminal)).await,
        Command::Approve(arguments) => Box::pin(approve::run(arguments, terminal)).await,
        Command::Stop(arguments) => Box::pin(stop::stop(arguments, terminal)).await,
        Command::Resume(arguments) => Box::pin(stop::resume(arguments, terminal)).await,
        Command::Revoke(arguments) => Box::pin(revoke::revoke(arguments, terminal)).await,
        Command::Connect(arguments) => connect::run(&arguments, terminal),
        Command::Guard(arguments) => Box::pin(guard::run(arguments, terminal)).await,
        Command::Reference(arguments) => reference::run(&arguments, terminal),
    }
}

/// The machine's clock.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        CommandLine::command().debug_assert();
    }

    #[test]
    fn exit_codes_are_as_documented() {
        assert_eq!(Failure::told().exit_code(), 1);
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        let missing =
            Settings::load(std::path::Path::new("no-such-folder/deputy.toml")).expect_err("missing");
        assert_eq!(Failure::from(missing).exit_code(), 2);
    }
}
