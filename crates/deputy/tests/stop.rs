//! `deputy stop` and `deputy resume` as operators type them: beside a hub that runs, and without one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy::settings::Settings;
use deputy::wire::Running;
use deputy_core::{EventKind, Operator, SwitchTarget, TenantId};
use deputy_store::{AuditReader, Filter, Place};
use std::path::Path;
use std::process::Command;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "[hub]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"data\"\n\
    [[identity_provider]]\nname = \"acme\"\nissuer = \"http://127.0.0.1:9\"\n\
    [[app]]\nname = \"crm\"\norigins = [\"https://crm.acme.example\"]\naudiences = [\"crm-web\"]\nidentity_provider = \"acme\"\n\
    [[server]]\nname = \"ledger\"\nurl = \"http://127.0.0.1:9/mcp\"\n";

/// Exit code and what was printed.
fn deputy(folder: &Path, line: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deputy"));
    let output = command.current_dir(folder).args(line.split(' ')).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

async fn run(folder: &Path, line: &'static str) -> (i32, String) {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || deputy(&folder, line)).await.unwrap()
}

async fn hub(folder: &Path) -> Running {
    std::fs::write(folder.join("deputy.toml"), CONFIG).unwrap();
    let settings = Settings::load(&folder.join("deputy.toml")).unwrap();
    Running::start(&settings, CancellationToken::new()).await.unwrap()
}

fn thrown(running: &Running) -> Vec<SwitchTarget> {
    let thrown = running.hub.switches().thrown(&TenantId::single());
    thrown.into_iter().map(|switch| switch.target).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_runs_takes_a_switch_up_and_lets_it_go_again_and_both_are_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let running = hub(folder.path()).await;
    let (code, text) = run(folder.path(), "stop app crm --reason incident-7").await;
    assert_eq!((code, text.as_str()), (0, "ok    stopped: app `crm` (by the hub that runs here)\n"));
    assert_eq!(thrown(&running).len(), 1);
    let (code, text) = run(folder.path(), "stop --list").await;
    assert!(
        code == 0
            && text.starts_with("app `crm` since 20")
            && text.ends_with("on this machine: incident-7\n"),
        "{text}"
    );
    let (code, text) = run(folder.path(), "resume app crm").await;
    assert_eq!((code, text.as_str()), (0, "ok    goes on: app `crm` (by the hub that runs here)\n"));
    assert!(thrown(&running).is_empty());
    assert_eq!(run(folder.path(), "stop --list").await, (0, "nothing is stopped\n".to_owned()));
    running.end().await;
    let reader = AuditReader::open(Place::new(folder.path().join("data"))).await.unwrap();
    for kind in [EventKind::SwitchThrown, EventKind::SwitchReleased] {
        let filter = Filter { kind: Some(kind), ..Filter::default() };
        let lines = reader.list(&TenantId::single(), &filter).await.unwrap();
        assert_eq!(lines.len(), 1, "{kind:?}");
        assert_eq!(
            (&lines[0].event.detail["by"], &lines[0].event.detail["target"]),
            (&"machine".into(), &"app".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hub_a_switch_holds_from_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    hub(folder.path()).await.end().await;
    let (code, text) = run(folder.path(), "stop user http://127.0.0.1:9 alice").await;
    let told = "ok    stopped: user `alice` of `http://127.0.0.1:9` (no hub runs here: it holds from the next start)\n";
    assert_eq!((code, text.as_str()), (0, told));
    let running = hub(folder.path()).await;
    assert!(matches!(thrown(&running).as_slice(), [SwitchTarget::User { .. }]));
    assert_eq!(running.hub.switches().thrown(&TenantId::single())[0].by, Operator::Machine);
    running.end().await;
    let (code, text) = run(folder.path(), "resume user http://127.0.0.1:9 alice").await;
    assert_eq!(code, 0, "{text}");
    let running = hub(folder.path()).await;
    assert!(thrown(&running).is_empty());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_one_of_its_tools_can_be_stopped_and_no_server_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let running = hub(folder.path()).await;
    for line in ["stop server ledger", "stop tool ledger delete_entry", "stop tool crm note"] {
        let (code, text) = run(folder.path(), line).await;
        assert!(code == 0 && text.ends_with("(by the hub that runs here)\n"), "{line}: {text}");
    }
    assert_eq!(thrown(&running).len(), 3);
    running.end().await;
    for (line, mend) in [
        ("stop server crm", "no server `crm`\n  mend: the servers are `ledger`"),
        ("stop tool ledgr x", "no app or server `ledgr`\n  mend: the apps and servers are `crm`, `ledger`"),
    ] {
        let (code, text) = run(folder.path(), line).await;
        assert!(code == 2 && text.contains(mend), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_would_stop_nothing_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    hub(folder.path()).await.end().await;
    let (code, text) = run(folder.path(), "stop app crn").await;
    assert_eq!(code, 2);
    assert!(
        text.contains("nothing was stopped: the configuration has no app `crn`\n  mend: the apps are `crm`"),
        "{text}"
    );
    let (code, text) = run(folder.path(), "resume all").await;
    assert_eq!(code, 1);
    assert!(text.contains("everything is not stopped\n  mend: `deputy stop --list` tells what is"), "{text}");
    assert_eq!(run(folder.path(), "stop").await.0, 2);
    assert_eq!(run(folder.path(), "stop --list --tenant other").await.0, 0);
    assert_eq!(run(folder.path(), "stop all --tenant other").await.0, 2);
}
