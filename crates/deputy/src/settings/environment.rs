//! The one file that reads the environment (invariant 10).
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one file that reads the environment (invariant 10)"
)]

use deputy_core::Secret;
use std::path::PathBuf;

/// A secret that the configuration says is in the variable `name`.
#[must_use]
pub fn secret(name: &str) -> Option<Secret<String>> {
    std::env::var(name).ok().map(Secret::new)
}

/// `DEPUTY_LOG`: which log lines to write, as `tracing-subscriber` spells it (`info`, `deputy_hub=debug`).
#[must_use]
pub fn log_filter() -> Option<String> {
    std::env::var("DEPUTY_LOG").ok().filter(|filter| !filter.is_empty())
}

/// Whether the person asked for no colours (`NO_COLOR`).
#[must_use]
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The person's home directory (`HOME`, on Windows `USERPROFILE`).
#[must_use]
pub fn home() -> Option<PathBuf> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where programs keep their configuration: `XDG_CONFIG_HOME`, on Windows `APPDATA`.
#[must_use]
pub fn config_home() -> Option<PathBuf> {
    let name = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where systemd puts the credentials of a service (`CREDENTIALS_DIRECTORY`).
#[must_use]
pub fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").filter(|value| !value.is_empty()).map(PathBuf::from)
}
