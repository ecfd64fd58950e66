//! From what a tab's tool returned to the shape of an MCP tool result, cleaned and labelled (P29).

use super::content;
use crate::events::ToolAnswer;
use deputy_core::Call;
use deputy_core::text::{clean_string, clean_value};
use deputy_protocol::mcp::content::{is_text, text};
use deputy_protocol::mcp::labels::{Labels, Trust};
use deputy_protocol::schema::Schema;
use deputy_protocol::tab::ToolResult;
use serde_json::Value;

/// The answer of a tool that ran. A structured result that does not fit its own schema is an error, said as one (P15);
/// what is checked is what is left after cleaning, as that is what the agent gets.
pub(super) fn from_tab(result: ToolResult, output: Option<&Schema>, call: &Call) -> ToolAnswer {
    let (content, mut structured_content, is_error) = match result {
        ToolResult::Text { text: words } => (vec![text(&words)], None, false),
        ToolResult::Json { value: Value::String(words) } => (vec![text(&words)], None, false),
        ToolResult::Json { value } if value.is_object() => (Vec::new(), Some(value), false),
        ToolResult::Json { value } => (vec![text(&value.to_string())], None, false),
        ToolResult::Content { content, structured_content, is_error } => {
            (content::known(content), structured_content, is_error)
        }
    };
    let mut labels = labels(call);
    let mut blocks = Value::Array(content);
    let cleaned = clean_value(&mut blocks).and_then(|removed| {
        let more = structured_content.as_mut().map_or(Ok(0), clean_value)?;
        Ok(removed + more)
    });
    match cleaned {
        Ok(removed) => labels.removed = removed,
        Err(error) => return failed(&format!("The tool's result is of no use: {error}."), call),
    }
    let mut content = if let Value::Array(blocks) = blocks { blocks } else { Vec::new() };
    if let Some(structured) = structured_content.as_ref().filter(|_| !content.iter().any(is_text)) {
        // For clients that read no structured results (MCP, tools: structured content).
        content.push(text(&structured.to_string()));
    }
    let answer = ToolAnswer { content, structured_content, is_error, labels };
    let Some(schema) = output.filter(|_| !answer.is_error) else { return answer };
    let structured = answer.structured_content.as_ref().unwrap_or(&Value::Null);
    match schema.check(structured) {
        Ok(()) => answer,
        Err(wrong) => {
            failed(&format!("The tool's result does not fit its own output schema ({wrong})."), call)
        }
    }
}

/// The answer of a tool that ran and threw.
pub(super) fn failed(message: &str, call: &Call) -> ToolAnswer {
    let mut words: String = message.chars().take(2000).collect();
    let mut labels = labels(call);
    labels.removed = clean_string(&mut words);
    ToolAnswer { content: vec![text(&words)], structured_content: None, is_error: true, labels }
}

/// What a page says of its progress: short and cleaned.
pub(super) fn shown(message: &str) -> String {
    let mut words: String = message.chars().take(500).collect();
    clean_string(&mut words);
    words
}

/// Words of a page in a sentence of the hub's: short, cleaned, and marked as the page's.
pub(super) fn quoted(message: &str) -> String {
    let mut words: String = message.chars().take(300).collect();
    clean_string(&mut words);
    format!("the page says: {words:?}")
}

fn labels(call: &Call) -> Box<Labels> {
    let tool = &call.tool;
    Box::new(Labels {
        source: tool.source.clone(),
        origin: tool.origin.clone(),
        tool: tool.definition.name.clone(),
        definition: tool.hash,
        trust: Trust::Untrusted,
        removed: 0,
        more: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::{Arguments, CallId, Class, Definition, Digest, SourceKind, Timestamp, Tool, ToolKind};
    use serde_json::json;
    use std::sync::Arc;

    fn call() -> Call {
        let definition = Definition {
            name: "read".parse().expect("name"),
            title: None,
            description: "d".to_owned(),
            input_schema: None,
            output_schema: None,
            annotations: None,
            kind: ToolKind::Imperative,
        };
        let tool = Tool {
            source: "crm".parse().expect("source"),
            source_kind: SourceKind::App,
            origin: "https://crm.example".parse().expect("origin"),
            definition: Arc::new(definition),
            hash: Digest::of_bytes(b"x"),
            class: Class::READ,
            owner: None,
        };
        let (id, arguments) = (CallId::fresh().expect("id"), Arguments::none().expect("none"));
        Call { id, tool, arguments, deadline: Timestamp::from_millis(0), tab: None }
    }

    #[test]
    fn p15_a_result_that_does_not_fit_its_schema_is_an_error() {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let schema = Schema::compile(&schema).expect("schema");
        let good = from_tab(ToolResult::Json { value: json!({"n": 1}) }, Some(&schema), &call());
        assert!(!good.is_error && good.structured_content == Some(json!({"n": 1})));
        assert!(from_tab(ToolResult::Json { value: json!({"n": "x"}) }, Some(&schema), &call()).is_error);
        assert!(from_tab(ToolResult::Text { text: "x".to_owned() }, Some(&schema), &call()).is_error);
    }

    #[test]
    fn a_string_stays_the_string_and_an_object_is_structured() {
        let text = from_tab(ToolResult::Json { value: json!("5") }, None, &call());
        assert_eq!(text.content, vec![json!({"type": "text", "text": "5"})]);
        assert_eq!(text.structured_content, None);
        let object = from_tab(ToolResult::Json { value: json!({"n": 1}) }, None, &call());
        assert_eq!(object.content, vec![json!({"type": "text", "text": "{\"n\":1}"})]);
    }

    #[test]
    fn p29_what_is_hidden_goes_from_texts_and_from_structure_and_is_counted() {
        let content =
            vec![json!({"type": "text", "text": "a\u{202e}b"}), json!({"type": "new", "x": "\u{200b}"})];
        let structured_content = Some(json!({"k\u{feff}": "\u{1b}[1mv"}));
        let result = ToolResult::Content { content, structured_content, is_error: false };
        let answer = from_tab(result, None, &call());
        assert_eq!(answer.content[0]["text"], "ab");
        assert_eq!(answer.content[1]["text"], r#"{"type":"new","x":""}"#);
        assert_eq!(answer.structured_content, Some(json!({"k": "v"})));
        assert_eq!(answer.labels.removed, 7);
        let twice = ToolResult::Json { value: json!({"a": 1, "a\u{200b}": 2}) };
        assert!(from_tab(twice, None, &call()).is_error, "no member gets lost in silence");
        assert_eq!(failed("no\u{1b}[2J", &call()).content[0]["text"], "no");
        assert_eq!(quoted("a\u{202e}\"b\n"), r#"the page says: "a\"b\n""#);
    }
}
