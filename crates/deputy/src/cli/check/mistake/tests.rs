//! Each mistake in a configuration that has it, and in one that does not.

mod documents;

use super::*;
use crate::cli::terminal::Mark;
use crate::settings::Settings;
use std::path::Path;

const HUB: &str =
    "[hub]\nlisten = \"127.0.0.1:7070\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"./data\"\n";
const GUID: &str = "11111111-2222-4333-8444-555555555555";
const DIRECTORY: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

fn settings(text: &str) -> Settings {
    Settings::parse(&format!("{HUB}{text}"), Path::new("deputy.toml"))
        .unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// A provider through which people sign in with these scopes, and what else there is.
fn signing_in(provider: &str, scopes: &str, rest: &str) -> Settings {
    settings(&format!(
        "[[identity_provider]]\nname = \"acme\"\n{provider}\n\
         client = {{ id = \"{GUID}\", secret = {{ file = \"idp.secret\" }} }}\n\
         [sign_in]\nscopes = [{scopes}]\n{rest}"
    ))
}

fn server(credential: &str) -> String {
    format!("[[server]]\nname = \"ledger\"\nurl = \"https://ledger.acme.example/mcp\"\n{credential}\n")
}

fn found(settings: &Settings) -> Vec<Mistake> {
    config::find(settings).into_iter().map(|(_, mistake)| mistake).collect()
}

const OKTA: &str = "preset = \"okta\"\nissuer = \"https://acme.okta.example\"";
const AUTH0: &str = "preset = \"auth0\"\nissuer = \"https://acme.eu.auth0.example/\"\nprovider_tenants = []";
const GOOGLE: &str =
    "preset = \"google\"\nissuer = \"https://accounts.google.com\"\nprovider_tenants = [\"acme.example\"]";
const COGNITO: &str =
    "preset = \"cognito\"\nissuer = \"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_ExaMPle\"";
const KEYCLOAK: &str = "preset = \"keycloak\"\nissuer = \"https://id.acme.example/realms/acme\"";
const ID_JAG: &str = "credential = \"id_jag\"\nauthorization_server = \"https://ledger.acme.example\"";

fn entra() -> String {
    format!("preset = \"entra\"\nissuer = \"https://login.microsoftonline.com/{DIRECTORY}/v2.0\"")
}

#[test]
fn okta_exchanges_only_at_the_organisations_own_server_and_only_with_scopes() {
    let custom = "preset = \"okta\"\nissuer = \"https://acme.okta.example/oauth2/default\"";
    let bare = server(ID_JAG);
    assert_eq!(
        found(&signing_in(custom, "\"offline_access\"", &bare)),
        [
            Mistake::CustomServer { organisation: "https://acme.okta.example".to_owned() },
            Mistake::NoScopes { product: "Okta", example: "ledger.read" }
        ]
    );
    let good = server(&format!("{ID_JAG}\nscopes = [\"ledger.read\"]"));
    assert_eq!(found(&signing_in(OKTA, "\"offline_access\"", &good)), []);
}

#[test]
fn a_kind_of_credential_that_the_product_does_not_have_is_named_with_the_one_that_it_has() {
    let exchange = server("credential = \"token_exchange\"\naudience = \"ledger\"");
    let on_behalf = server("credential = \"entra_obo\"\nscopes = [\"api://ledger/read\"]");
    let pool = server("credential = \"google_sts\"\naudience = \"//iam.googleapis.com/x\"");
    for (provider, server, preset, mend) in [
        (entra(), server(ID_JAG), "entra", "`credential = \"entra_obo\"`"),
        (AUTH0.to_owned(), server(ID_JAG), "auth0", "`subject_token_type`"),
        (KEYCLOAK.to_owned(), server(ID_JAG), "keycloak", "`credential = \"token_exchange\"`"),
        (OKTA.to_owned(), exchange.clone(), "okta", "`credential = \"id_jag\"`"),
        (OKTA.to_owned(), on_behalf, "okta", "`credential = \"id_jag\"`"),
        (COGNITO.to_owned(), exchange, "cognito", "`vault`"),
        (GOOGLE.to_owned(), pool, "google", "`user_oauth`"),
    ] {
        let found = found(&signing_in(&provider, "\"profile\"", &server));
        let lane = found.iter().find(|one| matches!(one, Mistake::OtherLane { .. })).expect(preset);
        let finding = lane.finding("server `ledger`");
        assert_eq!(finding.mark, Mark::Bad);
        assert!(finding.text.contains(preset), "{}", finding.text);
        assert!(finding.mend.as_deref().is_some_and(|said| said.contains(mend)), "{:?}", finding.mend);
    }
}

#[test]
fn auth0_wants_a_type_of_ones_own_and_keycloak_knows_none() {
    let plain = server("credential = \"token_exchange\"\naudience = \"ledger\"");
    let own = server(
        "credential = \"token_exchange\"\naudience = \"ledger\"\nsubject_token_type = \"urn:acme:deputy-sign-in\"",
    );
    assert_eq!(found(&signing_in(AUTH0, "\"offline_access\"", &plain)), [Mistake::NoOwnType]);
    assert_eq!(found(&signing_in(AUTH0, "\"offline_access\"", &own)), []);
    assert_eq!(
        found(&signing_in(KEYCLOAK, "\"profile\"", &own)),
        [Mistake::StrayOwnType { preset: "keycloak" }]
    );
}

#[test]
fn a_type_that_is_reserved_does_not_start() {
    for reserved in
        ["urn:ietf:params:oauth:token-type:id_token", "urn:auth0:x", "https://auth0.com/x", "no uri"]
    {
        let own = server(&format!(
            "credential = \"token_exchange\"\naudience = \"ledger\"\nsubject_token_type = \"{reserved}\""
        ));
        let text = format!(
            "{HUB}[[identity_provider]]\nname = \"acme\"\n{AUTH0}\nclient = {{ id = \"a\" }}\n[sign_in]\n{own}"
        );
        let faults = Settings::parse(&text, Path::new("deputy.toml")).expect_err(reserved).to_string();
        assert!(faults.contains("such as `urn:acme:deputy-sign-in`"), "{faults}");
    }
}

#[test]
fn entra_exchanges_only_a_token_that_is_for_the_hubs_own_api() {
    let on_behalf = server("credential = \"entra_obo\"\nscopes = [\"api://ledger/read\"]");
    assert_eq!(
        found(&signing_in(&entra(), "\"offline_access\"", &on_behalf)),
        [Mistake::NoOwnScope { client: GUID.to_owned() }]
    );
    let own = format!("\"offline_access\", \"api://{GUID}/act\"");
    assert_eq!(found(&signing_in(&entra(), &own, &on_behalf)), []);
}

#[test]
fn entra_takes_no_assertion_without_a_certificate() {
    let text = format!(
        "[[identity_provider]]\nname = \"acme\"\n{}\n\
         client = {{ id = \"{GUID}\", private_key_jwt = {{ file = \"k.pem\" }} }}\n[sign_in]\nscopes = [\"offline_access\"]",
        entra()
    );
    assert_eq!(found(&settings(&text)), [Mistake::Certificate]);
}

fn app(provider: &str, audience: &str, rest: &str) -> Settings {
    settings(&format!(
        "[[identity_provider]]\nname = \"acme\"\n{provider}\nclient = {{ id = \"{GUID}\" }}\n\
         [[app]]\nname = \"crm\"\norigins = [\"https://crm.acme.example\"]\naudiences = [\"{audience}\"]\n\
         identity_provider = \"acme\"\n{rest}"
    ))
}

#[test]
fn the_audience_of_an_app_is_what_the_product_writes_there() {
    let address = "https://crm.acme.example";
    let guid = Mistake::AudienceNoGuid { audience: address.to_owned() };
    assert_eq!(found(&app(&entra(), address, "")), [guid]);
    assert_eq!(found(&app(&entra(), GUID, "")), []);
    let v1 = format!("preset = \"entra\"\nissuer = \"https://sts.windows.net/{DIRECTORY}/\"");
    assert_eq!(found(&app(&v1, address, "")), []);
    for provider in [AUTH0, OKTA] {
        assert_eq!(found(&app(provider, GUID, "")), [Mistake::AudienceIsClient]);
        assert_eq!(found(&app(provider, address, "")), []);
        assert_eq!(found(&app(provider, GUID, "token = \"id_token\"")), []);
    }
    let cognito = Mistake::AudienceIsAddress { audience: address.to_owned() };
    assert_eq!(found(&app(COGNITO, address, "")), [cognito]);
    assert_eq!(found(&app(COGNITO, "1example23456789", "")), []);
}

#[test]
fn each_product_is_asked_for_refresh_tokens_in_its_own_way() {
    let of = |provider: &str, scopes: &str| found(&signing_in(provider, scopes, ""));
    assert_eq!(of(GOOGLE, "\"offline_access\""), [Mistake::OfflineUnknown { preset: "google" }]);
    assert_eq!(of(COGNITO, "\"offline_access\""), [Mistake::OfflineUnknown { preset: "cognito" }]);
    assert_eq!(of(KEYCLOAK, "\"offline_access\""), [Mistake::OfflineOutlives]);
    for provider in [OKTA, AUTH0, &entra()] {
        assert_eq!(of(provider, "\"profile\""), [Mistake::NoOffline]);
        assert_eq!(of(provider, "\"offline_access\""), []);
    }
    for provider in [GOOGLE, COGNITO, KEYCLOAK] {
        assert_eq!(of(provider, "\"profile\""), []);
    }
}

#[test]
fn workos_clerk_and_logto_sign_people_in_without_an_organisation() {
    for (preset, issuer) in [
        ("workos", "https://acme.authkit.app"),
        ("clerk", "https://clerk.acme.example"),
        ("logto", "https://acme.logto.app/oidc"),
    ] {
        let of = |tenants: &str| {
            let provider =
                format!("preset = \"{preset}\"\nissuer = \"{issuer}\"\nprovider_tenants = [{tenants}]");
            found(&signing_in(&provider, "\"offline_access\"", ""))
        };
        assert_eq!(of("\"org_1\""), [Mistake::NoOrganisation { preset }]);
        assert_eq!(of(""), []);
    }
}

#[test]
fn google_cloud_wants_a_pool_of_people_a_scope_and_a_project() {
    let machines = "credential = \"google_sts\"\naudience = \"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x\"";
    let example = "https://www.googleapis.com/auth/cloud-platform";
    assert_eq!(
        found(&signing_in(OKTA, "\"offline_access\"", &server(machines))),
        [Mistake::MachinePool, Mistake::NoScopes { product: "Google Cloud", example }, Mistake::NoProject]
    );
    let people = format!(
        "credential = \"google_sts\"\nuser_project = \"acme-tools\"\nscopes = [\"{example}\"]\n\
         audience = \"//iam.googleapis.com/locations/global/workforcePools/acme/providers/idp\""
    );
    assert_eq!(found(&signing_in(OKTA, "\"offline_access\"", &server(&people))), []);
}

#[test]
fn nobody_signs_in_through_firebase_and_the_mend_says_through_what() {
    let text = format!(
        "{HUB}[[identity_provider]]\nname = \"acme\"\npreset = \"firebase\"\nissuer = \"https://securetoken.google.com/acme-crm\"\n\
         provider_tenants = []\nclient = {{ id = \"a\", secret = {{ file = \"s\" }} }}\n[sign_in]"
    );
    let faults = Settings::parse(&text, Path::new("deputy.toml")).expect_err("refused").to_string();
    assert!(faults.contains("`firebase` is no OpenID provider"), "{faults}");
    assert!(faults.contains("through another `[[identity_provider]]`"), "{faults}");
}

#[test]
fn no_block_of_any_providers_page_has_a_mistake_that_stops_something() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/providers");
    for page in std::fs::read_dir(folder).expect("pages") {
        let path = page.expect("a page").path();
        let page = std::fs::read_to_string(&path).expect("text");
        let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        for block in blocks.filter(|block| block.contains("[[identity_provider]]")) {
            let wrong: Vec<Mistake> =
                found(&settings(block)).into_iter().filter(|one| one.stops_something()).collect();
            assert_eq!(wrong, [], "{}\n{block}", path.display());
        }
    }
}

#[test]
fn what_a_stranger_wrote_cannot_move_the_cursor_and_is_not_endless() {
    let long = format!("https://evil.example/\u{1b}[2J{}", "x".repeat(5000));
    let finding =
        Mistake::OtherIssuer { found: long, configured: "https://idp.acme.example".to_owned() }.finding("x");
    assert!(!finding.text.contains('\u{1b}') && finding.text.len() < 500, "{}", finding.text.len());
}
