//! Schemas of both versions, in the words of 2020-12.

use super::super::tests::{document, parse};
use crate::openapi::{Document, Options, Outputs};
use crate::schema::{MAXIMUM_BYTES, Schema};
use serde_json::{Value, json};

/// The input schema of a body with this schema.
fn body(version: &str, schema: Value, components: Value) -> Value {
    let mut document = document(json!({"/a": {"post": {
        "requestBody": {"content": {"application/json": {"schema": schema}}},
    }}}));
    document["openapi"] = json!(version);
    document["components"] = json!({"schemas": components});
    parse(&document).operations()[0].tool()["inputSchema"].clone()
}

fn body_of_30(schema: Value) -> Value {
    body("3.0.3", schema, json!({}))["properties"]["body"].clone()
}

#[test]
fn words_of_3_0_become_words_of_the_standard() {
    let cases = [
        (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
        (
            json!({"type": "string", "nullable": true, "enum": ["a"]}),
            json!({"type": ["string", "null"], "enum": ["a", null]}),
        ),
        (
            json!({"nullable": true, "allOf": [{"type": "object"}]}),
            json!({"anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]}),
        ),
        (json!({"minimum": 1, "exclusiveMinimum": true}), json!({"exclusiveMinimum": 1})),
        (json!({"maximum": 1, "exclusiveMaximum": false}), json!({"maximum": 1})),
        (
            json!({"type": "array", "items": {"nullable": true, "type": "integer"}}),
            json!({"type": "array", "items": {"type": ["integer", "null"]}}),
        ),
        (
            json!({"type": "object", "xml": {"name": "x"}, "discriminator": {"propertyName": "k"}, "x-own": 1}),
            json!({"type": "object"}),
        ),
    ];
    for (given, wanted) in cases {
        assert_eq!(body_of_30(given.clone()), wanted, "{given}");
    }
}

#[test]
fn beside_a_reference_3_1_is_heard_and_3_0_is_not() {
    let schema = json!({"$ref": "#/components/schemas/A", "description": "this"});
    let components = json!({"A": {"type": "string"}});
    let body = |version| body(version, schema.clone(), components.clone());
    assert_eq!(body("3.0.0")["properties"]["body"], json!({"$ref": "#/$defs/A"}));
    assert_eq!(body("3.1.0")["properties"]["body"], json!({"$ref": "#/$defs/A", "description": "this"}));
}

#[test]
fn what_only_the_server_says_is_not_asked_for() {
    let schema = json!({
        "type": "object",
        "required": ["id", "name", "secret"],
        "properties": {
            "id": {"$ref": "#/components/schemas/Id"}, "name": {"type": "string"},
            "secret": {"type": "string", "writeOnly": true, "x-deputy-redact": true},
        },
    });
    let input = body("3.1.0", schema, json!({"Id": {"type": "integer", "readOnly": true}}));
    let body = &input["properties"]["body"];
    assert_eq!(body["required"], json!(["name", "secret"]));
    assert!(body["properties"].get("id").is_none());
    assert_eq!(body["properties"]["secret"]["writeOnly"], true);
    assert_eq!(body["properties"]["secret"]["x-deputy-redact"], true);
}

#[test]
fn references_with_the_same_last_part_are_told_apart() {
    let components = json!({"A": {"type": "object", "properties": {
        "one": {"$ref": "#/components/schemas/B/properties/A"}, "two": {"$ref": "#/components/schemas/A"},
    }}, "B": {"properties": {"A": {"type": "string"}}}});
    let input = body("3.1.0", json!({"$ref": "#/components/schemas/A"}), components);
    assert_eq!(input["$defs"]["A"]["properties"]["one"], json!({"$ref": "#/$defs/A_2"}));
    assert_eq!(input["$defs"]["A_2"], json!({"type": "string"}));
}

#[test]
fn a_schema_that_is_too_large_is_told_with_less_and_says_so() {
    let words = "w".repeat(200);
    let components: serde_json::Map<String, Value> = (0..300)
        .map(|at| {
            let next = format!("#/components/schemas/S{}", at + 1);
            let properties =
                json!({"next": {"$ref": next}, "name": {"type": "string", "description": words}});
            (
                format!("S{at}"),
                json!({"type": "object", "properties": properties, "additionalProperties": false}),
            )
        })
        .chain([("S300".to_owned(), json!({"type": "object"}))])
        .collect();
    let mut document = document(json!({"/a": {"post": {"requestBody": {"content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/S0"},
    }}}}}}));
    document["components"] = json!({"schemas": components});
    let tool = parse(&document).operations()[0].tool();
    let schema = &tool["inputSchema"];
    assert!(schema.to_string().len() <= MAXIMUM_BYTES);
    assert!(tool["description"].as_str().unwrap().contains("left out"));
    let compiled = Schema::compile(schema).unwrap();
    let mut nested = json!({"name": 1});
    for _ in 0..100 {
        nested = json!({"next": nested});
    }
    assert_eq!(compiled.check(&json!({"body": nested})), Ok(()), "what is left out lets everything pass");
    assert!(compiled.check(&json!({"body": {"name": 1}})).is_err());
}

#[test]
fn a_pattern_that_cannot_be_compiled_is_left_to_the_server() {
    let tool_schema = body("3.1.0", json!({"type": "string", "pattern": "(?<=a+)\\p{Unknown}["}), json!({}));
    assert_eq!(tool_schema["properties"]["body"], json!({"type": "string"}));
}

#[test]
fn deep_schemas_end() {
    let mut schema = json!({"type": "string"});
    for _ in 0..50 {
        schema = json!({"type": "array", "items": schema});
    }
    let input = body("3.1.0", schema, json!({}));
    assert!(Schema::compile(&input).is_ok());
}

/// The tool of a GET with these responses.
fn answering(responses: Value, outputs: Outputs) -> Value {
    let document = document(json!({"/a": {"get": {"responses": responses}}}));
    let options = Options { outputs, ..Options::default() };
    Document::parse(document.to_string().as_bytes(), &options).unwrap().operations()[0].tool()
}

#[test]
fn an_output_schema_is_there_only_where_every_success_is_the_same_object() {
    let json_of =
        |schema: Value| json!({"description": "", "content": {"application/json": {"schema": schema}}});
    let object = json_of(json!({"type": "object"}));
    let list = json_of(json!({"type": "array"}));
    let nothing = json!({"description": ""});
    let described = |responses: Value| answering(responses, Outputs::Described).get("outputSchema").is_some();
    assert!(described(json!({"200": object, "201": object, "404": list})));
    assert!(described(json!({"2XX": object})));
    assert!(!described(json!({"200": object, "202": list})));
    assert!(!described(json!({"200": object, "204": nothing})));
    assert!(!described(json!({"200": list})));
    assert!(!described(json!({"default": object})));
    assert!(answering(json!({"200": object}), Outputs::Undescribed).get("outputSchema").is_none());
}
