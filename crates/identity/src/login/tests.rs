//! Sign-in, end to end but for the network: address, way back, form, ID token.

mod providers;

use super::*;
use crate::TokenError;
use crate::claims::Verified;
use crate::fixtures::{ISSUER, NOW, name, provider, ring, rsa};
use crate::verifier::{Attempt, Verifier};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Subject, User};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

fn discovery(names_issuer: bool) -> Discovery {
    let document = json!({ "issuer": ISSUER, "jwks_uri": "https://idp.acme.example/jwks",
        "authorization_endpoint": "https://idp.acme.example/authorize?tenant=1",
        "authorization_response_iss_parameter_supported": names_issuer });
    provider(ISSUER).read_discovery(document.to_string().as_bytes()).unwrap()
}

fn sign_in() -> SignIn {
    SignIn {
        client: Client("hub".to_owned()),
        redirect_uri: "https://hub.acme.example/login/callback".to_owned(),
        scopes: vec!["openid".to_owned(), "email".to_owned()],
        prompt: None,
        max_age: None,
        acr_values: Vec::new(),
        resource: None,
        claims: None,
    }
}

fn begin(sign_in: &SignIn, names_issuer: bool) -> (Url, Transaction) {
    sign_in.begin(&provider(ISSUER), &discovery(names_issuer), NOW).unwrap()
}

fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[test]
fn the_address_asks_for_a_code_with_s256_and_what_was_wanted() {
    let wanted = SignIn {
        prompt: Some(Prompt::Login),
        max_age: Some(Duration::from_secs(60)),
        acr_values: vec!["mfa".to_owned(), "hw".to_owned()],
        resource: Some("https://hub.acme.example/mcp".to_owned()),
        claims: Some("{\"access_token\":{}}".to_owned()),
        ..sign_in()
    };
    let (url, transaction) = begin(&wanted, true);
    let said = query(&url);
    let verifier = transaction.verifier();
    assert!(pkce::proves(&said["code_challenge"], &verifier));
    assert!(!url.as_str().contains(verifier.expose().as_str()));
    for (name, value) in [
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", "hub"),
        ("redirect_uri", "https://hub.acme.example/login/callback"),
        ("scope", "openid email"),
        ("code_challenge_method", "S256"),
        ("prompt", "login"),
        ("max_age", "60"),
        ("acr_values", "mfa hw"),
        ("resource", "https://hub.acme.example/mcp"),
        ("claims", "{\"access_token\":{}}"),
        ("state", transaction.state()),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    let (plain, other) = begin(&sign_in(), true);
    assert!(
        ["prompt", "max_age", "acr_values", "resource"].iter().all(|name| !query(&plain).contains_key(*name))
    );
    assert_ne!(other.state(), transaction.state());
    assert_ne!(query(&plain)["nonce"], said["nonce"]);
}

#[test]
fn a_provider_without_an_address_for_signing_in_is_named() {
    let mut lacking = discovery(true);
    lacking.authorization_endpoint = None;
    let error = sign_in().begin(&provider(ISSUER), &lacking, NOW).err().unwrap();
    assert!(error.to_string().contains("`authorization_endpoint`"), "{error}");
}

#[test]
fn the_answer_is_believed_only_with_the_state_that_was_sent() {
    let (_, transaction) = begin(&sign_in(), false);
    let state = transaction.state();
    assert_eq!(transaction.read_callback(format!("code=c&state={state}").as_bytes()).unwrap().expose(), "c");
    for bad in ["code=c", "code=c&state=", "code=c&state=x", "error=access_denied&state=x"] {
        assert_eq!(transaction.read_callback(bad.as_bytes()).err(), Some(CallbackError::State), "{bad}");
    }
    let twice = format!("code=c&state={state}&state={state}");
    assert_eq!(
        transaction.read_callback(twice.as_bytes()).err(),
        Some(CallbackError::Form(crate::form::FormError::Twice))
    );
}

#[test]
fn rfc_9207_a_present_issuer_is_equal_and_an_advertised_one_present() {
    for names_issuer in [true, false] {
        let (_, transaction) = begin(&sign_in(), names_issuer);
        let read = |rest: &str| {
            let query = format!("{rest}&state={}", transaction.state());
            transaction.read_callback(query.as_bytes()).err()
        };
        assert_eq!(read("code=c&iss=https%3A%2F%2Fidp.acme.example"), None);
        for bad in ["https://idp.acme.example/", "https://evil.example", "HTTPS://idp.acme.example"] {
            assert_eq!(read(&format!("code=c&iss={bad}")), Some(CallbackError::Issuer), "{bad}");
            assert_eq!(read(&format!("error=access_denied&iss={bad}")), Some(CallbackError::Issuer));
        }
        assert_eq!(read("code=c").is_some(), names_issuer, "absent though advertised");
    }
}

#[test]
fn an_answer_is_a_code_or_an_error_and_never_both() {
    let (_, transaction) = begin(&sign_in(), false);
    let read = |rest: &str| {
        transaction.read_callback(format!("{rest}&state={}", transaction.state()).as_bytes()).err()
    };
    assert_eq!(read("error=login_required"), Some(CallbackError::Refused("login_required".to_owned())));
    assert_eq!(read("error=<script>"), Some(CallbackError::Refused("unknown_error".to_owned())));
    assert_eq!(read("a=b"), Some(CallbackError::NoCode));
    assert_eq!(read("code=c&error=access_denied"), Some(CallbackError::NoCode));
}

#[test]
fn the_form_for_tokens_carries_the_verifier_and_the_same_address() {
    let wanted = SignIn { resource: Some("https://r.example".to_owned()), ..sign_in() };
    let (_, transaction) = begin(&wanted, true);
    let form = transaction.redeem(&Secret::new("c".to_owned())).encode();
    let said = crate::form::Parameters::parse(form.expose().as_bytes()).unwrap();
    assert_eq!(said.one("code_verifier"), Some(transaction.verifier().expose().as_str()));
    assert_eq!(said.one("redirect_uri"), Some("https://hub.acme.example/login/callback"));
    assert_eq!((said.one("grant_type"), said.one("code")), (Some("authorization_code"), Some("c")));
    assert_eq!(said.one("resource"), Some("https://r.example"));
    let renewal = refresh(&Secret::new("r".to_owned()), &[], None).encode();
    assert_eq!(renewal.expose(), "grant_type=refresh_token&refresh_token=r");
}

fn verifier() -> Verifier {
    Verifier::new([(Arc::new(provider(ISSUER)), Arc::new(ring(&[rsa().named("r")], NOW)))]).unwrap()
}

fn good(transaction: &Transaction) -> Value {
    let now = NOW.seconds();
    json!({ "iss": ISSUER, "sub": "alice", "aud": "hub", "iat": now, "exp": now + 300, "sid": "s1",
            "nonce": transaction.0.nonce, "email": "a@acme.example", "name": "Alice", "auth_time": now - 100,
            "acr": "mfa", "amr": ["pwd", "otp"] })
}

fn check(claims: &Value, expectations: &LoginExpectations<'_>) -> Result<Verified<Login>, TokenError> {
    let token = rsa().sign(None, Some("r"), claims);
    verifier().login(&token, expectations, Attempt::First, NOW)
}

fn refused(change: impl Fn(&mut Value), wanted: &SignIn, claim: &'static str) {
    let (_, transaction) = begin(wanted, true);
    let mut claims = good(&transaction);
    change(&mut claims);
    assert_eq!(check(&claims, &transaction.expectations(None)).unwrap_err(), TokenError::Claim(claim));
}

#[test]
fn a_sign_in_says_who_when_and_how() {
    let (_, transaction) = begin(&sign_in(), true);
    let login = check(&good(&transaction), &transaction.expectations(None)).unwrap();
    assert_eq!(login.claims.user.subject, Subject::new("alice").unwrap());
    assert_eq!((login.claims.session.as_deref(), login.acr.as_deref()), (Some("s1"), Some("mfa")));
    assert_eq!(login.auth_time, Some(NOW.minus(Duration::from_secs(100))));
    assert_eq!((login.email.as_deref(), login.name.as_deref()), (Some("a@acme.example"), Some("Alice")));
    assert_eq!(login.amr, ["pwd", "otp"]);
}

#[test]
fn the_nonce_is_the_one_that_was_sent() {
    for bad in [json!("other"), json!(null), json!(""), json!(7)] {
        refused(|claims| claims["nonce"] = bad.clone(), &sign_in(), "nonce");
    }
    refused(|claims| drop(claims.as_object_mut().unwrap().remove("nonce")), &sign_in(), "nonce");
}

#[test]
fn the_party_it_was_issued_to_is_us() {
    refused(|claims| claims["azp"] = json!("other"), &sign_in(), "azp");
    let (_, transaction) = begin(&sign_in(), true);
    let mut claims = good(&transaction);
    claims["aud"] = json!(["hub", "other"]);
    assert_eq!(check(&claims, &transaction.expectations(None)).unwrap_err(), TokenError::Kind);
    claims["azp"] = json!("hub");
    assert!(check(&claims, &transaction.expectations(None)).is_ok());
    claims["aud"] = json!("other");
    assert_eq!(check(&claims, &transaction.expectations(None)).unwrap_err(), TokenError::Audience);
}

#[test]
fn max_age_is_held_and_needs_a_time() {
    let wanted = SignIn { max_age: Some(Duration::from_secs(60)), ..sign_in() };
    refused(|_| (), &wanted, "auth_time");
    refused(|claims| drop(claims.as_object_mut().unwrap().remove("auth_time")), &wanted, "auth_time");
    refused(|claims| claims["auth_time"] = json!(NOW.seconds() + 31), &sign_in(), "auth_time");
    let (_, transaction) = begin(&wanted, true);
    let mut claims = good(&transaction);
    claims["auth_time"] = json!(NOW.seconds() - 60);
    assert!(check(&claims, &transaction.expectations(None)).is_ok());
}

#[test]
fn one_of_the_wanted_ways_of_signing_in_was_used() {
    let wanted = SignIn { acr_values: vec!["hw".to_owned()], ..sign_in() };
    refused(|_| (), &wanted, "acr");
    refused(|claims| drop(claims.as_object_mut().unwrap().remove("acr")), &wanted, "acr");
    let either = SignIn { acr_values: vec!["hw".to_owned(), "mfa".to_owned()], ..sign_in() };
    let (_, transaction) = begin(&either, true);
    assert!(check(&good(&transaction), &transaction.expectations(None)).is_ok());
}

/// OpenID Connect Core section 3.1.3.6.
#[test]
fn an_at_hash_is_of_the_access_token_that_came_with_it() {
    let (_, transaction) = begin(&sign_in(), true);
    let access = Secret::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y".to_owned());
    let mut claims = good(&transaction);
    claims["at_hash"] = json!("77QmUPtjPfzWtF2AnpK9RQ");
    assert!(check(&claims, &transaction.expectations(Some(&access))).is_ok());
    let other = Secret::new("other".to_owned());
    let error = check(&claims, &transaction.expectations(Some(&other))).unwrap_err();
    assert_eq!(error, TokenError::Claim("at_hash"));
}

#[test]
fn a_renewal_is_of_the_same_person_and_needs_no_nonce() {
    let (_, transaction) = begin(&sign_in(), true);
    let mut claims = good(&transaction);
    claims.as_object_mut().unwrap().remove("nonce");
    let user = |subject: &str| User {
        tenant: deputy_core::TenantId::single(),
        issuer: Issuer::new(ISSUER).unwrap(),
        subject: Subject::new(subject).unwrap(),
    };
    let (alice, bob) = (user("alice"), user("bob"));
    let renewal =
        |user| LoginExpectations { occasion: Occasion::Renewal { user }, ..transaction.expectations(None) };
    assert!(check(&claims, &renewal(&alice)).is_ok());
    assert_eq!(check(&claims, &renewal(&bob)).unwrap_err(), TokenError::Claim("sub"));
}

#[test]
fn a_sign_in_at_one_provider_takes_no_other_providers_token() {
    let (_, transaction) = begin(&sign_in(), true);
    let expectations = LoginExpectations { provider: "other", ..transaction.expectations(None) };
    let error = check(&good(&transaction), &expectations).unwrap_err();
    assert_eq!(error, TokenError::ProviderNotAccepted(name("acme")));
}

proptest! {
    #[test]
    fn a_transaction_comes_back_as_it_was_kept(
        client in ".{1,20}", resource in prop::option::of("[ -~]{1,20}"), acr in prop::collection::vec("[a-z]{1,9}", 0..3),
        age in prop::option::of(0_u64..100_000),
    ) {
        let wanted = SignIn {
            client: Client(client), resource, acr_values: acr, max_age: age.map(Duration::from_secs), ..sign_in()
        };
        let (_, transaction) = begin(&wanted, true);
        let bytes = transaction.to_bytes();
        let again = Transaction::from_bytes(bytes.expose()).unwrap();
        let bytes_again = again.to_bytes();
        prop_assert_eq!(bytes_again.expose(), bytes.expose());
        prop_assert_eq!(again.state(), transaction.state());
        prop_assert_eq!(URL_SAFE_NO_PAD.decode(again.state()).unwrap().len(), 32);
    }

    #[test]
    fn no_query_makes_the_reader_panic(text in ".{0,200}") {
        let (_, transaction) = begin(&sign_in(), true);
        prop_assert!(transaction.read_callback(text.as_bytes()).is_err());
        prop_assert!(Transaction::from_bytes(text.as_bytes()).is_none());
    }
}
