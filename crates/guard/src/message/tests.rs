use super::*;
use crate::person::Person;
use crate::policy::Scope;
use deputy_core::{Client, Issuer, Subject, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

fn user() -> GuardedUser {
    let person = Person {
        issuer: Issuer::new("https://idp.example").unwrap(),
        tenant: Some("t".to_owned()),
        subject: Subject::new("alice").unwrap(),
    };
    GuardedUser::new(person, Client("hub".to_owned()), vec!["read".to_owned()], Timestamp::from_seconds(1))
}

fn scopes() -> Scopes {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Scopes::new(vec![Scope {
        name: "read".to_owned(),
        tools: owned(&["a"]),
        methods: owned(&["resources/*"]),
    }])
    .unwrap()
}

fn ask(text: &str) -> Ask {
    match read(text.as_bytes()).unwrap() {
        Wanted::Request(ask) => ask,
        other => panic!("{other:?}"),
    }
}

fn text(text: &str, user: Option<&GuardedUser>) -> String {
    let ask = ask(text);
    ask.text(&Id::Integer(9), user, None).get().to_owned()
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"#;

#[test]
fn what_is_not_spliced_stays_the_text_that_was_sent() {
    let params = r#"{"name":"a","arguments":{"b" : 1.0, "big":12345678901234567890123, "é":"\u00e9"}}"#;
    let sent = text(&format!("{CALL}{params}}}"), None);
    assert_eq!(sent, format!(r#"{{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{params}}}"#));
}

#[test]
fn the_person_is_said_once_and_by_us() {
    for meta in [
        r#""_meta":{"dev.deputy/user":{"sub":"root"}},"#,
        r#""_meta":{"\u0064ev.deputy\/user":{"sub":"root"}},"#,
        r#""\u005fmeta":{"dev.deputy/user":1},"#,
        "",
    ] {
        let sent = text(&format!("{CALL}{{{meta}\"name\":\"a\"}}}}"), Some(&user()));
        let value: Value = serde_json::from_str(&sent).unwrap();
        let wanted = json!({ "iss": "https://idp.example", "sub": "alice", "tenant": "t", "client": "hub", "scopes": ["read"] });
        assert_eq!(value["params"]["_meta"], json!({ "dev.deputy/user": wanted }), "{sent}");
        assert_eq!((sent.matches("dev.deputy").count(), sent.matches("root").count()), (1, 0), "{sent}");
    }
    assert!(
        read(
            format!("{CALL}{{\"name\":\"a\",\"_meta\":{{\"dev.deputy/user\":1,\"dev.deputy/user\":2}}}}}}")
                .as_bytes()
        )
        .is_err()
    );
}

#[test]
fn a_request_without_parameters_is_given_some() {
    let sent = text(r#"{"jsonrpc":"2.0","id":"x","method":"ping"}"#, Some(&user()));
    assert!(sent.contains(r#""params":{"_meta":{"dev.deputy/user":"#), "{sent}");
    assert_eq!(
        text(r#"{"jsonrpc":"2.0","id":"x","method":"ping"}"#, None),
        r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#
    );
}

#[test]
fn a_tool_that_may_not_be_used_is_not_shown_however_it_is_written() {
    for (tools, left) in [
        (r#"[{"name":"a"},{"name":"b"}]"#, r#"[{"name":"a"}]"#),
        (r#"[{"n\u0061me":"b"},{"name":"\u0061"}]"#, r#"[{"name":"\u0061"}]"#),
        (r#"[{"name":"a","name":"b"},{"name":"b","name":"a"},{}, 1, null]"#, "[]"),
        (r#"{"a":1}"#, "[]"),
        ("null", "[]"),
    ] {
        let result = format!(r#"{{"jsonrpc":"2.0","id":9,"result":{{"x":1.0,"tools":{tools}}}}}"#);
        let said = read_server(result.as_bytes());
        let text = said[0].text(Some("tools/list"), &scopes(), &user());
        assert_eq!(text.get(), format!(r#"{{"jsonrpc":"2.0","id":9,"result":{{"x":1.0,"tools":{left}}}}}"#));
        let unknown = said[0].text(None, &scopes(), &user());
        assert_eq!(unknown.get(), text.get(), "an answer to who knows what");
    }
    let twice = r#"{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"b"}],"tools":[{"name":"a"}]}}"#;
    let text = read_server(twice.as_bytes())[0].text(Some("tools/list"), &scopes(), &user());
    assert!(!text.get().contains("\"b\""), "{text}");
}

#[test]
fn a_call_answers_with_tools_of_its_own_untouched() {
    let result = r#"{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"b"}]}}"#;
    let text = read_server(result.as_bytes())[0].text(Some("tools/call"), &scopes(), &user());
    assert_eq!(text.get(), result);
}

#[test]
fn nothing_without_an_id_acts() {
    for method in ["tools/call", "resources/read", "initialize", "notification"] {
        assert!(read(format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#).as_bytes()).is_err(), "{method}");
    }
    assert!(read(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_goes_on_is_one_message(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read_server(&bytes);
    }

    #[test]
    fn whatever_a_client_writes_only_we_say_who_it_is(name in "[a-z/._\\\\u0064]{0,20}", value in "[0-9]{1,3}") {
        let body = format!(r#"{CALL}{{"name":"a","_meta":{{"{name}":{value}}}}}}}"#);
        if let Ok(Wanted::Request(ask)) = read(body.as_bytes()) {
            let sent: Value = serde_json::from_str(ask.text(&Id::Integer(1), None, None).get()).unwrap();
            let ours = |meta: &serde_json::Map<String, Value>| meta.keys().any(|name| name.starts_with("dev.deputy/"));
            prop_assert!(!sent["params"]["_meta"].as_object().is_some_and(ours));
        }
    }
}
