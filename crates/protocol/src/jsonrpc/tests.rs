use super::*;
use proptest::prelude::*;

fn one(text: &str) -> Result<Message<'_>, Fault> {
    match parse(text.as_bytes())? {
        Body::One(message) => Ok(message),
        Body::Batch(_) => panic!("a batch"),
    }
}

fn id_of(text: &str) -> Option<Id> {
    match one(text) {
        Ok(Message::Request(request)) => Some(request.id),
        _ => None,
    }
}

#[test]
fn params_stay_the_text_that_was_sent() {
    let Ok(Message::Request(request)) =
        one(r#" {"jsonrpc":"2.0","id":1,"method":"m","params":{ "b" : 1.0 }} "#)
    else {
        panic!("not a request")
    };
    assert_eq!(request.params.map(RawValue::get), Some(r#"{ "b" : 1.0 }"#));
}

#[test]
fn gateway_rule_24_an_id_keeps_its_type_and_a_whole_number_is_an_integer() {
    assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":1.0,"method":"m"}"#), Some(Id::Integer(1)));
    assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":-7,"method":"m"}"#), Some(Id::Integer(-7)));
    assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":"1","method":"m"}"#), Some(Id::Text("1".to_owned())));
    for bad in ["null", "1.5", "true", "[]", "{}", "1e300"] {
        let fault = one(&format!(r#"{{"jsonrpc":"2.0","id":{bad},"method":"m"}}"#)).expect_err(bad);
        assert_eq!((fault.code, fault.id), (code::INVALID_REQUEST, None));
    }
    assert_eq!(
        response(&Id::Text("1".to_owned()), json!({})).to_string(),
        r#"{"jsonrpc":"2.0","id":"1","result":{}}"#
    );
}

#[test]
fn r9_a_member_twice_or_in_another_case_is_refused() {
    for bad in [
        r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","PARAMS":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","\u0070arams":{},"params":{}}"#,
    ] {
        assert_eq!(one(bad).expect_err(bad).code, code::INVALID_REQUEST);
    }
    assert!(one(r#"{"jsonrpc":"2.0","id":1,"method":"a","further":1}"#).is_ok());
}

#[test]
fn r9_members_are_looked_up_only_in_the_case_in_which_they_are_read() {
    let raw: Box<RawValue> = RawValue::from_string(r#"{"name":"a","Name":"b"}"#.to_owned()).expect("json");
    assert!(Members::parse(&raw, &["name"]).is_err());
    assert!(Members::parse(&raw, &["other"]).is_ok());
}

#[test]
fn what_is_not_a_message_is_told_so_with_the_id_if_there_is_one() {
    assert_eq!(one("{").expect_err("cut").code, code::PARSE);
    assert_eq!(one("\u{feff}{}").expect_err("mark").code, code::PARSE);
    for bad in [
        "1",
        "{}",
        "null",
        "\"x\"",
        r#"{"jsonrpc":"1.0","id":4,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":4}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"m","params":7}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"m","result":7}"#,
    ] {
        assert_eq!(one(bad).expect_err(bad).code, code::INVALID_REQUEST, "{bad}");
    }
    let fault = one(r#"{"jsonrpc":"2.0","id":4,"method":5}"#).expect_err("no method");
    assert_eq!(fault.id, Some(Id::Integer(4)));
}

#[test]
fn a_request_a_notification_and_a_response_are_told_apart() {
    assert!(matches!(one(r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#), Ok(Message::Request(_))));
    assert!(matches!(one(r#"{"jsonrpc":"2.0","method":"m"}"#), Ok(Message::Notification(_))));
    assert!(matches!(one(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Ok(Message::Response(_))));
}

#[test]
fn gateway_rule_24_a_batch_is_recognised_and_bounded() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"m"},{"x":1}]"#;
    let Ok(Body::Batch(items)) = parse(batch.as_bytes()) else { panic!("not a batch") };
    assert!(items[0].is_ok() && items[1].is_err());
    assert!(parse(b"[]").is_err());
    let many = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    assert!(
        matches!(parse(many(MAXIMUM_BATCH).as_bytes()), Ok(Body::Batch(items)) if items.len() == MAXIMUM_BATCH)
    );
    let fault = parse(many(MAXIMUM_BATCH + 1).as_bytes()).expect_err("too many");
    assert_eq!((fault.code, fault.id), (code::INVALID_REQUEST, None));
    assert_eq!(parse(b"[1,").expect_err("cut").code, code::PARSE);
}

#[test]
fn a_fault_is_written_with_its_id_or_null() {
    let fault = Fault::new(code::METHOD_NOT_FOUND, "no").with_data(json!({"a": 1}));
    assert_eq!(
        fault.response().to_string(),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no","data":{"a":1}}}"#
    );
    assert_eq!(fault.answering(Some(&Id::Integer(3))).response()["id"], 3);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_text_that_looks_like_a_message_panics(text in r#"[\[{]?("jsonrpc":"2\.0",)?("id":[0-9a-z".]{1,4},)?"(method|result)":"[a-z/]{0,9}"[,}\]]{0,3}"#) {
        let _ = parse(text.as_bytes());
    }
}
