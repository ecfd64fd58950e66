//! Each mistake in a discovery document that has it, and in one that does not.

use super::*;
use crate::cli::check::sign_in;
use deputy_core::Timestamp;
use serde_json::{Value, json};

/// What the document of a provider without a preset shows, once it was changed.
fn shown(change: impl Fn(&mut Value)) -> Vec<Mistake> {
    shown_with("issuer = \"https://idp.acme.example\"", "", change)
}

fn shown_with(provider: &str, rest: &str, change: impl Fn(&mut Value)) -> Vec<Mistake> {
    let settings = signing_in(provider, "\"profile\"", rest);
    let entry = &settings.identity_providers[0];
    document::find(entry, &settings, &good_document(entry.provider.issuer().as_str(), change))
}

fn good_document(issuer: &str, change: impl Fn(&mut Value)) -> Value {
    let mut document = json!({
        "issuer": issuer, "jwks_uri": "https://idp.acme.example/jwks",
        "authorization_endpoint": "https://idp.acme.example/authorize", "token_endpoint": "https://idp.acme.example/token",
        "code_challenge_methods_supported": ["S256"], "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid", "profile"],
        "grant_types_supported": ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
    });
    change(&mut document);
    document
}

#[test]
fn a_document_without_a_mistake_shows_none_and_lists_that_are_not_there_say_nothing() {
    assert_eq!(shown(|_| {}), []);
    let lists = [
        "code_challenge_methods_supported",
        "token_endpoint_auth_methods_supported",
        "id_token_signing_alg_values_supported",
        "scopes_supported",
    ];
    assert_eq!(
        shown(|document| {
            for list in lists {
                document.as_object_mut().map(|members| members.remove(list));
            }
        }),
        []
    );
}

#[test]
fn a_document_of_another_issuer_is_told_first_and_a_slash_by_name() {
    let found = shown(|document| document["issuer"] = json!("https://idp.acme.example/"));
    let [mistake @ Mistake::OtherIssuer { .. }] = found.as_slice() else { panic!("{found:?}") };
    let finding = mistake.finding("identity provider `acme`");
    assert!(finding.text.contains("(the slash at the end counts)"), "{}", finding.text);
    assert_eq!(
        finding.mend.as_deref(),
        Some("write `issuer = \"https://idp.acme.example/\"`, if that is the provider you mean")
    );
}

#[test]
fn a_document_shows_what_signing_in_would_meet() {
    assert_eq!(
        shown(|document| document["authorization_endpoint"] = Value::Null),
        [Mistake::NoEndpoint("authorization_endpoint")]
    );
    assert_eq!(
        shown(|document| document["code_challenge_methods_supported"] = json!(["plain"])),
        [Mistake::NoPkce]
    );
    assert_eq!(
        shown(|document| document["id_token_signing_alg_values_supported"] = json!(["HS256"])),
        [Mistake::SharedSecret]
    );
    assert_eq!(
        shown(|document| document["scopes_supported"] = json!(["openid"])),
        [Mistake::OtherScopes(vec!["profile".to_owned()])]
    );
    let es = |document: &mut Value| document["id_token_signing_alg_values_supported"] = json!(["ES256K"]);
    assert_eq!(shown(es), [Mistake::OtherAlgorithm { offered: vec!["ES256K".to_owned()] }]);
    let eight = shown_with(KEYCLOAK, "", |document| {
        document["id_token_signing_alg_values_supported"] = json!(["ES256", "EdDSA"]);
    });
    assert_eq!(eight, [Mistake::OtherAlgorithm { offered: vec!["ES256".to_owned(), "EdDSA".to_owned()] }]);
}

#[test]
fn a_way_of_authentication_that_is_not_offered_has_the_mend_that_is() {
    for (offered, mend) in [
        (json!(["client_secret_post"]), "`secret_in_form = true`"),
        (json!(["private_key_jwt"]), "`client = { id = \"…\", private_key_jwt"),
        (json!(["none"]), "register a client with a secret"),
    ] {
        let found = shown(|document| document["token_endpoint_auth_methods_supported"] = offered.clone());
        let [mistake @ Mistake::OtherAuthentication { method: "client_secret_basic", .. }] = found.as_slice()
        else {
            panic!("{found:?}")
        };
        let said = mistake.finding("x").mend.expect("a mend");
        assert!(said.contains(mend), "{said}");
    }
    let text = format!(
        "[[identity_provider]]\nname = \"acme\"\nissuer = \"https://idp.acme.example\"\n\
         client = {{ id = \"{GUID}\", secret = {{ file = \"s\" }}, secret_in_form = true }}\n[sign_in]"
    );
    let settings = settings(&text);
    let post = good_document("https://idp.acme.example", |document| {
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    });
    assert_eq!(document::find(&settings.identity_providers[0], &settings, &post), []);
}

#[test]
fn a_document_shows_what_an_exchange_would_meet() {
    let exchange = server("credential = \"token_exchange\"\naudience = \"ledger\"");
    let plain = |document: &mut Value| document["grant_types_supported"] = json!(["authorization_code"]);
    assert_eq!(shown_with(KEYCLOAK, &exchange, plain), [Mistake::NoExchange]);
    assert_eq!(shown_with(KEYCLOAK, &exchange, |_| {}), []);
    assert_eq!(shown_with(KEYCLOAK, "", plain), [], "nothing is exchanged");
    let id_jag = server(&format!("{ID_JAG}\nscopes = [\"ledger.read\"]"));
    assert_eq!(shown_with(OKTA, &id_jag, |_| {}), [Mistake::NoIdJag]);
    let says = |document: &mut Value| {
        document["identity_chaining_requested_token_types_supported"] =
            json!(["urn:ietf:params:oauth:token-type:id-jag"]);
    };
    assert_eq!(shown_with(OKTA, &id_jag, says), []);
}

#[test]
fn introspection_without_an_endpoint_is_told() {
    let provider = "issuer = \"https://idp.acme.example\"\nintrospection = true";
    assert_eq!(shown_with(provider, "", |_| {}), [Mistake::NoIntrospection]);
    let there =
        |document: &mut Value| document["introspection_endpoint"] = json!("https://idp.acme.example/i");
    assert_eq!(shown_with(provider, "", there), []);
}

#[test]
fn a_clock_that_is_away_is_told_by_how_much_and_which_way() {
    let now = Timestamp::from_seconds(1_795_300_000);
    assert_eq!(document::of_clock(1_795_300_009, now), None);
    assert_eq!(document::of_clock(1_795_299_991, now), None);
    for (date, words) in [
        (1_795_300_090, "this machine's clock is 90 s behind the provider's"),
        (1_795_299_910, "this machine's clock is 90 s ahead of the provider's"),
    ] {
        let finding = document::of_clock(date, now).expect("a mistake").finding("identity provider `acme`");
        assert!(finding.text.contains(words), "{}", finding.text);
        assert!(finding.mend.is_some_and(|mend| mend.contains("NTP")));
    }
}

#[test]
fn what_has_to_be_registered_is_shown_with_the_addresses() {
    let settings = signing_in("issuer = \"https://idp.acme.example\"", "\"profile\"", "");
    let entry = &settings.identity_providers[0];
    let told = |logout: bool| {
        let document = good_document("https://idp.acme.example", |document| {
            document["backchannel_logout_supported"] = json!(logout);
        });
        let findings = sign_in::read(entry, &settings, &document, None);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.mark, Mark::Good);
        finding.text.clone()
    };
    assert!(told(true).contains("https://hub.acme.example/login/callback"));
    assert!(told(true).contains("https://hub.acme.example/logout/backchannel"));
    assert!(!told(false).contains("/logout/backchannel"));
    assert!(told(false).contains("after `ask_again`"), "{}", told(false));
}
