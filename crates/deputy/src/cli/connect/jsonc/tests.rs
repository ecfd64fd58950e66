//! What is put in and taken out again leaves the same bytes, whatever else stands there.

use super::*;
use serde_json::{Value, json};

const BEFORE: &[&str] = &[
    "{}",
    "{}\n",
    "{ }",
    "{\n}\n",
    "\u{feff}{}\n",
    "",
    "\n",
    "// nothing yet\n{\n  // still nothing\n}\n",
    "{/* a */}",
    "{\"a\":1}",
    "{ \"a\": 1 }\n",
    "{\n  \"a\": 1\n}\n",
    "{\n  \"a\": 1,\n}\n",
    "{\r\n\t\"a\": [1, 2,],\r\n\t\"b\": {} // end\r\n}\r\n",
    "{\n  \"a\": 1 // about a\n  // about nothing\n}\n",
    "{\n  \"a\": 1, // about a\n  /* about\n nothing */ }\n",
    "{\"mcpServers\":{}}",
    "{\"mcpServers\":{ }}",
    "{\n  \"mcpServers\": {\n  }\n}\n",
    "{\n  \"mcpServers\": {\n    // none\n  }\n}\n",
    "{\n    \"mcpServers\": {\n        \"other\": { \"url\": \"x // no comment\" } // mine\n    },\n    \"z\": \"}\"\n}\n",
    "{\n  \"mcpServers\": {\n    \"other\": {\"url\": \"x\"},\n  },\n}\n",
    "{\"z\":1,\"mcpServers\":{\"other\":{\"url\":\"x\"}},\"a\":2}",
    "{\"a\": 1 // x\n}",
    "{\"a\": \"\\\"// \\\\\" /*,*/ , /* } */ \"b\": -1.5e3}",
];

fn server() -> Value {
    json!({ "type": "http", "url": "https://hub.acme.example/mcp" })
}

fn with<T>(work: impl FnOnce(&Entry<'_>) -> T) -> T {
    let server = server();
    work(&Entry { list: "mcpServers", name: "deputy", server: &server })
}

/// What a parser without comments makes of it.
fn plain(text: &str) -> Value {
    with(|entry| match entry.put(text) {
        Ok(Edit::Nothing) => json!(null),
        other => panic!("{other:?}"),
    })
}

#[test]
fn what_is_put_in_and_taken_out_again_leaves_the_same_bytes() {
    for before in BEFORE {
        with(|entry| {
            let Ok(Edit::Text(written)) = entry.put(before) else { panic!("{before:?}") };
            assert_eq!(entry.put(&written), Ok(Edit::Nothing), "twice is once: {written:?}");
            assert_eq!(entry.take_out(&written), Ok(Edit::Text((*before).to_owned())), "{written}");
            assert_eq!(entry.take_out(before), Ok(Edit::Nothing), "{before:?}");
        });
    }
    with(|entry| assert_eq!(entry.take_out(&entry.alone()), Ok(Edit::NoFile)));
}

#[test]
fn every_byte_that_was_there_is_still_there_and_in_order() {
    for before in BEFORE {
        with(|entry| {
            let Ok(Edit::Text(written)) = entry.put(before) else { panic!("{before:?}") };
            let mut left = before.chars().peekable();
            for letter in written.chars() {
                if left.peek() == Some(&letter) {
                    left.next();
                }
            }
            assert_eq!(left.next(), None, "{written}");
            plain(&written);
        });
    }
}

#[test]
fn an_entry_is_written_as_the_file_is() {
    let before = "{\n\t\"mcpServers\": {\n\t\t\"other\": { \"url\": \"x\" }\n\t}\n}\n";
    let after = "{\n\t\"mcpServers\": {\n\t\t\"other\": { \"url\": \"x\" },\n\t\t\"deputy\": {\n\t\t\t\"type\": \"http\",\n\t\t\t\"url\": \"https://hub.acme.example/mcp\"\n\t\t}\n\t}\n}\n";
    with(|entry| assert_eq!(entry.put(before), Ok(Edit::Text(after.to_owned()))));
}

#[test]
fn an_older_entry_is_replaced_and_what_else_stands_in_the_file_stays_in_order() {
    let before = r#"{"z":1,"mcpServers":{"other":{"url":"x"},"deputy":{"url":"https://old.example/mcp"}},"a":2} // end"#;
    with(|entry| {
        let Ok(Edit::Text(text)) = entry.put(before) else { panic!("text") };
        let compact: String = text.split_whitespace().collect();
        assert_eq!(
            compact,
            r#"{"z":1,"mcpServers":{"other":{"url":"x"},"deputy":{"type":"http","url":"https://hub.acme.example/mcp"}},"a":2}//end"#
        );
    });
}

#[test]
fn what_others_added_goes_with_the_entry_and_what_says_something_else_is_not_taken_out() {
    let added = r#"{"mcpServers":{"deputy":{"type":"http","url":"https://hub.acme.example/mcp","disabled":true},"b":{}}}"#;
    let other = r#"{"mcpServers":{"deputy":{"type":"http","url":"https://other.example/mcp"}}}"#;
    with(|entry| {
        assert_eq!(entry.take_out(added), Ok(Edit::Text(r#"{"mcpServers":{"b":{}}}"#.to_owned())));
        let wrong = entry.take_out(other).expect_err("somebody else's");
        assert_eq!((wrong.at, wrong.what.contains("`deputy`")), (15, true));
    });
}

#[test]
fn a_broken_text_is_refused_with_its_place() {
    for (text, at) in [
        ("[]", 0),
        ("{\"mcpServers\":[]}", 14),
        ("{\"a\":1 \"b\":2}", 7),
        ("{\"a\":1,,}", 7),
        ("{\"a\" 1}", 5),
        ("{\"a\":tru}", 5),
        ("{\"a\":\"x}", 5),
        ("{\"a\":1", 6),
        ("{} x", 3),
        ("{ /* ", 2),
        ("{\"a\":1,\"a\":2}", 7),
        ("{'a':1}", 1),
    ] {
        with(|entry| {
            assert_eq!(entry.put(text).expect_err(text).at, at, "{text}");
            assert_eq!(entry.take_out(text).map_err(|wrong| wrong.at), Err(at), "{text}");
        });
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    with(|entry| assert!(entry.put(&deep).expect_err("deep").what.contains("too deeply")));
}

#[test]
fn a_server_of_the_same_name_that_is_not_this_hub_is_never_written_over() {
    for other in [
        r#"{"command":"gh","env":{"TOKEN":"only here"}}"#,
        r#"{"type":"http","url":"https://api.example/mcp/"}"#,
        r#"{"type":"http","url":"https://hub.acme.example/s/ledger/mcp"}"#,
        r#"{"type":"http","url":"https://api.example/mcp","headers":{"Authorization":"Bearer only-here"}}"#,
        r#"{"type":"sse","url":"https://hub.acme.example/mcp"}"#,
        r#""https://hub.acme.example/mcp""#,
    ] {
        let before = format!(r#"{{"mcpServers":{{"deputy":{other}}}}}"#);
        with(|entry| {
            let wrong = entry.put(&before).expect_err(other);
            assert_eq!((wrong.at, wrong.what.contains("`deputy`")), (15, true), "{other}");
        });
    }
}

#[test]
fn an_older_address_is_replaced_and_comments_beside_it_stay() {
    let before = "{\n  \"mcpServers\": {\n    \"deputy\": {\n      // ours since May\n      \"type\": \"http\",\n      \"url\": \"https://old.example/mcp\" // moves\n    }\n  }\n}\n";
    let after = before.replace("https://old.example/mcp", "https://hub.acme.example/mcp");
    with(|entry| assert_eq!(entry.put(before), Ok(Edit::Text(after))));
}

#[test]
fn an_older_address_among_the_words_of_a_command_is_replaced_and_another_command_is_not() {
    let server = json!({ "command": "npx", "args": ["-y", "mcp-remote", "https://hub.acme.example/mcp"] });
    let entry = Entry { list: "mcpServers", name: "deputy", server: &server };
    let text = |args: &str| format!(r#"{{"mcpServers":{{"deputy":{{"command":"npx","args":{args}}}}}}}"#);
    let Ok(Edit::Text(after)) = entry.put(&text(r#"["-y","mcp-remote","https://old.example/mcp"]"#)) else {
        panic!("text")
    };
    assert!(after.contains("https://hub.acme.example/mcp") && !after.contains("old.example"), "{after}");
    assert!(entry.put(&text(r#"["-y","@acme/github","https://hub.acme.example/mcp"]"#)).is_err());
    assert!(entry.put(&text(r#"["-y","@acme/github"]"#)).is_err());
}
