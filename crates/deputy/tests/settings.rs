//! Invariant 15: no Cargo feature, and no setting of the shipped binary, turns verification, policy or audit off.
//!
//! The list below is every setting there is. Whoever adds one comes by here, and answers the question.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop"
)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const KNOWN: &[&str] = &[
    "app",
    "app.audiences",
    "app.class",
    "app.identity_provider",
    "app.manifest",
    "app.name",
    "app.origins",
    "app.tenant",
    "app.token",
    "audit",
    "audit.arguments",
    "audit.keep",
    "audit.publish",
    "audit.publish.access_key_id",
    "audit.publish.bucket",
    "audit.publish.file",
    "audit.publish.prefix",
    "audit.publish.region",
    "audit.publish.retain",
    "audit.publish.secret_access_key",
    "audit.publish.secret_access_key.env",
    "audit.publish.secret_access_key.file",
    "audit.publish.webhook",
    "hub",
    "hub.approval_execution",
    "hub.approval_wait",
    "hub.call_deadline",
    "hub.cli_client_id",
    "hub.data_dir",
    "hub.listen",
    "hub.operations_listen",
    "hub.operator_groups",
    "hub.public_url",
    "hub.tools",
    "identity_provider",
    "identity_provider.access_token_type",
    "identity_provider.algorithms",
    "identity_provider.client",
    "identity_provider.client.assertion_audience",
    "identity_provider.client.id",
    "identity_provider.client.private_key_jwt",
    "identity_provider.client.private_key_jwt.env",
    "identity_provider.client.private_key_jwt.file",
    "identity_provider.client.secret",
    "identity_provider.client.secret.env",
    "identity_provider.client.secret.file",
    "identity_provider.client.secret_in_form",
    "identity_provider.discovery_url",
    "identity_provider.events",
    "identity_provider.events.audience",
    "identity_provider.events.poll",
    "identity_provider.events.push_token",
    "identity_provider.events.push_token.env",
    "identity_provider.events.push_token.file",
    "identity_provider.events.token",
    "identity_provider.events.token.env",
    "identity_provider.events.token.file",
    "identity_provider.groups_claim",
    "identity_provider.introspection",
    "identity_provider.introspection_url",
    "identity_provider.issuer",
    "identity_provider.jwks_uri",
    "identity_provider.max_token_lifetime",
    "identity_provider.name",
    "identity_provider.preset",
    "identity_provider.provider_tenants",
    "identity_provider.tenant",
    "identity_provider.tenant_claim",
    "limit",
    "limit.calls",
    "limit.class",
    "limit.each",
    "limit.name",
    "limit.per",
    "limit.source",
    "limit.tool",
    "policy",
    "policy.dir",
    "server",
    "server.answer_bytes",
    "server.audience",
    "server.authorization_endpoint",
    "server.authorization_parameters",
    "server.authorization_server",
    "server.base_url",
    "server.call_deadline",
    "server.class",
    "server.client",
    "server.client.assertion_audience",
    "server.client.id",
    "server.client.private_key_jwt",
    "server.client.private_key_jwt.env",
    "server.client.private_key_jwt.file",
    "server.client.secret",
    "server.client.secret.env",
    "server.client.secret.file",
    "server.client.secret_in_form",
    "server.command",
    "server.credential",
    "server.env",
    "server.exclude",
    "server.folder",
    "server.identity_provider",
    "server.include",
    "server.name",
    "server.openapi",
    "server.register",
    "server.resource",
    "server.scopes",
    "server.shared",
    "server.subject_token_type",
    "server.tenant",
    "server.timeout",
    "server.token_endpoint",
    "server.trust",
    "server.unasked_scopes",
    "server.url",
    "server.user_project",
    "sign_in",
    "sign_in.agent",
    "sign_in.agent.client",
    "sign_in.agent.most",
    "sign_in.agent.sources",
    "sign_in.agent.tenant",
    "sign_in.ask_again",
    "sign_in.dynamic_registration",
    "sign_in.grant",
    "sign_in.identity_providers",
    "sign_in.scopes",
    "sign_in.session",
    "sign_in.token",
    "telemetry",
    "telemetry.otlp_endpoint",
    "telemetry.otlp_headers",
    "telemetry.otlp_headers.env",
    "telemetry.otlp_headers.file",
    "telemetry.sample",
    "telemetry.service_name",
    "tenant",
    "tenant.name",
    "vault",
    "vault.master_key",
    "vault.master_key.credential",
    "vault.master_key.file",
];

#[test]
fn invariant_15_every_setting_is_known_and_none_turns_a_guard_off() {
    let schema: Value = serde_json::from_str(&deputy::settings::schema_text()).unwrap();
    let mut found = BTreeSet::new();
    walk(&schema, &schema, "", &mut found);
    assert_eq!(found, KNOWN.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn invariant_15_no_shipped_crate_has_a_cargo_feature() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for entry in std::fs::read_dir(crates).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(!text.contains("[features]"), "{}", manifest.display());
    }
}

fn walk(schema: &Value, node: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
        return walk(schema, schema.pointer(reference.trim_start_matches('#')).unwrap(), path, found);
    }
    for (name, child) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(schema, child, &path, found);
        found.insert(path);
    }
    if let Some(items) = node.get("items") {
        walk(schema, items, path, found);
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for child in node.get(choice).and_then(Value::as_array).into_iter().flatten() {
            walk(schema, child, path, found);
        }
    }
}
