//! The cases: one file each.

mod audit;
mod crowded;
mod decide;
mod disk;
mod kills;
mod lists;
mod search;
mod servers;
mod sessions;
mod tab;
mod tabs;
mod verify;

use crate::report::Row;
use crate::{Result, fail};
use std::path::PathBuf;

/// Every case, in the order of the documentation.
pub(crate) const ALL: &[&str] =
    &["verify", "decide", "search", "audit", "tab", "tabs", "crowded", "servers", "sessions", "lists"];

/// What a case needs to know.
pub(crate) struct Setting {
    /// The hub's program.
    pub(crate) program: PathBuf,
    /// A directory on the disk that is measured.
    pub(crate) folder: PathBuf,
}

/// Runs a case.
pub(crate) async fn measure(setting: &Setting, case: &str) -> Result<Vec<Row>> {
    match case {
        "verify" => verify::run(),
        "decide" => decide::run(),
        "search" => search::run(),
        "audit" => audit::run(setting).await,
        "tab" => tab::run(setting).await,
        "tabs" => tabs::run(setting).await,
        "crowded" => crowded::run(setting).await,
        "servers" => servers::run(setting, &servers::NAMES).await,
        "sessions" => sessions::run(setting).await,
        "lists" => lists::run(setting).await,
        name => match servers::NAMES.into_iter().find(|known| *known == name) {
            Some(name) => servers::run(setting, &[name]).await,
            None => fail(format!("`{case}` is no case: use {}", ALL.join(", "))),
        },
    }
}

/// Checks under load instead of measuring.
pub(crate) async fn fault(setting: &Setting, kind: &str, count: usize) -> Result<()> {
    match kind {
        "kills" => kills::run(setting, count).await,
        "tabs" => tabs::crowd(setting, count).await,
        _ => fail(format!("`{kind}` is no fault: use kills or tabs")),
    }
}
