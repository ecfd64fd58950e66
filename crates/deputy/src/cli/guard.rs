//! `deputy guard`: a process in front of one MCP server that knows no identity. It runs without a hub.

use super::Failure;
use super::terminal::Terminal;
use crate::settings::{GuardSettings, environment};
use crate::shutdown::Signals;
use crate::telemetry::{self, Colour};
use deputy_guard::settings::{ServerSettings, Way};
use deputy_guard::{Guard, GuardError, Proxy, Tasks, router, serve};
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Stand before an MCP server that knows no identity: let in who has a token, and tell the server who it is
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration of the guard
    #[arg(long, value_name = "FILE", default_value = "guard.toml")]
    config: PathBuf,
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let settings = GuardSettings::load(&arguments.config).map_err(|error| {
        Failure::Usage(error.to_string().replace("docs/reference/config.md", "docs/guide/guard.md"))
    })?;
    let colour = if environment::no_color() { Colour::Never } else { Colour::Allowed };
    telemetry::start(environment::log_filter().as_deref(), colour)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let signals =
        Signals::install().map_err(|error| Failure::Fault(format!("signals cannot be heard: {error}")))?;
    let listen = settings.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let mend = "end what listens there, or change `listen`";
        Failure::Fault(format!("`{listen}` cannot be listened on: {error}\n  mend: {mend}"))
    })?;
    let tasks = Tasks::new(CancellationToken::new());
    let read = settings.read().map_err(Failure::Usage)?;
    let guard = Guard::open(read, tasks.clone()).map_err(failure)?;
    let proxy = Proxy::new(&guard, &settings.server).map_err(failure)?;
    tell(&settings, &guard, terminal);
    tasks.start_until_end(signals.cancel(tasks.stopping().clone()));
    serve(listener, router(&guard, proxy, &listen.to_string()), &tasks).await;
    tasks.end().await;
    terminal.note("deputy guard has ended");
    Ok(())
}

fn tell(settings: &GuardSettings, guard: &Guard, terminal: Terminal) {
    terminal.note(&format!(
        "deputy guard listens on http://{}; clients connect to {}",
        settings.listen,
        guard.resource()
    ));
    terminal.note(&behind(&settings.server));
    if let Some(warning) = Proxy::loud(&settings.server) {
        terminal.note(&warning);
        tracing::warn!(
            "the server is reached over the network: only the network can keep others away from it"
        );
    }
}

fn behind(server: &ServerSettings) -> String {
    match &server.way {
        Way::Stdio(program) => {
            let name = program.words.first().map_or("", String::as_str);
            format!("the server is `{name}`, started for each session; nobody else can speak to it")
        }
        Way::Socket { name, program, .. } => {
            let by = if program.is_some() { "started by the guard" } else { "started by somebody else" };
            format!("the server listens on the socket `{name}` in the guard's own folder, {by}")
        }
        Way::Address(_) => "the server is at an address".to_owned(),
    }
}

fn failure(error: GuardError) -> Failure {
    match error {
        GuardError::Settings(_) => Failure::Usage(error.to_string()),
        _ => Failure::Fault(error.to_string()),
    }
}
