//! `deputy connect CLIENT`: what an MCP client needs to know of the hub, printed, written where the client looks, or taken
//! out again.

mod client;
mod file;
mod jsonc;
mod older;
mod toml_table;

use super::terminal::Terminal;
use super::{Config, Failure};
use crate::settings::PublicUrl;
use clap::Args;
use client::{Client, Shape};
use deputy_core::SourceName;
use file::Done;

/// Connect an MCP client to the hub
///
/// Prints what the client needs. With --write puts it where the client looks, and with --remove takes exactly that out again.
/// What else stands in the file stays as it is, comments too; a file that cannot be understood is left alone. No secret is
/// written: the client signs its user in at the identity provider.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The client
    client: Client,
    /// The public address of the hub, as its configuration has it; without it, the configuration is read
    #[arg(long, value_name = "URL")]
    hub: Option<String>,
    /// Connect to one MCP server behind the hub alone, by its name there, instead of to everything
    #[arg(long, value_name = "NAME", value_parser = source)]
    server: Option<SourceName>,
    /// What the client shall call it; by default `deputy`, or the name of the --server
    #[arg(long, value_parser = server_name)]
    name: Option<String>,
    /// Write the client's file instead of printing what belongs in it
    #[arg(long)]
    write: bool,
    /// Take out of the client's file what --write puts there
    #[arg(long, conflicts_with = "write")]
    remove: bool,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments, terminal: Terminal) -> Result<(), Failure> {
    let address = address(arguments)?;
    let name = name(arguments);
    let shape = arguments.client.shape(&name, &address);
    let Shape::File(entry) = &shape else {
        if arguments.write || arguments.remove {
            let mend = "leave it out, and put the text where it belongs, or take it out there";
            return Err(Failure::Usage(format!("there is no file to write for this client\n  mend: {mend}")));
        }
        return terminal.line(&shape.text());
    };
    let path = entry.path.display();
    if (arguments.write || arguments.remove) && entry.path.starts_with(client::HOME) {
        let mend = "set it, or leave out --write and --remove and put the text there by hand";
        let why = "`HOME` is not set, so nobody knows where this client keeps its file";
        return Err(Failure::Usage(format!("{why}\n  mend: {mend}")));
    }
    if arguments.write {
        let told = match file::put(entry)? {
            Done::Changed => format!("{path} knows the hub as `{name}`: {address}"),
            Done::AsItWas => format!("{path} knew the hub as `{name}` already: {address}"),
        };
        return terminal.line(&told);
    }
    if arguments.remove {
        let told = match file::take_out(entry)? {
            Done::Changed => format!("{path} does not know `{name}` any more"),
            Done::AsItWas => format!("{path} did not know `{name}`"),
        };
        return terminal.line(&told);
    }
    terminal.note(&format!("Put this into {path}:"));
    if arguments.client == Client::ClaudeCode {
        terminal.note(&format!("(or run: claude mcp add --transport http {name} {address})"));
    }
    terminal.line(&shape.text())
}

fn address(arguments: &Arguments) -> Result<String, Failure> {
    let hub = match &arguments.hub {
        Some(url) => PublicUrl::parse(url).map_err(|error| Failure::Usage(error.to_string()))?,
        None => arguments.config.load()?.hub.public_url,
    };
    Ok(match &arguments.server {
        Some(server) => hub.join(&format!("/s/{server}/mcp")),
        None => hub.join("/mcp"),
    })
}

fn name(arguments: &Arguments) -> String {
    let of_server = arguments.server.as_ref().map(|server| server.as_str().to_owned());
    arguments.name.clone().or(of_server).unwrap_or_else(|| "deputy".to_owned())
}

fn source(text: &str) -> Result<SourceName, String> {
    text.parse().map_err(|error: deputy_core::IdError| error.to_string())
}

fn server_name(text: &str) -> Result<String, String> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=32).contains(&text.len()) && text.bytes().all(letter) {
        return Ok(text.to_owned());
    }
    Err("use 1 to 32 of A-Z, a-z, 0-9, - and _".to_owned())
}
