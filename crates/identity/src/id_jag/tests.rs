//! ID-JAGs as a guard takes them: lists A and E, end to end with real signatures.

use super::*;
use crate::fixtures::{ISSUER, NOW, TestKey, force, good_claims, name, provider, ring, rsa};
use crate::jws::Algorithm;
use crate::keys::KeyRing;
use crate::provider::{KeysAt, Provider};
use deputy_core::TenantId;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

const GUARD: &str = "https://guard.acme.example";
const LEDGER: &str = "https://ledger.acme.example/mcp";

fn trusted(issuer: &str, algorithms: &[Algorithm]) -> Provider {
    let keys_at = KeysAt::Set(format!("{ISSUER}/jwks").parse().unwrap());
    let issuer = Issuer::new(issuer).unwrap();
    let algorithms = algorithms.iter().copied().collect();
    Provider::id_jag_issuer(name("acme"), TenantId::single(), issuer, keys_at, algorithms).unwrap()
}

fn verifier() -> Verifier {
    let provider = trusted(ISSUER, &[Algorithm::Rs256]);
    Verifier::new([(Arc::new(provider), Arc::new(ring(&[rsa().named("r")], NOW)))]).unwrap()
}

fn guard() -> IdJagExpectations {
    IdJagExpectations {
        own_issuer: Issuer::new(GUARD).unwrap(),
        client: Client("hub".to_owned()),
        resources: Audiences::new(vec![LEDGER.to_owned(), "https://files.acme.example/mcp".to_owned()])
            .unwrap(),
        resource: ResourceRule::Required,
    }
}

fn good() -> Value {
    let now = NOW.seconds();
    json!({ "iss": ISSUER, "sub": "alice", "aud": GUARD, "client_id": "hub", "jti": "j1", "iat": now,
            "exp": now + 300, "resource": LEDGER, "scope": "ledger.read ledger.write" })
}

fn changed(member: &str, value: Value) -> Value {
    let mut claims = good();
    claims[member] = value;
    claims
}

fn without(member: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(member);
    claims
}

fn signed(claims: &Value) -> String {
    rsa().sign(Some(MEDIA_TYPE), Some("r"), claims)
}

fn taken(claims: &Value) -> Result<Verified<IdJag>, TokenError> {
    verifier().id_jag(&signed(claims), &guard(), Attempt::First, NOW)
}

#[test]
fn an_assertion_says_who_for_which_client_and_resource_and_how_long() {
    let mut claims = good();
    claims["tenant"] = json!("t1");
    claims["auth_time"] = json!(NOW.seconds() - 9);
    claims["amr"] = json!(["pwd", "otp"]);
    let jag = taken(&claims).unwrap();
    assert_eq!(
        (jag.issuer.as_str(), jag.subject.as_str(), jag.tenant.as_deref()),
        (ISSUER, "alice", Some("t1"))
    );
    assert_eq!(
        (jag.client.0.as_str(), jag.resource.as_deref(), jag.id.as_str()),
        ("hub", Some(LEDGER), "j1")
    );
    assert_eq!(jag.scopes.as_deref(), Some(&["ledger.read".to_owned(), "ledger.write".to_owned()][..]));
    assert_eq!((jag.issued_at, jag.expires_at), (NOW, NOW.plus(Duration::from_secs(300))));
    assert_eq!((jag.amr.len(), jag.auth_time), (2, Some(NOW.minus(Duration::from_secs(9)))));
}

#[test]
fn e2_the_typ_is_exact() {
    let upper = "OAUTH-ID-JAG+JWT";
    for typ in ["application/oauth-id-jag+jwt", upper, "JWT", "at+jwt", "oauth-id-jag+jwt ", ""] {
        let token = rsa().sign(Some(typ), Some("r"), &good());
        let error = verifier().id_jag(&token, &guard(), Attempt::First, NOW).unwrap_err();
        assert_eq!(error, TokenError::Kind, "{typ}");
    }
    let bare = rsa().sign(None, Some("r"), &good());
    assert_eq!(verifier().id_jag(&bare, &guard(), Attempt::First, NOW).unwrap_err(), TokenError::Kind);
}

#[test]
fn e2_the_audience_is_one_and_ours_byte_for_byte() {
    assert!(taken(&changed("aud", json!([GUARD]))).is_ok());
    for bad in [json!([GUARD, GUARD]), json!([GUARD, "https://x.example"]), json!([]), json!(7), json!(null)]
    {
        assert_eq!(taken(&changed("aud", bad)).unwrap_err(), TokenError::Claim("aud"));
    }
    for bad in ["https://guard.acme.example/", "https://GUARD.acme.example", LEDGER] {
        assert_eq!(taken(&changed("aud", json!(bad))).unwrap_err(), TokenError::Audience, "{bad}");
        assert_eq!(taken(&changed("aud", json!([bad]))).unwrap_err(), TokenError::Audience, "{bad}");
    }
}

#[test]
fn e2_what_is_required_is_required() {
    for claim in ["sub", "aud", "client_id", "jti", "exp", "iat"] {
        assert_eq!(taken(&without(claim)).unwrap_err(), TokenError::Claim(claim));
    }
    assert_eq!(taken(&without("iss")).unwrap_err(), TokenError::UnknownIssuer);
}

#[test]
fn e2_an_assertion_lives_ten_minutes_at_most() {
    let life = |seconds: u64| taken(&changed("exp", json!(NOW.seconds() + seconds)));
    assert!(life(600).is_ok());
    assert_eq!(life(601).unwrap_err(), TokenError::LifetimeTooLong);
    let at = |seconds: u64| {
        verifier().id_jag(&signed(&good()), &guard(), Attempt::First, NOW.plus(Duration::from_secs(seconds)))
    };
    assert!(at(329).is_ok());
    assert!(matches!(at(330).unwrap_err(), TokenError::Expired { .. }));
    assert!(matches!(
        taken(&changed("iat", json!(NOW.seconds() + 31))).unwrap_err(),
        TokenError::NotYetValid { .. }
    ));
}

#[test]
fn e3_the_client_is_the_one_that_authenticated() {
    for bad in [json!("other"), json!("HUB"), json!(["hub"]), json!(""), json!(null)] {
        assert_eq!(taken(&changed("client_id", bad)).unwrap_err(), TokenError::Claim("client_id"));
    }
}

#[test]
fn e3_the_resource_is_one_that_stands_behind_this_issuer() {
    assert!(taken(&changed("resource", json!([LEDGER]))).is_ok());
    for bad in
        [json!("https://other.example"), json!("https://ledger.acme.example/mcp/"), json!([]), json!(7)]
    {
        assert_eq!(taken(&changed("resource", bad)).unwrap_err(), TokenError::Claim("resource"));
    }
    let both = json!([LEDGER, "https://files.acme.example/mcp"]);
    assert_eq!(taken(&changed("resource", both)).unwrap_err(), TokenError::Claim("resource"));
    assert_eq!(taken(&without("resource")).unwrap_err(), TokenError::Claim("resource"));
    let optional = IdJagExpectations { resource: ResourceRule::Optional, ..guard() };
    let take = |claims: &Value| verifier().id_jag(&signed(claims), &optional, Attempt::First, NOW);
    assert_eq!(take(&without("resource")).unwrap().resource, None);
    assert!(take(&changed("resource", json!("https://other.example"))).is_err());
    assert!(take(&changed("resource", json!(null))).is_err());
}

#[test]
fn e1_an_assertion_of_its_own_issuer_is_refused() {
    let own = Verifier::new([(
        Arc::new(trusted(GUARD, &[Algorithm::Rs256])),
        Arc::new(ring(&[rsa().named("r")], NOW)),
    )])
    .unwrap();
    let token = signed(&changed("iss", json!(GUARD)));
    assert_eq!(own.id_jag(&token, &guard(), Attempt::First, NOW).unwrap_err(), TokenError::UnknownIssuer);
}

#[test]
fn a2_an_assertion_of_an_issuer_that_is_not_trusted_asks_for_no_keys() {
    for bad in [json!("https://evil.example"), json!("https://idp.acme.example/"), json!([ISSUER]), json!(7)]
    {
        assert_eq!(taken(&changed("iss", bad)).unwrap_err(), TokenError::UnknownIssuer);
    }
}

#[test]
fn a3_only_the_algorithms_and_keys_of_the_issuer_count() {
    let other = TestKey::new(Algorithm::Es256);
    let token = other.sign(Some(MEDIA_TYPE), Some("r"), &good());
    assert_eq!(verifier().id_jag(&token, &guard(), Attempt::First, NOW).unwrap_err(), TokenError::Algorithm);
    let forged = TestKey::new(Algorithm::Rs256).sign(Some(MEDIA_TYPE), Some("r"), &good());
    assert_eq!(verifier().id_jag(&forged, &guard(), Attempt::First, NOW).unwrap_err(), TokenError::Signature);
}

#[test]
fn a15_a_bound_assertion_is_refused_while_no_proof_is_checked() {
    for cnf in [json!({ "jkt": "x" }), json!({}), json!(null)] {
        assert_eq!(taken(&changed("cnf", cnf)).unwrap_err(), TokenError::ProofOfPossession);
    }
}

#[test]
fn a10_a_provider_for_sign_in_issues_no_assertions_and_the_other_way_round() {
    let keys = || Arc::new(ring(&[rsa().named("r")], NOW));
    let sign_in = Verifier::new([(Arc::new(provider(ISSUER)), keys())]).unwrap();
    let refused = sign_in.id_jag(&signed(&good()), &guard(), Attempt::First, NOW).unwrap_err();
    assert_eq!(refused, TokenError::Kind);
    let access = rsa().sign(Some("at+jwt"), Some("r"), &good_claims());
    let door = crate::Expectations::access_token(Audiences::one(crate::fixtures::HUB).unwrap());
    assert_eq!(verifier().verify(&access, &door, NOW).unwrap_err(), TokenError::Kind);
    let odd = crate::Expectations { kind: TokenKind::IdJag, ..door };
    assert_eq!(verifier().verify(&access, &odd, NOW).unwrap_err(), TokenError::Kind);
    for (claim, value) in [("nonce", json!("n")), ("events", json!({}))] {
        assert_eq!(taken(&changed(claim, value)).unwrap_err(), TokenError::Kind);
    }
}

#[test]
fn b3_an_unknown_key_is_asked_for_once() {
    let ring = Arc::new(KeyRing::new());
    let provider = Arc::new(trusted(ISSUER, &[Algorithm::Rs256]));
    let verifier = Verifier::new([(provider, Arc::clone(&ring))]).unwrap();
    let take = |attempt| verifier.id_jag(&signed(&good()), &guard(), attempt, NOW);
    assert_eq!(take(Attempt::First).unwrap_err(), TokenError::KeysNeeded(name("acme")));
    assert!(force(&ring, &[rsa().named("r")], NOW));
    assert!(take(Attempt::AfterRefresh).is_ok());
}

#[test]
fn an_assertion_without_scopes_says_nothing_about_scopes() {
    assert_eq!(taken(&without("scope")).unwrap().scopes, None);
    assert_eq!(taken(&changed("scope", json!(""))).unwrap().scopes, Some(Vec::new()));
    assert_eq!(taken(&changed("scope", json!(["a"]))).unwrap_err(), TokenError::Claim("scope"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a13_no_claim_value_makes_the_verifier_panic(
        claim in "iss|sub|aud|exp|iat|nbf|jti|client_id|resource|scope|act|amr|acr|email|tenant|auth_time",
        value in prop_oneof![
            Just(json!(null)), any::<i64>().prop_map(|n| json!(n)), any::<f64>().prop_map(|n| json!(n)),
            ".{0,300}".prop_map(|s| json!(s)), prop::collection::vec(".{0,9}", 0..4).prop_map(|v| json!(v)),
        ],
    ) {
        let _ = taken(&changed(&claim, value));
    }
}
