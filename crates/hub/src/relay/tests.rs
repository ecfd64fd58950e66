use super::*;
use proptest::prelude::*;

fn relay(method: &str, params: &str) -> Relay {
    let params: &RawValue = serde_json::from_str(params).expect("json");
    Relay::new(method, Some(params), ClientSide::default()).expect("relay")
}

#[test]
fn r9_what_is_decided_on_is_what_is_sent() {
    let call = relay("tools/call", r#"{"name":"a","arguments":{ "x" : 1.0 },"_meta":{"k":[1]},"new":2}"#);
    assert_eq!(call.decided().expect("arguments").raw().get(), r#"{ "x" : 1.0 }"#);
    let sent = call.params(Some(("name", "b")), None);
    assert_eq!(sent.get(), r#"{"name":"b","arguments":{ "x" : 1.0 },"_meta":{"k":[1]},"new":2}"#);
}

#[test]
fn a_method_is_decided_on_by_all_that_it_asks_for() {
    let read =
        relay("resources/read", r#"{"_meta":{},"uri":"file:///a","requestState":"s","inputResponses":{}}"#);
    assert_eq!(read.decided().expect("arguments").raw().get(), r#"{"uri":"file:///a"}"#);
    assert_eq!(read.state().as_deref(), Some("s"));
    let sent = read.params(None, Some("theirs"));
    assert_eq!(sent.get(), r#"{"_meta":{},"uri":"file:///a","requestState":"theirs","inputResponses":{}}"#);
}

#[test]
fn a_client_never_hands_a_server_a_state_of_its_own() {
    let call = relay("tools/call", r#"{"name":"a","requestState":"forged"}"#);
    assert_eq!(call.params(None, None).get(), r#"{"name":"a"}"#);
}

#[test]
fn what_cannot_be_decided_on_is_refused() {
    assert!(relay("tools/call", r#"{"name":"a","arguments":[1]}"#).decided().is_err());
    assert!(relay("tools/call", r#"{"name":"a","arguments":{"x":1,"x":2}}"#).decided().is_err());
    assert!(relay("x/y", r#"{"a":1,"a":2}"#).decided().is_err());
}

proptest! {
    #[test]
    fn any_parameters_go_out_as_they_came(name in "[a-z]{1,8}", value in "[ -~]{0,20}", number in any::<f64>()) {
        prop_assume!(number.is_finite());
        let text = serde_json::json!({"uri": value, "deep": {"n": [number, {"m": name}]}, "z": null}).to_string();
        let sent = relay("resources/read", &text).params(None, None);
        prop_assert_eq!(sent.get(), text);
    }
}
