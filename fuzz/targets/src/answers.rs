//! What a page answers: texts and content that an agent reads in the end, and arguments that the log keeps.

use crate::text as as_text;
use deputy_audit::arguments::redacted;
use deputy_core::Digest;
use deputy_core::canonical::parse_strict;
use deputy_core::text::{clean, clean_value, hidden, hidden_in};
use deputy_protocol::mcp::labels::{Labels, Trust};
use deputy_protocol::mcp::tools::Ending;
use deputy_protocol::mcp::version::Revision;
use deputy_protocol::tab::ToolResult;
use serde_json::{Value, json};

/// A token of a well-known form, and what must never be left of it.
const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ";

/// A cleaned text has nothing hidden, cleaning it again changes nothing, and only what is hidden goes (P29). A secret does
/// not get into the log for the words around it.
pub(crate) fn text(data: &[u8]) {
    let Some(text) = as_text(data) else { return };
    let cleaned = clean(text);
    assert_eq!(hidden_in(&cleaned.text), None, "{text:?}");
    assert!(cleaned.text.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()));
    let again = clean(&cleaned.text);
    assert_eq!((again.text.as_ref(), again.removed), (cleaned.text.as_ref(), 0), "{text:?}");
    assert!(cleaned.removed <= text.chars().count());
    assert!(cleaned.removed > 0 || cleaned.text == text.replace("\r\n", "\n").replace('\r', "\n"));
    secrets_go(text);
}

fn secrets_go(text: &str) {
    let name = format!("{text}password");
    let arguments =
        json!({"note": format!("{text} {SECRET} {text}"), name.as_str(): "hunter2hunter2", "list": [SECRET]});
    let kept = redacted(&arguments, None).to_string();
    assert!(!kept.contains(SECRET) && !kept.contains("hunter2"), "{kept}");
}

/// A tool's answer. Cleaned it has nothing hidden; in every revision its `_meta` is the hub's own; and an old client gets
/// only kinds of content that it knows.
pub(crate) fn answer(data: &[u8]) {
    let Ok(mut value) = parse_strict(data) else { return };
    let marks = value.get("schema").cloned();
    let _ = redacted(&value, marks.as_ref());
    if clean_value(&mut value).is_err() {
        return;
    }
    assert_eq!(hidden(&value), None);
    let before = value.clone();
    assert_eq!((clean_value(&mut value), &value), (Ok(0), &before));
    let Ok(ToolResult::Content { content, structured_content, is_error }) = serde_json::from_value(value)
    else {
        return;
    };
    let ending = Ending::Answered { content, structured_content, is_error, labels: Box::new(labels()) };
    let meta = Value::Object(labels().meta());
    assert_eq!(ending.clone().modern()["_meta"], meta);
    for revision in Revision::ALL {
        let result = ending.clone().legacy(revision);
        assert_eq!(result["_meta"], meta);
        if !revision.has_structure() {
            assert_eq!(result.get("structuredContent"), None);
            let blocks = result["content"].as_array().expect("content");
            let kind = |block: &Value| block["type"].as_str().unwrap_or_default().to_owned();
            assert!(
                blocks.iter().all(|b| matches!(kind(b).as_str(), "text" | "image" | "audio" | "resource"))
            );
        }
        assert!(result.get("structuredContent").is_none_or(Value::is_object));
    }
}

fn labels() -> Labels {
    Labels {
        source: "crm".parse().expect("name"),
        origin: "https://crm.example".parse().expect("origin"),
        tool: "list".parse().expect("name"),
        definition: Digest::of_bytes(b"definition"),
        trust: Trust::Untrusted,
        removed: 0,
        more: None,
    }
}
