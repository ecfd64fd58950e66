use super::*;

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("json")
}

fn refused(capabilities: &str, method: &str, params: &str) -> Option<i64> {
    Declared::of(&json(capabilities)).permits(method, Some(&json(params))).err().map(|fault| fault.code)
}

#[test]
fn rule_03_a_client_is_asked_only_what_it_declared() {
    for (capabilities, method, params, expected) in [
        ("{}", "elicitation/create", "{}", Some(-32601)),
        (r#"{"elicitation":{}}"#, "elicitation/create", "{}", None),
        (r#"{"elicitation":{}}"#, "elicitation/create", r#"{"mode":"url"}"#, Some(-32602)),
        (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", r#"{"mode":"url"}"#, None),
        (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", r#"{"mode":"form"}"#, Some(-32602)),
        (r#"{"elicitation":{"url":{},"form":{}}}"#, "elicitation/create", "{}", None),
        ("{}", "sampling/createMessage", "{}", Some(-32601)),
        (r#"{"sampling":{}}"#, "sampling/createMessage", "{}", None),
        (r#"{"sampling":{}}"#, "sampling/createMessage", r#"{"tools":[]}"#, Some(-32602)),
        (r#"{"sampling":{"tools":{}}}"#, "sampling/createMessage", r#"{"tools":[]}"#, None),
        (r#"{"sampling":{}}"#, "roots/list", "{}", Some(-32601)),
        (r#"{"roots":{}}"#, "roots/list", "{}", None),
        (r#"{"roots":null}"#, "roots/list", "{}", Some(-32601)),
        (r#"{"roots":{}}"#, "tasks/get", "{}", Some(-32601)),
    ] {
        assert_eq!(refused(capabilities, method, params), expected, "{capabilities} {method} {params}");
    }
}

#[test]
fn what_is_asked_keeps_its_text() {
    let params = json(r#"{ "message":"m", "x":1.0 }"#);
    let result =
        input_required([("k1", "elicitation/create", Some(&*params)), ("k2", "roots/list", None)], "h");
    let expected = r#"{"resultType":"input_required","inputRequests":{"k1":{"method":"elicitation/create","params":{ "message":"m", "x":1.0 }},"k2":{"method":"roots/list"}},"requestState":"h"}"#;
    assert_eq!(result.get(), expected);
}

#[test]
fn an_address_to_open_is_asked_of_those_who_can() {
    let able = Declared { url: true, ..Declared::default() };
    let data = json(r#"{"elicitations":[{"mode":"url","url":"https://a.example/"}]}"#);
    let wanted = elicitations("tools/call", Some(&data), able).expect("one");
    assert_eq!(wanted[0].get(), r#"{"mode":"url","url":"https://a.example/"}"#);
    let unable = elicitations("tools/call", Some(&data), Declared::default()).expect_err("unable");
    assert_eq!(unable.code, MISSING_CAPABILITY);
    assert_eq!(elicitations("tools/call", None, able).expect_err("none").code, code::INTERNAL);
}
