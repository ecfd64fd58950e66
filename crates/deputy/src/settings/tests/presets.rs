//! Presets in the file, and that the page of each provider is true.

use super::*;
use deputy_identity::provider::Preset;

const PAGES: [(&str, &str); 12] = [
    ("okta", include_str!("../../../../../docs/guide/providers/okta.md")),
    ("auth0", include_str!("../../../../../docs/guide/providers/auth0.md")),
    ("entra", include_str!("../../../../../docs/guide/providers/entra.md")),
    ("google", include_str!("../../../../../docs/guide/providers/google.md")),
    ("cognito", include_str!("../../../../../docs/guide/providers/cognito.md")),
    ("keycloak", include_str!("../../../../../docs/guide/providers/keycloak.md")),
    ("workos", include_str!("../../../../../docs/guide/providers/workos.md")),
    ("clerk", include_str!("../../../../../docs/guide/providers/clerk.md")),
    ("scalekit", include_str!("../../../../../docs/guide/providers/scalekit.md")),
    ("better-auth", include_str!("../../../../../docs/guide/providers/better-auth.md")),
    ("logto", include_str!("../../../../../docs/guide/providers/logto.md")),
    ("firebase", include_str!("../../../../../docs/guide/providers/firebase.md")),
];

fn of(provider: &str) -> Result<Settings, String> {
    let text = GOOD.replace("name = \"acme\"\nissuer = \"https://idp.acme.example\"", provider);
    Settings::parse(&text, Path::new("deputy.toml")).map_err(|faults| faults.to_string())
}

#[test]
fn the_page_of_every_preset_holds_a_block_that_works() {
    for preset in Preset::NAMES.into_iter().filter(|name| *name != "oidc") {
        let (_, page) = PAGES.into_iter().find(|(name, _)| *name == preset).expect(preset);
        let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        // A server alone stands beside another page's provider, and is no configuration by itself.
        let blocks: Vec<&str> = blocks.filter(|block| block.contains("[[identity_provider]]")).collect();
        assert!(!blocks.is_empty(), "{preset}");
        for block in blocks {
            let hub = "[hub]\nlisten = \"127.0.0.1:7070\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"./data\"\n";
            let settings = Settings::parse(&format!("{hub}{block}"), Path::new("deputy.toml"));
            let settings = settings.unwrap_or_else(|faults| panic!("{preset}: {faults}\n{block}"));
            let [provider] = settings.identity_providers.as_slice() else { panic!("{preset}: one provider") };
            assert_eq!(provider.provider.settings().preset.name(), preset);
        }
        for heading in [
            "## Register",
            "## Configure",
            "## Quirks",
            "## Tools in tabs",
            "## Sign-in",
            "## Exchange",
            "## Revocation",
            "## What does not work",
            "## Tested against",
            "## Not confirmed",
        ] {
            assert!(page.contains(heading), "{preset}: {heading}");
        }
        let tested = page.split("## Tested against").nth(1).and_then(|rest| rest.split("## ").next());
        let is_itself = preset == "keycloak";
        assert_eq!(tested.is_some_and(|text| text.contains("Not against")), !is_itself, "{preset}");
    }
}

#[test]
fn the_index_links_every_page() {
    let index = include_str!("../../../../../docs/guide/providers/index.md");
    for (name, _) in PAGES {
        assert!(index.contains(&format!("]({name}.md)")), "{name}");
    }
}

#[test]
fn a12_a_provider_with_tenants_must_say_which() {
    assert_eq!(
        of("name = \"acme\"\npreset = \"auth0\"\nissuer = \"https://acme.eu.auth0.example/\"")
            .expect_err("a fault"),
        "deputy.toml:7:8: provider `acme` has tenants of its own (claim `org_id`), and `provider_tenants` does not say which\n  \
         mend: write `provider_tenants = [\"…\"]`: the `org_id` of the people to let in, or `provider_tenants = []` for \
         people who are in none"
    );
    let block = "name = \"acme\"\npreset = \"google\"\nissuer = \"https://accounts.google.com\"\nprovider_tenants = []";
    assert!(of(block).expect_err("a fault").contains("write `provider_tenants = [\"…\"]`: the `hd` of"));
}

#[test]
fn an_issuer_that_is_not_the_products_is_told_what_it_looks_like() {
    assert_eq!(
        of("name = \"acme\"\npreset = \"auth0\"\nissuer = \"https://acme.eu.auth0.example\"\nprovider_tenants = []")
            .expect_err("a fault"),
        "deputy.toml:9:10: `https://acme.eu.auth0.example` is not an issuer of `auth0`\n  \
         mend: write the slash at the end: `issuer = \"https://acme.eu.auth0.example/\"`"
    );
}

#[test]
fn workos_is_told_to_say_where_the_keys_are() {
    let block = "name = \"acme\"\npreset = \"workos\"\nissuer = \"https://api.workos.com\"\nprovider_tenants = [\"org_1\"]";
    assert!(of(block).expect_err("a fault").contains("write where its key set is, as `jwks_uri`"));
    assert!(of(&format!("{block}\njwks_uri = \"https://api.workos.com/sso/jwks/client_1\"")).is_ok());
}

#[test]
fn an_application_of_google_brings_id_tokens() {
    let block = "name = \"acme\"\npreset = \"google\"\nissuer = \"https://accounts.google.com\"\nprovider_tenants = [\"acme.example\"]";
    let fault = of(block).expect_err("a fault");
    assert!(
        fault.contains(
            "`google` issues no access token that can be checked\n  mend: write `token = \"id_token\"`"
        ),
        "{fault}"
    );
}

#[test]
fn a12_one_directory_of_entra_is_not_in_two_blocks() {
    let guid = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    let block = format!(
        "name = \"acme\"\npreset = \"entra\"\nissuer = \"https://login.microsoftonline.com/{{tenantid}}/v2.0\"\n\
         provider_tenants = [\"{guid}\"]\n\n[[identity_provider]]\nname = \"again\"\npreset = \"entra\"\n\
         issuer = \"https://login.microsoftonline.com/{guid}/v2.0\""
    );
    assert!(of(&block).expect_err("a fault").contains("would belong to two identity providers"));
}

#[test]
fn a3_no_preset_can_be_told_to_take_hs256() {
    let block = "name = \"acme\"\npreset = \"okta\"\nissuer = \"https://acme.okta.example\"\nalgorithms = [\"HS256\"]";
    assert!(of(block).expect_err("a fault").contains("HS256"));
}

#[test]
fn a10_a_preset_can_be_held_to_declared_access_tokens() {
    let block = "name = \"acme\"\npreset = \"keycloak\"\nissuer = \"https://id.acme.example/realms/acme\"";
    let kind = |text: &str| {
        let settings = of(text).expect("settings");
        settings.identity_providers[0].provider.settings().access_token_type
    };
    assert_eq!(kind(block), AccessTokenType::Untyped);
    assert_eq!(kind(&format!("{block}\naccess_token_type = \"at+jwt\"")), AccessTokenType::Declared);
}
