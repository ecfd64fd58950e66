//! C1 and C2, and which kind of token is let in at which door (A10).

mod kinds;

use super::*;
use crate::TokenError;
use crate::claims::{Audiences, Verified};
use crate::fixtures::{ISSUER, NOW, name, provider, ring, rsa};
use crate::verifier::{Attempt, Verifier};
use deputy_core::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const BACKCHANNEL: &str = "http://schemas.openid.net/event/backchannel-logout";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const STREAM: &str = "https://hub.acme.example/events/ssf";

fn verifier() -> Verifier {
    Verifier::new([(Arc::new(provider(ISSUER)), Arc::new(ring(&[rsa().named("r")], NOW)))]).unwrap()
}

fn door(declared: LogoutType) -> LogoutExpectations {
    LogoutExpectations { provider: name("acme"), clients: Audiences::one("hub").unwrap(), declared }
}

fn stream() -> SecurityEventExpectations {
    SecurityEventExpectations { provider: name("acme"), audiences: Audiences::one(STREAM).unwrap() }
}

fn good_logout() -> Value {
    let now = NOW.seconds();
    json!({ "iss": ISSUER, "aud": "hub", "iat": now, "exp": now + 120, "jti": "l1", "sub": "alice", "sid": "s1",
            "events": { BACKCHANNEL: {} } })
}

fn good_event() -> Value {
    json!({ "iss": ISSUER, "aud": STREAM, "iat": NOW.seconds(), "jti": "e1", "txn": "t1",
            "sub_id": { "format": "iss_sub", "iss": ISSUER, "sub": "alice" },
            "events": { REVOKED: { "event_timestamp": NOW.seconds() - 5 } } })
}

fn logout_at(claims: &Value, now: Timestamp) -> Result<Verified<LogoutToken>, TokenError> {
    let token = rsa().sign(Some("logout+jwt"), Some("r"), claims);
    verifier().logout_token(&token, &door(LogoutType::Declared), Attempt::First, now)
}

fn logout(claims: &Value) -> Result<Verified<LogoutToken>, TokenError> {
    logout_at(claims, NOW)
}

fn event(claims: &Value) -> Result<Verified<SecurityEvent>, TokenError> {
    let token = rsa().sign(Some("secevent+jwt"), Some("r"), claims);
    verifier().security_event(&token, &stream(), Attempt::First, NOW)
}

fn changed(mut claims: Value, member: &str, value: Value) -> Value {
    claims[member] = value;
    claims
}

fn without(mut claims: Value, member: &str) -> Value {
    claims.as_object_mut().unwrap().remove(member);
    claims
}

#[test]
fn c1_a_logout_token_says_whose_session_ended() {
    let token = logout(&good_logout()).unwrap();
    assert_eq!(token.target.user.as_ref().map(|user| user.subject.as_str()), Some("alice"));
    assert_eq!((token.target.session.as_deref(), token.id.as_str()), (Some("s1"), "l1"));
    assert_eq!(token.remember_until, NOW.plus(Duration::from_secs(150)));
    assert_eq!(logout(&without(good_logout(), "sub")).unwrap().target.user, None);
    assert_eq!(logout(&without(good_logout(), "sid")).unwrap().target.session, None);
    let nobody = without(without(good_logout(), "sub"), "sid");
    assert_eq!(logout(&nobody).unwrap_err(), TokenError::Claim("sub"));
}

#[test]
fn c1_its_event_is_there_and_a_nonce_is_not() {
    for bad in
        [json!({}), json!([BACKCHANNEL]), json!({ BACKCHANNEL: null }), json!({ REVOKED: {} }), json!(null)]
    {
        assert_eq!(logout(&changed(good_logout(), "events", bad)).unwrap_err(), TokenError::Kind);
    }
    assert_eq!(logout(&without(good_logout(), "events")).unwrap_err(), TokenError::Kind);
    assert_eq!(logout(&changed(good_logout(), "nonce", json!("n"))).unwrap_err(), TokenError::Kind);
}

#[test]
fn c1_without_a_typ_it_is_taken_only_if_that_is_configured() {
    for media_type in [None, Some("JWT"), Some("logout+jwt"), Some("at+jwt"), Some("secevent+jwt")] {
        let token = rsa().sign(media_type, Some("r"), &good_logout());
        let take = |declared| verifier().logout_token(&token, &door(declared), Attempt::First, NOW).is_ok();
        let plain = matches!(media_type, None | Some("JWT"));
        assert_eq!(take(LogoutType::Declared), media_type == Some("logout+jwt"), "{media_type:?}");
        assert_eq!(take(LogoutType::Untyped), plain || media_type == Some("logout+jwt"), "{media_type:?}");
    }
}

#[test]
fn c1_it_is_fresh_and_has_an_id() {
    let late = |claims: &Value, seconds| logout_at(claims, NOW.plus(Duration::from_secs(seconds)));
    assert!(late(&good_logout(), 149).is_ok());
    assert!(matches!(late(&good_logout(), 150).unwrap_err(), TokenError::Expired { .. }));
    let endless = without(good_logout(), "exp");
    assert!(late(&endless, 329).is_ok());
    assert!(matches!(late(&endless, 330).unwrap_err(), TokenError::Expired { .. }));
    let long = changed(good_logout(), "exp", json!(NOW.seconds() + 601));
    assert_eq!(logout(&long).unwrap_err(), TokenError::LifetimeTooLong);
    let ahead = changed(endless, "iat", json!(NOW.seconds() + 31));
    assert!(matches!(logout(&ahead).unwrap_err(), TokenError::NotYetValid { .. }));
    for claim in ["iat", "jti", "aud"] {
        assert_eq!(logout(&without(good_logout(), claim)).unwrap_err(), TokenError::Claim(claim));
    }
    let other = changed(good_logout(), "aud", json!("other"));
    assert_eq!(logout(&other).unwrap_err(), TokenError::Audience);
}

#[test]
fn c2_every_event_is_known_by_its_name_and_others_are_acknowledged() {
    for (uri, kind) in [
        ("caep/event-type/session-revoked", EventKind::SessionRevoked),
        ("risc/event-type/sessions-revoked", EventKind::SessionRevoked),
        ("caep/event-type/token-claims-change", EventKind::TokenClaimsChange),
        ("caep/event-type/credential-change", EventKind::CredentialChange),
        ("risc/event-type/account-disabled", EventKind::AccountDisabled),
        ("risc/event-type/account-purged", EventKind::AccountPurged),
        ("risc/event-type/account-enabled", EventKind::AccountEnabled),
        ("ssf/event-type/verification", EventKind::Verification),
        ("caep/event-type/account-disabled", EventKind::Unknown),
        ("caep/event-type/device-compliance-change", EventKind::Unknown),
    ] {
        let uri = format!("https://schemas.openid.net/secevent/{uri}");
        let read = event(&changed(good_event(), "events", json!({ uri: {} }))).unwrap();
        assert_eq!(read.events[0].kind, kind);
    }
    let odd = event(&changed(good_event(), "events", json!({ "x": {} }))).unwrap();
    assert_eq!((odd.events[0].kind, odd.id.as_str()), (EventKind::Unknown, "e1"));
}

fn target(subject: Value) -> Target {
    event(&changed(good_event(), "sub_id", subject)).unwrap().events[0].target.clone()
}

#[test]
fn c2_a_subject_is_a_person_of_this_provider_or_a_session_or_nobody() {
    let alice = json!({ "format": "iss_sub", "iss": ISSUER, "sub": "alice" });
    assert_eq!(target(alice.clone()).user.unwrap().subject.as_str(), "alice");
    let whole = target(json!({ "format": "complex", "user": alice,
        "session": { "format": "opaque", "id": "s1" }, "tenant": { "format": "opaque", "id": "t1" } }));
    assert_eq!((whole.session.as_deref(), whole.tenant.as_deref()), (Some("s1"), Some("t1")));
    assert!(whole.user.is_some());
    for nobody in [
        json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "alice" }),
        json!({ "format": "iss_sub", "iss": ISSUER }),
        json!({ "format": "email", "email": "alice@acme.example" }),
        json!({ "format": "opaque", "id": "alice" }),
        json!({ "format": 7, "iss": ISSUER, "sub": "alice" }),
        json!({ "format": "complex", "user": { "format": "email", "email": "a@acme.example" } }),
        json!({ "tenant": { "format": "opaque", "id": "t1" } }),
        json!({}),
    ] {
        assert!(target(nobody.clone()).is_nobody(), "{nobody}");
    }
}

#[test]
fn c2_the_drafts_put_the_subject_into_the_event() {
    let inside = json!({ REVOKED: { "subject": { "format": "iss_sub", "iss": ISSUER, "sub": "bob" } } });
    let read = event(&changed(without(good_event(), "sub_id"), "events", inside)).unwrap();
    assert_eq!(read.events[0].target.user.as_ref().unwrap().subject.as_str(), "bob");
}

#[test]
fn c2_what_cannot_be_verified_is_not_acted_on() {
    for claim in ["aud", "iat", "jti", "events"] {
        assert_eq!(event(&without(good_event(), claim)).unwrap_err(), TokenError::Claim(claim));
    }
    for (claim, bad) in [
        ("events", json!({})),
        ("events", json!({ REVOKED: 7 })),
        ("events", json!({ REVOKED: { "event_timestamp": "now" } })),
        ("sub_id", json!("alice")),
        ("jti", json!("")),
        ("txn", json!(7)),
    ] {
        assert_eq!(event(&changed(good_event(), claim, bad)).unwrap_err(), TokenError::Claim(claim));
    }
    assert_eq!(event(&changed(good_event(), "aud", json!("other"))).unwrap_err(), TokenError::Audience);
    assert_eq!(event(&changed(good_event(), "exp", json!(1))).unwrap_err(), TokenError::Kind);
    let ahead = changed(good_event(), "iat", json!(NOW.seconds() + 31));
    assert!(matches!(event(&ahead).unwrap_err(), TokenError::NotYetValid { .. }));
    let other = SecurityEventExpectations { provider: name("other"), ..stream() };
    let token = rsa().sign(Some("secevent+jwt"), Some("r"), &good_event());
    let error = verifier().security_event(&token, &other, Attempt::First, NOW).unwrap_err();
    assert_eq!(error, TokenError::ProviderNotAccepted(name("acme")));
}

#[test]
fn c2_an_old_event_still_happened() {
    let old = changed(good_event(), "iat", json!(NOW.seconds() - 86_400 * 30));
    assert!(event(&old).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a13_no_claim_value_makes_the_verifier_panic(
        claim in "iss|sub|aud|exp|iat|jti|sid|events|sub_id|txn",
        value in prop_oneof![
            Just(json!(null)), any::<i64>().prop_map(|n| json!(n)), ".{0,300}".prop_map(|s| json!(s)),
            prop::collection::vec(".{0,9}", 0..4).prop_map(|v| json!(v)), Just(json!({ "a": [{}] })),
        ],
    ) {
        let _ = logout(&changed(good_logout(), &claim, value.clone()));
        let _ = event(&changed(good_event(), &claim, value));
    }
}
