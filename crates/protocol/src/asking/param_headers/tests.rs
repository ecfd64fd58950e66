use super::*;
use proptest::prelude::*;
use serde_json::json;

fn of(schema: &Value) -> Result<ParamHeaders, Violation> {
    ParamHeaders::of(&raw(schema))
}

fn marked(kind: &str, name: &str) -> Value {
    json!({"type": "object", "properties": {"p": {"type": kind, "x-mcp-header": name}}})
}

#[test]
fn rule_17_marked_arguments_are_repeated_in_headers() {
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "inner": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
        "b": {"type": ["boolean", "null"], "x-mcp-header": "B"},
        "absent": {"type": "string", "x-mcp-header": "Absent"},
        "null": {"type": "string", "x-mcp-header": "Null"},
    }});
    let arguments = raw(&json!({"region": "Zürich", "inner": {"n": 42.0}, "b": true, "null": null}));
    let headers = of(&schema).expect("good").values(Some(&arguments));
    let expected =
        [("Mcp-Param-Region", "=?base64?WsO8cmljaA==?="), ("Mcp-Param-N", "42"), ("Mcp-Param-B", "true")];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn rule_17_headers_that_do_not_say_what_the_arguments_say_are_refused() {
    let schema = json!({"properties": {
        "region": {"type": "string", "x-mcp-header": "Region"}, "n": {"type": "integer", "x-mcp-header": "N"},
    }});
    let tool = raw(&json!({"name": "t", "inputSchema": schema}));
    let check = |arguments: Value, region: Header, number: Header| {
        let given = |name: &str| if name == "mcp-param-region" { region.clone() } else { number.clone() };
        ParamHeaders::of_tool(&tool).check(Some(&raw(&arguments)), given).map_err(|fault| fault.code)
    };
    let one = |text: &str| Header::One(text.to_owned());
    let both = json!({"region": "eu", "n": 42});
    assert_eq!(check(both.clone(), one("eu"), one("42.0")), Ok(()));
    assert_eq!(check(json!({"n": null}), Header::Absent, Header::Absent), Ok(()));
    for (region, number) in [
        (Header::Absent, one("42")),
        (one("EU"), one("42")),
        (Header::Unusable, one("42")),
        (one("eu"), one("43")),
        (one("eu"), one("x")),
    ] {
        assert_eq!(check(both.clone(), region, number), Err(code::HEADER_MISMATCH));
    }
    assert_eq!(check(json!({}), one("eu"), Header::Absent), Err(code::HEADER_MISMATCH));
}

#[test]
fn what_a_client_over_http_must_drop_is_found() {
    let twice = json!({"properties": {
        "a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"},
    }});
    assert_eq!(of(&twice), Err(Violation::Twice("a".to_owned())));
    assert_eq!(of(&marked("number", "N")), Err(Violation::WrongType("N".to_owned())));
    assert_eq!(of(&marked("object", "N")), Err(Violation::WrongType("N".to_owned())));
    for name in ["", "a b", "ü", "a:b"] {
        assert_eq!(of(&marked("string", name)), Err(Violation::NoToken), "{name}");
    }
    let leaf = json!({"type": "string", "x-mcp-header": "X"});
    for hidden in [
        json!({"properties": {"a": {"type": "array", "items": leaf}}}),
        json!({"oneOf": [{"properties": {"a": leaf}}]}),
        json!({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": leaf}}),
        json!({"if": {"properties": {"a": leaf}}}),
        json!({"additionalProperties": leaf}),
    ] {
        assert_eq!(of(&hidden), Err(Violation::Unreachable), "{hidden}");
    }
}

#[test]
fn a_mark_in_mere_data_is_none() {
    let schema =
        json!({"properties": {"x-mcp-header": {"type": "number"}, "a": {"default": {"x-mcp-header": 7}}}});
    assert_eq!(of(&schema), Ok(ParamHeaders::default()));
}

#[test]
fn a_mark_written_with_escapes_is_found() {
    let schema = r#"{"properties":{"p":{"type":"number","x\u002dmcp-header":"A"}}}"#;
    let schema = RawValue::from_string(schema.to_owned()).expect("json");
    assert!(ParamHeaders::of(&schema).is_err());
}

#[test]
fn wrong_tools_are_dropped_and_the_others_stay_as_they_are() {
    let good = r#"{"name":"good","inputSchema":{ "type":"object","properties":{"p":{"type":"string","x-mcp-header":"P"}}},"z":1.0}"#;
    let bad = r#"{"name":"bad","inputSchema":{"properties":{"p":{"type":"number","x-mcp-header":"P"}}}}"#;
    let list = format!(r#"{{"tools":[{good},{bad}],"nextCursor":"c"}}"#);
    let list = RawValue::from_string(list).expect("json");
    let sifted = sifted(&list);
    assert_eq!(sifted.result.get(), format!(r#"{{"tools":[{good}],"nextCursor":"c"}}"#));
    assert_eq!((sifted.marked[0].0.as_str(), sifted.dropped[0].0.as_str()), ("good", "bad"));
}

proptest! {
    #[test]
    fn every_value_comes_back_as_it_was(text in "\\PC{0,20}") {
        let headers = of(&marked("string", "P")).expect("good").values(Some(&raw(&json!({"p": text}))));
        prop_assert_eq!(headers::decode(&headers[0].1), Some(text));
    }
}
