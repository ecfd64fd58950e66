//! The format, and that Rust and JavaScript mean the same by it.

use super::*;
use serde_json::json;

#[derive(Deserialize)]
struct Vector {
    origin: Origin,
    definitions: Vec<Definition>,
    manifest: Value,
}

fn vector() -> Vector {
    serde_json::from_str(include_str!("../../../../../vectors/manifest.json")).expect("vectors")
}

fn origin() -> Origin {
    Origin::new("https://crm.acme.example").expect("origin")
}

/// A manifest of one definition with its right hash.
fn one(definition: &Value) -> Value {
    let mut tool = definition.clone();
    let read: Definition = serde_json::from_value(definition.clone()).expect("definition");
    tool["hash"] = json!(read.hash(&origin()).expect("hash"));
    json!({ "v": 1, "origin": origin(), "tools": [tool] })
}

fn parse(value: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(value.to_string().as_bytes(), &origin())
}

#[test]
fn p26_rust_computes_the_hashes_of_a_manifest_that_the_sdk_made() {
    let Vector { origin, definitions, manifest } = vector();
    let read = Manifest::parse(manifest.to_string().as_bytes(), &origin).expect("a manifest");
    assert_eq!((read.tools.len(), &read.refused), (definitions.len(), &Vec::new()));
    for definition in definitions {
        let hash = definition.hash(&origin).expect("hash");
        assert!(read.tools.contains(&Pinned { definition, hash }));
    }
}

#[test]
fn p26_a_tool_whose_hash_is_another_is_left_out_and_named() {
    let mut manifest = one(&json!({"name": "ping", "description": "Answers.", "kind": "imperative"}));
    manifest["tools"][0]["description"] = json!("Answers!");
    let read = parse(&manifest).expect("a manifest");
    assert!(read.tools.is_empty());
    assert!(read.refused[0].starts_with("`ping`: its hash is `sha256:"), "{:?}", read.refused);
}

#[test]
fn p18_a_manifests_definitions_are_bounded_as_a_tabs_are() {
    let good = json!({"name": "ping", "description": "Answers.", "kind": "imperative"});
    for (change, culprit) in [
        (json!({"description": "x".repeat(16_384)}), "bytes"),
        (json!({"description": "a\u{200b}"}), "U+200B"),
        (json!({"inputSchema": {"type": "nonsense"}}), ""),
        (json!({"inputSchema": true}), ""),
    ] {
        let mut bad = good.clone();
        bad.as_object_mut().expect("object").extend(change.as_object().expect("object").clone());
        let read = parse(&one(&bad)).expect("a manifest");
        assert!(read.tools.is_empty() && read.refused[0].contains(culprit), "{change}: {:?}", read.refused);
    }
    let unread = json!({ "v": 1, "origin": origin(), "tools": [{"name": "bad name", "hash": 1}, 7] });
    assert_eq!(parse(&unread).expect("a manifest").refused.len(), 2);
}

#[test]
fn what_is_no_manifest_of_this_origin_is_refused_whole() {
    let good = one(&json!({"name": "ping", "description": "Answers.", "kind": "imperative"}));
    assert_eq!(parse(&good).expect("a manifest").tools.len(), 1);
    let twice = r#"{"v": 1, "v": 1, "origin": "https://crm.acme.example", "tools": []}"#;
    assert!(matches!(Manifest::parse(twice.as_bytes(), &origin()), Err(ManifestError::Malformed(_))));
    for text in ["", "[]", "{}", "<html>"] {
        assert!(
            matches!(Manifest::parse(text.as_bytes(), &origin()), Err(ManifestError::Malformed(_))),
            "{text}"
        );
    }
    let changed = |name: &str, value: Value| {
        let mut manifest = good.clone();
        manifest[name] = value;
        parse(&manifest).expect_err("refused")
    };
    assert!(matches!(changed("v", json!(2)), ManifestError::Version(_)));
    assert!(matches!(changed("origin", json!("https://evil.example")), ManifestError::Origin { .. }));
    let both = json!([good["tools"][0].clone(), good["tools"][0].clone()]);
    assert_eq!(changed("tools", both), ManifestError::Twice("ping".to_owned()));
    assert_eq!(changed("tools", json!(vec![0; 4097])), ManifestError::TooMany(4097));
}
