//! Stored secrets on their way to a server, and what comes back (VLT-09 to 11).

use super::fixture::{Fixture, call, reply, reply_and_told};
use super::server::Legacy;
use crate::upstream::{Credential, HttpSettings, HttpUpstream, NoHeaders, Unreflecting};
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_hub::ports::upstream::{Failure, Reply};
use futures_util::FutureExt as _;
use serde_json::json;
use std::sync::{Arc, Mutex};

const FIRST: &str = "canary-first-0001";
const SECOND: &str = "canary-second-0002";

/// A secret that an operator replaces and removes.
#[derive(Clone)]
struct Stored(Arc<Mutex<Option<&'static str>>>);

impl Stored {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(FIRST))))
    }

    fn becomes(&self, secret: Option<&'static str>) {
        *self.0.lock().unwrap() = secret;
    }
}

#[async_trait]
impl Credential for Stored {
    async fn headers(&self, _principal: &str) -> Result<Vec<(String, Secret<String>)>, NoHeaders> {
        let secret = self.0.lock().unwrap().ok_or_else(|| "there is none".to_owned())?;
        Ok(vec![("authorization".to_owned(), Secret::new(format!("Bearer {secret}")))])
    }
}

/// The server as the program connects to one that wants a secret.
fn opened(fixture: &Fixture, stored: &Stored) -> Unreflecting {
    let credential = Arc::new(stored.clone());
    let settings = HttpSettings { credential: Arc::<Stored>::clone(&credential) as _, ..fixture.settings() };
    Unreflecting::new(Arc::new(HttpUpstream::new(settings)), credential, fixture.supervisor.clone())
}

fn sent(fixture: &Fixture) -> Vec<String> {
    let requests = fixture.requests();
    requests.iter().filter_map(|request| request.header("authorization")).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn vlt_09_a_secret_is_opened_for_one_request_and_the_next_one_has_the_one_that_is_stored_then() {
    for legacy in [false, true] {
        let fixture =
            if legacy { Legacy::start("2025-11-25").await.0 } else { super::modern::modern().await };
        let stored = Stored::new();
        let upstream = opened(&fixture, &stored);
        reply(&upstream, call("echo")).await.unwrap();
        let before = sent(&fixture).len();
        stored.becomes(Some(SECOND));
        // The session of the legacy era goes on, and the connection, too.
        reply(&upstream, call("echo")).await.unwrap();
        assert!(sent(&fixture)[..before].iter().all(|header| header.ends_with(FIRST)));
        let after = sent(&fixture).split_off(before);
        assert!(!after.is_empty() && after.iter().all(|header| header.ends_with(SECOND)), "{after:?}");
        stored.becomes(None);
        let asked = fixture.requests().len();
        let refused = reply(&upstream, call("echo")).await;
        assert!(matches!(refused, Err(Failure::NoCredential { .. })), "{refused:?}");
        assert_eq!(fixture.requests().len(), asked, "nothing is sent without it");
    }
}

#[tokio::test]
async fn vlt_10_a_secret_goes_to_the_configured_address_and_follows_no_redirect() {
    let elsewhere = super::modern::modern().await;
    let (own, other) = (Arc::new(Mutex::new(String::new())), elsewhere.url());
    let location = Arc::clone(&own);
    let fixture = Fixture::new(move |_, mut conn| {
        let header = format!("location: {}\r\n", location.lock().unwrap());
        async move {
            conn.answer("307 Temporary Redirect", &header, "").await;
            Some(conn)
        }
        .boxed()
    })
    .await;
    let same_host = fixture.url().join("/other").unwrap();
    for to in [other, same_host] {
        *own.lock().unwrap() = to.to_string();
        let failed = reply(&opened(&fixture, &Stored::new()), call("echo")).await;
        assert!(failed.is_err(), "{to}: {failed:?}");
    }
    assert_eq!(elsewhere.connections(), 0);
    assert!(fixture.requests().iter().all(|request| request.path == "/mcp"), "nor to another path");
}

#[tokio::test]
async fn vlt_11_no_header_of_an_answer_reaches_anybody_nor_a_secret_in_pieces() {
    let fixture = Fixture::new(|request, mut conn| {
        async move {
            if request.what() != "tools/call" {
                conn.result(&request, r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#).await;
                return Some(conn);
            }
            let given = request.header("authorization").unwrap().to_owned();
            let headers = ["set-cookie: s=canary-cookie", "www-authenticate: Bearer canary-challenge",
                "authentication-info: canary-info", "proxy-authenticate: canary-proxy"];
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n", headers.join("\r\n"));
            conn.raw(&head).await;
            conn.event(&json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": given}})).await;
            let answer = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": {"content": [{"type": "text", "text": given}]}});
            let answer = format!("data: {answer}\n\n");
            let (first, rest) = answer.split_at(answer.find("first").unwrap() + 2);
            conn.raw(first).await;
            tokio::task::yield_now().await;
            conn.raw(rest).await;
            None
        }
        .boxed()
    })
    .await;
    let upstream = opened(&fixture, &Stored::new());
    let mut ask = call("echo");
    ask.client.log_level = Some("debug".to_owned());
    let (reply, told) = reply_and_told(&upstream, ask).await;
    let Ok(Reply::Result(result)) = reply else { panic!("{reply:?}") };
    assert!(result.get().contains("[redacted]"), "{result}");
    let told: Vec<String> = told.into_iter().filter_map(|told| Some(told.params?.get().to_owned())).collect();
    assert_eq!(told.len(), 1);
    for text in told.iter().map(String::as_str).chain([result.get()]) {
        assert!(!text.contains("canary"), "{text}");
    }
}
