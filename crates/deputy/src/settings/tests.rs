//! What becomes of a good file, and that the documentation is true.

mod audit;
mod faults;
mod guard;
mod limits;
mod presets;
mod secrets;
mod servers;
mod signals;
mod telemetry;
mod vault;

use super::*;
use deputy_identity::provider::AccessTokenType;

const GOOD: &str = r#"[hub]
listen = "127.0.0.1:7070"
public_url = "https://hub.acme.example"
data_dir = "./data"

[[identity_provider]]
name = "acme"
issuer = "https://idp.acme.example"

[[app]]
name = "crm"
origins = ["https://crm.acme.example"]
audiences = ["crm-web"]
identity_provider = "acme"
"#;

fn wrong(text: &str) -> String {
    Settings::parse(text, Path::new("deputy.toml")).expect_err("a fault").to_string()
}

fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    wrong(&GOOD.replace(from, to))
}

#[test]
fn a_provider_with_which_people_sign_in_issues_id_tokens_though_no_application_brings_one() {
    let client = "[[identity_provider]]\nclient = { id = \"deputy\", secret = { env = \"IDP\" } }\n";
    let text = GOOD.replace("[[identity_provider]]\n", client);
    let settings = Settings::parse(&text, Path::new("/etc/deputy/deputy.toml")).expect("settings");
    let [provider] = settings.identity_providers.as_slice() else { panic!("one provider") };
    assert_eq!(provider.provider.settings().kinds, [TokenKind::AccessToken, TokenKind::IdToken]);
    let [app] = settings.apps.as_slice() else { panic!("one app") };
    assert_eq!(app.token, TokenKind::AccessToken, "its own door stays as it was");
}

#[test]
fn a_small_file_is_enough_and_the_rest_has_safe_values() {
    let settings = Settings::parse(GOOD, Path::new("/etc/deputy/deputy.toml")).expect("settings");
    assert_eq!(settings.tenants, [TenantId::single()]);
    assert_eq!(settings.policy, PolicySource::Shipped);
    assert_eq!(settings.audit.recording, Recording::Hash);
    assert_eq!(settings.hub.data_dir, Path::new("/etc/deputy/./data"));
    assert_eq!(settings.hub.public_url.join("/mcp"), "https://hub.acme.example/mcp");
    assert_eq!(settings.hub.approval_wait, Duration::from_secs(600));
    assert_eq!(settings.hub.approval_execution, Duration::from_secs(120));
    assert_eq!(settings.hub.call_deadline, Duration::from_secs(60));
    let [provider] = settings.identity_providers.as_slice() else { panic!("one provider") };
    let provider = provider.provider.settings();
    let discovery = Url::parse("https://idp.acme.example/.well-known/openid-configuration").expect("url");
    assert_eq!(provider.keys_at, KeysAt::Discovery(discovery));
    assert_eq!(provider.access_token_type, AccessTokenType::Declared);
    assert_eq!(provider.max_lifetime, Duration::from_secs(86_400));
    assert_eq!(provider.kinds, [TokenKind::AccessToken]);
    let [app] = settings.apps.as_slice() else { panic!("one app") };
    assert_eq!(app.token, TokenKind::AccessToken);
    assert_eq!(app.identity_provider, provider.name);
    assert!(app.classes.is_empty());
}

#[test]
fn a_full_file_is_read_in_every_part() {
    let text = r#"
        [hub]
        listen = "[::1]:7070"
        public_url = "http://hub.localhost:7070"
        data_dir = "/var/lib/deputy"
        approval_wait = "90s"
        approval_execution = "5000ms"
        call_deadline = "10m"
        cli_client_id = "deputy-cli"

        [[tenant]]
        name = "north"

        [[identity_provider]]
        name = "acme"
        tenant = "north"
        preset = "oidc"
        issuer = "http://127.0.0.1:9000/oidc/"
        jwks_uri = "http://127.0.0.1:9000/jwks"
        algorithms = ["PS512", "Ed25519"]
        groups_claim = "groups"
        client = { id = "deputy", secret = { env = "DEPUTY_IDP_SECRET" } }
        access_token_type = "allow_untyped"
        max_token_lifetime = "1h"

        [[app]]
        name = "crm"
        tenant = "north"
        origins = ["http://crm.localhost:8081", "https://crm.acme.example:8443"]
        audiences = ["crm-web", "crm-phone"]
        identity_provider = "acme"
        token = "id_token"
        manifest = "https://crm.acme.example:8443/.well-known/deputy-tools.json"
        [app.class]
        delete_contact = ["destructive", "egress"]

        [policy]
        dir = "policy"

        [audit]
        arguments = "redacted"
        keep = "400d"
        publish = [{ file = "out/{tenant}-{size}" }, { webhook = "https://witness.acme.example/c" }]
    "#;
    let settings = Settings::parse(text, Path::new("/etc/deputy/deputy.toml")).expect("settings");
    let north = TenantId::new("north").expect("tenant");
    assert_eq!(settings.tenants, std::slice::from_ref(&north));
    assert_eq!(settings.policy, PolicySource::Directory("/etc/deputy/policy".into()));
    assert_eq!(settings.audit.recording, Recording::Redacted);
    assert_eq!(settings.audit.keep, Some(Duration::from_secs(400 * 86_400)));
    let witness = Url::parse("https://witness.acme.example/c").expect("url");
    assert!(settings.named_addresses().contains(&witness));
    assert_eq!(
        settings.audit.publish,
        [Target::File("/etc/deputy/out/{tenant}-{size}".into()), Target::Webhook(witness)]
    );
    assert_eq!(settings.hub.data_dir, Path::new("/var/lib/deputy"));
    assert_eq!(settings.hub.approval_execution, Duration::from_secs(5));
    assert_eq!(settings.hub.cli_client_id.as_deref(), Some("deputy-cli"));
    let [provider] = settings.identity_providers.as_slice() else { panic!("one provider") };
    let secret = provider.client.as_ref().and_then(|client| client.secret.clone());
    assert_eq!(secret, Some(SecretSource::Environment("DEPUTY_IDP_SECRET".to_owned())));
    let provider = provider.provider.settings();
    assert_eq!(provider.tenant, north);
    assert_eq!(provider.issuer.as_str(), "http://127.0.0.1:9000/oidc/");
    assert_eq!(provider.keys_at, KeysAt::Set(Url::parse("http://127.0.0.1:9000/jwks").expect("url")));
    assert_eq!(provider.algorithms.iter().map(|a| a.name()).collect::<Vec<_>>(), ["PS512", "EdDSA"]);
    assert_eq!(provider.access_token_type, AccessTokenType::Untyped);
    assert_eq!(provider.kinds, [TokenKind::AccessToken, TokenKind::IdToken]);
    let [app] = settings.apps.as_slice() else { panic!("one app") };
    assert_eq!(app.origins.len(), 2);
    let manifest = app.manifest.clone().expect("a manifest");
    assert_eq!(manifest.origin, app.origins[1]);
    assert!(settings.named_addresses().contains(&manifest.url));
    assert_eq!(app.token, TokenKind::IdToken);
    let class = app.classes.values().next().copied();
    assert_eq!(class, Class::from_words(["destructive", "egress"]).ok());
}

#[test]
fn a_missing_file_is_refused_with_the_mend() {
    let error = Settings::load(Path::new("no-such-folder/deputy.toml")).expect_err("missing");
    assert_eq!(
        error.to_string(),
        "there is no configuration at `no-such-folder/deputy.toml`\n  mend: name the file with --config FILE; \
         docs/reference/config.md has one to start from"
    );
}

#[test]
fn the_schema_in_the_documentation_is_current() {
    let committed = include_str!("../../../../docs/reference/deputy.schema.json");
    assert!(committed == schema_text(), "run `deputy reference schema > docs/reference/deputy.schema.json`");
}

#[test]
fn no_setting_turns_verification_policy_or_audit_off() {
    // Invariant 15: the keys are few enough to be read; one that is added has to be thought of here.
    let schema = schema::schema();
    let keys = |pointer: &str| -> Vec<String> {
        let properties = schema.pointer(pointer).and_then(serde_json::Value::as_object);
        properties.map(|members| members.keys().cloned().collect()).unwrap_or_default()
    };
    assert_eq!(
        keys("/properties"),
        [
            "hub",
            "tenant",
            "identity_provider",
            "app",
            "server",
            "sign_in",
            "policy",
            "limit",
            "audit",
            "vault",
            "telemetry"
        ]
    );
    // How long and for whom; who comes in is verified in any case.
    assert_eq!(
        keys("/$defs/SignIn/properties"),
        [
            "identity_providers",
            "scopes",
            "session",
            "grant",
            "token",
            "ask_again",
            "dynamic_registration",
            "agent"
        ]
    );
    // What a provider tells is signed, and verified, whatever else it brings.
    assert_eq!(keys("/$defs/Events/properties"), ["audience", "push_token", "poll", "token"]);
    // By which right a server is called, and when its definitions count; its calls are decided and written down in any case.
    assert_eq!(
        keys("/$defs/Server/properties"),
        [
            "name",
            "tenant",
            "url",
            "command",
            "env",
            "folder",
            "shared",
            "openapi",
            "base_url",
            "include",
            "exclude",
            "credential",
            "authorization_server",
            "token_endpoint",
            "authorization_endpoint",
            "authorization_parameters",
            "resource",
            "scopes",
            "unasked_scopes",
            "subject_token_type",
            "identity_provider",
            "audience",
            "user_project",
            "client",
            "register",
            "trust",
            "timeout",
            "call_deadline",
            "answer_bytes",
            "class"
        ]
    );
    // Who may sign in how, and for how long: whom nobody asks was approved here by name. Policy is asked in any case.
    assert_eq!(
        keys("/$defs/SignIn/properties"),
        [
            "identity_providers",
            "scopes",
            "session",
            "grant",
            "token",
            "ask_again",
            "dynamic_registration",
            "agent"
        ]
    );
    assert_eq!(keys("/$defs/Policy/properties"), ["dir"]);
    // Traces are told beside the log, never instead of it.
    assert_eq!(
        keys("/$defs/Telemetry/properties"),
        ["otlp_endpoint", "otlp_headers", "sample", "service_name"]
    );
    // How much of the arguments; every call has its lines whatever it says.
    assert_eq!(keys("/$defs/Audit/properties"), ["arguments", "keep", "publish"]);
    assert_eq!(
        keys("/$defs/Publish/properties"),
        ["file", "webhook", "bucket", "prefix", "region", "access_key_id", "secret_access_key", "retain"]
    );
    assert_eq!(
        keys("/$defs/Hub/properties"),
        [
            "listen",
            "public_url",
            "data_dir",
            "approval_wait",
            "approval_execution",
            "call_deadline",
            "operations_listen",
            "cli_client_id",
            "operator_groups",
            "tools"
        ]
    );
}

#[test]
fn every_example_in_the_documentation_is_good() {
    let page = include_str!("../../../../docs/reference/config.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let faults = Settings::parse(block, Path::new("config.md")).err().map(|faults| faults.to_string());
        assert_eq!(faults, None);
    }
}

#[test]
fn the_documentation_names_every_key() {
    let page = include_str!("../../../../docs/reference/config.md");
    let schema = schema::schema();
    let tables = schema.get("$defs").and_then(serde_json::Value::as_object).expect("tables");
    for (table, schema) in tables {
        let keys = schema.get("properties").and_then(serde_json::Value::as_object).expect("keys");
        for key in keys.keys().filter(|key| *key != "class") {
            assert!(page.contains(&format!("`{key}`")), "{table}.{key}");
        }
    }
}
