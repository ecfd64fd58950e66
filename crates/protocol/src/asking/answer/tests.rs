use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("json")
}

fn told(method: &str, text: &str) -> String {
    legacy(method, &json(text)).expect("object").get().to_owned()
}

#[test]
fn rule_02_a_legacy_result_gets_what_is_missing_and_keeps_the_rest_to_the_byte() {
    let call = r#"{"content":[ ],"structuredContent":null,"x":1.0 }"#;
    let expected = r#"{"content":[ ],"structuredContent":null,"x":1.0,"resultType":"complete"}"#;
    assert_eq!(told("tools/call", call), expected);
    assert_eq!(told("ping", "{ }"), r#"{"resultType":"complete"}"#);
    let list = r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;
    assert_eq!(told("tools/list", r#"{"tools":[]}"#), list);
}

#[test]
fn rule_12_a_legacy_server_cannot_mean_what_looks_modern() {
    let text = r#"{"tools":[],"resultType":"input_required","cacheScope":"public","ttlMs":9}"#;
    let expected = r#"{"tools":[],"resultType":"complete","cacheScope":"private","ttlMs":0}"#;
    assert_eq!(told("tools/list", text), expected);
}

#[test]
fn a_modern_result_stays_and_only_what_it_lacks_is_added() {
    let whole = r#"{"tools":[],"resultType":"complete","ttlMs":5,"cacheScope":"public"}"#;
    assert_eq!(modern("tools/list", &json(whole), false).expect("good").get(), whole);
    let expected = r#"{"tools":[],"ttlMs":5,"resultType":"complete","cacheScope":"private"}"#;
    assert_eq!(
        modern("tools/list", &json(r#"{"tools":[],"ttlMs":5}"#), false).expect("good").get(),
        expected
    );
}

#[test]
fn an_input_may_be_required_only_where_the_era_allows_it() {
    let asks = json(r#"{"resultType":"input_required","requestState":"s"}"#);
    for method in ["tools/call", "prompts/get", "resources/read"] {
        assert_eq!(modern(method, &asks, false).expect("good").get(), asks.get());
    }
    assert_eq!(modern("tools/list", &asks, false).err(), Some(Useless::NoInputHere("tools/list".to_owned())));
}

#[test]
fn a_result_type_is_known_or_the_clients_extensions() {
    let task = json(r#"{"resultType":"task","taskId":"1"}"#);
    assert!(modern("tools/call", &task, true).is_ok());
    assert_eq!(modern("tools/call", &task, false).err(), Some(Useless::UnknownType("task".to_owned())));
    assert_eq!(modern("tools/call", &json("[]"), false).err(), Some(Useless::NoObject));
    assert_eq!(legacy("tools/call", &json("null")).err(), Some(Useless::NoObject));
}

#[test]
fn what_initialize_told_is_told_as_discover_tells_it() {
    let text = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{ }},"serverInfo":{"name":"s"},"instructions":"i"}"#;
    let expected = r#"{"capabilities":{"tools":{ }},"instructions":"i","supportedVersions":["2026-07-28"],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}},"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;
    assert_eq!(discovered(&json(text)).expect("object").get(), expected);
}

#[test]
fn rule_10_an_unknown_resource_has_the_modern_code() {
    assert_eq!((code_of(-32002), code_of(-32601), code_of(7)), (-32602, -32601, 7));
}

proptest! {
    #[test]
    fn every_object_stays_one_and_keeps_its_members(
        members in prop::collection::hash_map("[a-z]{1,6}", "\\PC{0,8}", 0..8),
        method in prop::sample::select(vec!["tools/call", "tools/list", "resources/read"]),
    ) {
        let text = raw(&members);
        for result in [modern(method, &text, false).map(Cow::into_owned), legacy(method, &text)] {
            let value: Value = serde_json::from_str(result.expect("object").get()).expect("json");
            prop_assert_eq!(value["resultType"].as_str(), Some("complete"));
            prop_assert_eq!(value.get("ttlMs").is_some(), is_cacheable(method));
            for (name, member) in &members {
                prop_assert_eq!(value[name].as_str(), Some(member.as_str()));
            }
        }
    }
}
