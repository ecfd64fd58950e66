//! What an identity provider may tell the hub, and is asked.

use super::*;

const ISSUER: &str = r#"issuer = "https://idp.acme.example""#;

fn with(lines: &str) -> String {
    changed(ISSUER, &format!("{ISSUER}\n{lines}"))
}

#[test]
fn a_provider_without_a_client_cannot_be_asked_about_tokens() {
    let said = with("introspection = true");
    assert!(said.contains("cannot be asked about tokens: it has no `client`"), "{said}");
    assert!(with(r#"introspection_url = "https://idp.acme.example/i""#).contains("it has no `client`"));
}

#[test]
fn events_are_fetched_or_pushed_and_not_both() {
    let both = with(
        r#"events = { audience = "a", poll = "https://idp.acme.example/p", push_token = { env = "X" } }"#,
    );
    assert!(both.contains("`push_token` stands beside `poll`"), "{both}");
    let neither = with(r#"events = { audience = "a", token = { env = "X" } }"#);
    assert!(neither.contains("`token` is for fetching events, and there is no `poll`"), "{neither}");
    assert!(with(r#"events = { push_token = { env = "X" } }"#).contains("audience"));
}
