//! The clients: where each looks, and in which shape. Each shape is from the client's own documentation, which is named.

use super::file::{Entry, Format};
use crate::settings::environment;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Stands for the home directory where nobody knows it: to be read, never to be written to.
pub(super) const HOME: &str = "~";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Client {
    /// Claude Code: .mcp.json in the project
    ClaudeCode,
    /// Claude Desktop: its file takes local programs only, so npx mcp-remote stands between
    ClaudeDesktop,
    /// Cline: its settings in the home directory
    Cline,
    /// Codex CLI and IDE extension: .codex/config.toml in the home directory
    Codex,
    /// Continue: a file of its own in .continue/mcpServers in the project
    Continue,
    /// Cursor: .cursor/mcp.json in the project
    Cursor,
    /// Gemini CLI: .gemini/settings.json in the project
    Gemini,
    /// goose: printed only
    Goose,
    /// Junie of JetBrains: .junie/mcp/mcp.json in the project
    Junie,
    /// LibreChat: printed only
    #[value(name = "librechat")]
    LibreChat,
    /// opencode: opencode.json in the project
    #[value(name = "opencode")]
    OpenCode,
    /// Roo Code: .roo/mcp.json in the project
    Roo,
    /// VS Code: .vscode/mcp.json in the project
    #[value(name = "vscode")]
    VsCode,
    /// Windsurf: .codeium/windsurf/mcp_config.json in the home directory
    Windsurf,
    /// Zed: its settings.json
    Zed,
    /// The official Python client: a program to start from
    Python,
    /// Any other client: address and transport
    Generic,
}

/// What a client is given.
#[derive(Debug)]
pub(super) enum Shape {
    /// An entry in its file.
    File(Entry),
    /// Text for people.
    Text(String),
}

impl Shape {
    pub(super) fn text(&self) -> String {
        match self {
            Self::File(entry) => entry.text(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Client {
    pub(super) fn shape(self, name: &str, address: &str) -> Shape {
        let url = || json!({ "url": address });
        let servers = |path: PathBuf, server: Value| json_file(path, "mcpServers", name, server);
        match self {
            // https://code.claude.com/docs/en/mcp
            Self::ClaudeCode => servers(".mcp.json".into(), json!({ "type": "http", "url": address })),
            // https://modelcontextprotocol.io/docs/develop/connect-local-servers
            Self::ClaudeDesktop => servers(
                config_folder().join("Claude/claude_desktop_config.json"),
                json!({ "command": "npx", "args": ["-y", "mcp-remote", address, "--transport", "http-only"] }),
            ),
            // https://docs.cline.bot/mcp/mcp-overview
            Self::Cline => servers(
                home().join(".cline/data/settings/cline_mcp_settings.json"),
                json!({ "type": "streamableHttp", "url": address }),
            ),
            // https://developers.openai.com/codex/mcp/
            Self::Codex => Shape::File(Entry {
                path: home().join(".codex/config.toml"),
                format: Format::Toml { table: "mcp_servers", name: name.to_owned(), url: address.to_owned() },
            }),
            // https://docs.continue.dev/customize/deep-dives/mcp
            Self::Continue => Shape::File(Entry {
                path: PathBuf::from(format!(".continue/mcpServers/{name}.yaml")),
                format: Format::Whole(format!(
                    "name: {name}\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: {name}\n    type: streamable-http\n    url: {address}\n"
                )),
            }),
            // https://cursor.com/docs/context/mcp
            Self::Cursor => servers(".cursor/mcp.json".into(), url()),
            // https://geminicli.com/docs/tools/mcp-server (`url` would be SSE there)
            Self::Gemini => servers(".gemini/settings.json".into(), json!({ "httpUrl": address })),
            // https://block.github.io/goose/docs/getting-started/using-extensions
            Self::Goose => Shape::Text(format!(
                "goose session --with-streamable-http-extension \"{address}\"\n\nor for every session: goose configure, Add Extension, \
                 Remote Extension (Streamable HTTP), {address}"
            )),
            // https://junie.jetbrains.com/docs/junie-cli-mcp-configuration.html
            Self::Junie => servers(".junie/mcp/mcp.json".into(), url()),
            // https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/mcp_servers
            Self::LibreChat => Shape::Text(format!(
                "mcpServers:\n  {name}:\n    type: streamable-http\n    url: {address}\n    requiresOAuth: true"
            )),
            // https://opencode.ai/v1/docs/mcp-servers/ (V2 reads it too: https://opencode.ai/docs/migrate-v1/)
            Self::OpenCode => json_file(
                "opencode.json".into(),
                "mcp",
                name,
                json!({ "type": "remote", "url": address, "enabled": true }),
            ),
            // https://docs.roocode.com/features/mcp/using-mcp-in-roo
            Self::Roo => {
                servers(".roo/mcp.json".into(), json!({ "type": "streamable-http", "url": address }))
            }
            // https://code.visualstudio.com/docs/copilot/reference/mcp-configuration
            Self::VsCode => json_file(
                ".vscode/mcp.json".into(),
                "servers",
                name,
                json!({ "type": "http", "url": address }),
            ),
            // https://docs.windsurf.com/windsurf/cascade/mcp
            Self::Windsurf => {
                servers(home().join(".codeium/windsurf/mcp_config.json"), json!({ "serverUrl": address }))
            }
            // https://zed.dev/docs/ai/mcp
            Self::Zed => json_file(zed_folder().join("settings.json"), "context_servers", name, url()),
            Self::Python => Shape::Text(include_str!("client.py").trim_end().replace("HUB_ADDRESS", address)),
            Self::Generic => Shape::Text(format!(
                "address    {address}\ntransport  Streamable HTTP (MCP 2026-07-28 and 2025-11-25)\nsign-in    \
                 OAuth 2.1 at your identity provider; the client finds it through\n           the hub's protected \
                 resource metadata (RFC 9728)\nresource   {address}"
            )),
        }
    }
}

fn json_file(path: PathBuf, list: &'static str, name: &str, server: Value) -> Shape {
    Shape::File(Entry { path, format: Format::Json { list, name: name.to_owned(), server } })
}

fn home() -> PathBuf {
    environment::home().unwrap_or_else(|| HOME.into())
}

/// Where desktop programs keep their configuration, by operating system.
fn config_folder() -> PathBuf {
    if cfg!(target_os = "macos") {
        return home().join("Library/Application Support");
    }
    environment::config_home().unwrap_or_else(|| home().join(".config"))
}

/// On macOS, too, Zed looks below `.config`.
fn zed_folder() -> PathBuf {
    match environment::config_home() {
        Some(folder) if !cfg!(target_os = "macos") => folder.join(if cfg!(windows) { "Zed" } else { "zed" }),
        _ => home().join(".config/zed"),
    }
}

#[cfg(test)]
mod tests;
