//! `guard.toml`.

use crate::settings::{GuardClientKeys, GuardSettings, guard_schema_text};
use deputy_guard::settings::{Handover, Users, Way};
use deputy_identity::provider::KeysAt;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const GOOD: &str = r#"
listen     = "127.0.0.1:7171"
public_url = "https://files.acme.example"
data_dir   = "./guard-data"
users      = "any_from_issuer"

[[trusted_issuer]]
issuer     = "https://idp.acme.example"
algorithms = ["ES256"]

[[client]]
client_id = "https://hub.acme.example/client.json"

[server]
command = ["/usr/bin/node", "dist/index.js"]
env     = { PATH = "/usr/bin:/bin" }

[scopes]
"files.read"  = ["read_file"]
"#;

fn parse(text: &str) -> Result<GuardSettings, String> {
    GuardSettings::parse(text, Path::new("/etc/guard/guard.toml")).map_err(|faults| faults.to_string())
}

fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

#[track_caller]
fn refused(text: &str, wanted: &[&str]) {
    let faults = parse(text).expect_err("it is wrong");
    for words in wanted {
        assert!(faults.contains(words), "{words} is not in:\n{faults}");
    }
}

#[test]
fn a_guard_of_the_guide_is_understood() {
    let settings = parse(GOOD).expect("good");
    assert_eq!(settings.data_dir, Path::new("/etc/guard/./guard-data"));
    assert_eq!(settings.denied, settings.data_dir.join("denied"));
    assert_eq!(settings.token_lifetime, Duration::from_secs(300));
    assert!(matches!(settings.users, Users::AnyFromIssuer));
    let KeysAt::Discovery(url) = &settings.issuers[0].keys_at else { panic!("a set") };
    assert_eq!(url.as_str(), "https://idp.acme.example/.well-known/openid-configuration");
    assert!(
        matches!(&settings.clients[0].keys, GuardClientKeys::Document(url) if url.path() == "/client.json")
    );
    assert_eq!(settings.server.handover, Handover::Meta);
    let Way::Stdio(program) = &settings.server.way else { panic!("another way") };
    assert_eq!((program.words.len(), program.folder.as_path()), (2, Path::new("/etc/guard")));
}

#[test]
fn guards_that_share_a_folder_keep_there_who_is_denied() {
    let shared = |at: &str| changed("users      =", &format!("shared_dir = \"{at}\"\nusers      ="));
    let settings = parse(&shared("/mnt/guards")).expect("good");
    assert_eq!(settings.shared_dir.as_deref(), Some(Path::new("/mnt/guards")));
    assert_eq!(settings.denied, Path::new("/mnt/guards/denied"));
    assert_eq!(settings.data_dir, Path::new("/etc/guard/./guard-data"));
    for within in ["./guard-data", "./guard-data/shared", "."] {
        refused(&shared(within), &["one within the other", "a `data_dir` of its own elsewhere"]);
    }
}

#[test]
fn the_way_says_how_the_user_is_handed_over() {
    let server = "command = [\"/usr/bin/node\", \"dist/index.js\"]\nenv     = { PATH = \"/usr/bin:/bin\" }";
    for way in ["url = \"http://ledger.internal:3001/mcp\"", "unix_socket = \"server.sock\""] {
        assert_eq!(parse(&changed(server, way)).expect("good").server.handover, Handover::Header, "{way}");
    }
    refused(
        &changed("env     =", "user = \"header\"\nenv     ="),
        &["has no headers", "write `user = \"meta\"`"],
    );
}

#[test]
fn every_fault_names_its_culprit_and_its_mend() {
    let env = "env     = { PATH = \"/usr/bin:/bin\" }";
    for (text, wanted) in [
        (changed("users      =", "user       ="), &["no key `user`", "did you mean `users`"][..]),
        (
            changed("users      = \"any_from_issuer\"", ""),
            &["not one of `users` and `users_file`", "ISSUER SUBJECT"],
        ),
        (changed("\"any_from_issuer\"", "\"any\""), &["`users` cannot be `any`"]),
        (
            changed("https://idp.acme.example", "https://files.acme.example"),
            &["the guard's own `public_url`"],
        ),
        (changed("https://files.acme.example", "http://files.acme.example"), &["http on another machine"]),
        (changed("https://files.acme.example", "https://files.acme.example/x"), &["is not an origin"]),
        (changed("[\"ES256\"]", "[\"HS256\"]"), &["cannot be `HS256`"]),
        (changed("[\"ES256\"]", "[]"), &["`algorithms` is empty"]),
        (changed("https://hub.acme.example/client.json", "hub"), &["`hub` has no keys", "jwks_file"]),
        (changed(env, "unix_socket = \"../x\""), &["is not the name of a socket"]),
        (changed(env, "url = \"https://x.example\""), &["in one way"]),
        (changed(env, "path = \"/mcp\""), &["`path` is for servers on a `unix_socket`"]),
        (changed(env, "sessions = 0"), &["`sessions` cannot be 0", "1 to 10000"]),
        (changed(env, "idle = \"1s\""), &["out of bounds", "10s"]),
        (changed("[scopes]\n\"files.read\"  = [\"read_file\"]", "[scopes]"), &["no scope is configured"]),
        (
            changed("[scopes]\n\"files.read\"  = [\"read_file\"]", ""),
            &["lacks `scopes`", "scopes = { \"files.read\" = [\"read_file\"] }"],
        ),
        (changed("\"files.read\" ", "\"files read\" "), &["is not a scope"]),
        (format!("{GOOD}[methods]\n\"files.reed\" = [\"*\"]\n"), &["there is no scope `files.reed`"]),
        (
            changed(
                "data_dir   = \"./guard-data\"",
                "data_dir   = \"./guard-data\"\ntoken_lifetime = \"11m\"",
            ),
            &["out of bounds"],
        ),
        (
            changed("[[client]]\nclient_id = \"https://hub.acme.example/client.json\"", ""),
            &["lacks `client`"],
        ),
    ] {
        refused(&text, wanted);
        refused(&text, &["mend:"]);
    }
}

#[test]
fn a_page_of_the_hub_is_not_named() {
    let faults = parse("listen = 1").expect_err("wrong");
    assert!(faults.contains("docs/guide/guard.md") && !faults.contains("config.md"), "{faults}");
}

/// Invariant 15, of the guard: every setting there is. Whoever adds one comes by here.
#[test]
fn no_setting_of_a_guard_turns_its_checks_off() {
    let schema: Value = serde_json::from_str(&guard_schema_text()).expect("json");
    let mut known: Vec<String> = Vec::new();
    let names = |schema: &Value| -> Vec<String> {
        schema["properties"].as_object().expect("properties").keys().cloned().collect()
    };
    known.extend(names(&schema));
    for (block, definition) in schema["$defs"].as_object().expect("definitions") {
        if definition.get("properties").is_some() {
            known.extend(names(definition).into_iter().map(|name| format!("{block}.{name}")));
        }
    }
    known.sort();
    let wanted = [
        "GuardClient.client_id",
        "GuardClient.jwks_file",
        "GuardClient.jwks_uri",
        "GuardedServer.command",
        "GuardedServer.env",
        "GuardedServer.folder",
        "GuardedServer.idle",
        "GuardedServer.path",
        "GuardedServer.sessions",
        "GuardedServer.sessions_each",
        "GuardedServer.timeout",
        "GuardedServer.unix_socket",
        "GuardedServer.url",
        "GuardedServer.user",
        "TrustedIssuer.algorithms",
        "TrustedIssuer.discovery_url",
        "TrustedIssuer.issuer",
        "TrustedIssuer.jwks_uri",
        "client",
        "data_dir",
        "denied_file",
        "listen",
        "methods",
        "public_url",
        "scopes",
        "server",
        "shared_dir",
        "token_lifetime",
        "trusted_issuer",
        "users",
        "users_file",
    ];
    assert_eq!(known, wanted);
}

#[test]
fn the_walkthrough_lets_in_the_hub_by_the_document_that_a_hub_has() {
    let document = deputy_hub::exchange::Exchange::client_document("https://hub.acme.example");
    let line = format!("client_id = {}", document["client_id"]);
    for page in [
        include_str!("../../../../../docs/how-to/guard-an-mcp-server.md"),
        include_str!("../../../../../docs/guide/guard.md"),
    ] {
        assert!(page.contains(&line), "{line}");
    }
}
