//! `deputy connect CLIENT`: what an MCP client needs to know of the hub, printed or written where the client looks.

mod file;

use super::terminal::Terminal;
use super::{Config, Failure};
use crate::settings::{PublicUrl, environment};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Connect an MCP client to the hub
///
/// Prints what the client needs, or with --write puts it where the client looks: into the project's file for claude-code,
/// cursor and vscode, into the user's file for claude-desktop. What else stands in the file stays. No secret is written:
/// the client signs its user in at the identity provider.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The client
    client: Client,
    /// The public address of the hub, as its configuration has it; without it, the configuration is read
    #[arg(long, value_name = "URL")]
    hub: Option<String>,
    /// What the client shall call the hub
    #[arg(long, default_value = "deputy", value_parser = server_name)]
    name: String,
    /// Write the client's file instead of printing what belongs in it
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Client {
    /// Claude Code: .mcp.json in the project
    ClaudeCode,
    /// Claude Desktop: its file takes local programs only, so npx mcp-remote stands between
    ClaudeDesktop,
    /// Cursor: .cursor/mcp.json in the project
    Cursor,
    /// VS Code: .vscode/mcp.json in the project
    #[value(name = "vscode")]
    VsCode,
    /// The official Python client: a program to start from
    Python,
    /// Any other client: address and transport
    Generic,
}

pub(super) fn run(arguments: &Arguments, terminal: Terminal) -> Result<(), Failure> {
    let hub = hub(arguments)?;
    let address = hub.join("/mcp");
    let Some((path, entry)) = arguments.client.entry(&arguments.name, &address) else {
        if arguments.write {
            let mend = "leave out --write and put the text where it belongs";
            return Err(Failure::Usage(format!("there is no file to write for this client\n  mend: {mend}")));
        }
        return terminal.line(&arguments.client.text(&address));
    };
    if !arguments.write {
        let text = serde_json::to_string_pretty(&entry).map_err(|error| Failure::Fault(error.to_string()))?;
        terminal.note(&format!("Put this into {}:", path.display()));
        if arguments.client == Client::ClaudeCode {
            let name = &arguments.name;
            terminal.note(&format!("(or run: claude mcp add --transport http {name} {address})"));
        }
        return terminal.line(&text);
    }
    file::merge(&path, &entry).map_err(|error| Failure::Usage(error.to_string()))?;
    terminal.line(&format!("{} knows the hub as `{}`: {address}", path.display(), arguments.name))
}

fn hub(arguments: &Arguments) -> Result<PublicUrl, Failure> {
    match &arguments.hub {
        Some(url) => PublicUrl::parse(url).map_err(|error| Failure::Usage(error.to_string())),
        None => Ok(arguments.config.load()?.hub.public_url),
    }
}

fn server_name(text: &str) -> Result<String, String> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=32).contains(&text.len()) && text.bytes().all(letter) {
        return Ok(text.to_owned());
    }
    Err("use 1 to 32 of A-Z, a-z, 0-9, - and _".to_owned())
}

impl Client {
    /// The client's file, and what belongs in it.
    fn entry(self, name: &str, address: &str) -> Option<(PathBuf, Value)> {
        let (path, list, server) = match self {
            Self::ClaudeCode => (".mcp.json".into(), "mcpServers", json!({ "type": "http", "url": address })),
            Self::Cursor => (".cursor/mcp.json".into(), "mcpServers", json!({ "url": address })),
            Self::VsCode => (".vscode/mcp.json".into(), "servers", json!({ "type": "http", "url": address })),
            Self::ClaudeDesktop => (
                claude_desktop_file(),
                "mcpServers",
                json!({ "command": "npx", "args": ["-y", "mcp-remote", address, "--transport", "http-only"] }),
            ),
            Self::Python | Self::Generic => return None,
        };
        Some((path, json!({ list: { name: server } })))
    }

    /// What there is to say where no file is.
    fn text(self, address: &str) -> String {
        match self {
            Self::Python => include_str!("connect/client.py").trim_end().replace("HUB_ADDRESS", address),
            _ => format!(
                "address    {address}\ntransport  Streamable HTTP (MCP 2026-07-28 and 2025-11-25)\nsign-in    \
                 OAuth 2.1 at your identity provider; the client finds it through\n           the hub's protected \
                 resource metadata (RFC 9728)\nresource   {address}"
            ),
        }
    }
}

/// Where Claude Desktop looks, by operating system.
fn claude_desktop_file() -> PathBuf {
    let home = || environment::home().unwrap_or_default();
    let folder = if cfg!(target_os = "macos") {
        home().join("Library/Application Support")
    } else {
        environment::config_home().unwrap_or_else(|| home().join(".config"))
    };
    folder.join("Claude/claude_desktop_config.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_gets_its_own_shape() {
        let entry = |client: Client| {
            let (path, entry) = client.entry("deputy", "https://hub.acme.example/mcp").expect("a file");
            format!("{} {entry}", path.display())
        };
        assert_eq!(
            entry(Client::ClaudeCode),
            r#".mcp.json {"mcpServers":{"deputy":{"type":"http","url":"https://hub.acme.example/mcp"}}}"#
        );
        assert_eq!(
            entry(Client::Cursor),
            r#".cursor/mcp.json {"mcpServers":{"deputy":{"url":"https://hub.acme.example/mcp"}}}"#
        );
        assert_eq!(
            entry(Client::VsCode),
            r#".vscode/mcp.json {"servers":{"deputy":{"type":"http","url":"https://hub.acme.example/mcp"}}}"#
        );
        assert!(entry(Client::ClaudeDesktop).ends_with(
            r#"Claude/claude_desktop_config.json {"mcpServers":{"deputy":{"command":"npx","args":["-y","mcp-remote","https://hub.acme.example/mcp","--transport","http-only"]}}}"#
        ));
    }

    #[test]
    fn the_python_program_names_the_hub() {
        let text = Client::Python.text("https://hub.acme.example/mcp");
        assert!(text.contains("\"https://hub.acme.example/mcp\"") && !text.contains("HUB_ADDRESS"), "{text}");
    }
}
