//! One product at a time.

use super::*;

const GUID: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER: &str = "82229342-1101-4ab6-817b-70c0747630f3";

fn keys_of(preset: &str, issuer: &str) -> Result<KeysAt, ProviderError> {
    let issuer = Issuer::new(issuer).unwrap();
    Ok(Preset::named(preset).unwrap().settings(name("acme"), TenantId::single(), issuer)?.keys_at)
}

#[test]
fn a2_an_issuer_of_another_shape_does_not_start() {
    for (preset, issuer) in [
        ("okta", "https://acme.okta.example/"),
        ("okta", "https://acme.okta.example/oauth2"),
        ("auth0", "https://acme.eu.auth0.example"),
        ("entra", "https://login.microsoftonline.com/common/v2.0"),
        ("entra", "https://login.microsoftonline.com/organizations/v2.0"),
        ("entra", "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0"),
        ("entra", "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490"),
        ("entra", "https://sts.windows.net/8eaef023-2b34-4da1-9baa-8bc8c9d6a490"),
        ("google", "https://accounts.google.com/"),
        ("google", "accounts.google.com"),
        ("google", "https://accounts.google.com.evil.example"),
        ("cognito", "https://cognito-idp.eu-west-1.amazonaws.com/"),
        ("cognito", "https://cognito-idp.eu-west-1.amazonaws.com.evil.example/pool"),
        ("keycloak", "https://id.acme.example"),
        ("keycloak", "https://id.acme.example/realms/acme/"),
        ("clerk", "https://clerk.acme.example/"),
        ("logto", "https://acme.logto.example"),
        ("firebase", "https://securetoken.google.com/"),
    ] {
        let error = keys_of(preset, issuer).unwrap_err();
        assert!(matches!(error, ProviderError::Issuer { .. }), "{preset} {issuer}");
        assert!(error.mend().is_some_and(|mend| mend.contains("https://")), "{preset} {issuer}");
    }
}

#[test]
fn b2_the_keys_are_where_the_vendor_says() {
    let discovery = |url: &str| KeysAt::Discovery(url.parse().unwrap());
    let set = |url: &str| KeysAt::Set(url.parse().unwrap());
    let entra = "https://login.microsoftonline.com";
    let openid = ".well-known/openid-configuration";
    for (preset, issuer, keys) in [
        (
            "okta",
            "https://a.example/oauth2/x".to_owned(),
            discovery(&format!("https://a.example/oauth2/x/{openid}")),
        ),
        ("auth0", "https://a.example/".to_owned(), discovery(&format!("https://a.example/{openid}"))),
        ("entra", format!("{entra}/{GUID}/v2.0"), discovery(&format!("{entra}/{GUID}/v2.0/{openid}"))),
        (
            "entra",
            format!("{entra}/{{tenantid}}/v2.0"),
            discovery(&format!("{entra}/organizations/v2.0/{openid}")),
        ),
        ("entra", format!("https://sts.windows.net/{GUID}/"), discovery(&format!("{entra}/{GUID}/{openid}"))),
        (
            "google",
            "https://accounts.google.com".to_owned(),
            discovery(&format!("https://accounts.google.com/{openid}")),
        ),
        (
            "keycloak",
            "http://localhost:8080/realms/a".to_owned(),
            discovery(&format!("http://localhost:8080/realms/a/{openid}")),
        ),
        (
            "workos",
            "https://api.workos.com/user_management/client_1".to_owned(),
            set("https://api.workos.com/sso/jwks/client_1"),
        ),
        ("workos", "https://x.authkit.app".to_owned(), set("https://x.authkit.app/oauth2/jwks")),
        ("scalekit", "https://a.example".to_owned(), set("https://a.example/keys")),
        ("clerk", "https://a.example".to_owned(), set("https://a.example/.well-known/jwks.json")),
        ("better-auth", "https://a.example".to_owned(), set("https://a.example/api/auth/jwks")),
        ("better-auth", "https://a.example/api/auth".to_owned(), set("https://a.example/api/auth/jwks")),
        (
            "logto",
            "https://a.example/oidc".to_owned(),
            discovery(&format!("https://a.example/oidc/{openid}")),
        ),
        (
            "firebase",
            "https://securetoken.google.com/p".to_owned(),
            set("https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"),
        ),
    ] {
        assert_eq!(keys_of(preset, &issuer).unwrap(), keys, "{preset} {issuer}");
    }
}

#[test]
fn workos_shares_an_issuer_among_its_customers_so_the_keys_must_be_said() {
    let error = keys_of("workos", "https://api.workos.com").unwrap_err();
    assert_eq!(error, ProviderError::Keys(name("acme")));
    assert!(error.mend().is_some_and(|mend| mend.contains("jwks_uri")));
    let keys = KeysAt::Set("https://api.workos.com/sso/jwks/client_1".parse().unwrap());
    let issuer = Issuer::new("https://api.workos.com").unwrap();
    let preset = Preset::named("workos").unwrap();
    assert!(preset.settings_at(name("acme"), TenantId::single(), issuer, Some(keys)).is_ok());
}

#[test]
fn a12_entra_believes_a_directory_only_if_iss_and_tid_name_it() {
    let mut two = fixture("entra");
    two.provider_tenants = Some(vec![GUID.to_owned(), OTHER.to_owned()]);
    let token = |iss: &str, tid: &str| {
        two.verify(
            &two.changed(
                json!({ "iss": format!("https://login.microsoftonline.com/{iss}/v2.0"), "tid": tid })
                    .as_object()
                    .unwrap(),
            ),
        )
    };
    let (first, second) = (token(GUID, GUID).unwrap(), token(OTHER, OTHER).unwrap());
    assert_eq!(second.provider_tenant.as_deref(), Some(OTHER));
    assert_ne!(first.user, second.user, "a11: one `oid` in two directories is two people");
    assert_eq!(token(GUID, OTHER).unwrap_err(), TokenError::KeyIssuer);
    assert_eq!(token("{tenantid}", "{tenantid}").unwrap_err(), TokenError::UnknownIssuer);
    assert_eq!(token("common", "common").unwrap_err(), TokenError::UnknownIssuer);
    two.key =
        Map::from_iter([("issuer".to_owned(), json!("https://login.microsoftonline.com/{tenantid}/v2.0"))]);
    assert!(token_of(&two, GUID).is_ok());
}

fn token_of(fixture: &Fixture, guid: &str) -> Result<Verified<Claims>, TokenError> {
    let iss = format!("https://login.microsoftonline.com/{guid}/v2.0");
    fixture.verify(&fixture.changed(json!({ "iss": iss, "tid": guid }).as_object().unwrap()))
}

#[test]
fn a12_entra_keys_sign_for_the_issuer_they_name() {
    let with_key = |key: Value| {
        let mut fixture = fixture("entra");
        fixture.key = key.as_object().unwrap().clone();
        fixture.verify(&fixture.claims).map(|_| ())
    };
    let of = |guid: &str| json!({ "issuer": format!("https://login.microsoftonline.com/{guid}/v2.0") });
    assert_eq!(with_key(of("{tenantid}")), Ok(()));
    assert_eq!(with_key(of(GUID)), Ok(()));
    assert_eq!(with_key(of(OTHER)), Err(TokenError::KeyIssuer));
    assert_eq!(
        with_key(json!({})),
        Err(TokenError::KeyIssuer),
        "a set for every directory says whose a key is"
    );
    let mut single = fixture("entra_v1");
    assert!(single.verify(&single.claims).is_ok(), "the set of one directory need not say it");
    single.key = of(OTHER).as_object().unwrap().clone();
    assert_eq!(single.verify(&single.claims).unwrap_err(), TokenError::KeyIssuer);
}

#[test]
fn a12_entra_v1_tokens_fail_on_a_v2_setting_and_the_other_way_round() {
    let (v1, v2) = (fixture("entra_v1"), fixture("entra"));
    let unknown = TokenError::UnknownIssuer;
    assert_eq!(v2.verify_with(v2.settings(), &v1.sign(&v1.claims)).unwrap_err(), unknown);
    assert_eq!(v1.verify_with(v1.settings(), &v2.sign(&v2.claims)).unwrap_err(), unknown);
}

#[test]
fn a12_entra_takes_only_guids_and_only_the_directory_of_its_issuer() {
    let settings = |file: &str, tenant: &str| Settings {
        provider_tenants: Some(vec![tenant.to_owned()]),
        ..fixture(file).settings()
    };
    for bad in ["common", "acme.onmicrosoft.com", &GUID.to_uppercase(), "{tenantid}"] {
        assert!(Provider::new(settings("entra", bad)).is_err(), "{bad}");
    }
    assert!(Provider::new(settings("entra_v1", GUID)).is_ok());
    assert!(Provider::new(settings("entra_v1", OTHER)).is_err());
    let claim = Settings { tenant_claim: Some(ClaimPath::parse("x")), ..settings("entra", GUID) };
    assert!(Provider::new(claim).is_err());
}

#[test]
fn a10_entra_tokens_of_applications_and_id_tokens_are_no_access_tokens_of_people() {
    assert_eq!(fixture("entra").with("scp", &Value::Null).unwrap_err(), TokenError::Kind);
    assert_eq!(fixture("entra").with("idtyp", &json!("app")).unwrap_err(), TokenError::Kind);
    assert!(fixture("entra").with("idtyp", &json!("user")).is_ok());
    assert_eq!(fixture("entra").with("oid", &Value::Null).unwrap_err(), TokenError::Claim("oid"));
}

#[test]
fn a_list_of_groups_that_is_somewhere_else_is_not_an_empty_list() {
    let entra = fixture("entra");
    let settings = || Settings { groups: ClaimPath::parse("groups"), ..entra.settings() };
    for (claim, value) in [("_claim_names", json!({ "groups": "src1" })), ("hasgroups", json!(true))] {
        let token = entra.sign(&entra.changed(&Map::from_iter([(claim.to_owned(), value)])));
        assert_eq!(
            entra.verify_with(settings(), &token).unwrap_err(),
            TokenError::Claim("groups"),
            "{claim}"
        );
        assert!(entra.verify_with(entra.settings(), &token).is_ok(), "roles are all there");
    }
}

#[test]
fn a12_both_spellings_of_google_are_one_provider_and_one_person() {
    let google = fixture("google");
    let bare = google.with("iss", &json!("accounts.google.com")).unwrap();
    let full = google.verify(&google.claims).unwrap();
    assert_eq!(bare.user, full.user);
    for bad in ["http://accounts.google.com", "https://accounts.google.com/", "Accounts.google.com"] {
        assert_eq!(google.with("iss", &json!(bad)).unwrap_err(), TokenError::UnknownIssuer, "{bad}");
    }
}

#[test]
fn a10_google_and_firebase_issue_no_access_token_that_can_be_checked() {
    for file in ["google", "firebase"] {
        let mut fixture = fixture(file);
        fixture.kind = "access_token".to_owned();
        assert_eq!(fixture.verify(&fixture.claims).unwrap_err(), TokenError::Kind, "{file}");
        assert!(!Preset::named(file).unwrap().issues(TokenKind::AccessToken));
    }
}

#[test]
fn a9_cognito_access_tokens_are_for_their_client_and_say_so_by_token_use() {
    let cognito = fixture("cognito");
    assert_eq!(cognito.with("client_id", &json!("another")).unwrap_err(), TokenError::Audience);
    assert_eq!(cognito.with("client_id", &Value::Null).unwrap_err(), TokenError::Claim("client_id"));
    assert_eq!(cognito.with("token_use", &Value::Null).unwrap_err(), TokenError::Kind);
    assert_eq!(cognito.with("token_use", &json!("id")).unwrap_err(), TokenError::Kind);
    let bound = cognito.with("aud", &json!("https://api.acme.example"));
    assert_eq!(
        bound.unwrap_err(),
        TokenError::Audience,
        "an `aud` that is there counts, and the client does not"
    );
}

#[test]
fn a9_clerk_session_tokens_are_for_the_origin_that_asked_for_them() {
    let clerk = fixture("clerk");
    assert_eq!(clerk.with("azp", &json!("https://evil.example")).unwrap_err(), TokenError::Audience);
    assert_eq!(clerk.with("azp", &Value::Null).unwrap_err(), TokenError::Claim("azp"));
    assert_eq!(clerk.with("aud", &json!("other")).unwrap_err(), TokenError::Audience);
    let mut typed = fixture("clerk");
    typed.header.insert("typ".to_owned(), json!("at+jwt"));
    assert_eq!(typed.verify(&typed.claims).unwrap_err(), TokenError::Claim("aud"), "RFC 9068 promises one");
}

#[test]
fn a9_no_other_preset_takes_a_token_without_an_audience() {
    for (file, _) in FILES.into_iter().filter(|(file, _)| !matches!(*file, "cognito" | "clerk")) {
        assert_eq!(fixture(file).with("aud", &Value::Null).unwrap_err(), TokenError::Claim("aud"), "{file}");
    }
}

#[test]
fn a12_clerk_names_the_organisation_in_either_version_and_never_two() {
    let clerk = fixture("clerk");
    let mut first = clerk.claims.clone();
    first.remove("o");
    first.insert("org_id".to_owned(), json!("org_2abc"));
    assert!(clerk.verify(&first).is_ok());
    first.insert("org_id".to_owned(), json!("org_other"));
    assert_eq!(clerk.verify(&first).unwrap_err(), TokenError::Tenant);
    assert_eq!(clerk.with("org_id", &json!("org_other")).unwrap_err(), TokenError::Tenant);
}

#[test]
fn a11_okta_people_are_known_by_uid_and_not_by_their_login() {
    let okta = fixture("okta");
    assert_eq!(
        okta.with("sub", &json!("alice.new@acme.example")).unwrap().user.subject.as_str(),
        "00u1alice"
    );
    assert_eq!(okta.with("uid", &Value::Null).unwrap_err(), TokenError::Kind, "an application's own token");
    assert_eq!(okta.with("cid", &Value::Null).unwrap_err(), TokenError::Kind);
    let mut internal = fixture("okta");
    internal.header.insert("typ".to_owned(), json!("application/okta-internal-at+jwt"));
    assert_eq!(internal.verify(&internal.claims).unwrap_err(), TokenError::Kind);
}

#[test]
fn a11_a_firebase_user_is_one_within_a_tenant() {
    let mut firebase = fixture("firebase");
    firebase.provider_tenants = Some(vec!["acmecorp-xgzvg".to_owned(), "othercorp-abcde".to_owned()]);
    let first = firebase.verify(&firebase.claims).unwrap();
    let second = firebase.verify(&firebase.changed(&firebase.other_tenant)).unwrap();
    assert_ne!(first.user, second.user);
}

#[test]
fn a10_auth0_machines_are_no_people() {
    assert_eq!(fixture("auth0").with("gty", &json!("client-credentials")).unwrap_err(), TokenError::Kind);
    assert!(fixture("auth0").with("gty", &json!("password")).is_ok());
    let mut standard = fixture("auth0");
    standard.header.insert("typ".to_owned(), json!("at+jwt"));
    assert!(standard.verify(&standard.claims).is_ok(), "the RFC 9068 profile");
}

#[test]
fn a10_keycloak_tells_kinds_apart_by_a_claim() {
    for typ in [json!("ID"), json!("Refresh"), json!("Offline"), json!("Logout"), Value::Null] {
        assert_eq!(fixture("keycloak").with("typ", &typ).unwrap_err(), TokenError::Kind, "{typ}");
    }
}

#[test]
fn a10_presets_that_declare_access_tokens_take_no_untyped_one() {
    for file in ["better-auth", "logto"] {
        let mut untyped = fixture(file);
        untyped.header.clear();
        assert_eq!(untyped.verify(&untyped.claims).unwrap_err(), TokenError::Kind, "{file}");
    }
}

#[test]
fn a10_a_token_behind_which_there_is_only_a_client_is_of_nobody() {
    for file in ["better-auth", "logto", "scalekit", "keycloak", "cognito"] {
        let fixture = fixture(file);
        let client = fixture.client.clone().unwrap();
        assert_eq!(fixture.with("sub", &json!(client)).unwrap_err(), TokenError::Kind, "{file}");
    }
    let machine = json!("K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja@clients");
    assert_eq!(fixture("auth0").with("sub", &machine).unwrap_err(), TokenError::Kind);
}

#[test]
fn a12_clerk_people_who_still_have_to_choose_an_organisation_are_refused() {
    assert_eq!(fixture("clerk").with("sts", &json!("pending")).unwrap_err(), TokenError::Kind);
}

#[test]
fn a12_workos_must_name_an_organisation_where_its_issuer_is_every_customers_and_may_where_it_is_ones_own() {
    let provider = |issuer: &str| {
        let preset = Preset::named("workos").unwrap();
        let keys = KeysAt::Set("https://api.workos.com/sso/jwks/client_1".parse().unwrap());
        let issuer = Issuer::new(issuer).unwrap();
        let settings = preset.settings_at(name("acme"), TenantId::single(), issuer, Some(keys)).unwrap();
        Provider::new(Settings { provider_tenants: Some(vec![]), ..settings })
    };
    for shared in ["https://api.workos.com", "https://api.workos.com/user_management/client_1"] {
        assert!(matches!(provider(shared), Err(ProviderError::TenantsUnsaid { .. })), "{shared}");
    }
    assert!(provider("https://acme.authkit.app").is_ok());
}

#[test]
fn the_usual_mistakes_about_an_issuer_have_a_mend_of_their_own() {
    for (preset, issuer, mend) in [
        ("auth0", "https://acme.eu.auth0.example", "`issuer = \"https://acme.eu.auth0.example/\"`"),
        ("entra", "https://login.microsoftonline.com/common/v2.0", "your directory's id (a GUID)"),
        ("keycloak", "https://id.acme.example", "`issuer = \"https://id.acme.example/realms/REALM\"`"),
        ("okta", "https://acme.okta.example/oauth2/default/", "remove the slash at the end"),
        ("logto", "https://acme.logto.app", "`issuer = \"https://acme.logto.app/oidc\"`"),
        ("cognito", "https://acme.auth.eu-west-1.amazoncognito.com", "it looks like"),
    ] {
        let said = keys_of(preset, issuer).unwrap_err().mend().unwrap();
        assert!(said.contains(mend), "{preset}: {said}");
    }
}
