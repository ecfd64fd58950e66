//! Client assertions: what Deputy makes, and what it takes.

use super::*;
use crate::fixtures::{NOW, TestKey, rsa, set};
use crate::jws::{Algorithm, Unverified};
use proptest::prelude::*;
use serde_json::Value;

const OWN: &str = "https://guard.acme.example";
const ENDPOINT: &str = "https://guard.acme.example/token";

fn client() -> Client {
    Client("https://hub.acme.example/client.json".to_owned())
}

fn audiences() -> Audiences {
    Audiences::new(vec![OWN.to_owned(), ENDPOINT.to_owned()]).unwrap()
}

fn keys() -> KeySet {
    KeySet::parse(&set(&[rsa().named("r")])).unwrap()
}

fn good() -> Value {
    let now = NOW.seconds();
    json!({ "iss": client(), "sub": client(), "aud": OWN, "jti": "j1", "iat": now, "exp": now + 60 })
}

fn changed(member: &str, value: Value) -> Value {
    let mut claims = good();
    claims[member] = value;
    claims
}

fn taken(claims: &Value) -> Result<Verified<ClientAssertion>, TokenError> {
    verify(&rsa().sign(Some("JWT"), Some("r"), claims), &client(), &keys(), &audiences(), NOW)
}

fn own_keys() -> Vec<SigningKey> {
    let jwk = |text: &str| SigningKey::from_jwk(&Secret::new(text.to_owned())).unwrap();
    let drawn = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
    vec![
        drawn,
        jwk(include_str!("../../fixtures/keys/rsa.jwk")),
        jwk(include_str!("../../fixtures/keys/ed.jwk")),
    ]
}

#[test]
fn d10_an_assertion_is_fresh_short_and_for_the_issuer_alone() {
    let issuer = Issuer::new(OWN).unwrap();
    for key in own_keys() {
        let make = || sign(&client(), &issuer, &AssertionAudience::Issuer, &key, NOW).unwrap();
        let keys = KeySet::parse(crate::mint::jwks([&key]).to_string().as_bytes()).unwrap();
        let (one, other) = (make(), make());
        let check =
            |text: &Secret<String>| verify(text.expose(), &client(), &keys, &audiences(), NOW).unwrap();
        assert_ne!(check(&one).id, check(&other).id, "{}", key.algorithm());
        assert_eq!(check(&one).expires_at, NOW.plus(LIFETIME));
        let read = Unverified::parse(one.expose()).unwrap();
        assert_eq!(read.claims["aud"], json!(OWN));
        assert_eq!(read.media_type.as_deref(), Some("client-authentication+jwt"));
    }
}

#[test]
fn d10_a_connection_may_pin_another_audience() {
    let pinned = AssertionAudience::Pinned(ENDPOINT.to_owned());
    let issuer = Issuer::new("https://other.example").unwrap();
    let text = sign(&client(), &issuer, &pinned, &own_keys()[0], NOW).unwrap();
    let read = Unverified::parse(text.expose()).unwrap();
    assert_eq!((&read.claims["aud"], read.media_type.as_deref()), (&json!(ENDPOINT), Some("jwt")));
}

#[test]
fn an_assertion_is_of_the_client_that_is_asked_about_and_of_no_other() {
    assert!(taken(&good()).is_ok());
    for claim in ["iss", "sub"] {
        for bad in [json!("other"), json!(null), json!([client()]), json!("")] {
            assert_eq!(taken(&changed(claim, bad)).unwrap_err(), TokenError::Claim(claim));
        }
    }
    let text = rsa().sign(None, Some("r"), &good());
    assert_eq!(claimed_client(&text).unwrap(), client());
    let error = verify(&text, &Client("other".to_owned()), &keys(), &audiences(), NOW).unwrap_err();
    assert_eq!(error, TokenError::Claim("iss"));
}

#[test]
fn d16_the_audience_is_one_and_ours_byte_for_byte() {
    for good in [json!(OWN), json!(ENDPOINT), json!([OWN])] {
        assert!(taken(&changed("aud", good)).is_ok());
    }
    for bad in [json!("https://guard.acme.example/"), json!("https://other.example")] {
        assert_eq!(taken(&changed("aud", bad)).unwrap_err(), TokenError::Audience);
    }
    for bad in [json!([OWN, ENDPOINT]), json!([]), json!(null), json!(7), json!("")] {
        assert_eq!(taken(&changed("aud", bad)).unwrap_err(), TokenError::Claim("aud"));
    }
}

#[test]
fn a8_an_assertion_lives_five_minutes_at_most() {
    let life = |seconds: u64| taken(&changed("exp", json!(NOW.seconds() + seconds)));
    assert!(life(300).is_ok());
    assert_eq!(life(301).unwrap_err(), TokenError::LifetimeTooLong);
    let mut undated = changed("exp", json!(NOW.seconds() + 301));
    undated.as_object_mut().unwrap().remove("iat");
    assert_eq!(taken(&undated).unwrap_err(), TokenError::LifetimeTooLong);
    let late = NOW.plus(Duration::from_secs(91));
    let text = rsa().sign(None, Some("r"), &good());
    assert!(matches!(
        verify(&text, &client(), &keys(), &audiences(), late).unwrap_err(),
        TokenError::Expired { .. }
    ));
}

#[test]
fn an_assertion_has_an_id_so_that_it_is_good_once() {
    for bad in [json!(""), json!(7), json!(null), json!("x".repeat(256)), json!("a\u{0}")] {
        assert_eq!(taken(&changed("jti", bad)).unwrap_err(), TokenError::Claim("jti"));
    }
}

#[test]
fn a3_only_a_key_of_the_client_counts() {
    let other = TestKey::new(Algorithm::Es256);
    let text = other.sign(None, Some("r"), &good());
    assert_eq!(verify(&text, &client(), &keys(), &audiences(), NOW).unwrap_err(), TokenError::Algorithm);
    let forged = TestKey::new(Algorithm::Rs256).sign(None, Some("r"), &good());
    assert_eq!(verify(&forged, &client(), &keys(), &audiences(), NOW).unwrap_err(), TokenError::Signature);
}

#[test]
fn a10_nothing_else_is_a_client_assertion() {
    for media_type in ["at+jwt", "oauth-id-jag+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", ""] {
        let text = rsa().sign(Some(media_type), Some("r"), &good());
        let error = verify(&text, &client(), &keys(), &audiences(), NOW).unwrap_err();
        assert_eq!(error, TokenError::Kind, "{media_type}");
    }
    for (claim, value) in [("nonce", json!("n")), ("events", json!({}))] {
        assert_eq!(taken(&changed(claim, value)).unwrap_err(), TokenError::Kind);
    }
    assert_eq!(taken(&changed("cnf", json!({}))).unwrap_err(), TokenError::ProofOfPossession);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_deputy_makes_deputy_takes(name in "[!-~]{1,60}", jti_at in 0_u64..60) {
        static KEY: std::sync::OnceLock<SigningKey> = std::sync::OnceLock::new();
        let key = KEY.get_or_init(|| SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap());
        let keys = KeySet::parse(crate::mint::jwks([key]).to_string().as_bytes()).unwrap();
        let (client, issuer) = (Client(name), Issuer::new(OWN).unwrap());
        let text = sign(&client, &issuer, &AssertionAudience::Issuer, key, NOW).unwrap();
        let later = NOW.plus(Duration::from_secs(jti_at));
        let taken = verify(text.expose(), &client, &keys, &audiences(), later).unwrap();
        prop_assert_eq!(&taken.client, &client);
        prop_assert_eq!(claimed_client(text.expose()).unwrap(), client);
    }
}
