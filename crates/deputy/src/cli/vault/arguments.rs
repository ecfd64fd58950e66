//! What can be asked of `deputy vault`.

use crate::cli::{Config, Failure};
use clap::{Args, Subcommand};
use deputy_core::{HeaderName, SourceName};
use deputy_hub::vault::Header;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Make a master key in a new file
    ///
    /// Every secret is sealed under it. Keep it out of the data directory, and keep a copy of it elsewhere: without it the
    /// vault cannot be opened by anybody.
    Key(KeyArguments),
    /// Put a secret for an MCP server
    ///
    /// The secret is read from standard input, or asked for without showing it; never from the command line, where other
    /// users of this machine could read it. The hub sends it to this server as a header, by default `Authorization: Bearer`.
    /// A hub that runs uses it from the next call on.
    Put(PutArguments),
    /// List what the vault holds: servers, headers, versions, since when and by whom
    ///
    /// Never a secret: what is in the vault cannot be read out again.
    List(ListArguments),
    /// Replace a secret, or the master key above all of them
    ///
    /// A secret is read as by `put`, and keeps its header. With --master-key a new key is made in the file that the
    /// configuration names, and everything is sealed under it, beside a hub that runs. If it is stopped midway, run it again.
    Rotate(RotateArguments),
    /// Remove a secret for good
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct KeyArguments {
    /// The file to make; there must be none of this name
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PutArguments {
    /// The MCP server, by its name in the configuration
    #[arg(value_parser = source)]
    pub(super) server: SourceName,
    /// The header that carries it
    #[arg(default_value = "authorization")]
    name: String,
    /// What stands before it in the header; by default `Bearer ` in `authorization`, and nothing elsewhere
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArguments {
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArguments {
    /// The MCP server
    #[arg(value_parser = source)]
    pub(super) server: Option<SourceName>,
    /// The header that carries the secret
    #[arg(default_value = "authorization", value_parser = header_name)]
    name: HeaderName,
    /// Seal everything under a new master key
    #[arg(long)]
    pub(super) master_key: bool,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RemoveArguments {
    /// The MCP server
    #[arg(value_parser = source)]
    server: SourceName,
    /// The header that carries the secret
    #[arg(default_value = "authorization", value_parser = header_name)]
    name: HeaderName,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) at: Where,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Where {
    /// Whose, if there are several organisations
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    #[command(flatten)]
    pub(super) config: Config,
}

/// Which secret.
pub(super) struct Secret {
    pub(super) server: SourceName,
    pub(super) name: HeaderName,
}

impl PutArguments {
    pub(super) fn header(&self) -> Result<Header, Failure> {
        let usual = if self.name.eq_ignore_ascii_case("authorization") { "Bearer " } else { "" };
        Ok(Header::new(&self.name, self.prefix.as_deref().unwrap_or(usual))?)
    }
}

impl RotateArguments {
    pub(super) fn secret(&self) -> Option<Secret> {
        self.server.clone().map(|server| Secret { server, name: self.name.clone() })
    }
}

impl RemoveArguments {
    pub(super) fn secret(&self) -> Secret {
        Secret { server: self.server.clone(), name: self.name.clone() }
    }
}

fn source(text: &str) -> Result<SourceName, String> {
    text.parse().map_err(|error: deputy_core::IdError| error.to_string())
}

fn header_name(text: &str) -> Result<HeaderName, String> {
    text.to_ascii_lowercase().parse().map_err(|error: deputy_core::IdError| error.to_string())
}
