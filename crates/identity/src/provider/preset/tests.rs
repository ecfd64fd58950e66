//! Every preset with a token shaped as the vendor documents it (`fixtures/providers/*.json`, each citing its page): let
//! in, and the same token of another tenant refused. Then what each product is known to get wrong.

mod quirks;

use super::*;
use crate::claims::{Audiences, Claims, Expectations, Verified};
use crate::error::TokenError;
use crate::fixtures::{NOW, TestKey, name, ring};
use crate::provider::Provider;
use crate::verifier::Verifier;
use deputy_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};

/// A file of `fixtures/providers`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    preset: String,
    source: String,
    kind: String,
    issuer: String,
    audience: String,
    header: Map<String, Value>,
    #[serde(default = "rs256")]
    algorithm: String,
    provider_tenants: Option<Vec<String>>,
    tenant_claim: Option<String>,
    #[serde(default)]
    key: Map<String, Value>,
    claims: Map<String, Value>,
    user: String,
    client: Option<String>,
    groups: Vec<String>,
    other_tenant: Map<String, Value>,
    refused: String,
}

fn rs256() -> String {
    "RS256".to_owned()
}

const FILES: [(&str, &str); 13] = [
    ("okta", include_str!("../../../fixtures/providers/okta.json")),
    ("auth0", include_str!("../../../fixtures/providers/auth0.json")),
    ("entra", include_str!("../../../fixtures/providers/entra.json")),
    ("entra_v1", include_str!("../../../fixtures/providers/entra_v1.json")),
    ("google", include_str!("../../../fixtures/providers/google.json")),
    ("cognito", include_str!("../../../fixtures/providers/cognito.json")),
    ("keycloak", include_str!("../../../fixtures/providers/keycloak.json")),
    ("workos", include_str!("../../../fixtures/providers/workos.json")),
    ("clerk", include_str!("../../../fixtures/providers/clerk.json")),
    ("scalekit", include_str!("../../../fixtures/providers/scalekit.json")),
    ("better-auth", include_str!("../../../fixtures/providers/better-auth.json")),
    ("logto", include_str!("../../../fixtures/providers/logto.json")),
    ("firebase", include_str!("../../../fixtures/providers/firebase.json")),
];

fn fixture(file: &str) -> Fixture {
    let (_, text) = FILES.into_iter().find(|(own, _)| *own == file).unwrap();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A key each: drawing an RSA key is slow.
fn key(algorithm: Algorithm) -> &'static TestKey {
    static RSA: OnceLock<TestKey> = OnceLock::new();
    static ED: OnceLock<TestKey> = OnceLock::new();
    static EC: OnceLock<TestKey> = OnceLock::new();
    let cell = match algorithm {
        Algorithm::EdDsa => &ED,
        Algorithm::Es384 => &EC,
        _ => &RSA,
    };
    cell.get_or_init(|| TestKey::new(algorithm))
}

impl Fixture {
    fn settings(&self) -> Settings {
        let preset = Preset::named(&self.preset).unwrap();
        let issuer = Issuer::new(self.issuer.as_str()).unwrap();
        let mut settings = preset.settings(name("acme"), TenantId::single(), issuer).unwrap();
        settings.provider_tenants.clone_from(&self.provider_tenants);
        settings.tenant_claim = self.tenant_claim.as_deref().map(ClaimPath::parse);
        settings
    }

    fn key(&self) -> &'static TestKey {
        key(Algorithm::named(&self.algorithm).unwrap())
    }

    fn expectations(&self) -> Expectations {
        let audiences = Audiences::one(self.audience.as_str()).unwrap();
        match self.kind.as_str() {
            "id_token" => Expectations::id_token(audiences, name("acme")),
            _ => Expectations::access_token(audiences),
        }
    }

    fn sign(&self, claims: &Map<String, Value>) -> String {
        let mut header = self.header.clone();
        header.insert("alg".to_owned(), json!(self.algorithm));
        header.insert("kid".to_owned(), json!("k"));
        self.key().sign_raw(&Value::Object(header).to_string(), &json!(claims).to_string())
    }

    fn changed(&self, changes: &Map<String, Value>) -> Map<String, Value> {
        let mut claims = self.claims.clone();
        claims.extend(changes.clone());
        claims
    }

    fn verify_with(&self, settings: Settings, token: &str) -> Result<Verified<Claims>, TokenError> {
        let mut jwk = self.key().named("k");
        jwk.as_object_mut().unwrap().extend(self.key.clone());
        let provider = Arc::new(Provider::new(settings).unwrap());
        let verifier = Verifier::new([(provider, Arc::new(ring(&[jwk], NOW)))]).unwrap();
        verifier.verify_again(token, &self.expectations(), NOW)
    }

    fn verify(&self, claims: &Map<String, Value>) -> Result<Verified<Claims>, TokenError> {
        self.verify_with(self.settings(), &self.sign(claims))
    }

    /// The good token with one claim changed, or (null) removed.
    fn with(&self, claim: &str, value: &Value) -> Result<Verified<Claims>, TokenError> {
        let mut claims = self.claims.clone();
        match value {
            Value::Null => drop(claims.remove(claim)),
            value => drop(claims.insert(claim.to_owned(), value.clone())),
        }
        self.verify(&claims)
    }
}

#[test]
fn every_preset_has_a_fixture_that_cites_the_vendor() {
    for preset in Preset::NAMES.into_iter().filter(|name| *name != "oidc") {
        let fixture = fixture(preset);
        assert_eq!(fixture.preset, preset);
        assert!(fixture.source.starts_with("https://"), "{preset}");
    }
    for (file, _) in FILES {
        assert!(Preset::named(&fixture(file).preset).is_some(), "{file}");
    }
}

#[test]
fn a_token_as_the_vendor_documents_it_is_let_in() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        let verified = fixture.verify(&fixture.claims).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(verified.user.subject.as_str(), fixture.user, "{file}");
        assert_eq!(verified.client.clone().map(|client| client.0), fixture.client, "{file}");
        assert_eq!(verified.groups, fixture.groups, "{file}");
        let tenant = fixture.provider_tenants.as_ref().map(|tenants| tenants[0].clone());
        if file != "entra_v1" {
            assert_eq!(verified.provider_tenant, tenant, "{file}");
        }
    }
}

#[test]
fn a12_the_same_token_of_another_tenant_is_refused() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        let error = fixture.verify(&fixture.changed(&fixture.other_tenant)).unwrap_err();
        assert_eq!(error.code(), fixture.refused, "{file}");
    }
}

#[test]
fn a12_a_token_that_names_no_tenant_is_refused_where_one_must_be_named() {
    for (file, claim) in [
        ("auth0", "org_id"),
        ("entra", "tid"),
        ("entra_v1", "tid"),
        ("google", "hd"),
        ("workos", "org_id"),
        ("clerk", "o"),
        ("scalekit", "oid"),
        ("better-auth", "org_id"),
        ("logto", "organization_id"),
    ] {
        // Entra ID's keys are checked against the directory too, and first.
        let refused = |error| matches!(error, TokenError::Tenant | TokenError::KeyIssuer);
        assert!(refused(fixture(file).with(claim, &Value::Null).unwrap_err()), "{file}");
        for bad in [json!([fixture(file).provider_tenants]), json!(7), json!("")] {
            let error = fixture(file).with(claim, &bad).unwrap_err();
            assert!(refused(error), "{file} {bad}");
        }
    }
    let nowhere = json!({ "identities": {}, "sign_in_provider": "password" });
    assert_eq!(fixture("firebase").with("firebase", &nowhere).unwrap_err(), TokenError::Tenant);
}

#[test]
fn a3_every_preset_signs_asymmetrically_and_refuses_hs256_and_none() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        for algorithm in ["HS256", "none", "hs256"] {
            let header = json!({ "alg": algorithm, "kid": "k", "typ": fixture.header.get("typ") });
            let mut header = header.as_object().unwrap().clone();
            header.retain(|_, value| !value.is_null());
            let token =
                fixture.key().sign_raw(&json!(header).to_string(), &json!(fixture.claims).to_string());
            let error = fixture.verify_with(fixture.settings(), &token).unwrap_err();
            assert_eq!(error, TokenError::Algorithm, "{file} {algorithm}");
        }
    }
}

#[test]
fn a9_the_fixture_for_another_audience_is_refused() {
    for (file, _) in FILES {
        let mut fixture = fixture(file);
        fixture.audience.push_str(".evil.example");
        assert_eq!(fixture.verify(&fixture.claims).unwrap_err(), TokenError::Audience, "{file}");
    }
}

#[test]
fn a8_the_fixture_is_refused_when_it_has_expired() {
    for (file, _) in FILES {
        let fixture = fixture(file);
        let past = NOW.seconds() - 31;
        let changes = json!({ "iat": past - 60, "nbf": past - 60, "exp": past });
        let error = fixture.verify(&fixture.changed(changes.as_object().unwrap())).unwrap_err();
        assert_eq!(error, TokenError::Expired { expired_at: Timestamp::from_seconds(past) }, "{file}");
    }
}

#[test]
fn a12_a_preset_with_tenants_does_not_start_until_they_are_said() {
    for file in ["auth0", "entra", "google", "workos", "clerk", "scalekit", "logto", "firebase"] {
        let error =
            Provider::new(Settings { provider_tenants: None, ..fixture(file).settings() }).unwrap_err();
        assert!(matches!(error, ProviderError::TenantsUnsaid { .. }), "{file}");
        assert!(error.mend().is_some_and(|mend| mend.contains("provider_tenants")), "{file}");
    }
    for file in ["entra", "google", "workos", "scalekit"] {
        let nobody = Settings { provider_tenants: Some(vec![]), ..fixture(file).settings() };
        assert!(Provider::new(nobody).is_err(), "{file}: everybody is in one");
    }
}

#[test]
fn a12_no_tenants_means_people_who_are_in_none() {
    for (file, claim) in [("auth0", "org_id"), ("clerk", "o"), ("logto", "organization_id")] {
        let fixture = fixture(file);
        let settings = || Settings { provider_tenants: Some(vec![]), ..fixture.settings() };
        let in_one = fixture.sign(&fixture.claims);
        assert_eq!(fixture.verify_with(settings(), &in_one).unwrap_err(), TokenError::Tenant, "{file}");
        let mut claims = fixture.claims.clone();
        claims.remove(claim);
        assert!(fixture.verify_with(settings(), &fixture.sign(&claims)).is_ok(), "{file}");
    }
}

#[test]
fn a12_a_claim_without_tenants_and_tenants_without_a_claim_do_not_start() {
    let settings = || fixture("okta").settings();
    let tenants = Some(vec!["a".to_owned()]);
    for half in [
        Settings { provider_tenants: tenants.clone(), ..settings() },
        Settings { tenant_claim: Some(ClaimPath::parse("org")), ..settings() },
    ] {
        assert!(matches!(Provider::new(half).unwrap_err(), ProviderError::TenantHalfSaid { .. }));
    }
    for bad in ["", "a/b", "a b", &"a".repeat(129)] {
        let settings =
            Settings { provider_tenants: Some(vec![bad.to_owned()]), ..fixture("auth0").settings() };
        assert!(
            matches!(Provider::new(settings).unwrap_err(), ProviderError::TenantImpossible { .. }),
            "{bad}"
        );
    }
}
