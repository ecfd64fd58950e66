//! What Deputy issues, checked with the reader that checks everybody's tokens.

use super::*;
use crate::claims::{Audiences, Expectations};
use crate::fixtures::{NOW, name};
use crate::jws::{Algorithm, KeyId, Unverified};
use crate::keys::{Fetched, KeyRing, KeySet};
use crate::provider::{AccessTokenType, Preset, Provider};
use crate::{TokenError, Verifier};
use deputy_core::{AgentType, Secret, Subject, TenantId, Verification};
use std::sync::Arc;

const PUBLIC_URL: &str = "https://hub.acme.example";

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn assertion() -> CallAssertion {
    CallAssertion {
        issuer: Issuer::new(PUBLIC_URL).unwrap(),
        audience: Origin::new("https://crm.acme.example").unwrap(),
        user: User {
            tenant: TenantId::single(),
            issuer: Issuer::new("https://idp.acme.example").unwrap(),
            subject: Subject::new("alice").unwrap(),
        },
        call: CallId::new("call_0123456789abcdef").unwrap(),
        source: SourceName::new("crm").unwrap(),
        tool: ToolName::new("find").unwrap(),
        arguments: Digest::of_bytes(b"{}"),
        agent: Agent {
            agent_type: AgentType::BrowserAgent,
            name: Some("Desk".to_owned()),
            origin: None,
            verification: Verification::None,
        },
        client: Client("desk".to_owned()),
        issued_at: NOW,
        expires_at: NOW.plus(MAX_CALL_ASSERTION_LIFETIME),
    }
}

#[test]
fn an_assertion_verifies_with_the_published_set_and_says_it_all() {
    let key = key();
    let token = assertion().sign(&key).unwrap();
    let set = KeySet::parse(jwks([&key]).to_string().as_bytes()).unwrap();
    let read = Unverified::parse(&token).unwrap();
    assert_eq!(read.media_type.as_deref(), Some("deputy-call+jwt"));
    let found = set.find(KeyId::new(key.id()).as_ref(), Algorithm::Es256).unwrap();
    assert!(found.verifies(Algorithm::Es256, read.signed, &read.signature));
    let expected = json!({
        "iss": PUBLIC_URL, "aud": "https://crm.acme.example", "sub": "alice", "tenant": "default",
        "idp": "https://idp.acme.example", "jti": "call_0123456789abcdef",
        "iat": NOW.seconds(), "exp": NOW.seconds() + 60, "source": "crm", "tool": "find",
        "args": Digest::of_bytes(b"{}").to_string(), "client_id": "desk",
        "agent": { "type": "browser_agent", "name": "Desk", "verification": "none" },
    });
    assert_eq!(Value::Object(read.claims.clone()), expected);
}

#[test]
fn the_published_set_has_no_private_member() {
    let jwk = key().public_jwk().clone();
    assert!(jwk.get("d").is_none());
    assert_eq!((&jwk["alg"], &jwk["use"], &jwk["crv"]), (&json!("ES256"), &json!("sig"), &json!("P-256")));
}

#[test]
fn a_key_loads_again_with_the_same_id() {
    let pkcs8 = SigningKey::generate().unwrap();
    let id = || SigningKey::from_pkcs8(&pkcs8).unwrap().id().to_owned();
    assert_eq!(id(), id());
    assert_ne!(id(), key().id());
    assert!(SigningKey::from_pkcs8(&Secret::new(vec![1, 2, 3])).is_err());
}

#[test]
fn an_assertion_lives_60_seconds_at_most() {
    let sign = |lifetime: Duration| {
        CallAssertion { expires_at: NOW.plus(lifetime), ..assertion() }.sign(&key()).map(|_| ())
    };
    assert_eq!(sign(Duration::from_secs(60)), Ok(()));
    assert_eq!(sign(Duration::from_millis(60_001)), Err(MintError::Lifetime));
    assert_eq!(sign(Duration::ZERO), Err(MintError::Lifetime));
}

/// Even if somebody configured the hub as an identity provider of itself, at its most lenient.
#[test]
fn r4_an_assertion_is_a_bearer_nowhere() {
    let key = key();
    let mut settings =
        Preset::OIDC.settings(name("self"), TenantId::single(), Issuer::new(PUBLIC_URL).unwrap()).unwrap();
    settings.access_token_type = AccessTokenType::Untyped;
    let ring = KeyRing::new();
    let fetched =
        Fetched { set: jwks([&key]).to_string().into_bytes(), jwks_uri: String::new(), max_age: None };
    ring.complete(ring.begin_scheduled(NOW).unwrap(), Some(fetched), NOW).unwrap();
    let verifier = Verifier::new([(Arc::new(Provider::new(settings).unwrap()), Arc::new(ring))]).unwrap();
    let token = assertion().sign(&key).unwrap();
    let audiences = || Audiences::one("https://crm.acme.example").unwrap();
    for door in [Expectations::access_token(audiences()), Expectations::id_token(audiences(), name("self"))] {
        assert_eq!(verifier.verify(&token, &door, NOW).unwrap_err(), TokenError::Kind);
    }
}
