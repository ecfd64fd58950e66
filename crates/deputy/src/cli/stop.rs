//! `deputy stop` and `deputy resume`: the kill switch on the hub's own machine, with or without a hub that runs.

use super::terminal::{Mark, Terminal, harmless};
use super::{Config, Failure, now, wishes};
use crate::settings::Settings;
use clap::{Args, Subcommand};
use deputy_core::{Client, IdError, Operator, Switch, SwitchTarget};
use deputy_hub::ports::SwitchOrder;
use deputy_store::{Place, SqliteStore, SwitchDesk};
use std::path::PathBuf;

/// Stop a tool, an app, a server, an agent, a person, or everything, at once
///
/// Refuses every matching call, hides the tools from agents, and ends matching calls that run, within a second. A stopped
/// app or person also loses its tabs and gets no new ones; a stopped person cannot sign in. It holds until `deputy resume`,
/// also after a restart. A hub that runs on the same data directory takes it up; without one it holds from the next start.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = false)]
pub(super) struct StopArguments {
    /// List what is stopped
    #[arg(long, conflicts_with = "reason")]
    list: bool,
    /// Why, for the log and for other operators
    #[arg(long, global = true, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    at: Where,
    #[command(subcommand)]
    what: Option<What>,
}

/// Let something go on that was stopped
#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    #[command(flatten)]
    at: Where,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Args)]
struct Where {
    /// Whose, if there are several organisations
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
    /// The configuration of the hub
    #[arg(long, global = true, value_name = "FILE", default_value = "deputy.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One tool of an app or a server
    Tool {
        /// The app or server
        source: String,
        /// The tool's own name
        tool: String,
    },
    /// All tools of a web application, and its tabs
    App {
        /// Its name in the configuration
        name: String,
    },
    /// All tools of an MCP server
    Server {
        /// Its name in the configuration
        name: String,
    },
    /// Everything through one client
    Agent {
        /// The client id, as the identity provider has it
        client: String,
    },
    /// Everything of one person, sign-ins too
    User {
        /// The issuer (`iss`)
        issuer: String,
        /// What it calls them (`sub`)
        subject: String,
    },
    /// Every call
    All,
}

/// What is wanted of a switch.
enum Turn {
    Throw,
    Release,
}

pub(super) async fn stop(arguments: StopArguments, terminal: Terminal) -> Result<(), Failure> {
    let StopArguments { list, reason, at, what } = arguments;
    match what {
        Some(what) if !list => at.turn(what, Turn::Throw, reason, terminal).await,
        Some(_) => Err(Failure::Usage("--list takes no target: it lists them all".to_owned())),
        None => at.list(terminal).await,
    }
}

pub(super) async fn resume(arguments: ResumeArguments, terminal: Terminal) -> Result<(), Failure> {
    arguments.at.turn(arguments.what, Turn::Release, None, terminal).await
}

impl Where {
    async fn turn(
        &self,
        what: What,
        turn: Turn,
        reason: Option<String>,
        terminal: Terminal,
    ) -> Result<(), Failure> {
        let settings = self.settings()?;
        let (tenant, target) = (wishes::tenant(self.tenant.as_deref(), &settings)?, what.target()?);
        let switch = Switch { tenant, target, by: Operator::Machine, reason, at: now() };
        let place = Place::new(&settings.hub.data_dir);
        let mut desk = SwitchDesk::open(&place).await?;
        let order = match turn {
            Turn::Throw => {
                is_configured(&settings, &switch.target)?;
                SwitchOrder::Throw(switch.clone())
            }
            Turn::Release => {
                is_thrown(&mut desk, &switch).await?;
                SwitchOrder::Release(switch.clone())
            }
        };
        let alone = async |store: SqliteStore| {
            let done = store.grant_switches().await;
            done.map_err(|error| Failure::Fault(format!("it could not be recorded: {error}")))
        };
        let unrecorded = "what is thrown is in force, what is released goes on once it is recorded";
        let by = wishes::granted(&mut desk, &place, &order, alone, unrecorded).await;
        desk.close().await?;
        let done = match turn {
            Turn::Throw => "stopped",
            Turn::Release => "goes on",
        };
        terminal.marked(Mark::Good, &harmless(&format!("{done}: {} ({})", switch.target, by?)), None)
    }

    async fn list(&self, terminal: Terminal) -> Result<(), Failure> {
        let settings = self.settings()?;
        let mut desk = SwitchDesk::open(&Place::new(&settings.hub.data_dir)).await?;
        let mut thrown = desk.thrown().await?;
        desk.close().await?;
        thrown.retain(|switch| self.tenant.as_ref().is_none_or(|tenant| tenant == switch.tenant.as_str()));
        if thrown.is_empty() {
            return terminal.line("nothing is stopped");
        }
        thrown.iter().try_for_each(|switch| terminal.line(&harmless(&told(switch, &settings))))
    }

    fn settings(&self) -> Result<Settings, Failure> {
        Ok(Config { config: self.config.clone() }.load()?)
    }
}

impl What {
    fn target(self) -> Result<SwitchTarget, Failure> {
        let usage = |error: IdError| Failure::Usage(error.to_string());
        Ok(match self {
            Self::Tool { source, tool } => SwitchTarget::Tool {
                source: source.parse().map_err(usage)?,
                tool: tool.parse().map_err(usage)?,
            },
            Self::App { name } => SwitchTarget::App { name: name.parse().map_err(usage)? },
            Self::Server { name } => SwitchTarget::Server { name: name.parse().map_err(usage)? },
            Self::Agent { client } => SwitchTarget::Agent { client: Client(client) },
            Self::User { issuer, subject } => SwitchTarget::User {
                issuer: issuer.parse().map_err(usage)?,
                subject: subject.parse().map_err(usage)?,
            },
            Self::All => SwitchTarget::All,
        })
    }
}

/// A switch for a misspelt app or server would stop nothing, and nobody would notice.
fn is_configured(settings: &Settings, target: &SwitchTarget) -> Result<(), Failure> {
    let apps = || settings.apps.iter().map(|app| app.name.as_str());
    let servers = || settings.servers.iter().map(|server| server.name.as_str());
    let (kind, name, known): (_, _, Vec<&str>) = match target {
        SwitchTarget::App { name } => ("app", name, apps().collect()),
        SwitchTarget::Server { name } => ("server", name, servers().collect()),
        SwitchTarget::Tool { source, .. } => ("app or server", source, apps().chain(servers()).collect()),
        SwitchTarget::Agent { .. } | SwitchTarget::User { .. } | SwitchTarget::All => return Ok(()),
    };
    if known.contains(&name.as_str()) {
        return Ok(());
    }
    let known = match known.join("`, `") {
        none if none.is_empty() => "there is none".to_owned(),
        known => format!("the {} are `{known}`", kind.replace(" or ", "s and ") + "s"),
    };
    Err(Failure::Usage(format!(
        "nothing was stopped: the configuration has no {kind} `{name}`\n  mend: {known}"
    )))
}

async fn is_thrown(desk: &mut SwitchDesk, wanted: &Switch) -> Result<(), Failure> {
    let thrown = desk.thrown().await?;
    if thrown.iter().any(|switch| switch.tenant == wanted.tenant && switch.target == wanted.target) {
        return Ok(());
    }
    let target = harmless(&wanted.target.to_string());
    Err(Failure::Fault(format!("{target} is not stopped\n  mend: `deputy stop --list` tells what is")))
}

fn told(switch: &Switch, settings: &Settings) -> String {
    let by = match &switch.by {
        Operator::Machine => "on this machine".to_owned(),
        Operator::Person(user) => format!("by `{}` of `{}`", user.subject, user.issuer),
    };
    let whose = if settings.tenants.len() > 1 { format!("{}: ", switch.tenant) } else { String::new() };
    let why = switch.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{whose}{} since {} {by}{why}", switch.target, switch.at)
}
