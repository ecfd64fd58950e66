//! From what a tab's tool returned to the shape of an MCP tool result.

use crate::events::ToolAnswer;
use deputy_protocol::schema::Schema;
use deputy_protocol::tab::ToolResult;
use serde_json::{Value, json};

/// The answer of a tool that ran. A structured result that does not fit its own schema is an error, said as one (P15).
pub(super) fn from_tab(result: ToolResult, output: Option<&Schema>) -> ToolAnswer {
    let answer = match result {
        ToolResult::Text { text } => plain(text, None),
        ToolResult::Json { value } => {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            plain(text, value.is_object().then_some(value))
        }
        ToolResult::Content { content, structured_content, is_error } => {
            ToolAnswer { content, structured_content, is_error }
        }
    };
    let Some(schema) = output.filter(|_| !answer.is_error) else { return answer };
    let structured = answer.structured_content.clone().unwrap_or(Value::Null);
    match schema.check(&structured) {
        Ok(()) => answer,
        Err(wrong) => failed(&format!("The tool's result does not fit its own output schema ({wrong}).")),
    }
}

/// The answer of a tool that ran and threw.
pub(super) fn failed(message: &str) -> ToolAnswer {
    ToolAnswer { is_error: true, ..plain(message.chars().take(2000).collect(), None) }
}

fn plain(text: String, structured_content: Option<Value>) -> ToolAnswer {
    ToolAnswer { content: vec![json!({"type": "text", "text": text})], structured_content, is_error: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p15_a_result_that_does_not_fit_its_schema_is_an_error() {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let schema = Schema::compile(&schema).expect("schema");
        let good = from_tab(ToolResult::Json { value: json!({"n": 1}) }, Some(&schema));
        assert!(!good.is_error && good.structured_content == Some(json!({"n": 1})));
        assert!(from_tab(ToolResult::Json { value: json!({"n": "x"}) }, Some(&schema)).is_error);
        assert!(from_tab(ToolResult::Text { text: "x".to_owned() }, Some(&schema)).is_error);
    }

    #[test]
    fn a_string_stays_the_string_and_an_object_is_structured() {
        let text = from_tab(ToolResult::Json { value: json!("5") }, None);
        assert_eq!(text.content, vec![json!({"type": "text", "text": "5"})]);
        assert_eq!(text.structured_content, None);
    }
}
