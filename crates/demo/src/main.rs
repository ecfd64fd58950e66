//! A small world to try Deputy in: a CRM with its own users, sessions and permissions.
//!
//! An ordinary web application: people sign in with OpenID Connect and are known by a cookie. What makes its pages
//! usable for agents is `assets/deputy.js` (the tools), [`deputy`] (the ticket for the hub) and [`assertion`]
//! (a check of who asked). It knows nothing else of the hub.

mod api;
mod assertion;
mod contacts;
mod deputy;
mod login;
mod outbound;
mod pages;
mod people;
mod problem;
mod sessions;
mod settings;
mod shell;
mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "deputy-demo-crm: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings::Settings::from_arguments(std::env::args().skip(1))?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", settings.port)).await?;
    writeln!(std::io::stdout(), "crm: {}", settings.public_url)?;
    let world = Arc::new(world::World::new(settings)?);
    axum::serve(listener, world::router(world)).with_graceful_shutdown(asked_to_stop()).await?;
    Ok(())
}

/// Resolves on Ctrl-C and on SIGTERM.
async fn asked_to_stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await.unwrap_or(()),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
