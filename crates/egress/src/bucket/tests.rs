//! What goes over the wire. That a signature is right: `signature`'s tests; that a server takes it: `e2e/suites/faults`.

use super::*;
use crate::stranger::{Script, Stranger, client, send};

const AT: Timestamp = Timestamp::from_millis(1_795_303_770_123);

fn bucket(stranger: &Stranger) -> Bucket {
    Bucket {
        url: stranger.url("http", "s3.test", "/acme-audit"),
        region: "eu-central-1".to_owned(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("canary-secret".to_owned()),
        retain: Some(Duration::from_secs(400 * 86_400)),
    }
}

/// A bucket in which an object with this content already is.
fn full(content: &'static str) -> Stranger {
    Stranger::new(move |request, stream| {
        let (status, body) = if request.starts_with("PUT") { (412, "") } else { (200, content) };
        let head =
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        send(stream, &format!("{head}{body}"));
    })
}

async fn put(stranger: &Stranger, content: &str) -> Stored {
    let client = client(&["s3.test"], Script::new(&[&["127.0.0.1"]]));
    client.put_once(&bucket(stranger), "deputy/7.checkpoint", content.as_bytes(), AT).await.unwrap()
}

#[tokio::test]
async fn an_object_is_put_once_signed_and_locked_and_the_secret_does_not_travel() {
    let stranger = Stranger::saying("", "");
    assert_eq!(put(&stranger, "note\n").await, Stored::Written);
    let request = stranger.requests()[0].to_ascii_lowercase();
    assert!(request.starts_with("put /acme-audit/deputy/7.checkpoint http/1.1\r\n"), "{request}");
    for line in [
        "if-none-match: *",
        "x-amz-date: 20261121t232930z",
        "x-amz-object-lock-mode: compliance",
        "x-amz-object-lock-retain-until-date: 2027-12-26t23:29:30.123z",
        "authorization: aws4-hmac-sha256 credential=akidexample/20261121/eu-central-1/s3/aws4_request,signedheaders=content-type;host;if-none-match;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date;x-amz-object-lock-mode;x-amz-object-lock-retain-until-date;x-amz-sdk-checksum-algorithm,signature=",
    ] {
        assert!(request.contains(&format!("\r\n{line}")), "{line} is not in {request}");
    }
    assert!(!request.contains("canary-secret"));
}

#[tokio::test]
async fn what_is_already_there_is_compared_and_never_overwritten() {
    assert_eq!(put(&full("note\n"), "note\n").await, Stored::Already);
    let other = full("another history\n");
    assert_eq!(put(&other, "note\n").await, Stored::Another);
    assert!(other.requests()[1].starts_with("GET /acme-audit/deputy/7.checkpoint "));
}

#[tokio::test]
async fn a_refusal_is_told_by_its_status() {
    let stranger = Stranger::new(|_, stream| {
        send(stream, "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    });
    assert_eq!(put(&stranger, "note\n").await, Stored::Refused(403));
}
