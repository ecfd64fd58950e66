//! The JSON schemas of `deputy.toml` and `guard.toml`: published as `docs/reference/*.schema.json`, and what
//! [`super::shape`] checks by.

use super::raw::File;
use super::raw::guard::GuardFile;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

/// The schema as a value.
pub(super) fn schema() -> Value {
    of::<File>()
}

/// The same of `guard.toml`.
pub(super) fn guard_schema() -> Value {
    of::<GuardFile>()
}

fn of<F: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<F>();
    Closed.transform(&mut schema);
    schema.to_value()
}

/// The schema as the committed file has it.
#[must_use]
pub fn schema_text() -> String {
    // A `Value` always serializes; the empty text would fail the test that compares it with the committed file.
    serde_json::to_string_pretty(&schema()).map(|text| text + "\n").unwrap_or_default()
}

/// The schema of `guard.toml`, likewise.
#[must_use]
pub fn guard_schema_text() -> String {
    serde_json::to_string_pretty(&guard_schema()).map(|text| text + "\n").unwrap_or_default()
}

/// No table has room for unknown keys, and TOML has no null.
struct Closed;

impl Transform for Closed {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        if object.get("default").is_some_and(is_empty) {
            object.remove("default");
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                for (key, value) in only {
                    object.entry(key).or_insert(value);
                }
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
