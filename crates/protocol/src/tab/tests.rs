//! What Rust and JavaScript must agree on beside frames: canonical JSON, and the hashes of definitions and sets.

use deputy_core::canonical::{parse_strict, to_canonical};
use deputy_core::{Definition, Digest, Origin};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Canonical {
    cases: Vec<CanonicalCase>,
    refused: Vec<Refused>,
}
#[derive(Deserialize)]
struct CanonicalCase {
    name: String,
    text: String,
    canonical: String,
    sha256: Digest,
}
#[derive(Deserialize)]
struct Refused {
    name: String,
    text: String,
}
#[derive(Deserialize)]
struct Definitions {
    cases: Vec<DefinitionCase>,
    registered: Vec<Registered>,
    sets: Vec<Set>,
}
#[derive(Deserialize)]
struct DefinitionCase {
    name: String,
    origin: Origin,
    definition: Definition,
    hash: Digest,
}
#[derive(Deserialize)]
struct Registered {
    name: String,
    definition: Definition,
    hash: Digest,
}
#[derive(Deserialize)]
struct Set {
    name: String,
    hashes: Vec<Digest>,
    #[serde(rename = "toolsHash")]
    tools_hash: Digest,
}

fn definitions() -> Definitions {
    serde_json::from_str(include_str!("../../../../vectors/definition.json")).expect("vectors")
}

#[test]
fn canonical_json_is_the_one_of_the_vectors() {
    let vectors: Canonical =
        serde_json::from_str(include_str!("../../../../vectors/canonical.json")).expect("vectors");
    for case in vectors.cases {
        let value: Value = parse_strict(case.text.as_bytes()).expect("json");
        let bytes = to_canonical(&value).expect("canonical");
        assert_eq!(String::from_utf8(bytes).expect("utf-8"), case.canonical, "{}", case.name);
        assert_eq!(Digest::of_json(&value), Ok(case.sha256), "{}", case.name);
    }
    for case in vectors.refused {
        assert!(parse_strict(case.text.as_bytes()).is_err(), "{}", case.name);
    }
}

#[test]
fn p26_definitions_have_the_hashes_of_the_vectors() {
    let crm = Origin::new("https://crm.acme.example").expect("origin");
    let vectors = definitions();
    for case in vectors.cases {
        assert_eq!(case.definition.hash(&case.origin), Ok(case.hash), "{}", case.name);
    }
    for case in vectors.registered {
        assert_eq!(case.definition.hash(&crm), Ok(case.hash), "{}", case.name);
    }
}

#[test]
fn p9_sets_of_tools_have_the_hashes_of_the_vectors() {
    for case in definitions().sets {
        assert_eq!(super::tools_hash(&case.hashes), Ok(case.tools_hash), "{}", case.name);
    }
}
