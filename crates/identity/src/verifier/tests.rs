//! List A, end to end: tokens signed with real keys, of every algorithm and of every wrong shape.

mod claims;

use super::*;
use crate::claims::{Audiences, ClaimPath, TokenKind};
use crate::fixtures::{HUB, ISSUER, NOW, TestKey, encode, force, good_claims, name, provider, ring, rsa};
use crate::jws::Algorithm;
use crate::keys::Begun;
use crate::provider::{AccessTokenType, Provider, Settings};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Subject, TenantId};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

fn hub() -> Expectations {
    Expectations::access_token(Audiences::one(HUB).unwrap())
}

fn app() -> Expectations {
    Expectations::id_token(Audiences::one("crm-web").unwrap(), name("acme"))
}

fn verifier_of(change: impl FnOnce(&mut Settings), keys: &[Value]) -> Verifier {
    let mut settings = provider(ISSUER).settings().clone();
    change(&mut settings);
    let provider = Provider::new(settings).unwrap();
    Verifier::new([(Arc::new(provider), Arc::new(ring(keys, NOW)))]).unwrap()
}

fn verifier() -> Verifier {
    verifier_of(|_| (), &[rsa().named("r")])
}

/// A verifier that takes access tokens without a `typ`.
fn lenient() -> Verifier {
    verifier_of(|settings| settings.access_token_type = AccessTokenType::Untyped, &[rsa().named("r")])
}

fn token(claims: &Value) -> String {
    rsa().sign(Some("at+jwt"), Some("r"), claims)
}

fn changed(member: &str, value: Value) -> Value {
    let mut claims = good_claims();
    claims[member] = value;
    claims
}

fn without(member: &str) -> Value {
    let mut claims = good_claims();
    claims.as_object_mut().unwrap().remove(member);
    claims
}

fn id_claims() -> Value {
    json!({ "iss": ISSUER, "sub": "alice", "aud": "crm-web", "iat": NOW.seconds(), "exp": NOW.seconds() + 300,
            "nonce": "n", "at_hash": "h", "sid": "s1" })
}

fn at_hub(claims: &Value) -> Result<Verified<Claims>, TokenError> {
    verifier().verify(&token(claims), &hub(), NOW)
}

#[test]
fn every_algorithm_verifies_with_a_real_key_and_refuses_a_changed_token() {
    for algorithm in Algorithm::ALL {
        let key = TestKey::new(algorithm);
        let verifier = verifier_of(|_| (), &[key.named("k")]);
        let token = key.sign(Some("at+jwt"), Some("k"), &good_claims());
        assert!(verifier.verify(&token, &hub(), NOW).is_ok(), "{algorithm}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let forged = format!("{header}.{}.{signature}", encode(changed("sub", json!("bob")).to_string()));
        assert_eq!(verifier.verify(&forged, &hub(), NOW).unwrap_err(), TokenError::Signature, "{algorithm}");
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let cut = format!("{signed}.{}", encode(&bytes[..bytes.len() - 1]));
        assert_eq!(verifier.verify(&cut, &hub(), NOW).unwrap_err(), TokenError::Signature, "{algorithm}");
        let zeros = format!("{signed}.{}", encode(vec![0_u8; 64]));
        assert_eq!(verifier.verify(&zeros, &hub(), NOW).unwrap_err(), TokenError::Signature, "{algorithm}");
        let other = TestKey::new(algorithm).sign(Some("at+jwt"), Some("k"), &good_claims());
        assert_eq!(verifier.verify(&other, &hub(), NOW).unwrap_err(), TokenError::Signature, "{algorithm}");
    }
}

#[test]
fn the_claims_say_who_through_what_and_until_when() {
    let mut claims = good_claims();
    claims["scope"] = json!("a b");
    claims["groups"] = json!(["sales", "emea"]);
    claims["sid"] = json!("s1");
    let verified = at_hub(&claims).unwrap();
    assert_eq!(verified.user.subject, Subject::new("alice").unwrap());
    assert_eq!(verified.user.issuer.as_str(), ISSUER);
    assert_eq!(verified.user.tenant, TenantId::single());
    assert_eq!(verified.client.as_ref().map(|client| client.0.as_str()), Some("desk"));
    assert!(verified.has_scope("b") && !verified.has_scope("c"));
    assert_eq!(verified.groups, ["sales", "emea"]);
    assert_eq!(verified.expires_at, NOW.plus(Duration::from_secs(300)));
    assert_eq!(verified.session.as_deref(), Some("s1"));
    assert!(!format!("{verified:?}").contains("\"j1\""), "a13: the jti is hashed");
}

#[test]
fn the_client_is_client_id_else_azp_else_cid_else_the_audience_of_an_id_token() {
    let client = |claims: &Value| at_hub(claims).unwrap().client.clone().map(|client| client.0);
    let mut claims = without("client_id");
    assert_eq!(client(&claims), None);
    claims["cid"] = json!("third");
    assert_eq!(client(&claims).as_deref(), Some("third"));
    claims["azp"] = json!("second");
    assert_eq!(client(&claims).as_deref(), Some("second"));
    claims["client_id"] = json!("first");
    assert_eq!(client(&claims).as_deref(), Some("first"));
    let token = rsa().sign(None, Some("r"), &id_claims());
    let verified = verifier().verify(&token, &app(), NOW).unwrap();
    assert_eq!(verified.client.as_ref().map(|client| client.0.as_str()), Some("crm-web"));
}

#[test]
fn groups_come_from_the_claim_that_the_settings_name() {
    let claims = changed("realm_access", json!({ "roles": ["admin"] }));
    let keycloak = verifier_of(|s| s.groups = ClaimPath::parse("/realm_access/roles"), &[rsa().named("r")]);
    assert_eq!(keycloak.verify(&token(&claims), &hub(), NOW).unwrap().groups, ["admin"]);
    let url = "https://acme.example/roles";
    let auth0 = verifier_of(|s| s.groups = ClaimPath::parse(url), &[rsa().named("r")]);
    assert_eq!(auth0.verify(&token(&changed(url, json!("one"))), &hub(), NOW).unwrap().groups, ["one"]);
    for bad in [json!([1]), json!({ "a": 1 }), json!(null), json!(7)] {
        assert_eq!(at_hub(&changed("groups", bad)).unwrap_err(), TokenError::Claim("groups"));
    }
}

#[test]
fn a2_only_the_exact_configured_issuer_is_known() {
    for bad in [
        json!("https://idp.acme.example/"),
        json!("https://IDP.acme.example"),
        json!("http://idp.acme.example"),
        json!("https://idp.acme.example.evil.example"),
        json!(" https://idp.acme.example"),
        json!(""),
        json!(7),
        json!(null),
        json!([ISSUER]),
        json!([ISSUER, "https://evil.example"]),
        json!({ "iss": ISSUER }),
    ] {
        assert_eq!(at_hub(&changed("iss", bad.clone())).unwrap_err(), TokenError::UnknownIssuer, "{bad}");
    }
    assert_eq!(at_hub(&without("iss")).unwrap_err(), TokenError::UnknownIssuer);
}

#[test]
fn a2_a_token_of_an_unknown_issuer_asks_for_no_keys() {
    let evil = rsa().sign(Some("at+jwt"), Some("never-seen"), &changed("iss", json!("https://evil.example")));
    assert_eq!(verifier().verify(&evil, &hub(), NOW).unwrap_err(), TokenError::UnknownIssuer);
}

#[test]
fn a3_an_algorithm_that_is_not_the_providers_is_refused() {
    let narrow = verifier_of(|s| s.algorithms = [Algorithm::Es256].into(), &[rsa().named("r")]);
    assert_eq!(narrow.verify(&token(&good_claims()), &hub(), NOW).unwrap_err(), TokenError::Algorithm);
}

#[test]
fn a3_an_rsa_key_is_no_hmac_secret_and_none_is_no_signature() {
    for algorithm in ["none", "NONE", "HS256", "HS512"] {
        let header = json!({ "alg": algorithm, "kid": "r", "typ": "at+jwt" }).to_string();
        let token = rsa().sign_raw(&header, &good_claims().to_string());
        assert_eq!(verifier().verify(&token, &hub(), NOW).unwrap_err(), TokenError::Algorithm);
    }
}

#[test]
fn a3_the_header_never_picks_the_family_of_the_key() {
    let key = TestKey::new(Algorithm::Es256);
    let verifier = verifier_of(|_| (), &[rsa().named("r"), key.named("e")]);
    for (kid, algorithm) in [("r", "ES256"), ("e", "RS256"), ("e", "EdDSA"), ("e", "ES384")] {
        let header = json!({ "alg": algorithm, "kid": kid, "typ": "at+jwt" }).to_string();
        let token = key.sign_raw(&header, &good_claims().to_string());
        let error = verifier.verify_again(&token, &hub(), NOW).unwrap_err();
        assert!(matches!(error, TokenError::UnknownKey { .. }), "{kid} {algorithm} {error}");
    }
}

#[test]
fn a3_the_alg_of_a_key_binds() {
    let mut jwk = rsa().named("r");
    jwk["alg"] = json!("PS256");
    let verifier = verifier_of(|_| (), &[jwk]);
    let error = verifier.verify_again(&token(&good_claims()), &hub(), NOW).unwrap_err();
    assert!(matches!(error, TokenError::UnknownKey { .. }));
}

#[test]
fn a5_a_key_in_the_header_is_not_used() {
    let mine = TestKey::new(Algorithm::Es256);
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "jwk": mine.jwk(), "jku": "https://evil.example" });
    let token = mine.sign_raw(&header.to_string(), &good_claims().to_string());
    let error = verifier().verify_again(&token, &hub(), NOW).unwrap_err();
    assert!(matches!(error, TokenError::UnknownKey { key: None, .. }));
}

#[test]
fn a5_without_a_kid_the_only_candidate_is_used() {
    let token = rsa().sign(Some("at+jwt"), None, &good_claims());
    assert!(verifier().verify(&token, &hub(), NOW).is_ok());
    let two = verifier_of(|_| (), &[rsa().named("r"), TestKey::new(Algorithm::Rs256).named("s")]);
    assert!(two.verify(&token, &hub(), NOW).is_err());
}

#[test]
fn a11_one_subject_at_two_issuers_is_two_users() {
    let other = "https://other.example";
    let second = Provider::oidc(name("other"), TenantId::single(), Issuer::new(other).unwrap()).unwrap();
    let keys = [rsa().named("r")];
    let verifier = Verifier::new([
        (Arc::new(provider(ISSUER)), Arc::new(ring(&keys, NOW))),
        (Arc::new(second), Arc::new(ring(&keys, NOW))),
    ])
    .unwrap();
    let user = |issuer: &str| {
        verifier.verify(&token(&changed("iss", json!(issuer))), &hub(), NOW).unwrap().user.clone()
    };
    assert_ne!(user(ISSUER), user(other));
    assert_ne!(user(ISSUER).key(), user(other).key());
}

#[test]
fn a2_a_door_of_one_provider_takes_no_others() {
    let id = rsa().sign(None, Some("r"), &id_claims());
    let other = Expectations::id_token(Audiences::one("crm-web").unwrap(), name("other"));
    let error = verifier().verify(&id, &other, NOW).unwrap_err();
    assert_eq!(error, TokenError::ProviderNotAccepted(name("acme")));
}

#[test]
fn a2_one_issuer_or_name_twice_is_refused_at_start() {
    let pair = |issuer: &str, called: &str| {
        let provider = Provider::oidc(name(called), TenantId::single(), Issuer::new(issuer).unwrap());
        (Arc::new(provider.unwrap()), Arc::new(KeyRing::new()))
    };
    assert!(Verifier::new([pair(ISSUER, "a"), pair(ISSUER, "b")]).is_err());
    assert!(Verifier::new([pair(ISSUER, "a"), pair("https://b.example", "a")]).is_err());
    assert!(Verifier::new([pair(ISSUER, "a"), pair("https://b.example", "b")]).is_ok());
}

#[test]
fn a13_reasons_have_stable_words_and_carry_nothing_of_the_token() {
    let tokens = [
        "SECRET".to_owned(),
        token(&changed("sub", json!(["SECRET"]))),
        rsa().sign(Some("at+jwt"), Some("SECRET"), &good_claims()),
        token(&changed("aud", json!("SECRET"))),
        token(&changed("iss", json!("SECRET"))),
    ];
    for token in tokens {
        let error = verifier().verify_again(&token, &hub(), NOW).unwrap_err();
        assert!(error.code().starts_with("token_"));
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
        assert!(!error.is_unavailable());
    }
}

#[test]
fn a13_a_provider_that_is_down_is_503_and_not_401() {
    let ring = Arc::new(KeyRing::new());
    let verifier = Verifier::new([(Arc::new(provider(ISSUER)), Arc::clone(&ring))]).unwrap();
    let token = token(&good_claims());
    assert_eq!(verifier.verify(&token, &hub(), NOW).unwrap_err(), TokenError::KeysNeeded(name("acme")));
    let Begun::Fetch(refresh) = ring.begin_forced(NOW) else { panic!("no fetch") };
    ring.complete(refresh, None, NOW).unwrap();
    let error = verifier.verify_again(&token, &hub(), NOW).unwrap_err();
    assert_eq!(error, TokenError::KeysUnavailable(name("acme")));
    assert!(error.is_unavailable());
}

#[test]
fn a14_a_token_is_refused_once_its_key_is_gone() {
    let ring = Arc::new(ring(&[rsa().named("r")], NOW));
    let verifier = Verifier::new([(Arc::new(provider(ISSUER)), Arc::clone(&ring))]).unwrap();
    let token = token(&good_claims());
    assert!(verifier.verify(&token, &hub(), NOW).is_ok());
    let other = [TestKey::new(Algorithm::Es256).named("other")];
    for seconds in [60, 120] {
        assert!(force(&ring, &other, NOW.plus(Duration::from_secs(seconds))));
    }
    assert!(verifier.verify(&token, &hub(), NOW.plus(Duration::from_secs(120))).is_err());
}

#[test]
fn b4_a_new_key_is_asked_for_once_and_then_known_to_be_absent() {
    let ring = Arc::new(ring(&[rsa().named("r")], NOW));
    let verifier = Verifier::new([(Arc::new(provider(ISSUER)), Arc::clone(&ring))]).unwrap();
    let ghost = rsa().sign(Some("at+jwt"), Some("ghost"), &good_claims());
    assert_eq!(verifier.verify(&ghost, &hub(), NOW).unwrap_err(), TokenError::KeysNeeded(name("acme")));
    assert!(force(&ring, &[rsa().named("r")], NOW));
    assert!(matches!(verifier.verify_again(&ghost, &hub(), NOW).unwrap_err(), TokenError::UnknownKey { .. }));
    let later = NOW.plus(Duration::from_secs(60));
    assert!(matches!(verifier.verify(&ghost, &hub(), later).unwrap_err(), TokenError::UnknownKey { .. }));
}

#[test]
fn b5_a_provider_that_is_slow_to_answer_delays_no_known_key() {
    let ring = Arc::new(ring(&[rsa().named("r")], NOW));
    let verifier = Verifier::new([(Arc::new(provider(ISSUER)), Arc::clone(&ring))]).unwrap();
    let Begun::Fetch(refresh) = ring.begin_forced(NOW) else { panic!("no fetch") };
    for seconds in [0, 5, 10] {
        let now = NOW.plus(Duration::from_secs(seconds));
        assert!(verifier.verify(&token(&good_claims()), &hub(), now).is_ok(), "{seconds} s into the fetch");
    }
    ring.complete(refresh, None, NOW.plus(Duration::from_secs(10))).unwrap();
    assert!(verifier.verify(&token(&good_claims()), &hub(), NOW).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a13_no_claim_value_makes_the_verifier_panic(
        claim in "iss|sub|aud|exp|iat|nbf|jti|sid|scope|scp|groups|act|client_id|azp|cid|typ|token_use",
        value in prop_oneof![
            Just(json!(null)), any::<bool>().prop_map(|b| json!(b)), any::<i64>().prop_map(|n| json!(n)),
            any::<f64>().prop_map(|n| json!(n)), ".{0,300}".prop_map(|s| json!(s)),
            prop::collection::vec(".{0,9}", 0..4).prop_map(|v| json!(v)), Just(json!({ "a": [{}] })),
        ],
    ) {
        for verifier in [verifier(), lenient()] {
            let _ = verifier.verify(&token(&changed(&claim, value.clone())), &hub(), NOW);
        }
    }

    #[test]
    fn a1_no_text_passes(text in ".{0,100}") {
        prop_assert!(verifier().verify(&text, &hub(), NOW).is_err());
    }

    #[test]
    fn a1_no_token_with_a_changed_character_passes(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        static TOKEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let good = TOKEN.get_or_init(|| token(&good_claims()));
        let at = at.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(verifier().verify(&changed, &hub(), NOW).is_ok(), &changed == good);
    }
}
