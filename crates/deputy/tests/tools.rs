//! `deputy tools`, and manifests that a whole hub fetches from a real server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy::settings::Settings;
use deputy::wire::Running;
use deputy_core::{Definition, Event, EventKind, Origin, SourceName, TenantId, Timestamp, User};
use deputy_hub::Supervisor;
use deputy_hub::ports::{PinScope, Pinned, Pins as _};
use deputy_store::{AuditReader, Filter, Place, SqliteStore};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Exit code, standard output, standard error.
async fn deputy(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deputy"));
    command.current_dir(folder).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn tool(origin: &Origin, description: &str) -> Pinned {
    let value = json!({"name": "find", "description": description, "kind": "imperative"});
    let definition: Definition = serde_json::from_value(value).unwrap();
    let hash = definition.hash(origin).unwrap();
    Pinned { definition, hash }
}

fn short(tool: &Pinned) -> String {
    tool.hash.to_string().chars().skip("sha256:".len()).take(12).collect()
}

/// Tables as a hub leaves them: Alice's first definition, and others that wait for her.
async fn tables(data: &Path, origin: &Origin, first: &Pinned, waiting: Vec<Pinned>) {
    let supervisor = Supervisor::default();
    let store =
        SqliteStore::open(Place::new(data), deputy_store::Settings::default(), &supervisor).await.unwrap();
    let user = User {
        tenant: TenantId::single(),
        issuer: "https://idp.acme.example".parse().unwrap(),
        subject: "alice".parse().unwrap(),
    };
    let source: SourceName = "crm".parse().unwrap();
    let scope = PinScope { user, source, origin: origin.clone() };
    let event = |kind| Event::new(Timestamp::from_seconds(1_795_303_770), TenantId::single(), kind);
    store.pin_first(&scope, vec![first.clone()], event(EventKind::DefinitionPinned)).await.unwrap();
    store.wait(&scope, waiting, event(EventKind::DefinitionWaiting)).await.unwrap();
    supervisor.shut_down().await;
}

fn settings(folder: &Path, more: &str) -> Settings {
    let text = format!(
        "[hub]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"data\"\n\
         [[identity_provider]]\nname = \"acme\"\nissuer = \"http://127.0.0.1:9\"\n{more}"
    );
    std::fs::write(folder.join("deputy.toml"), &text).unwrap();
    Settings::parse(&text, &folder.join("deputy.toml")).unwrap()
}

async fn until(data: &Path, kind: EventKind) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let filter = Filter { kind: Some(kind), ..Filter::default() };
    loop {
        let reader = AuditReader::open(Place::new(data)).await.unwrap();
        if !reader.list(&TenantId::single(), &filter).await.unwrap().is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "a line of {kind:?} never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p26_tools_are_listed_without_naming_anybody_and_accepted_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (folder.path(), folder.path().join("data"));
    let origin: Origin = "https://crm.acme.example".parse().unwrap();
    let (one, two) = (tool(&origin, "one"), tool(&origin, "two \u{1b}[2J"));
    tables(&data, &origin, &one, vec![two.clone()]).await;
    let (code, out, _) = deputy(path, &["tools", "list", "--data-dir", "data", "--definitions"]).await;
    assert_eq!(code, 0);
    assert!(out.contains(&format!("crm {origin} find {} pinned for 1 user\n", short(&one))), "{out}");
    assert!(out.contains(&format!("crm {origin} find {} waiting for 1 user\n", short(&two))), "{out}");
    assert!(
        out.contains("\"description\": \"two ") && !out.contains('\u{1b}') && !out.contains("alice"),
        "{out}"
    );
    for wrong in [&["crm", "nothing"][..], &["crm", "find", "00000000"], &["hr", "find"]] {
        let arguments = [&["tools", "accept", "--data-dir", "data"][..], wrong].concat();
        assert_eq!(deputy(path, &arguments).await.0, 1, "{wrong:?}");
    }
    let (code, out, err) = deputy(path, &["tools", "accept", "--data-dir", "data", "crm", "find"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.ends_with(&format!("ok    accepted for everybody: crm find {}\n", short(&two))), "{out}");
    let (_, out, _) = deputy(path, &["tools", "list", "--data-dir", "data"]).await;
    assert!(out.contains(&format!("{} accepted\n", short(&two))), "{out}");
    assert_eq!(deputy(path, &["audit", "verify", "--data-dir", "data"]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p26_of_several_that_wait_the_hash_says_which_and_a_hub_that_runs_takes_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (folder.path(), folder.path().join("data"));
    let origin: Origin = "https://crm.acme.example".parse().unwrap();
    let (two, three) = (tool(&origin, "two"), tool(&origin, "three"));
    tables(&data, &origin, &tool(&origin, "one"), vec![two.clone(), three.clone()]).await;
    let running = Running::start(&settings(path, ""), CancellationToken::new()).await.unwrap();
    let (code, _, err) = deputy(path, &["tools", "accept", "crm", "find"]).await;
    assert_eq!(code, 2, "which one?");
    assert!(err.contains(&short(&two)) && err.contains(&short(&three)), "{err}");
    let hash = three.hash.to_string();
    let (code, _, err) = deputy(path, &["tools", "accept", "crm", "find", &hash]).await;
    assert_eq!(code, 0, "{err}");
    until(&data, EventKind::DefinitionDecided).await;
    let (_, out, _) = deputy(path, &["tools", "list"]).await;
    assert!(out.contains(&format!("{} accepted\n", short(&three))), "{out}");
    running.end().await;
}

/// Answers every request with this, as `application/json`.
fn serve(listener: std::net::TcpListener, body: String) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let _ =
                stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn p26_a_hub_fetches_the_manifest_by_itself_and_check_says_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (folder.path(), folder.path().join("data"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin: Origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let pinned = tool(&origin, "one");
    let mut written = serde_json::to_value(&pinned.definition).unwrap();
    let members = written.as_object_mut().unwrap();
    members.insert("hash".to_owned(), json!(pinned.hash));
    serve(listener, json!({ "v": 1, "origin": origin, "tools": [written] }).to_string());
    let app = |address: &str| {
        format!(
            "[[app]]\nname = \"crm\"\norigins = [\"{origin}\"]\naudiences = [\"crm-web\"]\n\
             identity_provider = \"acme\"\nmanifest = \"{address}\"\n"
        )
    };
    let at = format!("{origin}/.well-known/deputy-tools.json");
    let running = Running::start(&settings(path, &app(&at)), CancellationToken::new()).await.unwrap();
    until(&data, EventKind::ManifestLoaded).await;
    running.end().await;
    let (_, out, _) = deputy(path, &["tools", "list"]).await;
    assert_eq!(out, format!("crm {origin} find {} manifest\n", short(&pinned)));
    let (_, out, _) = deputy(path, &["check"]).await;
    assert!(out.contains(&format!("ok    manifest of `crm`: 1 tool(s) at {at}\n")), "{out}");
    // Made for another origin: said, with the mend.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other: Origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    serve(listener, json!({ "v": 1, "origin": origin, "tools": [] }).to_string());
    let text = app(&format!("{other}/x")).replace(&format!("[\"{origin}\"]"), &format!("[\"{other}\"]"));
    settings(path, &text);
    let (code, out, _) = deputy(path, &["check"]).await;
    assert_eq!(code, 1);
    assert!(out.contains("but it was fetched from") && out.contains("deputy-manifest"), "{out}");
}
