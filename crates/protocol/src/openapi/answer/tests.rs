//! Answers of all kinds.

use super::super::tests::one;
use super::*;

fn plain() -> Operation {
    one("get", "/a/{id}", json!({"parameters": [{"name": "id", "in": "path", "required": true}]}))
}

fn described() -> Operation {
    one(
        "get",
        "/a",
        json!({"responses": {"200": {"content": {"application/json": {"schema": {
            "type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}},
        }}}}}}),
    )
}

fn said(operation: &Operation, status: u16, media: Option<&str>, body: &[u8]) -> Value {
    let result = answer(operation, Answered { status, media, body });
    serde_json::from_str(result.get()).unwrap()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn an_object_is_structured_and_its_text_is_what_was_sent() {
    let body = br#"{"id": 1.0, "big": 123456789012345678901234567890}"#;
    let result = answer(&plain(), Answered { status: 200, media: Some("application/hal+json"), body });
    assert!(
        result.get().contains(r#""structuredContent":{"id": 1.0, "big": 123456789012345678901234567890}"#)
    );
    let result = said(&plain(), 200, None, b"{\"id\":1}");
    assert_eq!((&result["isError"], &result["resultType"]), (&json!(false), &json!("complete")));
    assert_eq!(text(&result), "{\"id\":1}");
}

#[test]
fn other_json_and_text_is_text() {
    for (media, body) in [
        (Some("application/json"), "[1,2]"),
        (Some("text/html"), "<p>"),
        (Some("application/json"), "not json"),
        (None, "words"),
    ] {
        let result = said(&plain(), 200, media, body.as_bytes());
        assert_eq!((text(&result), result.get("structuredContent")), (body, None));
    }
}

#[test]
fn nothing_and_what_is_no_text_is_said_in_words() {
    assert_eq!(text(&said(&plain(), 204, None, b"")), "Done: status 204, no content.");
    let binary = said(&plain(), 200, Some("application/pdf"), b"%PDF-1.7");
    assert!(text(&binary).contains("`application/pdf`, 8 bytes"), "{binary}");
    assert_eq!(binary["isError"], false);
    assert!(text(&said(&plain(), 200, Some("text/plain"), b"\xff\xfe")).contains("binary"));
}

#[test]
fn every_other_status_is_an_error_with_the_beginning_of_its_body() {
    let result = said(&plain(), 404, Some("application/json"), br#"{"error":"no such a"}"#);
    assert_eq!(result["isError"], true);
    assert!(result.get("structuredContent").is_none());
    assert_eq!(text(&result), "`GET /a/{id}` was answered with status 404:\n{\"error\":\"no such a\"}");
    let long = said(&plain(), 500, Some("text/plain"), "é".repeat(10_000).as_bytes());
    assert!(text(&long).len() < REFUSAL_BYTES + 200 && text(&long).ends_with("more bytes are left out]"));
    assert!(text(&said(&plain(), 302, None, b"")).contains("redirect"));
    assert!(text(&said(&plain(), 403, Some("image/png"), b"\x89PNG")).contains("no text"));
}

#[test]
fn an_answer_that_is_not_what_was_promised_is_an_error_with_the_answer() {
    let fits = said(&described(), 200, Some("application/json"), br#"{"id":1}"#);
    assert_eq!(fits["isError"], false);
    for body in [r#"{"id":"1"}"#, r#"{}"#, "[]", "", "words"] {
        let result = said(&described(), 200, Some("application/json"), body.as_bytes());
        assert_eq!((&result["isError"], result.get("structuredContent")), (&json!(true), None), "{body}");
        assert!(text(&result).contains("did what was asked") && text(&result).contains(body), "{result}");
    }
}
