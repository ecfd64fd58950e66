use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn source() -> SourceName {
    SourceName::new("files").expect("source")
}

fn sent(value: &Value) -> Box<RawValue> {
    raw(value)
}

#[test]
fn rule_09_a_ui_stays_a_ui() {
    assert_eq!(public_uri(&source(), "ui://app/x.html"), "ui://files/app/x.html");
    assert_eq!(own_uri("ui://files/app/x.html"), Some((source(), "ui://app/x.html".to_owned())));
    assert_eq!(public_uri(&source(), "file:///a"), "files+file:///a");
    assert_eq!(own_uri("file:///a"), None);
}

proptest! {
    #[test]
    fn rule_09_a_uri_leads_back_to_whose_it_is(name in "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", uri in "(ui://|file:///|test://|x:)?[ -~]{1,20}") {
        let source = SourceName::new(name).expect("source");
        prop_assert_eq!(own_uri(&public_uri(&source, &uri)), Some((source, uri)));
    }

    #[test]
    fn rule_08_a_prompt_leads_back_to_whose_it_is(name in "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", prompt in "[ -~]{1,20}") {
        let source = SourceName::new(name).expect("source");
        prop_assert_eq!(own_prompt(&public_prompt(&source, &prompt)), Some((source, prompt)));
    }
}

#[test]
fn rule_09_requests_are_told_in_the_servers_own_words() {
    for (method, public, own) in [
        (
            "prompts/get",
            json!({"name": "files__a__b", "arguments": {}}),
            json!({"name": "a__b", "arguments": {}}),
        ),
        ("resources/read", json!({"uri": "files+file:///a", "x": 1}), json!({"uri": "file:///a", "x": 1})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "files+t://{id}"}, "argument": {}}),
            json!({"ref": {"type": "ref/resource", "uri": "t://{id}"}, "argument": {}}),
        ),
    ] {
        let (whose, params) = route(method, Some(&sent(&public))).expect("routed");
        assert_eq!((whose, params.get()), (source(), own.to_string().as_str()));
    }
    assert!(route("prompts/get", Some(&sent(&json!({"name": "plain"})))).is_none());
}

#[test]
fn rule_09_uris_in_results_lists_and_interfaces_say_whose_they_are() {
    let called = json!({"content": [
        {"type": "text", "text": "file:///a", "uri": "stays"},
        {"type": "resource_link", "uri": "file:///a", "name": "n"},
        {"type": "resource", "resource": {"uri": "ui://a/b", "text": "t"}},
    ], "structuredContent": {"uri": "stays"}});
    let public: Value =
        serde_json::from_str(result("tools/call", &source(), &sent(&called)).get()).expect("json");
    assert_eq!(public["content"][0]["uri"], "stays");
    assert_eq!(public["content"][1]["uri"], "files+file:///a");
    assert_eq!(public["content"][2]["resource"]["uri"], "ui://files/a/b");
    assert_eq!(public["structuredContent"]["uri"], "stays");
    let prompt =
        json!({"messages": [{"role": "user", "content": {"type": "resource", "resource": {"uri": "x:y"}}}]});
    let public: Value =
        serde_json::from_str(result("prompts/get", &source(), &sent(&prompt)).get()).expect("json");
    assert_eq!(public["messages"][0]["content"]["resource"]["uri"], "files+x:y");
    let tool = json!({"name": "t", "_meta": {"ui": {"resourceUri": "ui://a/b", "x": 1}}});
    let public: Value =
        serde_json::from_str(item("tools/list", &source(), &sent(&tool)).get()).expect("json");
    assert_eq!(public["_meta"]["ui"], json!({"resourceUri": "ui://files/a/b", "x": 1}));
}
