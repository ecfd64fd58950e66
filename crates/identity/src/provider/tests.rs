//! Providers and discovery documents.

use super::*;
use crate::fixtures::{ISSUER, name, provider};
use proptest::prelude::*;
use serde_json::json;

fn settings() -> Settings {
    provider(ISSUER).settings().clone()
}

fn document(issuer: &str) -> Vec<u8> {
    json!({ "issuer": issuer, "jwks_uri": "https://keys.acme.example/jwks", "token_endpoint": "https://idp.acme.example/t" })
        .to_string()
        .into_bytes()
}

#[test]
fn b2_discovery_is_believed_only_with_exactly_our_issuer() {
    let found = provider(ISSUER).read_discovery(&document(ISSUER)).unwrap();
    assert_eq!(found.jwks_uri.as_str(), "https://keys.acme.example/jwks");
    assert!(found.authorization_endpoint.is_none() && found.token_endpoint.is_some());
    for bad in ["https://idp.acme.example/", "https://IDP.acme.example", "https://evil.example", ""] {
        let error = provider(ISSUER).read_discovery(&document(bad)).unwrap_err();
        assert!(matches!(error, ProviderError::OtherIssuer { .. }), "{bad}");
    }
}

#[test]
fn b2_a_document_with_a_member_twice_or_without_keys_is_none() {
    let twice =
        format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://a.example","jwks_uri":"https://b.example"}}"#);
    for bad in
        [&twice, "", "[]", r#"{"issuer":"https://idp.acme.example"}"#, r#"{"jwks_uri":"https://a.example"}"#]
    {
        assert!(provider(ISSUER).read_discovery(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in ["file:///etc/passwd", "https://a:b@c.example/", "javascript:1", "//x", "https://a.example/#f"]
    {
        let text = json!({ "issuer": ISSUER, "jwks_uri": bad }).to_string();
        let error = provider(ISSUER).read_discovery(text.as_bytes()).unwrap_err();
        assert!(matches!(error, ProviderError::Address(_)), "{bad}");
    }
}

#[test]
fn the_generic_preset_finds_discovery_below_the_issuer() {
    for (issuer, url) in [
        ("https://idp.acme.example", "https://idp.acme.example/.well-known/openid-configuration"),
        ("https://t.auth0.example/", "https://t.auth0.example/.well-known/openid-configuration"),
        ("http://127.0.0.1:4000/realms/x", "http://127.0.0.1:4000/realms/x/.well-known/openid-configuration"),
    ] {
        assert_eq!(*provider(issuer).keys_at(), KeysAt::Discovery(Url::parse(url).unwrap()));
    }
    assert!(Preset::OIDC.settings(name("x"), TenantId::single(), Issuer::new("acme").unwrap()).is_err());
    assert_eq!(Preset::named("oidc"), Some(Preset::OIDC));
    assert_eq!(Preset::named("Oidc"), None);
}

#[test]
fn a3_a_provider_without_algorithms_or_kinds_does_not_start() {
    assert!(Provider::new(Settings { algorithms: BTreeSet::new(), ..settings() }).is_err());
    assert!(Provider::new(Settings { kinds: vec![], ..settings() }).is_err());
}

#[test]
fn a8_a_skew_over_60_seconds_does_not_start() {
    assert!(Provider::new(Settings { skew: Duration::from_secs(60), ..settings() }).is_ok());
    assert!(Provider::new(Settings { skew: Duration::from_secs(61), ..settings() }).is_err());
}

#[test]
fn a_provider_name_is_short_and_plain() {
    assert!(ProviderName::new("acme-2").is_ok());
    for bad in ["", "Acme", "a b", &"a".repeat(33)] {
        assert!(ProviderName::new(bad).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_discovery_reader_panic(text in ".{0,200}") {
        prop_assert!(provider(ISSUER).read_discovery(text.as_bytes()).is_err());
    }
}

#[test]
fn a_document_says_what_sign_in_and_exchange_need() {
    let document = json!({
        "issuer": ISSUER, "jwks_uri": "https://idp.acme.example/jwks",
        "revocation_endpoint": "https://idp.acme.example/revoke",
        "introspection_endpoint": "https://idp.acme.example/introspect",
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "backchannel_logout_supported": true,
        "identity_chaining_requested_token_types_supported": ["urn:ietf:params:oauth:token-type:id-jag"],
    });
    let read = provider(ISSUER).read_discovery(document.to_string().as_bytes()).unwrap();
    assert!(read.names_issuer_in_answers && read.tells_of_logout && read.issues_id_jags());
    assert!(read.revocation_endpoint.is_some() && read.introspection_endpoint.is_some());
    assert_eq!(read.client_authentication, Some(vec!["private_key_jwt".to_owned()]));
    for (member, odd) in [
        ("authorization_response_iss_parameter_supported", json!("true")),
        ("token_endpoint_auth_methods_supported", json!("private_key_jwt")),
        ("identity_chaining_requested_token_types_supported", json!([7])),
    ] {
        let mut document = document.clone();
        document[member] = odd;
        assert!(provider(ISSUER).read_discovery(document.to_string().as_bytes()).is_err(), "{member}");
    }
}
