//! Policies as files under a running hub: a bad set changes nothing, a good one counts, and both are in the log.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy::settings::Settings;
use deputy::wire::Running;
use deputy_core::{EventKind, TenantId};
use deputy_store::{AuditReader, Filter, Place};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const GOOD: &str = "@id(\"all\")\npermit(principal, action, resource);";
const OTHER: &str = "@id(\"none\")\nforbid(principal, action, resource);";

/// How often a kind of line is in the log, and the newest set's version in it.
async fn lines(data_dir: &Path, kind: EventKind) -> Vec<Option<String>> {
    let reader = AuditReader::open(Place::new(data_dir)).await.unwrap();
    let filter = Filter { kind: Some(kind), ..Filter::default() };
    let mut listed = reader.list(&TenantId::single(), &filter).await.unwrap();
    listed.sort_by_key(|line| line.seq);
    listed.into_iter().map(|line| line.event.policy_version.map(|version| version.to_string())).collect()
}

async fn until(data_dir: &Path, kind: EventKind, count: usize) -> Vec<Option<String>> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = lines(data_dir, kind).await;
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < deadline, "{count} lines of {kind:?} never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_policy_keeps_the_last_good_set_and_a_good_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy");
    std::fs::create_dir(&policy).unwrap();
    std::fs::write(policy.join("own.cedar"), GOOD).unwrap();
    let text = "[hub]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"data\"\n\
                [[identity_provider]]\nname = \"acme\"\nissuer = \"http://127.0.0.1:9\"\n[policy]\ndir = \"policy\"\n";
    let settings = Settings::parse(text, &folder.path().join("deputy.toml")).unwrap();
    let running = Running::start(&settings, CancellationToken::new()).await.unwrap();
    let data = &settings.hub.data_dir;
    let first = until(data, EventKind::PolicyLoaded, 1).await;
    std::fs::write(policy.join("own.cedar"), "permit everything").unwrap();
    // The line of a rejected set names the version that stays in force.
    assert_eq!(until(data, EventKind::PolicyRejected, 1).await, first);
    std::fs::write(policy.join("own.cedar"), OTHER).unwrap();
    let loaded = until(data, EventKind::PolicyLoaded, 2).await;
    assert_ne!(loaded.first(), loaded.last());
    std::fs::remove_file(policy.join("own.cedar")).unwrap();
    assert_eq!(
        until(data, EventKind::PolicyRejected, 2).await.last(),
        loaded.last(),
        "no file is no permission"
    );
    running.end().await;
}
