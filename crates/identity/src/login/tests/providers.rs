//! Signing in through each product: its discovery document, the way there and back, and an ID token shaped as the vendor
//! documents it (`fixtures/sign_in/*.json`, each citing its pages). Then the token that people bring by mistake there.

use super::*;
use crate::claims::ClaimPath;
use crate::client_assertion::AssertionAudience;
use crate::fixtures::TestKey;
use crate::jws::Algorithm;
use crate::provider::{Preset, Provider, Settings};
use deputy_core::TenantId;
use serde::Deserialize;
use serde_json::Map;
use std::sync::OnceLock;

/// A file of `fixtures/sign_in`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    preset: String,
    sources: Vec<String>,
    issuer: String,
    provider_tenants: Option<Vec<String>>,
    client: String,
    authentication: String,
    #[serde(default = "rs256")]
    algorithm: String,
    header: Map<String, Value>,
    #[serde(default)]
    key: Map<String, Value>,
    discovery: Map<String, Value>,
    claims: Map<String, Value>,
    user: String,
    groups: Vec<String>,
    wrong: Vec<Wrong>,
}

/// A token that is brought by mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    what: String,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    header: Map<String, Value>,
    algorithm: Option<String>,
    /// Its code; several where the vendor's keys decide which check comes first.
    refused: String,
}

fn rs256() -> String {
    "RS256".to_owned()
}

const FILES: [(&str, &str); 13] = [
    ("okta", include_str!("../../../fixtures/sign_in/okta.json")),
    ("auth0", include_str!("../../../fixtures/sign_in/auth0.json")),
    ("entra", include_str!("../../../fixtures/sign_in/entra.json")),
    ("entra-several", include_str!("../../../fixtures/sign_in/entra-several.json")),
    ("google", include_str!("../../../fixtures/sign_in/google.json")),
    ("google-other-spelling", include_str!("../../../fixtures/sign_in/google-other-spelling.json")),
    ("cognito", include_str!("../../../fixtures/sign_in/cognito.json")),
    ("keycloak", include_str!("../../../fixtures/sign_in/keycloak.json")),
    ("workos", include_str!("../../../fixtures/sign_in/workos.json")),
    ("clerk", include_str!("../../../fixtures/sign_in/clerk.json")),
    ("scalekit", include_str!("../../../fixtures/sign_in/scalekit.json")),
    ("better-auth", include_str!("../../../fixtures/sign_in/better-auth.json")),
    ("logto", include_str!("../../../fixtures/sign_in/logto.json")),
];

fn fixture(file: &str) -> Fixture {
    let (_, text) = FILES.into_iter().find(|(own, _)| *own == file).unwrap();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A key each: drawing an RSA key is slow.
fn key(algorithm: Algorithm) -> &'static TestKey {
    static ED: OnceLock<TestKey> = OnceLock::new();
    static EC: OnceLock<TestKey> = OnceLock::new();
    match algorithm {
        Algorithm::EdDsa => ED.get_or_init(|| TestKey::new(Algorithm::EdDsa)),
        Algorithm::Es384 => EC.get_or_init(|| TestKey::new(Algorithm::Es384)),
        _ => rsa(),
    }
}

impl Fixture {
    fn settings(&self) -> Settings {
        let issuer = Issuer::new(self.issuer.as_str()).unwrap();
        let preset = Preset::named(&self.preset).unwrap();
        let mut settings = preset.settings(name("acme"), TenantId::single(), issuer).unwrap();
        settings.provider_tenants.clone_from(&self.provider_tenants);
        settings
    }

    fn signed(&self, header: &Map<String, Value>, algorithm: &str, claims: &Map<String, Value>) -> String {
        let mut whole = self.header.clone();
        whole.extend(header.clone());
        whole.retain(|_, value| !value.is_null());
        whole.insert("alg".to_owned(), json!(algorithm));
        whole.insert("kid".to_owned(), json!("k"));
        let mut claims = claims.clone();
        claims.retain(|_, value| !value.is_null());
        let signing = Algorithm::named(algorithm).unwrap_or(Algorithm::Rs256);
        key(signing).sign_raw(&json!(whole).to_string(), &json!(claims).to_string())
    }

    /// The whole way: there, back with a code, and in with an ID token that was changed by `changes`.
    fn sign_in(&self, settings: Settings, changes: &Wrong) -> Result<Verified<Login>, TokenError> {
        let provider = Provider::new(settings).unwrap();
        let discovery = provider.read_discovery(json!(self.discovery).to_string().as_bytes()).unwrap();
        let wanted = SignIn { client: Client(self.client.clone()), ..sign_in() };
        let (url, transaction) = wanted.begin(&provider, &discovery, NOW).unwrap();
        assert!(url.as_str().starts_with(self.discovery["authorization_endpoint"].as_str().unwrap()));
        let names = discovery.names_issuer_in_answers;
        let iss = if names { format!("&iss={}", encoded(&self.issuer)) } else { String::new() };
        let back = format!("code=c&state={}{iss}", transaction.state());
        assert_eq!(transaction.read_callback(back.as_bytes()).unwrap().expose(), "c");

        let mut claims = self.claims.clone();
        claims.insert("nonce".to_owned(), json!(query(&url)["nonce"]));
        claims.insert("iat".to_owned(), json!(NOW.seconds() - 10));
        claims.insert("exp".to_owned(), json!(NOW.seconds() + 290));
        claims.extend(changes.claims.clone());
        let algorithm = changes.algorithm.as_deref().unwrap_or(&self.algorithm);
        let token = self.signed(&changes.header, algorithm, &claims);
        let mut jwk = key(Algorithm::named(&self.algorithm).unwrap()).named("k");
        jwk.as_object_mut().unwrap().extend(self.key.clone());
        let verifier = Verifier::new([(Arc::new(provider), Arc::new(ring(&[jwk], NOW)))]).unwrap();
        verifier.login(&token, &transaction.expectations(None), Attempt::AfterRefresh, NOW)
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn changed(claim: &str, value: Value) -> Wrong {
    let claims = Map::from_iter([(claim.to_owned(), value)]);
    let what = claim.to_owned();
    Wrong { what, claims, header: Map::new(), algorithm: None, refused: String::new() }
}

fn as_it_is() -> Wrong {
    Wrong { claims: Map::new(), ..changed("", Value::Null) }
}

#[test]
fn a_person_signs_in_through_each_product_as_its_vendor_documents_it() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        let login = fixture.sign_in(fixture.settings(), &as_it_is());
        let login = login.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(login.claims.user.subject.as_str(), fixture.user, "{file}");
        assert_eq!(login.claims.user.issuer.as_str(), fixture.issuer_of_people(), "{file}");
        assert_eq!(login.claims.groups, fixture.groups, "{file}");
    }
}

impl Fixture {
    /// Both spellings of Google are one provider; a directory of Entra ID is one of its own.
    fn issuer_of_people(&self) -> &str {
        if self.issuer.contains("{tenantid}") { self.claims["iss"].as_str().unwrap() } else { &self.issuer }
    }
}

#[test]
fn the_token_that_is_brought_by_mistake_at_each_product_signs_nobody_in() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        for wrong in &fixture.wrong {
            let code = fixture.sign_in(fixture.settings(), wrong).map(|_| ()).unwrap_err().code();
            let expected = wrong.refused.split('|').any(|one| one == code);
            assert!(expected, "{file}, {}: `{code}`, not `{}`", wrong.what, wrong.refused);
        }
    }
}

#[test]
fn at_each_product_another_nonce_another_client_and_an_ended_token_sign_nobody_in() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        let code = |claim: &str, value| {
            fixture.sign_in(fixture.settings(), &changed(claim, value)).map(|_| ()).unwrap_err().code()
        };
        assert_eq!(code("nonce", json!("another")), "token_claim", "{file}");
        assert_eq!(code("nonce", Value::Null), "token_claim", "{file}");
        assert_eq!(code("aud", json!("another")), "token_audience", "{file}");
        assert_eq!(code("exp", json!(NOW.seconds() - 31)), "token_expired", "{file}");
    }
}

#[test]
fn each_product_is_asked_in_a_way_that_its_document_offers() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        assert!(fixture.sources.iter().all(|source| source.starts_with("https://")), "{file}");
        let offers = |list: &str, word: &str| {
            let list = fixture.discovery.get(list).and_then(Value::as_array);
            list.is_none_or(|list| list.iter().any(|one| one == word))
        };
        assert!(offers("code_challenge_methods_supported", "S256"), "{file}");
        assert!(offers("id_token_signing_alg_values_supported", &fixture.algorithm), "{file}");
        assert!(offers("token_endpoint_auth_methods_supported", &fixture.authentication), "{file}");
    }
}

#[test]
fn connect_of_workos_names_no_organisation_so_with_organisations_listed_nobody_signs_in() {
    let fixture = fixture("workos");
    let settings = || Settings { provider_tenants: Some(vec!["org_1".to_owned()]), ..fixture.settings() };
    assert_eq!(fixture.sign_in(settings(), &as_it_is()).map(|_| ()).unwrap_err(), TokenError::Tenant);
    assert!(fixture.sign_in(settings(), &changed("org_id", json!("org_1"))).is_ok());
}

#[test]
fn groups_of_a_claim_of_ones_own_are_read_at_sign_in() {
    let fixture = fixture("auth0");
    let settings = Settings { groups: ClaimPath::parse("https://acme.example/roles"), ..fixture.settings() };
    let login = fixture.sign_in(settings, &changed("https://acme.example/roles", json!(["clerk"]))).unwrap();
    assert_eq!(login.claims.groups, ["clerk"]);
}

#[test]
fn nobody_signs_in_through_firebase_and_through_every_other_product_somebody_does() {
    for preset in Preset::NAMES {
        let signs_in = Preset::named(preset).unwrap().signs_people_in();
        let is_tried = FILES.iter().any(|(file, _)| *file == preset) || preset == "oidc";
        assert_eq!(signs_in, is_tried, "{preset}");
    }
}

#[test]
fn d10_at_okta_an_assertion_is_for_the_token_endpoint_and_elsewhere_for_the_issuer() {
    let of = |preset: &str, issuer: &str| {
        Preset::named(preset).unwrap().assertion_audience(&Issuer::new(issuer).unwrap())
    };
    let pinned = |text: &str| AssertionAudience::Pinned(text.to_owned());
    assert_eq!(of("okta", "https://acme.okta.example"), pinned("https://acme.okta.example/oauth2/v1/token"));
    assert_eq!(
        of("okta", "https://acme.okta.example/oauth2/default"),
        pinned("https://acme.okta.example/oauth2/default/v1/token")
    );
    assert_eq!(of("keycloak", "https://id.acme.example/realms/acme"), AssertionAudience::Issuer);
}
