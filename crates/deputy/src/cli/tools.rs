//! `deputy tools`: which definitions count, and what an administrator accepts, straight from the hub's data directory.

use super::terminal::{Mark, Terminal, harmless};
use super::{Config, Failure, now};
use clap::{Args, Subcommand};
use deputy_core::{SourceName, TenantId, ToolName};
use deputy_hub::Supervisor;
use deputy_store::{OpenError, PinReader, PinnedTool, Place, Settings, SqliteStore, leave_accepted};
use std::path::PathBuf;
use std::time::Duration;

/// How long a hub that runs has to take it up; it looks four times a second.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the tools that applications registered: where from, and for whom they count
    ///
    /// `manifest` and `accepted` count for everybody. `pinned for` counts the users for whom it was the first of its name, or
    /// who accepted it themselves; `waiting for` those whose agents are not told of it until they or you accept it. Nobody is
    /// named.
    List(ListArguments),
    /// Accept a definition for everybody
    ///
    /// Look at it first: `deputy tools list --definitions`. A hub that runs takes it up within a quarter second.
    Accept(AcceptArguments),
}

/// Where the tables are.
#[derive(Debug, Args)]
struct Tables {
    /// The data directory of the hub; without it, the configuration says
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Of which tenant
    #[arg(long, value_name = "NAME", value_parser = tenant)]
    tenant: Option<TenantId>,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Print each definition in full too
    #[arg(long)]
    definitions: bool,
    #[command(flatten)]
    tables: Tables,
}

#[derive(Debug, Args)]
pub(super) struct AcceptArguments {
    /// The app
    #[arg(value_parser = source)]
    source: SourceName,
    /// The tool, by its own name
    #[arg(value_parser = tool)]
    tool: ToolName,
    /// Which definition: its hash or the first 8 or more digits of it; without it, the only one that waits
    hash: Option<String>,
    #[command(flatten)]
    tables: Tables,
}

pub(super) async fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(&arguments, terminal).await,
        Command::Accept(arguments) => accept(&arguments, terminal).await,
    }
}

impl Tables {
    fn place(&self) -> Result<Place, Failure> {
        match &self.data_dir {
            Some(data_dir) => Ok(Place::new(data_dir)),
            None => Ok(Place::new(self.config.load()?.hub.data_dir)),
        }
    }

    async fn tools(&self, place: &Place) -> Result<Vec<PinnedTool>, Failure> {
        let mut tools = PinReader::open(place).await?.tools().await?;
        tools.retain(|one| self.tenant.as_ref().is_none_or(|wanted| one.tool.tenant == *wanted));
        Ok(tools)
    }
}

async fn list(arguments: &ListArguments, terminal: Terminal) -> Result<(), Failure> {
    let tools = arguments.tables.tools(&arguments.tables.place()?).await?;
    if tools.is_empty() {
        return terminal.line("no application has registered a tool yet");
    }
    let several =
        tools.iter().any(|one| Some(&one.tool.tenant) != tools.first().map(|first| &first.tool.tenant));
    for one in &tools {
        let of = if several { format!("{} ", one.tool.tenant) } else { String::new() };
        let (source, origin, name) = (&one.tool.source, &one.tool.origin, &one.tool.tool);
        terminal.line(&format!("{of}{source} {origin} {name} {} {}", short(one), state(one)))?;
        if arguments.definitions {
            terminal.line(&definition(one))?;
        }
    }
    Ok(())
}

async fn accept(arguments: &AcceptArguments, terminal: Terminal) -> Result<(), Failure> {
    let place = arguments.tables.place()?;
    let tools = arguments.tables.tools(&place).await?;
    let chosen = chosen(arguments, &tools)?;
    let (tool, at) = (&chosen.tool, now());
    terminal.line(&definition(chosen))?;
    let tables = Supervisor::default();
    match SqliteStore::open(place.clone(), Settings::default(), &tables).await {
        Ok(store) => {
            let accepted = store.accept_tool(tool, at).await;
            tables.shut_down().await;
            accepted.map_err(|error| Failure::Fault(format!("nothing was accepted: {error}")))?;
        }
        Err(OpenError::InUse { .. }) => {
            if !leave_accepted(&place, tool, at, PATIENCE).await? {
                let mend = "see its log; it takes it up as soon as it can";
                let text = "the hub that runs on this data directory has not taken it up within 10 s";
                return Err(Failure::Fault(format!("{text}\n  mend: {mend}")));
            }
        }
        Err(error) => return Err(error.into()),
    }
    let text = format!("accepted for everybody: {} {} {}", tool.source, tool.tool, short(chosen));
    terminal.marked(Mark::Good, &text, None)
}

/// The one that is meant, among those that tabs registered.
fn chosen<'t>(arguments: &AcceptArguments, tools: &'t [PinnedTool]) -> Result<&'t PinnedTool, Failure> {
    let (source, name) = (&arguments.source, &arguments.tool);
    let of_tool = tools.iter().filter(|one| one.tool.source == *source && one.tool.tool == *name);
    let found: Vec<&PinnedTool> = match &arguments.hash {
        None => of_tool.filter(|one| one.waiting_for > 0).collect(),
        Some(hash) => {
            let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
            if digits.len() < 8 {
                return Err(Failure::Usage(format!("`{hash}` is too short: give 8 digits or more")));
            }
            of_tool.filter(|one| digits_of(one).starts_with(digits)).collect()
        }
    };
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(Failure::Fault(format!(
            "no such definition of `{source}` `{name}` is there\n  mend: `deputy tools list` says what is"
        ))),
        several => {
            let which: Vec<String> = several
                .iter()
                .map(|one| format!("{} ({}, `{}`)", short(one), one.tool.origin, one.tool.tenant))
                .collect();
            let mend = "give the HASH, and --tenant where there are several tenants";
            Err(Failure::Usage(format!("which one? {}\n  mend: {mend}", which.join(", "))))
        }
    }
}

fn digits_of(one: &PinnedTool) -> String {
    one.tool.hash.to_string().trim_start_matches("sha256:").to_owned()
}

fn short(one: &PinnedTool) -> String {
    digits_of(one).chars().take(12).collect()
}

fn state(one: &PinnedTool) -> String {
    let users = |count: u64| if count == 1 { "1 user".to_owned() } else { format!("{count} users") };
    let mut words = Vec::new();
    words.extend(one.manifest.then(|| "manifest".to_owned()));
    words.extend(one.accepted.then(|| "accepted".to_owned()));
    words.extend((one.pinned_for > 0).then(|| format!("pinned for {}", users(one.pinned_for))));
    words.extend((one.waiting_for > 0).then(|| format!("waiting for {}", users(one.waiting_for))));
    if words.is_empty() { "refused".to_owned() } else { words.join(", ") }
}

/// A page chose these words; they must not move a terminal's cursor.
fn definition(one: &PinnedTool) -> String {
    let value: serde_json::Value = serde_json::from_str(&one.definition).unwrap_or_default();
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.lines().map(|line| format!("  {}", harmless(line))).collect::<Vec<_>>().join("\n")
}

fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::new(text).map_err(|error| error.to_string())
}

fn source(text: &str) -> Result<SourceName, String> {
    SourceName::new(text).map_err(|error| error.to_string())
}

fn tool(text: &str) -> Result<ToolName, String> {
    ToolName::new(text).map_err(|error| error.to_string())
}
