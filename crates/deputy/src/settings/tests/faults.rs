//! What an operator reads when the file is wrong, to the letter.

use super::*;

#[test]
fn a_mistyped_key_is_named_with_the_one_that_was_meant() {
    assert_eq!(
        changed("listen", "lisen"),
        r#"deputy.toml:2:1: `[hub]` has no key `lisen`
  mend: did you mean `listen`?"#
    );
}

#[test]
fn a_mistyped_table_is_named_with_the_one_that_was_meant() {
    assert_eq!(
        changed("[hub]", "[hubb]"),
        r#"deputy.toml:1:2: the file has no key `hubb`
  mend: did you mean `hub`?"#
    );
}

#[test]
fn a_number_where_text_belongs_is_told_what_to_write() {
    assert_eq!(
        changed(r#""127.0.0.1:7070""#, "7070"),
        r#"deputy.toml:2:10: `hub.listen` is a number, not text in quotes
  mend: write `listen = "127.0.0.1:7070"`"#
    );
}

#[test]
fn a_host_name_to_listen_on_is_turned_into_an_address() {
    assert_eq!(
        changed(r#""127.0.0.1:7070""#, r#""localhost:7070""#),
        r#"deputy.toml:2:10: `localhost:7070` is not an IP address with a port
  mend: write `listen = "127.0.0.1:7070"`"#
    );
}

#[test]
fn a_missing_key_is_named_with_an_example() {
    assert_eq!(
        changed(
            r#"public_url = "https://hub.acme.example"
"#,
            ""
        ),
        r#"deputy.toml:1:1: `[hub]` lacks `public_url`
  mend: write `public_url = "https://hub.acme.example"`"#
    );
}

#[test]
fn what_comes_later_is_refused_and_never_ignored() {
    assert_eq!(
        changed(
            "[[app]]",
            r#"[[app]]
colour = "red""#
        ),
        r#"deputy.toml:11:1: `[[app]]` has no key `colour`
  mend: remove it; the keys here are `name`, `tenant`, `origins`, `audiences`, `identity_provider`, `token`, `manifest`, `class`"#
    );
}

#[test]
fn p26_a_manifest_is_at_one_of_the_apps_own_origins_or_the_mend_is_named() {
    for (bad, message) in [
        (
            "https://evil.example/tools.json",
            "`https://evil.example/tools.json` is at none of the app's own origins",
        ),
        (
            "https://crm.acme.example:444/x",
            "`https://crm.acme.example:444/x` is at none of the app's own origins",
        ),
        ("http://crm.acme.example/x", "`http://crm.acme.example/x` is http on another machine"),
        ("/tools.json", "`/tools.json` is not an address: relative URL without a base"),
    ] {
        let said = changed("audiences = [", &format!("manifest = \"{bad}\"\naudiences = ["));
        assert!(said.contains(message), "{said}");
        assert!(said.contains("mend: "), "{said}");
    }
    let local = GOOD
        .replace("https://crm.acme.example", "http://crm.localhost:8081")
        .replace("audiences = [", "manifest = \"http://crm.localhost:8081/x\"\naudiences = [");
    assert!(Settings::parse(&local, Path::new("deputy.toml")).is_ok());
}

#[test]
fn a_mistyped_preset_is_named_with_the_one_that_was_meant() {
    assert_eq!(
        changed(
            r#"name = "acme""#,
            r#"name = "acme"
preset = "odic""#
        ),
        r#"deputy.toml:8:10: `identity_provider.preset` cannot be `odic`
  mend: did you mean `oidc`? it is one of `oidc`, `okta`, `auth0`, `entra`, `google`, `cognito`, `keycloak`, `workos`, `clerk`, `scalekit`, `better-auth`, `logto`, `firebase`"#
    );
}

#[test]
fn a3_a_symmetric_algorithm_cannot_be_configured() {
    assert_eq!(
        changed(
            r#"name = "acme""#,
            r#"name = "acme"
algorithms = ["HS256", "none"]"#
        ),
        r#"deputy.toml:8:15: `identity_provider.algorithms` cannot be `HS256`
  mend: did you mean `RS256`? it is one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `EdDSA`, `Ed25519`
deputy.toml:8:24: `identity_provider.algorithms` cannot be `none`
  mend: use one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `EdDSA`, `Ed25519`"#
    );
}

#[test]
fn a3_an_empty_list_of_algorithms_is_refused() {
    assert_eq!(
        changed(
            r#"name = "acme""#,
            r#"name = "acme"
algorithms = []"#
        ),
        r#"deputy.toml:8:14: `algorithms` is empty: no token could be accepted
  mend: write `algorithms = ["RS256"]`, or remove the key"#
    );
}

#[test]
fn a_public_url_has_no_path() {
    assert_eq!(
        changed("https://hub.acme.example", "https://hub.acme.example/deputy/"),
        r#"deputy.toml:3:14: `https://hub.acme.example/deputy/` is not an origin as browsers write it
  mend: write `https://hub.acme.example`: scheme, host and port if it is not the usual one, nothing after it"#
    );
}

#[test]
fn http_is_for_this_machine_only() {
    assert_eq!(
        changed("https://hub.acme.example", "http://hub.acme.example"),
        r#"deputy.toml:3:14: `http://hub.acme.example` is http on another machine
  mend: write `https://hub.acme.example`; http is for localhost, *.localhost and loopback addresses only"#
    );
}

#[test]
fn an_origin_has_no_wildcard() {
    assert_eq!(
        changed("https://crm.acme.example", "https://*.acme.example"),
        r#"deputy.toml:12:12: `https://*.acme.example` has a wildcard
  mend: name each origin by itself; there are no wildcards"#
    );
}

#[test]
fn an_origin_is_written_as_browsers_write_it() {
    assert_eq!(
        changed("https://crm.acme.example", "https://CRM.acme.example:443/"),
        r#"deputy.toml:12:12: `https://CRM.acme.example:443/` is not an origin as browsers write it
  mend: write `https://crm.acme.example`: scheme, host and port if it is not the usual one, nothing after it"#
    );
}

#[test]
fn a9_no_audience_is_refused() {
    assert_eq!(
        changed(r#"["crm-web"]"#, "[]"),
        r#"deputy.toml:13:13: `audiences` is empty: any token would do, so none does
  mend: write what this application's user tokens are for, as in `audiences = ["crm-web"]`"#
    );
}

#[test]
fn a9_an_audience_of_the_hub_opens_no_tab_door() {
    assert_eq!(
        changed(r#"["crm-web"]"#, r#"["https://hub.acme.example/mcp"]"#),
        r#"deputy.toml:13:14: `https://hub.acme.example/mcp` is an audience of the hub itself
  mend: give the application its own audience; the hub's opens other doors"#
    );
}

#[test]
fn an_unknown_identity_provider_is_named_with_the_nearest() {
    assert_eq!(
        changed(r#"identity_provider = "acme""#, r#"identity_provider = "acem""#),
        r#"deputy.toml:14:21: there is no identity_provider `acem`
  mend: did you mean `acme`?"#
    );
}

#[test]
fn a_class_is_made_of_known_words() {
    assert_eq!(
        changed(
            r#"identity_provider = "acme""#,
            r#"identity_provider = "acme"

[app.class]
delete = ["destruktive"]
"a b" = ["read"]
rename = []"#
        ),
        r#"deputy.toml:17:11: `app.class.delete` cannot be `destruktive`
  mend: did you mean `destructive`? it is one of `read`, `write`, `destructive`, `egress`
deputy.toml:18:9: `a b` is not a tool name
  mend: use 1 to 128 of A-Z, a-z, 0-9, _, - and .
deputy.toml:19:10: `rename` has no class
  mend: write `rename = ["write"]`, or remove the line"#
    );
}

#[test]
fn a_class_is_a_list() {
    assert_eq!(
        changed(
            r#"identity_provider = "acme""#,
            r#"identity_provider = "acme"
class = { delete = "destructive" }"#
        ),
        r#"deputy.toml:15:20: `app.class.delete` is text, not a list
  mend: write `delete = ["read"]`"#
    );
}

#[test]
fn a8_a_token_lifetime_is_at_most_a_day() {
    assert_eq!(
        changed(
            r#"issuer = "https://idp.acme.example""#,
            r#"issuer = "https://idp.acme.example"
max_token_lifetime = "48h""#
        ),
        r#"deputy.toml:9:22: `48h` is out of bounds
  mend: write a length from 1m to 24h, for example `max_token_lifetime = "24h"`"#
    );
}

#[test]
fn p12_a_call_runs_ten_minutes_at_most() {
    assert_eq!(
        changed(
            "data_dir = ",
            r#"approval_wait = "1 year"
call_deadline = "601s"
data_dir = "#
        ),
        r#"deputy.toml:4:17: `1 year` is not a length of time
  mend: write a length from 10s to 24h, for example `approval_wait = "10m"`
deputy.toml:5:17: `601s` is out of bounds
  mend: write a length from 1s to 10m, for example `call_deadline = "1m"`"#
    );
}

#[test]
fn with_several_tenants_each_block_says_whose_it_is() {
    assert_eq!(
        changed(
            "[[app]]",
            r#"[[tenant]]
name = "north"

[[tenant]]
name = "south"

[[app]]"#
        ),
        r#"deputy.toml:7:8: `acme` does not say which tenant it belongs to
  mend: add `tenant = "north"`
deputy.toml:17:8: `crm` does not say which tenant it belongs to
  mend: add `tenant = "north"`"#
    );
}

#[test]
fn r20_an_application_names_no_identity_provider_of_another_tenant() {
    let file = GOOD
        .replace("[[identity_provider]]\n", "[[tenant]]\nname = \"north\"\n\n[[tenant]]\nname = \"south\"\n\n[[identity_provider]]\ntenant = \"north\"\n")
        .replace("[[app]]\n", "[[app]]\ntenant = \"south\"\n");
    let said = wrong(&file);
    assert!(said.contains("`acme` is the identity provider of another tenant"), "{said}");
    assert!(said.contains("name one of this tenant; `acme` belongs to `north`"), "{said}");
}

#[test]
fn text_that_is_not_toml_is_pointed_at() {
    assert_eq!(
        changed("[hub]", "[hub"),
        r#"deputy.toml:1:5: this is not TOML: unclosed table, expected `]`
  mend: write TOML: `key = "value"` lines under `[table]` headings"#
    );
}

#[test]
fn one_bracket_too_few_is_told_the_heading() {
    assert_eq!(
        changed("[[app]]", "[app]"),
        r#"deputy.toml:10:1: `app` is a table, not a list
  mend: write its heading as `[[app]]`"#
    );
}

#[test]
fn no_identity_provider_is_refused() {
    assert_eq!(
        changed(
            r#"[[identity_provider]]
name = "acme"
issuer = "https://idp.acme.example"
"#,
            ""
        ),
        r#"deputy.toml:1:1: the file lacks `identity_provider`
  mend: add a block `[[identity_provider]]`, see docs/reference/config.md"#
    );
}

#[test]
fn r11_two_apps_share_neither_name_nor_origin_nor_audience() {
    assert_eq!(
        changed(
            "[[app]]",
            r#"[[app]]
name = "crm"
origins = ["https://crm.acme.example"]
audiences = ["crm-web"]
identity_provider = "acme"

[[app]]"#
        ),
        r#"deputy.toml:17:8: the app `crm` is there twice
  mend: give each application its own name
deputy.toml:18:12: the origin `https://crm.acme.example` is there twice
  mend: an origin belongs to one application; remove one of the two
deputy.toml:19:14: the audience `crm-web` is there twice
  mend: give each application its own audience, so that a token for one opens no other"#
    );
}

#[test]
fn p25_no_application_has_the_hubs_own_name() {
    assert_eq!(
        changed(r#"name = "crm""#, r#"name = "deputy""#),
        r#"deputy.toml:11:8: `deputy` is the hub's own name
  mend: give the application another name; tools named `deputy__…` are the hub's own"#
    );
}

#[test]
fn two_identity_providers_share_no_issuer() {
    assert_eq!(
        changed(
            "[[app]]",
            r#"[[identity_provider]]
name = "other"
issuer = "https://idp.acme.example"

[[app]]"#
        ),
        r#"deputy.toml:12:10: the issuer `https://idp.acme.example` is there twice
  mend: keep one of the two blocks: an issuer leads to one tenant"#
    );
}

#[test]
fn faults_of_both_sorts_are_reported_at_once() {
    assert_eq!(
        changed(
            r#"data_dir = "./data""#,
            r#"data_dir = "./data"
colour = "red"
call_deadline = "soon""#
        ),
        r#"deputy.toml:5:1: `[hub]` has no key `colour`
  mend: remove it; the keys here are `listen`, `public_url`, `data_dir`, `approval_wait`, `approval_execution`, `call_deadline`, `operations_listen`, `cli_client_id`, `operator_groups`, `tools`
deputy.toml:6:17: `soon` is not a length of time
  mend: write a length from 1s to 10m, for example `call_deadline = "1m"`"#
    );
}

#[test]
fn no_cut_of_a_good_file_is_more_than_a_fault() {
    for (end, _) in GOOD.char_indices() {
        if let Err(faults) = Settings::parse(&GOOD[..end], Path::new("deputy.toml")) {
            assert!(!faults.faults.is_empty());
            assert!(faults.faults.iter().all(|fault| fault.line > 0 && !fault.mend.is_empty()), "{faults}");
        }
    }
}
