//! JSON itself, schemas, and definitions of tools.

use crate::first_line;
use deputy_core::canonical::{Digest, parse_strict, to_canonical};
use deputy_core::text::hidden;
use deputy_core::{Class, Definition, Origin, PublicName, SourceName};
use deputy_protocol::schema::{MAXIMUM_BYTES, Schema};
use deputy_protocol::tab::Manifest;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the strict parser takes the lenient one reads alike, and the canonical form is one: read and written again it is
/// the same bytes.
pub(crate) fn canonical(data: &[u8]) {
    let Ok(value) = parse_strict(data) else { return };
    assert_eq!(serde_json::from_slice::<Value>(data).expect("the lenient parser takes more"), value);
    let written = to_canonical(&value).expect("every value that was parsed can be written");
    let again = parse_strict(&written).expect("the canonical form is JSON");
    assert_eq!(to_canonical(&again).expect("written"), written, "two canonical forms");
    assert_eq!(Digest::of_json(&again), Digest::of_json(&value));
    let digest = Digest::of_json(&value).expect("a digest");
    assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
}

/// A schema and, on the next lines, a value: what a schema that compiled lets pass is at least of its `type` and has what it
/// requires, twice the answer is the same, and a refusal is one short sentence.
pub(crate) fn schema(data: &[u8]) {
    let (first, rest) = first_line(data);
    let Ok(source) = parse_strict(first) else { return };
    let schema = match Schema::compile(&source) {
        Ok(schema) => schema,
        Err(error) => return assert!(error.to_string().len() < MAXIMUM_BYTES + 200),
    };
    let value = parse_strict(rest).unwrap_or(Value::Null);
    let answer = schema.check(&value);
    assert_eq!(schema.check(&value), answer);
    match answer {
        Err(words) => assert!(!words.is_empty() && words.chars().count() <= 300, "{words}"),
        // Beside a `$ref` older drafts look at nothing.
        Ok(()) if source.get("$ref").is_none() => fits(&source, &value),
        Ok(()) => {}
    }
}

fn fits(schema: &Value, value: &Value) {
    if schema.get("type") == Some(&"object".into()) {
        assert!(value.is_object());
    }
    let required = schema.get("required").and_then(Value::as_array);
    if let (Some(required), Some(members)) = (required, value.as_object()) {
        assert!(required.iter().filter_map(Value::as_str).all(|name| members.contains_key(name)));
    }
}

/// A definition that is taken has one hash, whatever way it was written; what it says of itself raises the operator's class
/// and never lowers it; and its public name is one.
pub(crate) fn definition(data: &[u8]) {
    let Ok(value) = parse_strict(data) else { return };
    let Ok(definition) = serde_json::from_value::<Definition>(value) else { return };
    let origin: Origin = "https://crm.example".parse().expect("origin");
    let hash = definition.hash(&origin).expect("a hash");
    let again = serde_json::to_vec(&definition).expect("written");
    let again: Definition = serde_json::from_slice(&again).expect("read again");
    assert_eq!(again.hash(&origin), Ok(hash));
    for words in [&["read"][..], &["write"], &["destructive"], &["egress"]] {
        let said = Class::from_words(words.iter().copied()).expect("class");
        let class = definition.class(Some(said));
        assert_eq!(class.raised_to(said), class, "a hint lowers the operator's class");
    }
    assert!(definition.class(None).is_risky(), "an unclassed tool is risky");
    let source: SourceName = "crm".parse().expect("name");
    let public = PublicName::of(&source, &definition.name);
    assert_eq!(PublicName::new(public.as_str()).as_ref(), Ok(&public));
}

/// A manifest. What it pins has a hash of its own making, is there once, and hides nothing.
pub(crate) fn manifest(data: &[u8]) {
    let origin: Origin = "https://crm.acme.example".parse().expect("origin");
    let Ok(manifest) = Manifest::parse(data, &origin) else { return };
    let said = parse_strict(data).expect("JSON");
    assert_eq!(said["origin"], origin.as_str());
    let names: BTreeSet<&str> = manifest.tools.iter().map(|tool| tool.definition.name.as_str()).collect();
    assert_eq!(names.len(), manifest.tools.len());
    for tool in &manifest.tools {
        assert_eq!(tool.definition.hash(&origin), Ok(tool.hash));
        let words = serde_json::to_value(&tool.definition).expect("written");
        assert_eq!(hidden(&words), None);
    }
}
