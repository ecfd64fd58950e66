//! One token at every door, as somebody with a problem would paste it.

use super::*;
use deputy_testkit::TestIssuer;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

fn settings(provider: &str) -> Settings {
    let text = format!(
        "[hub]\nlisten = \"127.0.0.1:7070\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"data\"\n\
         [[identity_provider]]\nname = \"acme\"\nissuer = \"{}\"\n{provider}\n\
         [[app]]\nname = \"crm\"\norigins = [\"https://crm.acme.example\"]\naudiences = [\"crm-web\"]\n\
         identity_provider = \"acme\"\ntoken = \"id_token\"\n",
        TestIssuer::ISSUER
    );
    Settings::parse(&text, Path::new("deputy.toml")).unwrap_or_else(|faults| panic!("{faults}"))
}

fn claims(changes: Value) -> Value {
    let mut claims = json!({ "iss": TestIssuer::ISSUER, "sub": "alice", "aud": "https://hub.acme.example/mcp",
        "client_id": "desk", "iat": NOW.seconds(), "exp": NOW.seconds() + 300, "jti": "secret-jti" });
    claims.as_object_mut().expect("object").extend(changes.as_object().expect("object").clone());
    claims
}

async fn asked(settings: &Settings, issuer: &TestIssuer, token: &str) -> Vec<Finding> {
    let findings = doors(token, settings, issuer, NOW).await.expect("findings");
    let printed = format!("{findings:?}");
    assert!(
        token.split('.').all(|part| part.len() < 8 || !printed.contains(part)),
        "the token is not printed"
    );
    assert!(!printed.contains("secret-jti"));
    findings
}

fn mends(findings: &[Finding]) -> String {
    findings.iter().filter_map(|finding| finding.mend.clone()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_good_token_is_let_in_at_its_own_door_and_refused_with_the_reason_at_the_others() {
    let issuer = TestIssuer::new();
    let found =
        asked(&settings(""), &issuer, &issuer.sign("at+jwt", &claims(json!({ "groups": ["sales"] })))).await;
    let texts: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "/api refuses it: token is for another audience",
            "/api/tickets of app `crm` refuses it: token is of another kind",
            "/mcp lets it in: `alice` at `https://idp.example`, through `desk`, groups sales, until 2026-11-21T22:31:40.000Z",
        ]
    );
    assert_eq!(
        found[0].mend.as_deref(),
        Some("`aud` says \"https://hub.acme.example/mcp\"; this door takes `https://hub.acme.example/api`")
    );
    assert_eq!(issuer.fetches(), 1, "one fetch for all doors");
}

#[tokio::test]
async fn a_good_token_is_told_when_its_client_is_not_one_that_the_door_takes() {
    let issuer = TestIssuer::new();
    let at_api = json!({ "aud": "https://hub.acme.example/api" });
    let found = asked(&settings(""), &issuer, &issuer.sign("at+jwt", &claims(at_api))).await;
    assert_eq!(found[0].text, "/api refuses it: its client is not the command line's own");
    let mut nobody = claims(json!({}));
    nobody.as_object_mut().expect("object").remove("client_id");
    let found = asked(&settings(""), &issuer, &issuer.sign("at+jwt", &nobody)).await;
    assert_eq!(found[2].text, "/mcp refuses it: it names no client");
}

#[tokio::test]
async fn a2_a_token_of_a_stranger_asks_no_network_and_names_the_issuers() {
    let issuer = TestIssuer::new();
    let token = issuer.sign("at+jwt", &claims(json!({ "iss": "https://idp.example/\u{1b}[2J" })));
    let found = asked(&settings(""), &issuer, &token).await;
    assert_eq!(issuer.fetches(), 0);
    assert!(found.iter().all(|finding| finding.mark == Mark::Bad));
    assert!(mends(&found).contains("the configured issuers are `https://idp.example`"), "{found:?}");
    assert!(!mends(&found).contains('\u{1b}'));
}

#[tokio::test]
async fn each_reason_has_its_own_mend() {
    let issuer = TestIssuer::new();
    let now = NOW.seconds();
    for (typ, changes, reason, mend) in [
        ("at+jwt", json!({ "exp": now - 60, "iat": now - 90 }), "token expired at", "sign in again"),
        ("at+jwt", json!({ "nbf": now + 600 }), "not valid before", "compare the clocks"),
        ("at+jwt", json!({ "exp": now + 90_000 }), "lives longer", "max_token_lifetime"),
        ("JWT", json!({}), "of another kind", "access_token_type"),
        ("at+jwt", json!({ "cnf": { "jkt": "x" } }), "proof of possession", "DPoP"),
        ("at+jwt", json!({ "sub": 7 }), "claim `sub`", "`sub` says 7"),
    ] {
        let found = asked(&settings(""), &issuer, &issuer.sign(typ, &claims(changes))).await;
        let at_mcp = found.last().expect("a door");
        assert!(at_mcp.text.contains(reason), "{}", at_mcp.text);
        assert!(at_mcp.mend.as_ref().is_some_and(|own| own.contains(mend)), "{mend}: {:?}", at_mcp.mend);
    }
    let changed = TestIssuer::new().sign("at+jwt", &claims(json!({})));
    let found = asked(&settings(""), &issuer, &changed).await;
    assert!(found.iter().any(|finding| finding.text.contains("signature does not verify")));
    let found = asked(&settings(""), &issuer, "opaque").await;
    assert!(mends(&found).contains("an opaque token cannot be checked"));
}

#[tokio::test]
async fn a12_a_token_of_another_tenant_of_the_provider_is_told_so() {
    let issuer = TestIssuer::new();
    let settings = settings("provider_tenants = [\"org_1\"]\ntenant_claim = \"org_id\"");
    let other = issuer.sign("at+jwt", &claims(json!({ "org_id": "org_2" })));
    let found = asked(&settings, &issuer, &other).await;
    assert!(found.iter().any(|finding| finding.text.contains("another tenant of the provider")));
    assert!(mends(&found).contains("`provider_tenants`"));
    let ours = issuer.sign("at+jwt", &claims(json!({ "org_id": "org_1" })));
    let found = asked(&settings, &issuer, &ours).await;
    assert!(found.iter().any(|finding| finding.text.contains("`alice` of `org_1`")), "{found:?}");
}

#[tokio::test]
async fn a13_keys_that_cannot_be_had_are_not_blamed_on_the_token() {
    let issuer = TestIssuer::new();
    issuer.set_down(true);
    let found = asked(&settings(""), &issuer, &issuer.sign("at+jwt", &claims(json!({})))).await;
    assert!(found.iter().all(|finding| finding.text.contains("the keys of provider `acme` are unavailable")));
    assert!(mends(&found).contains("`deputy check` without --token"));
}
