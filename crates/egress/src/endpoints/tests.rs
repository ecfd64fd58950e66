use super::*;
use crate::stranger::{Script, Stranger, client};

const LIMIT: usize = 10_000;

/// The hub is at `hub.test`, and the operator named an agent at `agent.test`.
fn endpoints(answers: &[&[&str]]) -> EndpointClient {
    let client = client(&["hub.test", "agent.test", "idp.test"], Script::new(answers));
    let named = NamedHosts::of(&[Url::parse("https://agent.test/client.json").unwrap()]);
    EndpointClient::new(client, Url::parse("https://hub.test").ok(), named)
}

#[tokio::test]
async fn r6_cimd_at_a_private_address_is_not_fetched() {
    let stranger = Stranger::saying("", "{}");
    for inside in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "::1", "fd00::1"] {
        let endpoints = endpoints(&[&[inside]]);
        for scheme in ["https", "http"] {
            let url = stranger.url(scheme, "elsewhere.test", "/client.json");
            let fetched = endpoints.document(&url, ToldBy::Stranger, LIMIT).await;
            assert!(fetched.is_err(), "{scheme} {inside}");
        }
    }
    for literal in ["https://127.0.0.1/c.json", "https://10.0.0.1/c.json", "https://[::1]/c.json"] {
        let url = Url::parse(literal).unwrap();
        assert!(endpoints(&[&["127.0.0.1"]]).document(&url, ToldBy::Stranger, LIMIT).await.is_err());
    }
    // What the operator named for something else a stranger may not lead the hub to.
    let url = stranger.url("http", "idp.test", "/client.json");
    assert!(endpoints(&[&["127.0.0.1"]]).document(&url, ToldBy::Stranger, LIMIT).await.is_err());
    assert_eq!(stranger.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn r6_cimd_at_the_hub_itself_is_not_fetched() {
    let stranger = Stranger::saying("", "{}");
    for path in ["/client.json", "/login", "/oauth/authorize"] {
        for scheme in ["https", "http"] {
            let url = stranger.url(scheme, "hub.test", path);
            let fetched = endpoints(&[&["127.0.0.1"]]).document(&url, ToldBy::Stranger, LIMIT).await;
            assert!(matches!(fetched, Err(FetchError::Unusable { .. })), "{url}");
        }
    }
    assert_eq!(stranger.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn cimd_of_ten_megabytes_is_not_read_and_one_that_fits_is() {
    let local: &[&[&str]] = &[&["127.0.0.1"]];
    let large = Stranger::saying("", &"x".repeat(10_000_000));
    let url = large.url("http", "agent.test", "/client.json");
    assert!(endpoints(local).document(&url, ToldBy::Stranger, LIMIT).await.is_err());
    let small = Stranger::saying("", "{}");
    let url = small.url("http", "agent.test", "/client.json");
    assert_eq!(endpoints(local).document(&url, ToldBy::Stranger, LIMIT).await.unwrap(), b"{}");
}

#[tokio::test]
async fn a_json_document_is_posted_with_its_credential_and_nowhere_else() {
    let provider = Stranger::saying("", "{\"sets\":{}}");
    let url = provider.url("http", "idp.test", "/poll");
    let token = Some(Secret::new("Bearer t0ken".to_owned()));
    let body = serde_json::json!({"ack": []});
    let answer = endpoints(&[&["127.0.0.1"]]).post_json(&url, ToldBy::Operator, &body, token).await.unwrap();
    assert_eq!(answer.status, 200);
    let request = provider.requests()[0].to_ascii_lowercase();
    assert!(request.contains("authorization: bearer t0ken\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
}
