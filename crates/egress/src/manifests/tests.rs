//! Where a manifest may come from, and in what form.

use super::*;
use crate::stranger::{Script, Stranger, client, send};

const JSON: &str = "content-type: application/json; charset=utf-8\r\n";

async fn fetch(stranger: &Stranger, host: &str) -> Result<Vec<u8>, FetchError> {
    let fetcher = ManifestFetcher::new(client(&["crm.test"], Script::new(&[&["127.0.0.1"]])));
    fetcher.fetch(stranger.url("http", host, "/.well-known/deputy-tools.json").as_str()).await
}

fn answering(head: &'static str, body: String) -> Stranger {
    Stranger::new(move |_, stream| {
        let length = body.len();
        send(stream, &format!("HTTP/1.1 {head}content-length: {length}\r\nconnection: close\r\n\r\n{body}"));
    })
}

#[tokio::test]
async fn p26_a_manifest_is_fetched_from_a_named_host_without_credentials() {
    let stranger = Stranger::saying(JSON, "{}");
    assert_eq!(fetch(&stranger, "crm.test").await.unwrap(), b"{}");
    let request = stranger.requests()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /.well-known/deputy-tools.json http/1.1\r\n"), "{request}");
    assert!(!request.contains("authorization") && !request.contains("cookie"), "{request}");
}

#[tokio::test]
async fn r6_a_manifest_is_not_fetched_from_a_host_that_nobody_named() {
    let stranger = Stranger::saying(JSON, "{}");
    assert!(matches!(fetch(&stranger, "other.test").await, Err(FetchError::Unreachable { .. })));
    assert!(stranger.requests().is_empty());
}

#[tokio::test]
async fn p26_a_redirect_another_status_another_type_and_too_much_are_no_manifest() {
    let bad = [
        ("302 Found\r\nlocation: /x\r\n", "{}".to_owned()),
        ("404 Not Found\r\ncontent-type: application/json\r\n", "{}".to_owned()),
        ("204 No Content\r\ncontent-type: application/json\r\n", String::new()),
        ("200 OK\r\ncontent-type: text/html\r\n", "{}".to_owned()),
        ("200 OK\r\n", "{}".to_owned()),
        ("200 OK\r\ncontent-type: application/json\r\n", " ".repeat(MAX_MANIFEST_BYTES + 1)),
    ];
    for (head, body) in bad {
        let stranger = answering(head, body);
        assert!(fetch(&stranger, "crm.test").await.is_err(), "{head}");
        assert_eq!(stranger.requests().len(), 1, "nothing is followed");
    }
}
