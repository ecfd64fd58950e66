//! Log lines: for people on a terminal, as JSON everywhere else. Fixed text, values as fields, never a secret.
//!
//! The audit log is another thing: it is kept by `deputy-audit`, whatever is switched off here. Traces are in [`traces`].

pub mod traces;

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged where nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Why there are no log lines.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error(
        "`DEPUTY_LOG` = `{filter}` is not a log filter: {error}\n  mend: write a level (`info`) or levels by crate (`info,deputy_hub=debug`)"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        error: ParseError,
    },
    /// Somebody else writes log lines already.
    #[error("log lines are written already: {0}")]
    Twice(tracing_subscriber::util::TryInitError),
}

/// Starts writing log lines to standard error. `filter` is `DEPUTY_LOG`.
///
/// # Errors
/// The filter is wrong, or this is the second time.
pub fn start(filter: Option<&str>, no_color: Colour) -> Result<(), TelemetryError> {
    let filter = parse_filter(filter.unwrap_or(DEFAULT_FILTER))?;
    let on_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if on_terminal {
        use tracing_subscriber::util::SubscriberInitExt as _;
        lines.with_ansi(no_color == Colour::Allowed).with_target(false).compact().finish().try_init()
    } else {
        use tracing_subscriber::util::SubscriberInitExt as _;
        lines.json().flatten_event(true).finish().try_init()
    };
    started.map_err(TelemetryError::Twice)
}

/// Whether a person wants colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, yes.
    Allowed,
    /// Never (`NO_COLOR`).
    Never,
}

fn parse_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let failed = |error| TelemetryError::Filter { filter: filter.to_owned(), error };
    let mut parsed = EnvFilter::builder().parse(filter).map_err(failed)?;
    // These write whole frames and headers at `trace`: tickets, tokens, arguments. Whatever is asked for, they may not.
    for quiet in [
        "tungstenite=info",
        "tokio_tungstenite=info",
        "hyper=info",
        "hyper_util=info",
        "h2=info",
        "sqlx=info",
    ] {
        parsed = parsed.add_directive(quiet.parse().map_err(failed)?);
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_named_with_the_mend() {
        let error = parse_filter("deputy_hub=lout").expect_err("not a level").to_string();
        assert!(error.starts_with("`DEPUTY_LOG` = `deputy_hub=lout` is not a log filter"), "{error}");
        assert!(error.contains("mend:"), "{error}");
        assert!(parse_filter("info,deputy_hub=debug").is_ok());
    }
}
