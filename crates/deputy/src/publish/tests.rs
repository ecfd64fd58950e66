//! A checkpoint arrives, once each, and what could not be carried is carried later.

use super::*;
use deputy_core::{Event, EventKind, Timestamp};
use deputy_egress::NamedHosts;
use deputy_hub::Supervisor;
use deputy_hub::ports::AuditLog as _;
use deputy_store::{Settings, SqliteStore};
use std::io::Read as _;
use std::net::TcpListener;
use std::sync::mpsc;

/// One more line and its checkpoint; the note of it.
async fn signed(data_dir: &Path) -> String {
    let tables = Supervisor::default();
    let place = Place::new(data_dir);
    let store = SqliteStore::open(place.clone(), Settings::default(), &tables).await.expect("opens");
    let tenant = TenantId::single();
    let event = Event::new(Timestamp::from_millis(1), tenant.clone(), EventKind::HubStarted);
    store.append(vec![event]).await.expect("appended");
    store.checkpoint(&tenant).await.expect("signed");
    tables.shut_down().await;
    place.read_checkpoint(&tenant).expect("reads").expect("note")
}

fn publisher(data_dir: &Path, target: Target) -> Publisher {
    let urls = match &target {
        Target::Webhook(url) => vec![url.clone()],
        Target::Bucket(bucket) => vec![bucket.url.clone()],
        Target::File(_) => Vec::new(),
    };
    let client = HttpClient::new(deputy_egress::Settings::new(NamedHosts::of(&urls))).expect("client");
    Publisher::new(
        Place::new(data_dir),
        vec![TenantId::single()],
        vec![target],
        client,
        Arc::new(crate::wire::SystemClock),
    )
}

/// Answers one request per status, and gives their bodies.
fn receiver(statuses: &'static [u16]) -> (Url, mpsc::Receiver<serde_json::Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}/checkpoints", listener.local_addr().expect("address"));
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut request = Vec::new();
            let body = loop {
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).expect("reads");
                request.extend_from_slice(bytes.get(..count).expect("so many"));
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
                if let Ok(body) = serde_json::from_str(body) {
                    break body;
                }
            };
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("answers");
            sender.send(body).expect("kept");
        }
    });
    (Url::parse(&url).expect("url"), received)
}

#[tokio::test]
async fn a_file_of_its_own_is_written_for_each_checkpoint_and_a_fork_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data");
    let first = signed(&data).await;
    let target = Target::File(folder.path().join("{tenant}-{size}.checkpoint"));
    publisher(&data, target.clone()).round().await;
    let second = signed(&data).await;
    let mut publisher = publisher(&data, target.clone());
    publisher.round().await;
    publisher.round().await;
    let kept = |size: u64| folder.path().join(format!("default-{size}.checkpoint"));
    assert_eq!(std::fs::read_to_string(kept(1)).expect("the first"), first);
    assert_eq!(std::fs::read_to_string(kept(2)).expect("the second"), second);
    std::fs::write(kept(2), &first).expect("another history");
    let (client, tenant) = (publisher.client.clone(), TenantId::single());
    let refused = carry(&client, &crate::wire::SystemClock, &target, &tenant, &second).await;
    assert!(matches!(refused, Err(PublishError::Another(_))));
    assert_eq!(std::fs::read_to_string(kept(2)).expect("untouched"), first);
}

#[tokio::test]
async fn a_file_without_a_size_in_its_name_holds_the_newest() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data");
    let path = folder.path().join("newest");
    let mut publisher = publisher(&data, Target::File(path.clone()));
    publisher.round().await;
    assert!(!path.exists(), "nothing is signed yet");
    for _ in 0..2 {
        let note = signed(&data).await;
        publisher.round().await;
        assert_eq!(std::fs::read_to_string(&path).expect("written"), note);
    }
}

#[tokio::test]
async fn a_webhook_that_refused_is_given_the_checkpoint_again_and_then_no_more() {
    let folder = tempfile::tempdir().expect("folder");
    let note = signed(folder.path()).await;
    let (url, received) = receiver(&[503, 200]);
    let mut publisher = publisher(folder.path(), Target::Webhook(url));
    for _ in 0..4 {
        publisher.round().await;
    }
    let bodies: Vec<_> = received.iter().collect();
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        assert_eq!((&body["size"], &body["checkpoint"]), (&json!(1), &json!(note)));
        assert!(body["log"].as_str().expect("text").starts_with("deputy/default@"));
    }
}

#[tokio::test]
async fn a_bucket_without_its_key_is_told_by_the_file_and_asked_again() {
    let folder = tempfile::tempdir().expect("folder");
    let note = signed(folder.path()).await;
    let target = Target::Bucket(BucketTarget {
        url: Url::parse("https://s3.acme.example/audit").expect("url"),
        prefix: "deputy/{tenant}/".to_owned(),
        region: "eu-central-1".to_owned(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: crate::settings::SecretSource::File(folder.path().join("s3.secret")),
        retain: None,
    });
    let publisher = publisher(folder.path(), target.clone());
    let tenant = TenantId::single();
    let refused = carry(&publisher.client, &crate::wire::SystemClock, &target, &tenant, &note).await;
    assert!(matches!(&refused, Err(PublishError::Secret(error)) if error.to_string().contains("s3.secret")));
}

#[tokio::test(start_paused = true)]
async fn what_is_late_is_an_alarm_until_it_arrives() {
    let mut carried = Carried::default();
    let tenant = TenantId::single();
    let failure = || Err(PublishError::Refused { url: "https://x".to_owned(), status: 503 });
    carried.note_down(failure(), "note", &tenant);
    tokio::time::advance(LATE - Duration::from_secs(1)).await;
    carried.note_down(failure(), "note", &tenant);
    assert!(!carried.alarmed);
    tokio::time::advance(Duration::from_secs(1)).await;
    carried.note_down(failure(), "note", &tenant);
    assert!(carried.alarmed);
    carried.note_down(Ok(()), "note", &tenant);
    assert!(!carried.alarmed && carried.note.is_some());
}
