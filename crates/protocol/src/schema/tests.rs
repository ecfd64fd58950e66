use super::*;
use proptest::prelude::*;

fn compiled(schema: Value) -> Schema {
    Schema::compile(&schema).expect("schema")
}

#[test]
fn arguments_that_do_not_fit_are_told_where_and_what() {
    let schema = compiled(json!({
        "type": "object", "required": ["to"], "additionalProperties": false,
        "properties": {"to": {"type": "string"}, "amount": {"type": "integer", "maximum": 10}}
    }));
    assert_eq!(schema.check(&json!({"to": "a", "amount": 3})), Ok(()));
    let wrong = schema.check(&json!({"to": "a", "amount": "secret"})).expect_err("not an integer");
    assert!(
        wrong.starts_with("`/amount`: ") && wrong.contains("integer") && !wrong.contains("secret"),
        "{wrong}"
    );
    let missing = schema.check(&json!({})).expect_err("incomplete");
    assert!(missing.starts_with("the arguments: ") && missing.contains("\"to\""), "{missing}");
    assert!(schema.check(&json!({"to": "a", "x": 1})).is_err());
}

#[test]
fn a_complaint_is_never_longer_than_300_characters() {
    let schema = compiled(json!({"additionalProperties": false}));
    let wrong = schema.check(&json!({ "ü".repeat(5000): 1 })).expect_err("unknown member");
    assert!(wrong.chars().count() <= 300);
}

#[test]
fn anything_fits_where_no_schema_was_given() {
    assert_eq!(Schema::anything().check(&json!({"a": [1]})), Ok(()));
}

#[test]
fn gateway_rule_25_no_network_reference_is_followed() {
    for name in ["$ref", "$dynamicRef"] {
        for target in
            ["https://a.example/s.json", "http://169.254.169.254/", "file:///etc/passwd", "s.json", "//a"]
        {
            let schema = json!({"properties": {"a": {name: target}}});
            assert_eq!(
                Schema::compile(&schema).expect_err("refused"),
                SchemaError::Reference(target.to_owned())
            );
        }
    }
    let rebased = json!({"$defs": {"a": {"$id": "https://a.example/", "$ref": "#/x"}}});
    assert!(matches!(Schema::compile(&rebased), Err(SchemaError::Reference(_))));
}

#[test]
fn gateway_rule_25_size_depth_patterns_and_dialect_are_bounded_before_compiling() {
    let long = json!({"description": "x".repeat(MAXIMUM_BYTES)});
    assert!(matches!(Schema::compile(&long), Err(SchemaError::TooLong { .. })));
    let mut deep = json!({});
    for _ in 0..=MAXIMUM_DEPTH {
        deep = json!({ "not": deep });
    }
    assert_eq!(Schema::compile(&deep).expect_err("deep"), SchemaError::TooDeep);
    let patterns: Vec<Value> = (0..=MAXIMUM_PATTERNS).map(|_| json!({"pattern": "a"})).collect();
    assert_eq!(
        Schema::compile(&json!({ "anyOf": patterns })).expect_err("many"),
        SchemaError::TooManyPatterns
    );
    let dialect = json!({"$schema": "https://a.example/own"});
    assert!(matches!(Schema::compile(&dialect), Err(SchemaError::Dialect(_))));
    assert!(Schema::compile(&json!({"$schema": "http://json-schema.org/draft-07/schema#"})).is_ok());
    assert_eq!(Schema::compile(&json!([])).expect_err("array"), SchemaError::NotAnObject);
    assert!(matches!(Schema::compile(&json!({"type": "no such"})), Err(SchemaError::Invalid(_))));
    assert!(matches!(Schema::compile(&json!({"pattern": "("})), Err(SchemaError::Invalid(_))));
}

#[test]
fn gateway_rule_25_a_schema_that_doubles_its_work_is_not_followed() {
    let mut definitions = serde_json::Map::new();
    for level in 0..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        definitions.insert(format!("d{level}"), json!({"allOf": [next, next]}));
    }
    definitions.insert("d60".to_owned(), json!({}));
    let doubling = json!({"$ref": "#/$defs/d0", "$defs": definitions});
    if let Ok(schema) = Schema::compile(&doubling) {
        assert!(schema.check(&json!({})).is_err());
    }
}

#[test]
fn gateway_rule_25_a_schema_that_refers_to_itself_in_a_circle_ends() {
    for circle in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"$anchor": "x", "anyOf": [{"$ref": "#x"}, {"$ref": "#x"}]}),
    ] {
        if let Ok(schema) = Schema::compile(&circle) {
            assert!(schema.check(&json!({"a": 1})).is_err(), "{circle}");
        }
    }
}

#[test]
fn a_tree_may_refer_to_itself_through_its_children() {
    let schema = compiled(json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}
    }));
    assert_eq!(schema.check(&json!({"name": "a", "children": [{"name": "b", "children": []}]})), Ok(()));
    let wrong = schema.check(&json!({"children": [{"children": [{"name": 1}]}]})).expect_err("a number");
    assert!(wrong.starts_with("`/children/0/children/0/name`"), "{wrong}");
}

#[test]
fn a_pattern_that_backtracks_without_end_is_given_up() {
    let schema = compiled(json!({"properties": {"a": {"pattern": "^(?=(a+)+$)(a|a)*$"}}}));
    assert!(schema.check(&json!({"a": format!("{}!", "a".repeat(60))})).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("type"),
        Just("$ref"),
        Just("properties"),
        Just("items"),
        Just("allOf"),
        Just("not"),
        Just("pattern"),
        Just("a"),
        Just("enum"),
        Just("$defs"),
        Just("if"),
        Just("required"),
        Just("$anchor"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!("#")),
        Just(json!("#/a")),
        Just(json!("string")),
        Just(json!("object")),
        Just(json!("#a")),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_schema_and_no_arguments_panic(schema in any_json(), value in any_json()) {
        if let Ok(schema) = Schema::compile(&schema) {
            let _ = schema.check(&value);
        }
    }
}
