//! `deputy policy`: check, test and explain policies, without the hub.

use super::Failure;
use super::terminal::{Mark, Terminal};
use crate::policy_files::{self, PolicyFilesError};
use crate::settings::PolicySource;
use clap::Subcommand;
use deputy_policy::{PolicySet, explain, test};
use std::path::{Path, PathBuf};

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the policies of a directory against the schema
    ///
    /// Reads every *.cedar file of DIR as the hub would, and names the file, line and culprit of what is wrong.
    Check {
        /// A directory of *.cedar files; without it, the policies that ship with the program
        dir: Option<PathBuf>,
    },
    /// Run the cases of a directory against its policies
    ///
    /// Reads the *.cedar files of DIR and the cases in its *.test.json files: who calls what, and what should come of
    /// it. A directory without *.cedar files is run against the policies that ship with the program.
    Test {
        /// A directory of *.test.json files
        dir: PathBuf,
    },
    /// Say why a case comes out as it does
    ///
    /// Reads a case as `policy test` does, and tells of each policy whether it decided and, if not, what it lacked.
    Explain {
        /// A file with one case, or a list of them
        case: PathBuf,
        /// A directory of *.cedar files; without it, the policies that ship with the program
        #[arg(long, value_name = "DIR")]
        policies: Option<PathBuf>,
    },
}

pub(super) fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::Check { dir } => check(dir.as_deref(), terminal),
        Command::Test { dir } => run_cases(&dir, terminal),
        Command::Explain { case, policies } => explain_cases(&case, policies.as_deref(), terminal),
    }
}

impl From<PolicyFilesError> for Failure {
    fn from(error: PolicyFilesError) -> Self {
        match error {
            PolicyFilesError::Policy(error) => Self::Fault(error.to_string()),
            other => Self::Usage(other.to_string()),
        }
    }
}

fn check(dir: Option<&Path>, terminal: Terminal) -> Result<(), Failure> {
    let set = set_of(dir)?;
    let ids: Vec<String> = set.ids().into_iter().map(|id| id.0).collect();
    let text =
        format!("{} policies are good: {}\n      version {}", ids.len(), ids.join(", "), set.version());
    terminal.marked(Mark::Good, &text, None)
}

fn run_cases(dir: &Path, terminal: Terminal) -> Result<(), Failure> {
    let own = policy_files::read(dir, ".cedar")?;
    let set = set_of((!own.is_empty()).then_some(dir))?;
    let files = policy_files::read(dir, ".test.json")?;
    if files.is_empty() {
        return Err(Failure::Usage(format!("`{}` holds no file `*.test.json`", dir.display())));
    }
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for (name, text) in &files {
        let cases = test::parse(name, text).map_err(case_error)?;
        for result in test::run(&set, &cases).map_err(case_error)? {
            let mark = if result.passed { Mark::Good } else { Mark::Bad };
            *(if result.passed { &mut passed } else { &mut failed }) += 1;
            let difference = result.difference.map(|text| format!(": {text}")).unwrap_or_default();
            terminal.marked(mark, &format!("{name}: {}{difference}", result.name), None)?;
        }
    }
    terminal.line(&format!("{passed} passed, {failed} failed"))?;
    if failed == 0 { Ok(()) } else { Err(Failure::told()) }
}

fn explain_cases(file: &Path, policies: Option<&Path>, terminal: Terminal) -> Result<(), Failure> {
    let set = set_of(policies)?;
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("`{}` cannot be read: {error}", file.display())))?;
    for case in test::parse(&file.display().to_string(), &text).map_err(case_error)? {
        let question = case.question().map_err(case_error)?;
        let explanation = explain::explain(&set, &question.caller, &question.call, question.now);
        terminal.line(&format!("{}\n{explanation}", case.name))?;
    }
    Ok(())
}

fn set_of(dir: Option<&Path>) -> Result<PolicySet, Failure> {
    let source = dir.map_or(PolicySource::Shipped, |dir| PolicySource::Directory(dir.to_owned()));
    Ok(policy_files::load(&source)?)
}

fn case_error(error: test::CaseError) -> Failure {
    Failure::Usage(error.to_string())
}
