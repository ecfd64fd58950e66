//! What is taken out of recorded arguments, and what stays readable.

use super::*;
use crate::Record;
use deputy_core::{Digest, EventKind, TenantId, Timestamp};
use proptest::prelude::*;
use serde_json::json;

/// Whether a text passes, as a member `note` of arguments without a schema.
fn kept(text: &str) -> String {
    redacted(&json!({ "note": text }), None)["note"].as_str().expect("text").to_owned()
}

#[test]
fn aud_06_what_the_schema_marks_is_taken_out() {
    let schema = json!({
        "properties": {
            "code": { "type": "string", "writeOnly": true },
            "word": { "type": "string", "format": "password" },
            "health": { "type": "object", "x-deputy-redact": true },
            "rows": { "type": "array", "items": { "properties": { "salary": { "x-deputy-redact": true } } } },
            "pair": { "prefixItems": [{}, { "writeOnly": true }] },
            "other": { "$ref": "#/$defs/hidden" },
            "either": { "oneOf": [{ "type": "string" }, { "writeOnly": true }] },
            "plain": { "type": "string", "x-deputy-redact": false },
        },
        "$defs": { "hidden": { "allOf": [{ "writeOnly": true }] } },
    });
    let arguments = json!({
        "code": "a", "word": "b", "health": { "diagnosis": "c" }, "rows": [{ "salary": 9, "name": "Bob" }],
        "pair": ["x", "y"], "other": 5, "either": "e", "plain": "readable",
    });
    assert_eq!(
        redacted(&arguments, Some(&schema)),
        json!({
            "code": REDACTED, "word": REDACTED, "health": REDACTED,
            "rows": [{ "salary": REDACTED, "name": "Bob" }], "pair": ["x", REDACTED], "other": REDACTED,
            "either": REDACTED, "plain": "readable",
        })
    );
    let all = json!({ "additionalProperties": { "writeOnly": true } });
    assert_eq!(redacted(&json!({ "x": 1 }), Some(&all)), json!({ "x": REDACTED }));
}

#[test]
fn aud_06_a_schema_that_refers_to_itself_ends() {
    let schema = json!({ "properties": { "child": { "$ref": "#" } }, "anyOf": [{ "$ref": "#" }] });
    let arguments = json!({ "child": { "child": { "text": "deep" } } });
    assert_eq!(redacted(&arguments, Some(&schema)), arguments);
    let mut deep = json!("bottom");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert!(!redacted(&deep, None).to_string().contains("bottom"));
}

#[test]
fn aud_06_what_stands_under_a_telling_name_is_taken_out() {
    for name in
        ["password", "newPassword", "API-Key", "x_api_key", "clientSecret", "Authorization", "pin", "cvc"]
    {
        assert_eq!(redacted(&json!({ name: "abc" }), None)[name], REDACTED, "{name}");
    }
    for name in ["shipping", "spin", "passenger", "tokens_used", "secretary", "note"] {
        assert_eq!(redacted(&json!({ name: "abc" }), None)[name], "abc", "{name}");
    }
    assert_eq!(redacted(&json!({ "password": null }), None)["password"], Value::Null);
}

#[test]
fn aud_06_keys_and_tokens_are_taken_out_wherever_they_stand() {
    // Put together here, so that no scanner takes this page for a leak.
    let tail = "0123456789abcdefghij0123456789";
    for begins in ["eyJ", "sk-", "ghp_", "github_pat_", "xoxb-", "AKIA", "AIza", "glpat-", "dep_ticket_"] {
        let text = format!("use {begins}{tail}, please");
        assert_eq!(kept(&text), format!("use {REDACTED}, please"), "{begins}");
    }
    assert_eq!(kept("Authorization: Bearer abcdef123456"), format!("Authorization: Bearer {REDACTED}"));
    assert_eq!(kept("-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----"), REDACTED);
    assert_eq!(kept("a bearer of news, and sk-8 boots"), "a bearer of news, and sk-8 boots");
}

#[test]
fn aud_06_card_numbers_are_taken_out_and_other_numbers_stay() {
    for card in ["4111111111111111", "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"] {
        assert_eq!(kept(&format!("pay with {card}.")), format!("pay with {REDACTED}."), "{card}");
    }
    assert_eq!(redacted(&json!({ "n": 4_111_111_111_111_111_u64 }), None)["n"], REDACTED);
    for number in ["4111111111111112", "+49 30 123456", "2026-11-22", "12345678901234567890123"] {
        assert_eq!(kept(number), number);
    }
}

#[test]
fn aud_06_arguments_are_in_the_personal_part_alone_and_only_as_much_as_was_chosen() {
    let arguments = json!({ "text": "canary", "password": "swordfish" });
    let line = |recording: Recording| {
        let mut event = Event::new(Timestamp::from_millis(1), TenantId::single(), EventKind::Intent);
        event.arguments = Digest::of_json(&arguments).ok();
        let record = Record::of(&recording.apply(event, &arguments, None), 0, [1; 32]).expect("record");
        let public = String::from_utf8(record.bytes.clone()).expect("text");
        assert!(!public.contains("canary") && !public.contains("swordfish"), "{public}");
        record.personal.map(|personal| String::from_utf8(personal.bytes).expect("text"))
    };
    assert_eq!(line(Recording::None), None);
    let hash = line(Recording::default()).expect("a hash");
    assert!(hash.contains("sha256:") && !hash.contains("canary"));
    let redacted = line(Recording::Redacted).expect("arguments");
    assert!(redacted.contains("canary") && !redacted.contains("swordfish"), "{redacted}");
    assert!(line(Recording::Full).expect("arguments").contains("swordfish"));
}

#[test]
fn arguments_that_are_too_large_for_a_line_leave_their_hash() {
    let arguments = json!({ "text": "x".repeat(20_000) });
    let mut event = Event::new(Timestamp::from_millis(1), TenantId::single(), EventKind::Intent);
    event.arguments = Digest::of_json(&arguments).ok();
    let event = Recording::Full.apply(event, &arguments, None);
    assert!(event.arguments.is_some());
    assert_eq!(event.detail["arguments_left_out"], "too_large");
}

proptest! {
    #[test]
    fn text_without_secrets_is_left_as_it_is(text in "[a-z ,.!äö]{0,60}") {
        prop_assume!(!text.contains("bearer") && !text.contains("basic"));
        prop_assert_eq!(kept(&text), text);
    }

    #[test]
    fn no_text_makes_it_fail(text in "\\PC{0,80}") {
        let _ = kept(&text);
    }
}
