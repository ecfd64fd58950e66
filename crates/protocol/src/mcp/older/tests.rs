use super::*;
use crate::mcp::version::Revision;
use serde_json::json;

fn value(text: Option<Box<RawValue>>) -> Option<Value> {
    text.map(|text| serde_json::from_str(text.get()).expect("json"))
}

#[test]
fn structured_content_that_is_no_object_is_said_as_text_where_there_is_none() {
    let said = raw(&json!({"structuredContent": [1, "a"], "content": [], "x": 1}));
    for revision in Revision::ALL {
        assert_eq!(
            value(result(&said, revision)),
            Some(json!({"content": [{"type": "text", "text": "[1,\"a\"]"}], "x": 1}))
        );
    }
    let text = json!([{"type": "text", "text": "one and a"}]);
    let said = raw(&json!({"structuredContent": 7, "content": text}));
    assert_eq!(value(result(&said, Revision::November2025)), Some(json!({"content": text})));
}

#[test]
fn what_an_older_revision_knows_is_not_touched() {
    let said = raw(
        &json!({"structuredContent": {"a": 1}, "content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]}),
    );
    assert_eq!(value(result(&said, Revision::June2025)), None);
    // It does not know structured content at all, and passes over it; a kind of content it refuses.
    let older = value(result(&said, Revision::March2025)).expect("a link is not known");
    assert_eq!(older["structuredContent"], json!({"a": 1}));
    assert_eq!(older["content"], json!([{"type": "text", "text": "n: a:b"}]));
    for same in [json!({"content": []}), json!({"structuredContent": null}), json!({"structuredContent": {}})]
    {
        for revision in Revision::ALL {
            assert_eq!(value(result(&raw(&same), revision)), None, "{same}");
        }
    }
}

#[test]
fn an_output_schema_that_is_of_no_object_is_left_out_and_its_tool_is_not() {
    let tools = json!({"tools": [
        {"name": "a", "outputSchema": {"type": "array"}, "x": 1},
        {"name": "b", "outputSchema": {"type": "object"}},
        {"name": "c", "outputSchema": {"anyOf": []}},
        {"name": "d"},
    ], "nextCursor": "n"});
    let expected = json!({"tools": [
        {"name": "a", "x": 1}, {"name": "b", "outputSchema": {"type": "object"}}, {"name": "c"}, {"name": "d"},
    ], "nextCursor": "n"});
    assert_eq!(value(list(&raw(&tools))), Some(expected));
    let fit = json!({"tools": [{"name": "b", "outputSchema": {"type": "object"}}]});
    assert_eq!(value(list(&raw(&fit))), None);
}
