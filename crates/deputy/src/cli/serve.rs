//! `deputy serve`: the hub itself, until a signal.

use super::terminal::Terminal;
use super::{Config, Failure};
use crate::settings::environment;
use crate::shutdown::Signals;
use crate::telemetry::{self, Colour};
use crate::wire::{Running, WireError};
use deputy_server::{Hosts, operations, router, serve};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What `deputy serve` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: Config,
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let settings = arguments.config.load()?;
    let colour = if environment::no_color() { Colour::Never } else { Colour::Allowed };
    telemetry::start(environment::log_filter().as_deref(), colour)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let signals =
        Signals::install().map_err(|error| Failure::Fault(format!("signals cannot be heard: {error}")))?;
    let listen = settings.hub.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::Fault(format!("`{listen}` cannot be listened on: {error}\n  mend: end what listens there, or change [hub] listen"))
    })?;
    let operators = match settings.hub.operations_listen {
        Some(listen) => Some(TcpListener::bind(listen).await.map_err(|error| {
            let mend = "end what listens there, or change [hub] operations_listen";
            Failure::Fault(format!("`{listen}` cannot be listened on: {error}\n  mend: {mend}"))
        })?),
        None => None,
    };
    raise_file_limit();
    let stop = CancellationToken::new();
    let running = Running::start(&settings, stop.clone()).await.map_err(failure)?;
    running.hub.supervisor().start_until_shutdown(signals.cancel(stop.clone()));
    let public_url = settings.hub.public_url.to_string();
    let hosts = Hosts::new(&public_url, &listen.to_string());
    terminal.note(&format!("deputy listens on http://{listen}; agents connect to {public_url}/mcp"));
    if let (Some(listener), Some(listen)) = (operators, settings.hub.operations_listen) {
        terminal.note(&format!("operators find /metrics and /readyz on http://{listen}"));
        let (doors, supervisor) = (operations(&running.hub), running.hub.supervisor().clone());
        running.hub.supervisor().start(async move {
            if let Err(error) = serve(listener, doors, &supervisor).await {
                tracing::error!(%error, "the operators' listener failed");
            }
        });
    }
    let doors = router(&running.hub, hosts);
    let ended = tokio::select! {
        ended = serve(listener, doors, running.hub.supervisor()) => ended,
        // Streams that nobody closes must not keep the hub from ending.
        () = async { stop.cancelled().await; running.hub.tabs().close_all(); tokio::time::sleep(Duration::from_secs(5)).await } => Ok(()),
    };
    running.end().await;
    terminal.note("deputy has ended");
    ended.map_err(|error| Failure::Fault(format!("the listener failed: {error}")))
}

/// Each tab is a file to the system; the usual soft limit of 1,024 would be few.
fn raise_file_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

fn failure(error: WireError) -> Failure {
    match error {
        WireError::Policy(_) => Failure::Usage(error.to_string()),
        _ => Failure::Fault(error.to_string()),
    }
}
