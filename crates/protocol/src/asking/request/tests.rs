use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("json")
}

fn side(capabilities: &RawValue) -> Side<'_> {
    Side { capabilities, implementation: None, log_level: None, progress: false }
}

#[test]
fn rule_13_a_modern_request_has_our_id_and_our_token_and_the_rest_as_it_was() {
    let params = json(
        r#"{"name":"t","arguments":{ "x" : 1.0 },"_meta":{"traceparent":"00-a","progressToken":"theirs","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"com.example/k":[1e400]}}"#,
    );
    let capabilities = json(r#"{ "sampling" : {} }"#);
    let info = json(r#"{"name":"c","version":"1"}"#);
    let side =
        Side { implementation: Some(&info), log_level: Some("info"), progress: true, ..side(&capabilities) };
    let text = modern(9, "tools/call", Some(&params), &side, "2026-07-28").expect("object");
    let expected = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"t","arguments":{ "x" : 1.0 },"_meta":{"traceparent":"00-a","com.example/k":[1e400],"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{ "sampling" : {} },"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/logLevel":"info","progressToken":9}}}"#;
    assert_eq!(text, expected);
}

#[test]
fn a_legacy_request_has_nothing_that_only_the_modern_era_has() {
    let capabilities = json("{}");
    let params = json(
        r#"{"uri":"u","requestState":"s","inputResponses":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
    );
    let text = legacy(3, "resources/read", Some(&params), &side(&capabilities)).expect("object");
    assert_eq!(text, r#"{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"u"}}"#);
    let bare = legacy(4, "tools/list", None, &side(&capabilities)).expect("object");
    assert_eq!(bare, r#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#);
}

#[test]
fn rule_03_initialize_says_what_this_client_can_do() {
    let capabilities = json(r#"{"elicitation":{ "form":{} }}"#);
    let info = json(r#"{"name":"c", "version":"2"}"#);
    let side = Side { implementation: Some(&info), ..side(&capabilities) };
    let expected = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{ "form":{} }},"clientInfo":{"name":"c", "version":"2"}}}"#;
    assert_eq!(initialize(1, &side, "2025-11-25"), expected);
}

#[test]
fn rule_24_an_answer_has_the_id_as_it_was_written() {
    assert_eq!(answer(&json("1.0"), &json("{ }")), r#"{"jsonrpc":"2.0","id":1.0,"result":{ }}"#);
    let refused = r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"\"no\""}}"#;
    assert_eq!(refusal(&json("\"a\""), -32601, "\"no\""), refused);
}

#[test]
fn parameters_that_are_no_object_are_not_sent() {
    let capabilities = json("{}");
    for bad in ["[]", "1", r#"{"_meta":7}"#] {
        assert!(modern(1, "m", Some(&json(bad)), &side(&capabilities), "v").is_err(), "{bad}");
        assert!(legacy(1, "m", Some(&json(bad)), &side(&capabilities)).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn every_request_is_json_and_keeps_every_other_member(
        members in prop::collection::hash_map("[a-z]{1,5}", "\\PC{0,8}", 0..6),
        method in "\\PC{0,12}",
    ) {
        let capabilities = json("{}");
        let params = raw(&members);
        for text in [
            modern(1, &method, Some(&params), &side(&capabilities), "v"),
            legacy(1, &method, Some(&params), &side(&capabilities)),
        ] {
            let sent: Value = serde_json::from_str(&text.expect("object")).expect("json");
            prop_assert_eq!(sent["method"].as_str(), Some(method.as_str()));
            for (name, value) in &members {
                prop_assert_eq!(sent["params"][name].as_str(), Some(value.as_str()));
            }
        }
    }
}

#[test]
fn who_does_not_say_who_it_is_is_asked_for_by_the_hub() {
    let capabilities = raw(&json!({}));
    let sent = modern(1, "tools/list", None, &side(&capabilities), "2026-07-28").expect("request");
    let sent: serde_json::Value = serde_json::from_str(&sent).expect("json");
    assert_eq!(sent["params"]["_meta"]["io.modelcontextprotocol/clientInfo"]["name"], "deputy");
}
