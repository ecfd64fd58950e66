//! `deputy audit`: the log is read, verified and proven without the hub, straight from its data directory.

mod approvals;
mod bundled;
mod cursor;
mod erase;
mod export;
mod list;
mod moment;
mod rotate;
mod verified;

use super::progress::visible;
use super::terminal::{Mark, Terminal};
use super::{Config, Failure};
use clap::{Args, Subcommand};
use deputy_audit::VerifierKeys;
use deputy_core::{CallId, TenantId};
use deputy_store::{AuditReader, OpenError, Place, Which};
use std::path::{Path, PathBuf};

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what happened, newest first
    List(list::Arguments),
    /// Say how much people are asked, how often they say yes and how fast, by the policy that asks
    Approvals(approvals::Arguments),
    /// Print the log, oldest first, for another system to keep
    ///
    /// One JSON object per line: `jsonl` is the log's own form, `ocsf` is OCSF 1.9 (docs/reference/audit-events.md has
    /// both). With --cursor the next run goes on where this one ended; what was printed just before a crash may be
    /// printed again, nothing is left out.
    Export(export::Arguments),
    /// Erase a person from the log and the tables; every proof still holds
    ///
    /// What names the person is removed from their lines, and so are their open questions and tickets; that they were
    /// erased, and from which lines, is a line of its own. It cannot be undone: without --yes it only says what it would
    /// be. A hub that runs does it, else this command. What the person does afterwards is recorded as before, so take
    /// their rights away first; exports and backups made before still have them.
    Erase(erase::Arguments),
    /// Recompute the whole log and compare it with its signed checkpoints
    ///
    /// A log shows by itself that a line was changed, removed, put in or moved. That its tail was cut off, or that an old
    /// copy was put back, shows only against a checkpoint that was kept elsewhere: give it with --checkpoint. Without,
    /// the newest one of the data directory is taken.
    Verify(VerifyArguments),
    /// Sign with another key from here on; what the one before signed stays good
    ///
    /// No hub may run here meanwhile. Each log gets a line `log_key_rotated` and a checkpoint that both keys sign. Copy
    /// `audit/log.vkey` off the machine again afterwards: it holds all public keys, oldest first.
    RotateKey(rotate::Arguments),
    /// Prove that a line is in the log
    ///
    /// Writes a C2SP tlog-proof, which anybody can check with the log's public key alone. A call has several lines (its
    /// intent, its outcome): each gets a file of its own.
    Prove(ProveArguments),
}

/// Where the log is.
#[derive(Debug, Args)]
struct Log {
    /// The data directory of the hub; without it, the configuration says
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Whose log, if there are several
    #[arg(long, value_name = "NAME", value_parser = tenant)]
    tenant: Option<TenantId>,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// A checkpoint of this log that was kept elsewhere
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public key of this log, kept elsewhere; without it, the one in the data directory
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Verify this file of `deputy audit export --format bundle` instead of a data directory: with --key, nothing else is read
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["data_dir", "tenant"])]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    log: Log,
}

#[derive(Debug, Args)]
pub(super) struct ProveArguments {
    /// The number of a line, or the id of a call
    #[arg(value_name = "SEQ|CALL_ID", value_parser = which)]
    which: Which,
    /// Where to write the proof; for several, the line's number is put before the ending
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    log: Log,
}

pub(super) async fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, terminal).await,
        Command::Approvals(arguments) => approvals::run(arguments, terminal).await,
        Command::Export(arguments) => export::run(arguments, terminal).await,
        Command::Erase(arguments) => erase::run(arguments, terminal).await,
        Command::RotateKey(arguments) => rotate::run(arguments, terminal).await,
        Command::Verify(arguments) => verify(arguments, terminal).await,
        Command::Prove(arguments) => prove(arguments, terminal).await,
    }
}

impl Log {
    async fn open(&self) -> Result<(AuditReader, TenantId), Failure> {
        let data_dir = match &self.data_dir {
            Some(data_dir) => data_dir.clone(),
            None => self.config.load()?.hub.data_dir,
        };
        let reader = AuditReader::open(Place::new(data_dir)).await?;
        let tenants = reader.tenants().await?;
        let names = || tenants.iter().map(TenantId::as_str).collect::<Vec<_>>().join(", ");
        match (&self.tenant, tenants.as_slice()) {
            (None, []) => Err(Failure::Fault("the log is empty".to_owned())),
            (None, [only]) => Ok((reader, only.clone())),
            (None, _) => Err(Failure::Usage(format!("choose a log with --tenant NAME: one of {}", names()))),
            (Some(wanted), _) if tenants.contains(wanted) => Ok((reader, wanted.clone())),
            (Some(wanted), _) => {
                Err(Failure::Usage(format!("there is no log of `{wanted}`; there are: {}", names())))
            }
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoDatabase(path) => Self::Usage(format!(
                "there is no database at `{}`\n  mend: name the hub's data directory with --data-dir DIR",
                path.display()
            )),
            OpenError::Missing { .. }
            | OpenError::Key { .. }
            | OpenError::File { .. }
            | OpenError::InUse { .. }
            | OpenError::Rotating { .. } => Self::Usage(error.to_string()),
            other => Self::Fault(other.to_string()),
        }
    }
}

async fn verify(arguments: VerifyArguments, terminal: Terminal) -> Result<(), Failure> {
    if let (Some(bundle), Some(key)) = (&arguments.bundle, &arguments.key) {
        return bundled::verify(bundle, key, arguments.checkpoint.as_deref(), terminal);
    }
    let (reader, tenant) = arguments.log.open().await?;
    let keys = match &arguments.key {
        Some(file) => keys(&read(file)?, &tenant)?,
        None => reader.place().verifier_keys_of(&tenant)?,
    };
    let checkpoint = match &arguments.checkpoint {
        Some(file) => Some(read(file)?),
        None => reader.place().read_checkpoint(&tenant)?,
    };
    let work = reader.verify(&tenant, &keys, checkpoint.as_deref());
    let report = match visible(terminal, "the log", work).await? {
        Ok(report) => report,
        Err(fault) => {
            return verified::wrong(terminal, &tenant, &fault);
        }
    };
    verified::told(terminal, &report, &keys)?;
    if arguments.checkpoint.is_none() {
        let text = match checkpoint {
            Some(_) => "compared with the data directory's own newest checkpoint only",
            None => "compared with nothing: no checkpoint is signed yet",
        };
        let mend =
            "to see a cut or an old copy, keep checkpoints elsewhere and give one with --checkpoint FILE";
        terminal.marked(Mark::Warning, text, Some(mend))?;
    }
    verified::good(terminal, &tenant, &report)
}

async fn prove(arguments: ProveArguments, terminal: Terminal) -> Result<(), Failure> {
    let (reader, tenant) = arguments.log.open().await?;
    let proofs = reader.prove(&tenant, &arguments.which).await?;
    match (arguments.output, proofs.as_slice()) {
        (_, []) => Err(Failure::Fault(match reader.pruned(&tenant).await? {
            Some(gone) => {
                format!("there is no such line in the log; the lines 0 to {} were pruned", gone.last)
            }
            None => "there is no such line in the log".to_owned(),
        })),
        (None, [only]) => terminal.line(only.to_string().trim_end_matches('\n')),
        (None, several) => {
            Err(Failure::Usage(format!("the call has {} lines: give a file with -o FILE", several.len())))
        }
        (Some(file), [only]) => write(&file, &only.to_string(), terminal),
        (Some(file), several) => several.iter().try_for_each(|proof| {
            let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or("tlog-proof");
            write(&file.with_extension(format!("{}.{ending}", proof.index())), &proof.to_string(), terminal)
        }),
    }
}

fn write(file: &Path, text: &str, terminal: Terminal) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::Usage(format!("`{}` cannot be written: {error}", file.display())))?;
    terminal.line(&file.display().to_string())
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("`{}` cannot be read: {error}", file.display())))
}

/// The tenant's keys out of a file with one key per line.
fn keys(text: &str, tenant: &TenantId) -> Result<VerifierKeys, Failure> {
    VerifierKeys::read(text, tenant).map_err(|error| Failure::Usage(error.to_string()))
}

fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::new(text).map_err(|error| error.to_string())
}

fn which(text: &str) -> Result<Which, String> {
    if let Ok(seq) = text.parse() {
        return Ok(Which::Seq(seq));
    }
    CallId::new(text).map(Which::Call).map_err(|error| error.to_string())
}
