//! What the suite's scenarios name: lists, and what needs no client.

use serde_json::{Value, json};

/// A red pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A wave without a sound.
const WAV: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==";
pub(crate) const WATCHED: &str = "test://watched-resource";
/// In its list only every second time that it was changed.
pub(crate) const TOGGLED: &str = "test_toggled";

/// Tools, what they do, and their properties; the first needs none.
const TOOLS: [(&str, &str); 27] = [
    ("test_simple_text", "Says a few words"),
    ("test_image_content", "Shows an image"),
    ("test_audio_content", "Plays a sound"),
    ("test_embedded_resource", "Embeds a resource"),
    ("test_multiple_content_types", "Text, image and resource at once"),
    ("test_tool_with_logging", "Logs three times"),
    ("test_logging_tool", "Logs three times"),
    ("test_error_handling", "Fails"),
    ("test_tool_with_progress", "Reports its progress"),
    ("test_reconnection", "Takes its time"),
    ("test_sampling", "Asks the client's model"),
    ("test_elicitation", "Asks the user who they are"),
    ("test_elicitation_sep1034_defaults", "Asks with a default for each type"),
    ("test_elicitation_sep1330_enums", "Asks with each kind of choice"),
    ("test_input_required_result_elicitation", "Asks the user's name"),
    ("test_input_required_result_sampling", "Asks the client's model"),
    ("test_input_required_result_list_roots", "Asks for the client's roots"),
    ("test_input_required_result_request_state", "Asks with a state"),
    ("test_input_required_result_tampered_state", "Asks with a state that is sealed"),
    ("test_input_required_result_multiple_inputs", "Asks three things at once"),
    ("test_input_required_result_multi_round", "Asks twice"),
    ("test_input_required_result_capabilities", "Asks what the client can answer"),
    ("test_missing_capability", "Needs sampling"),
    ("test_streaming_elicitation", "Reports progress, then asks"),
    ("test_trigger_tool_change", "Changes the list of tools"),
    ("test_trigger_prompt_change", "Changes the list of prompts"),
    ("test_trigger_resource_update", "Changes the watched resource"),
];

pub(crate) fn tools(is_toggled: bool) -> Value {
    let string = json!({"type": "string", "description": "words"});
    let mut tools: Vec<Value> = TOOLS
        .iter()
        .map(|(name, description)| {
            let schema = match *name {
                "test_sampling" => {
                    json!({"type": "object", "properties": {"prompt": string}, "required": ["prompt"]})
                }
                "test_elicitation" => {
                    json!({"type": "object", "properties": {"message": string}, "required": ["message"]})
                }
                _ => json!({"type": "object", "properties": {}}),
            };
            json!({"name": name, "description": description, "inputSchema": schema})
        })
        .collect();
    let header = json!({"region": {"type": "string", "x-mcp-header": "Region"}});
    tools.push(json!({"name": "test_custom_header", "description": "Has a parameter that is a header too",
        "inputSchema": {"type": "object", "properties": header}}));
    tools.push(json!({"name": "json_schema_2020_12_tool", "description": "Has all of JSON Schema",
        "inputSchema": schema()}));
    if is_toggled {
        tools.push(json!({"name": TOGGLED, "description": "Is not always there",
            "inputSchema": {"type": "object", "properties": {}}}));
    }
    json!({"tools": tools, "ttlMs": 0, "cacheScope": "public"})
}

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef", "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

pub(crate) fn text(words: impl Into<String>) -> Value {
    json!({"content": [{"type": "text", "text": words.into()}]})
}

fn image() -> Value {
    json!({"type": "image", "data": PNG, "mimeType": "image/png"})
}

fn resource(uri: &str, kind: &str, words: &str) -> Value {
    json!({"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": words}})
}

/// The result of a tool that only answers.
pub(crate) fn plain(name: &str) -> Option<Value> {
    Some(match name {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => json!({"content": [image()]}),
        "test_audio_content" => json!({"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]}),
        "test_embedded_resource" => {
            let words = "This is an embedded resource content.";
            json!({"content": [resource("test://embedded-resource", "text/plain", words)]})
        }
        "test_multiple_content_types" => {
            let mixed = resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            );
            let first = json!({"type": "text", "text": "Multiple content types test:"});
            json!({"content": [first, image(), mixed]})
        }
        "test_error_handling" => {
            let words = "This tool intentionally returns an error for testing";
            json!({"content": [{"type": "text", "text": words}], "isError": true})
        }
        "test_custom_header" | "json_schema_2020_12_tool" | TOGGLED => text("the schema is what matters"),
        _ => return None,
    })
}

pub(crate) fn prompts(is_toggled: bool) -> Value {
    let argument =
        |name: &str| json!({"name": name, "description": format!("the argument {name}"), "required": true});
    let two = json!([argument("arg1"), argument("arg2")]);
    let mut prompts = vec![
        json!({"name": "test_simple_prompt", "description": "A prompt without arguments"}),
        json!({"name": "test_prompt_with_arguments", "description": "A prompt with two arguments", "arguments": two}),
        json!({"name": "test_prompt_with_embedded_resource", "description": "A prompt with a resource in it",
            "arguments": [argument("resourceUri")]}),
        json!({"name": "test_prompt_with_image", "description": "A prompt with an image in it"}),
        json!({"name": "test_input_required_result_prompt", "description": "A prompt that asks first"}),
    ];
    if is_toggled {
        prompts.push(json!({"name": TOGGLED, "description": "Is not always there"}));
    }
    json!({"prompts": prompts, "ttlMs": 0, "cacheScope": "public"})
}

pub(crate) fn said(words: impl Into<String>) -> Value {
    json!({"role": "user", "content": {"type": "text", "text": words.into()}})
}

/// A prompt that asks nothing.
pub(crate) fn prompt(name: &str, arguments: &Value) -> Option<Value> {
    let argument = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let messages = match name {
        "test_simple_prompt" => json!([said("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            let words =
                format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2"));
            json!([said(words)])
        }
        "test_prompt_with_embedded_resource" => {
            let words = "Embedded resource content for testing.";
            let embedded = resource(&argument("resourceUri"), "text/plain", words);
            json!([{"role": "user", "content": embedded}, said("Please process the embedded resource above.")])
        }
        "test_prompt_with_image" => {
            json!([{"role": "user", "content": image()}, said("Please analyze the image above.")])
        }
        TOGGLED => json!([said("It is there.")]),
        _ => return None,
    };
    Some(json!({"messages": messages}))
}

/// Resources: URI, name, media type.
const RESOURCES: [(&str, &str, &str); 3] = [
    ("test://static-text", "static-text", "text/plain"),
    ("test://static-binary", "static-binary", "image/png"),
    (WATCHED, "watched-resource", "text/plain"),
];

pub(crate) fn resources() -> Value {
    let all = RESOURCES.map(|(uri, name, kind)| {
        json!({"uri": uri, "name": name, "description": "A resource for the suite", "mimeType": kind})
    });
    json!({"resources": all, "ttlMs": 0, "cacheScope": "public"})
}

pub(crate) fn templates() -> Value {
    let template = json!({"uriTemplate": "test://template/{id}/data", "name": "template",
        "description": "Data by number", "mimeType": "application/json"});
    json!({"resourceTemplates": [template], "ttlMs": 0, "cacheScope": "public"})
}

/// `None`: there is none.
pub(crate) fn read(uri: &str) -> Option<Value> {
    let mut contents = match uri {
        "test://static-text" => json!({"text": "This is the content of the static text resource."}),
        "test://static-binary" => json!({"blob": PNG}),
        WATCHED => json!({"text": "Watched resource content"}),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let words = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            json!({"text": words.to_string()})
        }
    };
    let known = RESOURCES.iter().find(|(known, _, _)| *known == uri);
    contents["uri"] = json!(uri);
    contents["mimeType"] = json!(known.map_or("application/json", |(_, _, kind)| kind));
    Some(json!({"contents": [contents], "ttlMs": 0, "cacheScope": "public"}))
}

pub(crate) fn completion(begun: &str) -> Value {
    let values: Vec<&str> =
        ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(begun)).collect();
    json!({"completion": {"values": values, "total": values.len(), "hasMore": false}})
}
