//! List D: what is sent, what is believed, and what is made of a no.

use super::id_jag::{IdJagRequest, SubjectToken};
use super::token_exchange::{ResultForm, Subject, TokenExchange};
use super::*;
use crate::fixtures::{ISSUER, NOW, TestKey, rsa};
use crate::form::{Form, Parameters};
use crate::jws::Algorithm;
use crate::token_response::ResponseError;
use deputy_core::{Client, Issuer, Secret};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const GUARD: &str = "https://guard.acme.example";
const LEDGER: &str = "https://ledger.acme.example/mcp";

fn words(text: &str) -> Vec<String> {
    crate::claims::read::words(text)
}

fn sent(form: &Form) -> BTreeMap<&'static str, String> {
    form.iter().map(|(name, value)| (name, value.expose().clone())).collect()
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn request(scopes: &str) -> IdJagRequest {
    let issuer = |text| Issuer::new(text).unwrap();
    let client = Client("hub-at-guard".to_owned());
    IdJagRequest::new(issuer(ISSUER), issuer(GUARD), client, LEDGER.to_owned(), words(scopes)).unwrap()
}

fn good_jag() -> Value {
    let now = NOW.seconds();
    json!({ "iss": ISSUER, "sub": "alice", "aud": GUARD, "client_id": "hub-at-guard", "jti": "j1", "iat": now,
            "exp": now + 300, "resource": LEDGER, "scope": "a" })
}

fn answer(typ: &str, claims: &Value) -> Value {
    json!({ "issued_token_type": crate::id_jag::TOKEN_TYPE, "access_token": rsa().sign(Some(typ), Some("r"), claims),
            "token_type": "N_A", "expires_in": 300 })
}

fn unusable(body: &Value) -> Option<&'static str> {
    match request("a b").read(body.to_string().as_bytes(), NOW).err()? {
        ExchangeError::Unusable(ResponseError::Member(name)) => Some(name),
        other => panic!("{other:?}"),
    }
}

fn with(member: &str, value: Value) -> Option<&'static str> {
    let mut body = answer("oauth-id-jag+jwt", &good_jag());
    body[member] = value;
    unusable(&body)
}

fn claiming(claim: &str, value: Value) -> Option<&'static str> {
    let mut claims = good_jag();
    claims[claim] = value;
    unusable(&answer("oauth-id-jag+jwt", &claims))
}

#[test]
fn d4_leg_1_has_exactly_its_parameters() {
    let form = request("a b").form(&SubjectToken::IdToken(&secret("idt")));
    let expected = [
        ("audience", GUARD),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("resource", LEDGER),
        ("scope", "a b"),
        ("subject_token", "idt"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    assert_eq!(sent(&form), expected);
    let none = sent(&request("").form(&SubjectToken::RefreshToken(&secret("r"))));
    assert!(!none.contains_key("scope"));
    assert_eq!(none["subject_token_type"], "urn:ietf:params:oauth:token-type:refresh_token");
}

#[test]
fn d2_identity_provider_and_authorization_server_are_two() {
    let issuer = || Issuer::new(ISSUER).unwrap();
    let make = |resource: &str| {
        IdJagRequest::new(issuer(), issuer(), Client("x".to_owned()), resource.to_owned(), Vec::new()).err()
    };
    assert!(matches!(make(LEDGER), Some(ExchangeError::Connection(_))));
    let guard = Issuer::new(GUARD).unwrap();
    let none = IdJagRequest::new(issuer(), guard, Client("x".to_owned()), String::new(), Vec::new());
    assert!(matches!(none.err(), Some(ExchangeError::Connection(_))));
}

#[test]
fn d5_a_good_answer_is_taken_with_what_it_allows() {
    let body = answer("oauth-id-jag+jwt", &good_jag()).to_string();
    let grant = request("a b").read(body.as_bytes(), NOW).ok().unwrap();
    assert_eq!(
        (grant.scopes(), grant.expires_at()),
        (&["a".to_owned()][..], NOW.plus(Duration::from_secs(300)))
    );
    assert_eq!(*grant.id(), deputy_core::Digest::of_bytes(b"j1"));
}

#[test]
fn d5_an_answer_that_is_not_an_id_jag_fails_closed() {
    assert_eq!(with("expires_in", json!(300)), None);
    for (member, bad) in [
        ("issued_token_type", json!("urn:ietf:params:oauth:token-type:access_token")),
        ("issued_token_type", json!(null)),
        ("token_type", json!("Bearer")),
        ("token_type", json!("n_a")),
        ("refresh_token", json!("r")),
        ("scope", json!("a c")),
        ("access_token", json!("opaque")),
        ("access_token", json!("")),
    ] {
        assert_eq!(with(member, bad.clone()), Some(member), "{member} {bad}");
    }
    for typ in ["JWT", "at+jwt", "application/oauth-id-jag+jwt"] {
        assert_eq!(unusable(&answer(typ, &good_jag())), Some("typ"), "{typ}");
    }
}

#[test]
fn d5_what_the_assertion_says_is_what_was_asked_for() {
    for (claim, bad) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(null)),
        ("aud", json!("https://guard.acme.example/")),
        ("aud", json!([GUARD, "https://other.example"])),
        ("aud", json!(ISSUER)),
        ("client_id", json!("hub")),
        ("client_id", json!(null)),
        ("jti", json!("")),
        ("exp", json!(NOW.seconds() + 601)),
        ("exp", json!(NOW.seconds() - 60)),
        ("resource", json!("https://ledger.acme.example/mcp/")),
        ("resource", json!(null)),
        ("scope", json!("a c")),
        ("scope", json!(["a"])),
        ("cnf", json!({})),
    ] {
        assert_eq!(claiming(claim, bad.clone()), Some(claim), "{claim} {bad}");
    }
    assert_eq!(claiming("aud", json!([GUARD])), None);
}

#[test]
fn d12_what_is_bound_to_a_key_is_not_used_for_the_hub_has_none_to_prove() {
    for cnf in [json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), json!({}), json!(null)] {
        assert_eq!(claiming("cnf", cnf.clone()), Some("cnf"), "{cnf}");
    }
    let bound = json!({ "access_token": "at", "token_type": "DPoP", "expires_in": 60, "scope": "a" });
    assert_eq!(redeemed(&bound).err(), Some(ExchangeError::member("token_type")));
}

#[test]
fn d5_without_any_scope_said_it_is_as_asked() {
    let mut claims = good_jag();
    claims.as_object_mut().unwrap().remove("scope");
    let body = answer("oauth-id-jag+jwt", &claims).to_string();
    assert_eq!(request("a b").read(body.as_bytes(), NOW).ok().unwrap().scopes(), ["a", "b"]);
}

fn redeemed(body: &Value) -> Result<Access, ExchangeError> {
    redeemed_bytes(body.to_string().as_bytes())
}

fn redeemed_bytes(body: &[u8]) -> Result<Access, ExchangeError> {
    let good = answer("oauth-id-jag+jwt", &good_jag()).to_string();
    let (form, redeemed) = request("a b").read(good.as_bytes(), NOW).ok().unwrap().redeem();
    assert_eq!(sent(&form).keys().copied().collect::<Vec<_>>(), ["assertion", "grant_type"]);
    redeemed.read(body)
}

#[test]
fn scope_widening_leg_2_takes_a_bearer_token_within_the_assertion_and_nothing_to_keep() {
    let good = json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 60, "scope": "a" });
    let access = redeemed(&good).ok().unwrap();
    assert_eq!((access.token.expose().as_str(), access.expires_in), ("at", Some(Duration::from_secs(60))));
    assert_eq!(access.granted, Granted::Scopes(vec!["a".to_owned()]));
    for (member, bad) in [
        ("token_type", json!("DPoP")),
        ("token_type", json!("N_A")),
        ("refresh_token", json!("r")),
        ("scope", json!("a b")),
    ] {
        let mut body = good.clone();
        body[member] = bad;
        assert_eq!(redeemed(&body).err(), Some(ExchangeError::member(member)));
    }
}

fn keycloak(result: ResultForm) -> TokenExchange {
    TokenExchange {
        issuer: Issuer::new(ISSUER).unwrap(),
        client: Client("hub".to_owned()),
        audience: "ledger".to_owned(),
        scopes: words("a b"),
        unasked_scopes: words("profile"),
        subject: Subject::AccessToken,
        result,
    }
}

#[test]
fn token_exchange_takes_only_what_is_for_the_target_and_for_the_hub() {
    let key = TestKey::new(Algorithm::Es256);
    let now = NOW.seconds();
    let good = json!({ "iss": ISSUER, "aud": ["ledger", "account"], "azp": "hub", "iat": now, "exp": now + 60,
                       "scope": "a", "sub": "alice" });
    let read = |claims: &Value| {
        let body = json!({ "access_token": key.sign(Some("JWT"), None, claims), "token_type": "Bearer",
                           "issued_token_type": ACCESS_TOKEN });
        keycloak(ResultForm::Jwt).read(body.to_string().as_bytes(), NOW).map(|_| ())
    };
    assert_eq!(read(&good), Ok(()));
    let mut default = good.clone();
    default["scope"] = json!("profile a");
    assert_eq!(read(&default), Ok(()), "what the server adds of itself");
    for (claim, bad) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("account")),
        ("azp", json!("other")),
        ("scope", json!("a admin")),
        ("exp", json!(now - 60)),
    ] {
        let mut claims = good.clone();
        claims[claim] = bad;
        assert_eq!(read(&claims), Err(ExchangeError::member(claim)));
    }
    let opaque =
        json!({ "access_token": "x", "token_type": "Bearer", "issued_token_type": ACCESS_TOKEN }).to_string();
    assert!(keycloak(ResultForm::Opaque).read(opaque.as_bytes(), NOW).is_ok());
    assert!(keycloak(ResultForm::Jwt).read(opaque.as_bytes(), NOW).is_err());
    let form = sent(&keycloak(ResultForm::Jwt).form(&secret("at")));
    assert_eq!((form["audience"].as_str(), form["subject_token_type"].as_str()), ("ledger", ACCESS_TOKEN));
    assert!(!form.contains_key("resource"));
}

#[test]
fn token_exchange_under_a_type_of_the_administrators_own_asks_for_no_type_and_takes_an_answer_without_one() {
    let own = TokenExchange {
        subject: Subject::IdTokenAs("urn:acme:deputy-sign-in".to_owned()),
        ..keycloak(ResultForm::Opaque)
    };
    let form = sent(&own.form(&secret("idt")));
    assert_eq!(
        (form["subject_token"].as_str(), form["subject_token_type"].as_str()),
        ("idt", "urn:acme:deputy-sign-in")
    );
    assert!(!form.contains_key("requested_token_type"));
    let read = |body: Value| own.read(body.to_string().as_bytes(), NOW).map(|_| ());
    assert_eq!(read(json!({ "access_token": "x", "token_type": "Bearer" })), Ok(()));
    let other = json!({ "access_token": "x", "token_type": "Bearer", "issued_token_type": ID_TOKEN });
    assert_eq!(read(other), Err(ExchangeError::member("issued_token_type")));
}

#[test]
fn entra_without_consent_is_an_administrators_matter_and_not_a_new_sign_in() {
    let body = json!({ "error": "invalid_grant", "error_codes": [65001], "suberror": "consent_required" });
    assert_eq!(read_error(400, body.to_string().as_bytes()), ExchangeError::UnauthorizedClient);
    let other = json!({ "error": "invalid_grant", "error_codes": [70008], "suberror": "bad_token" });
    assert_eq!(read_error(400, other.to_string().as_bytes()), ExchangeError::InvalidGrant);
}

#[test]
fn entra_never_asks_for_what_the_hub_would_have_to_keep() {
    let make = |scopes: &str| entra_obo::OnBehalfOf::new(Client("app".to_owned()), words(scopes));
    assert!(make("api://x/read offline_access").is_err() && make("").is_err());
    let form = make("api://x/read").unwrap().form(&secret("at"), Form::new().with("client_assertion", "j"));
    let form = sent(&form);
    assert_eq!((form["requested_token_use"].as_str(), form["client_id"].as_str()), ("on_behalf_of", "app"));
    let posted = make("api://x/read").unwrap().form(&secret("at"), Form::new().with("client_id", "app"));
    assert!(Parameters::parse(posted.encode().expose().as_bytes()).is_ok(), "`client_id` is there once");
    let kept = json!({ "access_token": "at", "token_type": "Bearer", "refresh_token": "r" }).to_string();
    assert!(make("api://x/read").unwrap().read(kept.as_bytes()).is_err());
}

#[test]
fn google_and_client_credentials_send_what_their_servers_read() {
    let google = google_sts::GoogleSts {
        audience: "//iam.googleapis.com/locations/global/workforcePools/p/providers/x".to_owned(),
        scopes: words("https://www.googleapis.com/auth/cloud-platform"),
        user_project: Some("project-1".to_owned()),
    };
    let form = sent(&google.form(google_sts::Subject::IdToken, &secret("idt")));
    assert_eq!(
        (form["options"].as_str(), form["subject_token_type"].as_str()),
        ("%7B%22userProject%22%3A%22project-1%22%7D", ID_TOKEN)
    );
    let hub = client_credentials::ClientCredentials { resource: LEDGER.to_owned(), scopes: words("a") };
    assert_eq!(
        hub.form().encode().expose(),
        "grant_type=client_credentials&resource=https%3A%2F%2Fledger.acme.example%2Fmcp&scope=a"
    );
    let wide = json!({ "access_token": "at", "token_type": "Bearer", "scope": "a b" }).to_string();
    assert_eq!(hub.read(wide.as_bytes()).err(), Some(ExchangeError::member("scope")));
}

/// A kind of credential, an answer that it takes, and what reads it.
type Reader = (&'static str, Value, fn(&[u8]) -> Option<ExchangeError>);

/// Every reader of an answer.
fn readers() -> Vec<Reader> {
    let bearer = json!({ "access_token": "at", "token_type": "Bearer", "issued_token_type": ACCESS_TOKEN });
    vec![
        ("id_jag, leg 1", answer("oauth-id-jag+jwt", &good_jag()), |body| request("a").read(body, NOW).err()),
        ("id_jag, leg 2", bearer.clone(), |body| redeemed_bytes(body).err()),
        ("token_exchange", bearer.clone(), |body| keycloak(ResultForm::Opaque).read(body, NOW).err()),
        ("entra_obo", bearer.clone(), |body| {
            let asked = entra_obo::OnBehalfOf::new(Client("app".to_owned()), words("api://x/read"));
            asked.unwrap().read(body).err()
        }),
        ("google_sts", bearer.clone(), |body| {
            let (audience, scopes) = ("//iam.googleapis.com/x".to_owned(), words("a"));
            google_sts::GoogleSts { audience, scopes, user_project: None }.read(body).err()
        }),
        ("client_credentials", bearer, |body| {
            client_credentials::ClientCredentials { resource: LEDGER.to_owned(), scopes: words("a") }
                .read(body)
                .err()
        }),
    ]
}

#[test]
fn d12_an_answer_that_is_bound_to_a_key_aborts_at_both_legs_and_in_every_other_kind() {
    let jwt = |claims: &Value| rsa().sign(Some("at+jwt"), Some("r"), claims);
    for (kind, good, read) in readers() {
        let said = |member: &str, value: Value| {
            let mut body = good.clone();
            body[member] = value;
            read(body.to_string().as_bytes())
        };
        assert_eq!(read(good.to_string().as_bytes()), None, "{kind}");
        for bound in ["DPoP", "dpop", "PoP", "mac"] {
            let error = said("token_type", json!(bound));
            assert_eq!(error, Some(ExchangeError::member("token_type")), "{kind} {bound}");
        }
        for cnf in [json!({ "jkt": "x" }), json!({ "x5t#S256": "x" }), json!({}), json!(null)] {
            assert_eq!(said("cnf", cnf.clone()), Some(ExchangeError::member("cnf")), "{kind} {cnf}");
            let bound = jwt(&json!({ "sub": "alice", "cnf": cnf }));
            let error = said("access_token", json!(bound));
            assert_eq!(error, Some(ExchangeError::member("cnf")), "{kind} {cnf}");
        }
        if kind != "id_jag, leg 1" {
            for free in [jwt(&json!({ "sub": "alice" })), "a.b.c".to_owned(), "a.e30.c.d".to_owned()] {
                assert_eq!(said("access_token", json!(free)), None, "{kind} {free}");
            }
        }
    }
}

#[test]
fn d9_every_no_says_what_has_to_be_done() {
    let error = |status: u16, body: Value| read_error(status, body.to_string().as_bytes());
    let plain = |code: &str| error(400, json!({ "error": code }));
    assert_eq!(plain("invalid_grant"), ExchangeError::InvalidGrant);
    assert_eq!(plain("access_denied"), ExchangeError::AccessDenied);
    assert_eq!(plain("invalid_target"), ExchangeError::InvalidTarget);
    assert_eq!(plain("unauthorized_client"), ExchangeError::UnauthorizedClient);
    assert_eq!(plain("invalid_scope"), ExchangeError::InvalidScope);
    assert_eq!(plain("invalid_client"), ExchangeError::InvalidClient);
    assert_eq!(plain("made_up"), ExchangeError::Unknown(400));
    let step_up =
        json!({ "error": "insufficient_user_authentication", "max_age": 60, "acr_values": "mfa hw" });
    let wanted = ExchangeError::InsufficientUserAuthentication {
        max_age: Some(Duration::from_secs(60)),
        acr_values: words("mfa hw"),
    };
    assert_eq!(error(400, step_up), wanted);
    let interaction = json!({ "error": "interaction_required", "claims": "{\"access_token\":{}}" });
    let claims = Some("{\"access_token\":{}}".to_owned());
    assert_eq!(error(400, interaction), ExchangeError::InteractionRequired { claims });
    assert_eq!(error(503, json!({ "error": "invalid_grant" })), ExchangeError::Temporary(503));
    assert_eq!(error(429, json!({})), ExchangeError::Temporary(429));
    assert_eq!(read_error(401, b"<html>"), ExchangeError::InvalidClient);
    assert_eq!(read_error(302, b""), ExchangeError::Unknown(302));
}

#[test]
fn d6_an_error_says_nothing_of_a_token() {
    let body = json!({ "access_token": "SECRET", "token_type": "Bearer", "scope": "SECRET" }).to_string();
    let error = request("a").read(body.as_bytes(), NOW).err().unwrap();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
    let said = read_error(400, br#"{"error":"SECRET","error_description":"SECRET"}"#);
    assert!(!format!("{said} {said:?}").contains("SECRET"));
}

proptest! {
    #[test]
    fn no_body_makes_a_reader_panic(status in any::<u16>(), body in ".{0,200}") {
        let _ = read_error(status, body.as_bytes());
        prop_assert!(request("a").read(body.as_bytes(), NOW).is_err());
        prop_assert!(keycloak(ResultForm::Opaque).read(body.as_bytes(), NOW).is_err());
    }
}
