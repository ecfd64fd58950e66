//! Content blocks, for revisions that know fewer kinds of them.

use serde_json::{Value, json};

/// A block of text.
#[must_use]
pub fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// Whether a block is text.
#[must_use]
pub fn is_text(block: &Value) -> bool {
    kind(block) == "text"
}

/// A block as 2025-03-26 knows them. A link to a resource, and what came later still, is said as text: a client that
/// meets a kind that it does not know refuses the whole result.
pub fn make_older(block: &mut Value) {
    if matches!(kind(block), "text" | "image" | "audio" | "resource") {
        return;
    }
    let member = |name: &str| block.get(name).and_then(Value::as_str);
    let words = match (kind(block), member("uri")) {
        ("resource_link", Some(uri)) => match member("title").or_else(|| member("name")) {
            Some(name) => format!("{name}: {uri}"),
            None => uri.to_owned(),
        },
        _ => block.to_string(),
    };
    *block = text(&words);
}

fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}
