use super::*;
use proptest::prelude::*;

fn only(text: &str) -> Message<'_> {
    let mut messages = read(text.as_bytes()).expect(text);
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

#[test]
fn rule_02_a_result_is_the_text_that_was_sent() {
    let text = r#"{"result":{ "b" : 1.0, "structuredContent":null },"id":7,"jsonrpc":"2.0"}"#;
    let Message::Response { id: Some(Id::Integer(7)), outcome: Outcome::Result(result) } = only(text) else {
        panic!("no result")
    };
    assert_eq!(result.get(), r#"{ "b" : 1.0, "structuredContent":null }"#);
}

#[test]
fn rule_24_whole_numbers_are_integer_ids_and_ids_keep_their_type() {
    let id = |text: &str| match only(&format!(r#"{{"jsonrpc":"2.0","id":{text},"result":{{}}}}"#)) {
        Message::Response { id, .. } => id,
        _ => panic!("no response"),
    };
    assert_eq!(id("1.0"), Some(Id::Integer(1)));
    assert_eq!(id("\"1\""), Some(Id::Text("1".to_owned())));
    assert_eq!(id("null"), None);
    let Message::Request { id, .. } = only(r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#) else {
        panic!("no request")
    };
    assert_eq!(id.get(), "1.0");
}

#[test]
fn rule_24_a_batch_is_read_and_what_is_no_message_in_it_is_left_out() {
    let text = r#"[{"jsonrpc":"2.0","method":"a"},7,{"jsonrpc":"2.0","id":1,"result":{}}]"#;
    assert_eq!(read(text.as_bytes()).expect("batch").len(), 2);
    assert_eq!(read(b"[]").err(), Some(NoMessage::NotJsonRpc));
}

#[test]
fn an_error_keeps_its_code_message_and_data() {
    let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022.0,"message":"m","data":{"a": 1}}}"#;
    let Message::Response { id: None, outcome: Outcome::Error(error) } = only(text) else {
        panic!("no error")
    };
    assert_eq!(
        (error.code, error.message.as_str(), error.data.map(RawValue::get)),
        (-32022, "m", Some("{\"a\": 1}"))
    );
}

#[test]
fn a_success_with_a_null_error_beside_it_is_a_success() {
    let message = only(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#);
    assert!(matches!(message, Message::Response { outcome: Outcome::Result(_), .. }));
}

#[test]
fn what_is_no_message_is_refused() {
    for bad in [
        "",
        "junk",
        "7",
        "null",
        "{}",
        r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":true,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","result":{}}"#,
    ] {
        assert!(read(bad.as_bytes()).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
