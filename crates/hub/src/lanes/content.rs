//! Content blocks as a page may return them: known kinds with their known members, everything else said as text (P29).

use deputy_protocol::mcp::content;
use serde_json::{Map, Value};

/// For whom a block may say it is (MCP, annotations of content).
const AUDIENCES: &[&str] = &["user", "assistant"];

/// The blocks, cleaned of what a client might act upon. Nothing is dropped but labels (`_meta`) and members that the
/// protocol does not know; a block that is not what it should be is said as text, as JSON.
pub(super) fn known(blocks: Vec<Value>) -> Vec<Value> {
    blocks.into_iter().map(one).collect()
}

fn one(block: Value) -> Value {
    read(&block).unwrap_or_else(|| content::text(&block.to_string()))
}

fn read(block: &Value) -> Option<Value> {
    let members = block.as_object()?;
    let mut kept = Map::new();
    let kind = members.get("type")?.as_str()?;
    match kind {
        "text" => text(members, &mut kept, &["text"], &[])?,
        "image" | "audio" => {
            // An SVG is a program: no client is to draw it as an image.
            let mime =
                members.get("mimeType")?.as_str().filter(|mime| mime.starts_with(&format!("{kind}/")))?;
            (!mime.contains("svg")).then_some(())?;
            text(members, &mut kept, &["data", "mimeType"], &[])?;
        }
        "resource_link" => {
            is_web(members).then_some(())?;
            text(members, &mut kept, &["uri", "name"], &["title", "description", "mimeType"])?;
            if let Some(size) = members.get("size").filter(|size| size.is_u64()) {
                kept.insert("size".to_owned(), size.clone());
            }
        }
        "resource" => {
            kept.insert("resource".to_owned(), resource(members.get("resource")?.as_object()?)?);
        }
        _ => return None,
    }
    if let Some(annotations) = members.get("annotations").and_then(Value::as_object) {
        kept.insert("annotations".to_owned(), hints(annotations));
    }
    kept.insert("type".to_owned(), Value::String(kind.to_owned()));
    Some(Value::Object(kept))
}

fn resource(members: &Map<String, Value>) -> Option<Value> {
    is_web(members).then_some(())?;
    let mut kept = Map::new();
    let body = if members.contains_key("text") { "text" } else { "blob" };
    text(members, &mut kept, &["uri", body], &["mimeType"])?;
    Some(Value::Object(kept))
}

/// An address of the web, and not too long. Anything else (`javascript:`, `data:`, `file:`, what starts programs) is
/// words, not a link.
fn is_web(members: &Map<String, Value>) -> bool {
    let uri = members.get("uri").and_then(Value::as_str).unwrap_or_default();
    uri.len() <= 2000 && ["https://", "http://"].iter().any(|scheme| uri.starts_with(scheme))
}

/// Copies texts; `None` if one that has to be there is not.
fn text(
    members: &Map<String, Value>,
    kept: &mut Map<String, Value>,
    must: &[&str],
    may: &[&str],
) -> Option<()> {
    for name in must {
        kept.insert((*name).to_owned(), members.get(*name).filter(|value| value.is_string())?.clone());
    }
    for name in may {
        if let Some(value) = members.get(*name).filter(|value| value.is_string()) {
            kept.insert((*name).to_owned(), value.clone());
        }
    }
    Some(())
}

/// `audience` and `priority` (MCP, annotations of content).
fn hints(annotations: &Map<String, Value>) -> Value {
    let mut kept = Map::new();
    if let Some(Value::Array(audience)) = annotations.get("audience") {
        let known = |who: &&Value| who.as_str().is_some_and(|who| AUDIENCES.contains(&who));
        kept.insert("audience".to_owned(), audience.iter().filter(known).take(2).cloned().collect());
    }
    if let Some(priority) = annotations.get("priority").filter(|priority| priority.is_number()) {
        kept.insert("priority".to_owned(), priority.clone());
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn p29_known_blocks_keep_what_the_protocol_knows_and_lose_labels_of_their_own() {
        let blocks = vec![
            json!({"type": "text", "text": "a", "_meta": {"dev.deputy/trust": "trusted"}, "x": 1}),
            json!({"type": "image", "data": "AAAA", "mimeType": "image/png", "annotations": {"audience": ["user", "root"], "priority": 1, "x": 2}}),
            json!({"type": "resource_link", "uri": "https://a.example/x", "name": "x", "size": 3}),
            json!({"type": "resource", "resource": {"uri": "https://a.example/x", "text": "t", "_meta": {}}}),
        ];
        let kept = json!([
            {"type": "text", "text": "a"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png", "annotations": {"audience": ["user"], "priority": 1}},
            {"type": "resource_link", "uri": "https://a.example/x", "name": "x", "size": 3},
            {"type": "resource", "resource": {"uri": "https://a.example/x", "text": "t"}},
        ]);
        assert_eq!(Value::Array(known(blocks)), kept);
    }

    #[test]
    fn p29_a_link_that_is_none_of_the_web_and_a_block_of_no_known_kind_are_words() {
        for block in [
            json!({"type": "resource_link", "uri": "javascript:alert(1)", "name": "x"}),
            json!({"type": "resource_link", "uri": "data:text/html,x", "name": "x"}),
            json!({"type": "resource_link", "uri": "file:///etc/passwd", "name": "x"}),
            json!({"type": "resource", "resource": {"uri": "ms-x:y", "blob": "AAAA"}}),
            json!({"type": "image", "data": "AAAA", "mimeType": "image/svg+xml"}),
            json!({"type": "audio", "data": "AAAA", "mimeType": "text/html"}),
            json!({"type": "text", "text": 1}),
            json!({"type": "new"}),
            json!("text"),
        ] {
            assert_eq!(known(vec![block.clone()]), [content::text(&block.to_string())]);
        }
    }
}
