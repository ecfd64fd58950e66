//! What is looked at before a schema is compiled.

use super::{MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_PATTERNS, SchemaError};
use serde_json::{Map, Value};

const DIALECTS: &[&str] = &[
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
];

pub(super) fn check(schema: &Value) -> Result<(), SchemaError> {
    // Depth first: the other two walk recursively.
    if depth(schema) > MAXIMUM_DEPTH {
        return Err(SchemaError::TooDeep);
    }
    let bytes = schema.to_string().len();
    if bytes > MAXIMUM_BYTES {
        return Err(SchemaError::TooLong { bytes });
    }
    dialect(schema)?;
    let mut patterns = 0;
    references(schema, &mut patterns, true)?;
    if patterns > MAXIMUM_PATTERNS { Err(SchemaError::TooManyPatterns) } else { Ok(()) }
}

fn dialect(schema: &Value) -> Result<(), SchemaError> {
    let Some(dialect) = schema.get("$schema") else { return Ok(()) };
    let named = dialect.as_str().unwrap_or_default();
    let known = named.strip_suffix('#').unwrap_or(named);
    if DIALECTS.contains(&known) {
        Ok(())
    } else {
        Err(SchemaError::Dialect(named.chars().take(100).collect()))
    }
}

/// Every reference stays inside, wherever it stands. The walk does not know which members are schemas and which are
/// data: better to refuse a strange example value than to overlook a reference.
fn references(value: &Value, patterns: &mut usize, is_root: bool) -> Result<(), SchemaError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| references(item, patterns, false)),
        Value::Object(members) => {
            own_references(members, is_root)?;
            *patterns += usize::from(members.get("pattern").is_some_and(Value::is_string));
            *patterns += members.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
            members.values().try_for_each(|member| references(member, patterns, false))
        }
        _ => Ok(()),
    }
}

fn own_references(members: &Map<String, Value>, is_root: bool) -> Result<(), SchemaError> {
    for name in ["$ref", "$dynamicRef", "$recursiveRef"] {
        if let Some(Value::String(target)) = members.get(name)
            && !target.starts_with('#')
        {
            return Err(SchemaError::Reference(target.chars().take(100).collect()));
        }
    }
    // An `$id` below the root would change what `#` means there, and a `$schema` there the dialect.
    for name in ["$id", "$schema"] {
        if let Some(Value::String(id)) = members.get(name)
            && !is_root
        {
            return Err(SchemaError::Reference(id.chars().take(100).collect()));
        }
    }
    Ok(())
}

/// Levels of objects and arrays, counted without recursion.
fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 0_usize)];
    while let Some((value, level)) = open.pop() {
        deepest = deepest.max(level);
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(members) => open.extend(members.values().map(|member| (member, level + 1))),
            _ => {}
        }
    }
    deepest
}
