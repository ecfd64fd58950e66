//! `deputy vault` as operators type it: beside a hub that runs, and without one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy::settings::Settings;
use deputy::vault::vault;
use deputy::wire::Running;
use deputy_core::{EventKind, SourceName, TenantId};
use deputy_store::{AuditReader, Filter, Place, VaultDesk};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "[hub]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"data\"\n\
    [[identity_provider]]\nname = \"acme\"\nissuer = \"http://127.0.0.1:9\"\n\
    [[server]]\nname = \"ledger\"\nurl = \"http://127.0.0.1:9/mcp\"\n\
    [[server]]\nname = \"crm\"\nurl = \"http://127.0.0.1:9/crm\"\n";
const WITH_KEY: &str = "[vault]\nmaster_key = { file = \"vault.key\" }\n";

/// Exit code and what was printed.
fn deputy(folder: &Path, line: &str, input: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deputy"));
    command.current_dir(folder).args(line.split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses before it reads closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

async fn run(folder: &Path, line: &str, input: &str) -> (i32, String) {
    let (folder, line, input) = (folder.to_owned(), line.to_owned(), input.to_owned());
    tokio::task::spawn_blocking(move || deputy(&folder, &line, &input)).await.unwrap()
}

fn configured() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deputy.toml"), format!("{CONFIG}{WITH_KEY}")).unwrap();
    assert_eq!(deputy(folder.path(), "vault key vault.key", "").0, 0);
    folder
}

/// What the hub would send to a server now, or why not.
async fn headers(folder: &Path, server: &str) -> Result<Vec<String>, &'static str> {
    let settings = Settings::load(&folder.join("deputy.toml")).unwrap();
    let desk = VaultDesk::open(&Place::new(&settings.hub.data_dir)).await.unwrap();
    let vault = vault(&settings, Arc::new(desk.reader()));
    let server: SourceName = server.parse().unwrap();
    let opened = vault.headers_for(&TenantId::single(), &server).await;
    desk.close().await.unwrap();
    let opened = opened.map_err(|fault| fault.code())?;
    Ok(opened.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect())
}

async fn lines(folder: &Path, kind: EventKind) -> usize {
    let reader = AuditReader::open(Place::new(folder.join("data"))).await.unwrap();
    let filter = Filter { kind: Some(kind), ..Filter::default() };
    reader.list(&TenantId::single(), &filter).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_put_listed_rotated_and_removed_beside_a_hub_that_runs() {
    let folder = configured();
    let path = folder.path();
    let settings = Settings::load(&path.join("deputy.toml")).unwrap();
    let running = Running::start(&settings, CancellationToken::new()).await.unwrap();
    let (code, text) = run(path, "vault put ledger", "canary-one\n").await;
    let told = "ok    put: ledger `authorization: Bearer …` version 1 (by the hub that runs here)\n";
    assert_eq!((code, text.as_str()), (0, told));
    assert_eq!(headers(path, "ledger").await, Ok(vec!["authorization: Bearer canary-one".to_owned()]));
    let (code, text) = run(path, "vault put ledger X-API-Key", "canary-key").await;
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(path, "vault rotate ledger", "canary-two\r\n").await;
    assert_eq!(code, 0, "{text}");
    let sent = vec!["authorization: Bearer canary-two".to_owned(), "x-api-key: canary-key".to_owned()];
    assert_eq!(headers(path, "ledger").await, Ok(sent), "the next call sees it");
    let (code, text) = run(path, "vault list", "").await;
    assert_eq!(code, 0);
    let shown: Vec<&str> = text.lines().collect();
    assert!(shown[0].starts_with("ledger `authorization: Bearer …` version 2, since 20"), "{text}");
    assert!(shown[1].starts_with("ledger `x-api-key: …` version 1, since 20"), "{text}");
    assert!(text.ends_with("on this machine\n") && !text.contains("canary"), "VLT-02: {text}");
    let (code, text) = run(path, "vault remove ledger", "no\n").await;
    assert!(code == 1 && text.contains("nothing was removed"), "{text}");
    let (code, text) = run(path, "vault remove ledger", "").await;
    assert!(code == 1 && text.contains("nothing was removed"), "the end of input decides nothing: {text}");
    let (code, text) = run(path, "vault remove ledger --yes", "").await;
    assert!(
        code == 0 && text.starts_with("ok    removed: ledger `authorization: Bearer …` version 2"),
        "{text}"
    );
    assert_eq!(headers(path, "ledger").await, Ok(vec!["x-api-key: canary-key".to_owned()]));
    running.end().await;
    assert_eq!(lines(path, EventKind::SecretPut).await, 3);
    assert_eq!(lines(path, EventKind::SecretRemoved).await, 1);
    assert_eq!(run(path, "audit verify", "").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn vlt_05_the_master_key_is_rotated_beside_a_hub_that_runs_and_a_rotation_that_stopped_goes_on() {
    let folder = configured();
    let path = folder.path();
    let old = std::fs::read_to_string(path.join("vault.key")).unwrap();
    let (code, text) = run(path, "vault put ledger", "tok").await;
    assert!(code == 0 && text.ends_with("(no hub runs here)\n"), "there was no database yet: {text}");
    let settings = Settings::load(&path.join("deputy.toml")).unwrap();
    let running = Running::start(&settings, CancellationToken::new()).await.unwrap();
    let (code, text) = run(path, "vault rotate --master-key", "").await;
    assert!(code == 0 && text.contains("(by the hub that runs here)"), "{text}");
    let new = std::fs::read_to_string(path.join("vault.key")).unwrap();
    assert_ne!(old, new);
    assert!(!path.join("vault.key.next").exists());
    assert_eq!(headers(path, "ledger").await, Ok(vec!["authorization: Bearer tok".to_owned()]));
    // Stopped after the commit, before the last step.
    std::fs::copy(path.join("vault.key"), path.join("vault.key.next")).unwrap();
    std::fs::write(path.join("vault.key"), &old).unwrap();
    assert_eq!(headers(path, "ledger").await, Ok(vec!["authorization: Bearer tok".to_owned()]));
    let (code, text) = run(path, "vault put crm", "other").await;
    assert_eq!(code, 0, "{text}");
    assert_eq!(std::fs::read_to_string(path.join("vault.key")).unwrap(), new, "it was ended");
    running.end().await;
    // Then the old one opens nothing.
    std::fs::write(path.join("vault.key"), &old).unwrap();
    assert_eq!(headers(path, "ledger").await, Err("master_key_unusable"));
    assert_eq!(lines(path, EventKind::VaultKeyRotated).await, 1);
}

#[test]
fn vlt_06_without_a_master_key_nothing_is_put_and_the_mend_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deputy.toml"), CONFIG).unwrap();
    let (code, text) = deputy(folder.path(), "vault put ledger", "canary-7f3a\n");
    assert_eq!(code, 2, "{text}");
    assert!(
        text.starts_with("deputy: the vault is sealed") && text.contains("\n  mend: `deputy vault key FILE`"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(deputy(folder.path(), "vault list", ""), (0, "the vault is empty\n".to_owned()));
}

#[test]
fn vlt_01_a_secret_is_never_an_argument_and_no_refusal_repeats_it() {
    let folder = configured();
    let (code, text) = deputy(folder.path(), "vault put ledger authorization canary-7f3a", "");
    assert_eq!(code, 2, "{text}");
    for (line, input) in [
        ("vault put ledger", "canary-7f3a\u{7}"),
        ("vault put ledger", "canary-7f3a\nsecond line"),
        ("vault put ledger", " canary-7f3a"),
        ("vault put ledger Host", "canary-7f3a"),
        ("vault put ledger Mcp-Session-Id", "canary-7f3a"),
        ("vault put ledger Proxy-Authorization", "canary-7f3a"),
        ("vault put ledger", ""),
        ("vault rotate ledger", "canary-7f3a"),
        ("vault rotate", "canary-7f3a"),
    ] {
        let (code, text) = deputy(folder.path(), line, input);
        assert!(code != 0 && text.contains("deputy: "), "{line}: {text}");
        assert!(!text.contains("canary"), "{line}: {text}");
    }
    assert_eq!(deputy(folder.path(), "vault list", ""), (0, "the vault is empty\n".to_owned()));
}

#[test]
fn a_master_key_is_never_written_over() {
    let folder = configured();
    let before = std::fs::read(folder.path().join("vault.key")).unwrap();
    let (code, text) = deputy(folder.path(), "vault key vault.key", "");
    assert!(code == 2 && text.contains("vault.key"), "{text}");
    assert_eq!(std::fs::read(folder.path().join("vault.key")).unwrap(), before);
}

#[test]
fn a_secret_for_a_server_that_is_not_there_is_refused_with_the_nearest_name() {
    let folder = configured();
    for (line, mend) in [
        ("vault put ledgr", "the configuration has no server `ledgr`\n  mend: did you mean `ledger`?"),
        (
            "vault put somewhere-else",
            "the configuration has no server `somewhere-else`\n  mend: it is one of `ledger`, `crm`, or add a block `[[server]]`",
        ),
    ] {
        let (code, text) = deputy(folder.path(), line, "canary-7f3a");
        assert!(code == 2 && text.contains(mend), "{text}");
    }
    assert_eq!(deputy(folder.path(), "vault list", ""), (0, "the vault is empty\n".to_owned()));
}

/// An MCP server that answers only who shows this header, and keeps no connection open.
fn server_that_wants(header: &'static str) -> std::net::SocketAddr {
    use std::io::Read as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut text, mut piece) = (String::new(), [0_u8; 4096]);
            // A request is over with the last brace of its body.
            while !text.trim_end().ends_with("}}") {
                match stream.read(&mut piece).unwrap() {
                    0 => break,
                    bytes => text.push_str(&String::from_utf8_lossy(&piece[..bytes])),
                }
            }
            let shown = text.to_ascii_lowercase().contains(&format!("{}\r\n", header.to_ascii_lowercase()));
            let id = text.rsplit("\"id\":").next().unwrap_or_default();
            let id: String = id.chars().take_while(char::is_ascii_digit).collect();
            let result = if text.contains("\"tools/list\"") {
                r#"{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}"#
            } else {
                r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#
            };
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
            let (status, body) = if shown { ("200 OK", body) } else { ("401 Unauthorized", "{}".to_owned()) };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn check_asks_a_server_with_the_secret_that_the_vault_has_for_it_and_never_shows_it() {
    let address = server_that_wants("authorization: Bearer canary-good");
    let folder = configured();
    let path = folder.path();
    let config = format!("{CONFIG}{WITH_KEY}").replace(
        "name = \"ledger\"\nurl = \"http://127.0.0.1:9/mcp\"",
        &format!("name = \"ledger\"\ncredential = \"vault\"\nurl = \"http://{address}/mcp\""),
    );
    std::fs::write(path.join("deputy.toml"), config).unwrap();
    let said = |text: &str| {
        let about = text.lines().find(|line| line.contains("server `ledger`"));
        about.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let before = deputy(path, "check", "").1;
    assert!(said(&before).starts_with("warn"), "nobody put anything there yet: {before}");
    assert_eq!(deputy(path, "vault put crm", "canary-other").0, 0);
    let missing = deputy(path, "check", "").1;
    assert!(said(&missing).starts_with("FAIL"), "{missing}");
    assert!(missing.contains("mend: `deputy vault put ledger`"), "{missing}");
    assert_eq!(deputy(path, "vault put ledger", "canary-wrong").0, 0);
    let wrong = deputy(path, "check", "").1;
    assert!(said(&wrong).starts_with("FAIL"), "{wrong}");
    assert_eq!(deputy(path, "vault rotate ledger", "canary-good").0, 0);
    let good = deputy(path, "check", "").1;
    assert_eq!(said(&good), "ok    server `ledger` answers in 2026-07-28 and lists 0 tools");
    assert!(![missing, wrong, good].iter().any(|text| text.contains("canary")));
}
