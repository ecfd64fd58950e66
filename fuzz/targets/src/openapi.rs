//! OpenAPI documents, and arguments for the tools that they make.

use deputy_protocol::openapi::{
    Answered, Document, MAXIMUM_TARGET_BYTES, Operation, Options, Request, answer,
};
use deputy_protocol::relay::raw;
use deputy_protocol::schema::Schema;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A document. Its tools have names that fit and differ and schemas that the hub can use; whatever is given to them, their
/// requests have the path's segments, nothing that ends a header field, and go where the document says.
pub(crate) fn openapi(data: &[u8]) {
    let Ok(document) = Document::parse(data, &Options::default()) else { return };
    let names: BTreeSet<&str> = document.operations().iter().map(|operation| operation.name()).collect();
    assert_eq!(names.len(), document.operations().len(), "a name twice");
    for operation in document.operations().iter().take(20) {
        let tool = operation.tool();
        let name = tool["name"].as_str().expect("a name");
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        assert!((1..=64).contains(&name.len()) && name.bytes().all(fits), "{name}");
        Schema::compile(&tool["inputSchema"]).expect("a schema that can be used");
        if let Some(output) = tool.get("outputSchema") {
            Schema::compile(output).expect("a schema that can be used");
            assert_eq!(output["type"], "object");
        }
        for value in [json!("../a?b#c&d=e\r\nX: y"), json!(["a,b", "c d"]), json!({"a[b]": "c;d"}), json!(7)]
        {
            called(operation, &tool["inputSchema"], &value);
        }
    }
}

/// Everything that it takes is given this value.
fn called(operation: &Operation, schema: &Value, value: &Value) {
    let properties = schema["properties"].as_object().expect("properties");
    let arguments: Map<String, Value> = properties.keys().map(|name| (name.clone(), value.clone())).collect();
    if let Ok(request) = operation.request(&raw(&arguments)) {
        keeps_its_shape(operation, &request);
    }
    let answered = Answered { status: 200, media: None, body: b"{}" };
    let result: Value = serde_json::from_str(answer(operation, answered).get()).expect("JSON");
    assert_eq!(result["resultType"], "complete");
    assert!(result["isError"] == true || tool_promises(operation, &result));
}

/// What is promised to be structured is.
fn tool_promises(operation: &Operation, result: &Value) -> bool {
    operation.tool().get("outputSchema").is_none() || result["structuredContent"].is_object()
}

fn keeps_its_shape(operation: &Operation, request: &Request) {
    let path: Vec<&str> = request.path.split('/').skip(1).collect();
    assert_eq!(path.len(), operation.segments(), "{}", request.path);
    for segment in path {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        assert!(dots != "." && dots != "..", "{}", request.path);
    }
    let query = request.query.as_deref().unwrap_or_default();
    assert!(request.path.len() + query.len() <= MAXIMUM_TARGET_BYTES);
    let target = format!("{}{query}", request.path);
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\\"<>".contains(&byte)), "{target}");
    for (name, value) in &request.headers {
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.is_empty() && name != "host");
        assert!(value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)), "{value:?}");
    }
}
