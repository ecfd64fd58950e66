//! The two tools, and what a search answers.

use super::*;
use serde_json::value::RawValue;

fn finding() -> Finding {
    Finding::of(&"https://hub.acme.example".parse().unwrap()).unwrap()
}

fn arguments(text: &str) -> Arguments {
    Arguments::parse(&RawValue::from_string(text.to_owned()).unwrap()).unwrap()
}

fn definition(bytes: usize) -> Definition {
    Definition {
        name: "x".parse().unwrap(),
        title: None,
        description: "d".repeat(DESCRIPTION + 10),
        input_schema: Some(json!({"type": "object", "description": "s".repeat(bytes)})),
        output_schema: None,
        annotations: None,
        kind: ToolKind::Server,
    }
}

#[test]
fn both_tools_have_names_of_the_hub_and_schemas_that_compile() {
    let finding = finding();
    assert_eq!(finding.find.tool.public_name().as_str(), "deputy__find_tools");
    assert_eq!(finding.call.tool.public_name().as_str(), "deputy__call_tool");
    assert_eq!(finding.find.input.check(&json!({"query": "x", "limit": 3})), Ok(()));
    assert!(finding.find.input.check(&json!({"query": "x", "limit": 1000})).is_err());
    assert!(finding.call.input.check(&json!({"name": "x", "arguments": []})).is_err());
}

#[test]
fn a_search_that_does_not_say_how_many_gets_some() {
    assert_eq!(Sought::of(&json!({"query": "x"})), Sought { query: "x".to_owned(), limit: USUAL_RESULTS });
    assert_eq!(Sought::of(&json!({"query": "x", "limit": 3.0})).limit, 3);
    assert_eq!(Sought::of(&json!({"query": "x", "limit": 1e300})).limit, MOST_RESULTS);
}

#[test]
fn r9_the_inner_call_has_the_arguments_as_they_came() {
    let named = Named::of(&arguments(r#"{"name":"crm__x","arguments":{"b":1.0, "a":2}}"#)).unwrap();
    assert_eq!((named.name.as_str(), named.arguments.raw().get()), ("crm__x", r#"{"b":1.0, "a":2}"#));
    assert_eq!(Named::of(&arguments(r#"{"name":"crm__x"}"#)).unwrap().arguments.raw().get(), "{}");
    for bad in [r#"{}"#, r#"{"name":7}"#, r#"{"name":"x","arguments":[]}"#, r#"{"name":"deputy__call_tool"}"#]
    {
        assert!(Named::of(&arguments(bad)).is_err(), "{bad}");
    }
}

#[test]
fn a_result_fits_the_tools_own_output_schema_and_is_not_cut() {
    let definition = definition(6 * 1024);
    let names: Vec<String> = (0..MOST_RESULTS).map(|at| format!("crm__tool_{at}")).collect();
    let found: Vec<Found<'_>> = names.iter().map(|name| Found { name, definition: &definition }).collect();
    let (content, structured) = rendered(&found);
    let finding = finding();
    let output = finding.find.tool.definition.output_schema.clone().unwrap();
    assert_eq!(Schema::compile(&output).unwrap().check(&structured), Ok(()));
    assert!(structured["tools"][0]["inputSchema"].is_object());
    assert_eq!(structured["tools"][MOST_RESULTS - 1]["schemaLeftOut"], true);
    let text = content[0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), structured);
    let usual = rendered(&found[..USUAL_RESULTS]).0[0]["text"].as_str().unwrap().len();
    assert!(usual <= crate::answers::TEXT_BYTES, "{usual}");
}

#[test]
fn the_first_tool_has_its_schema_however_large_and_nothing_found_is_said() {
    let large = definition(SCHEMA_BYTES);
    let found = [Found { name: "a", definition: &large }, Found { name: "b", definition: &large }];
    let (_, structured) = rendered(&found);
    assert!(structured["tools"][0]["inputSchema"].is_object());
    assert_eq!(structured["tools"][1]["schemaLeftOut"], true);
    let (content, structured) = rendered(&[]);
    assert_eq!(structured, json!({"tools": []}));
    assert!(content[0]["text"].as_str().unwrap().contains("Try other words"));
}
