use super::*;

fn entry(client: Client) -> String {
    let shape = client.shape("deputy", "https://hub.acme.example/mcp");
    let Shape::File(entry) = &shape else { panic!("a file") };
    let text = match &entry.format {
        Format::Json { list, name, server } => json!({ *list: { name: server } }).to_string(),
        _ => entry.text(),
    };
    format!("{} {text}", entry.path.display())
}

#[test]
fn each_client_gets_its_own_shape() {
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
    assert!(entry(Client::Cline).ends_with(
        r#".cline/data/settings/cline_mcp_settings.json {"mcpServers":{"deputy":{"type":"streamableHttp","url":"https://hub.acme.example/mcp"}}}"#
    ));
    assert!(
        entry(Client::Codex)
            .ends_with(".codex/config.toml [mcp_servers.deputy]\nurl = \"https://hub.acme.example/mcp\"")
    );
    assert_eq!(
        entry(Client::Continue),
        ".continue/mcpServers/deputy.yaml name: deputy\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: deputy\n    type: streamable-http\n    url: https://hub.acme.example/mcp"
    );
    assert_eq!(
        entry(Client::Gemini),
        r#".gemini/settings.json {"mcpServers":{"deputy":{"httpUrl":"https://hub.acme.example/mcp"}}}"#
    );
    assert_eq!(
        entry(Client::Junie),
        r#".junie/mcp/mcp.json {"mcpServers":{"deputy":{"url":"https://hub.acme.example/mcp"}}}"#
    );
    assert_eq!(
        entry(Client::OpenCode),
        r#"opencode.json {"mcp":{"deputy":{"type":"remote","url":"https://hub.acme.example/mcp","enabled":true}}}"#
    );
    assert_eq!(
        entry(Client::Roo),
        r#".roo/mcp.json {"mcpServers":{"deputy":{"type":"streamable-http","url":"https://hub.acme.example/mcp"}}}"#
    );
    assert!(entry(Client::Windsurf).ends_with(
        r#".codeium/windsurf/mcp_config.json {"mcpServers":{"deputy":{"serverUrl":"https://hub.acme.example/mcp"}}}"#
    ));
    assert!(entry(Client::Zed).ends_with(
        r#"/settings.json {"context_servers":{"deputy":{"url":"https://hub.acme.example/mcp"}}}"#
    ));
}

#[test]
fn the_python_program_names_the_hub() {
    let text = Client::Python.shape("deputy", "https://hub.acme.example/mcp").text();
    assert!(text.contains("\"https://hub.acme.example/mcp\"") && !text.contains("HUB_ADDRESS"), "{text}");
}

#[test]
fn every_client_is_told_the_address_and_by_its_name() {
    for client in Client::value_variants() {
        let text = client.shape("work", "https://hub.acme.example/s/ledger/mcp").text();
        assert!(text.contains("https://hub.acme.example/s/ledger/mcp"), "{client:?}: {text}");
        let by_name = !matches!(client, Client::Goose | Client::Python | Client::Generic);
        assert!(!by_name || text.contains("work"), "{client:?}: {text}");
    }
}
