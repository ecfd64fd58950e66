//! Keys and types of `deputy.toml`, checked against the schema that is published, so that the two cannot differ.
//!
//! All that is wrong is noted, not only the first; serde would stop there.

use super::fault::{Collector, nearest};
use super::later;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Checks the whole file.
pub(super) fn check(file: &Spanned<DeTable<'_>>, schema: &Value, faults: &mut Collector<'_>) {
    let walk = Walk { root: schema };
    walk.table(file.get_ref(), file.span(), schema, &Place::default(), faults);
}

/// Where the walk is: as TOML would head it, and as keys.
#[derive(Default, Clone)]
struct Place {
    keys: Vec<String>,
    repeated: bool,
}

impl Place {
    fn below(&self, key: &str) -> Self {
        let mut keys = self.keys.clone();
        keys.push(key.to_owned());
        Self { keys, repeated: false }
    }

    fn repeated(&self) -> Self {
        Self { keys: self.keys.clone(), repeated: true }
    }

    fn path(&self) -> String {
        self.keys.join(".")
    }

    fn heading(&self) -> String {
        match (self.keys.is_empty(), self.repeated) {
            (true, _) => "the file".to_owned(),
            (false, true) => format!("`[[{}]]`", self.path()),
            (false, false) => format!("`[{}]`", self.path()),
        }
    }
}

struct Walk<'s> {
    root: &'s Value,
}

impl<'s> Walk<'s> {
    fn value(
        &self,
        value: &Spanned<DeValue<'_>>,
        schema: &'s Value,
        place: &Place,
        faults: &mut Collector<'_>,
    ) {
        let (said, schema) = (schema, self.resolved(schema));
        let wanted = schema.get("type").and_then(Value::as_str).unwrap_or("object");
        match (value.get_ref(), wanted) {
            (DeValue::Table(table), "object") => self.table(table, value.span(), schema, place, faults),
            (DeValue::Array(items), "array") => {
                let Some(schema) = schema.get("items") else { return };
                for item in items {
                    self.value(item, schema, &place.repeated(), faults);
                }
            }
            (DeValue::String(word), "string") => one_of(word, value.span(), schema, place, faults),
            (DeValue::Boolean(_), "boolean")
            | (DeValue::Integer(_), "integer")
            | (DeValue::Float(_) | DeValue::Integer(_), "number") => {}
            (found, _) => {
                let message = format!("`{}` is {}, not {}", place.path(), kind(found), name(wanted));
                let mend = match (found, wanted) {
                    (DeValue::Table(_), "array") => format!("write its heading as `[[{}]]`", place.path()),
                    _ => example(place, &self.described(said)),
                };
                faults.add(value.span(), message, mend);
            }
        }
    }

    fn table(
        &self,
        table: &DeTable<'_>,
        span: Range<usize>,
        schema: &'s Value,
        place: &Place,
        faults: &mut Collector<'_>,
    ) {
        let empty = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let others = schema.get("additionalProperties").filter(|schema| schema.is_object());
        let mut mistyped = Vec::new();
        for (key, value) in table.iter() {
            match self.property(schema, key.get_ref()).or(others) {
                Some(schema) => self.value(value, schema, &place.below(key.get_ref()), faults),
                None => mistyped.extend(unknown(key, table, known, place, faults)),
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let missing = required.filter_map(Value::as_str).filter(|name| !table.contains_key(*name));
        for name in missing.filter(|name| !mistyped.contains(name)) {
            let Some(property) = known.get(name) else { continue };
            let message = format!("{} lacks `{name}`", place.heading());
            let merged = self.described(property);
            faults.add(span.start..span.start, message, example(&place.below(name), &merged));
        }
    }

    fn property(&self, schema: &'s Value, key: &str) -> Option<&'s Value> {
        schema.get("properties")?.get(key)
    }

    /// A property may be a reference with a description and examples beside it.
    fn resolved(&self, schema: &'s Value) -> &'s Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|pointer| pointer.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn described(&self, schema: &'s Value) -> Value {
        let mut merged = self.resolved(schema).clone();
        if let (Some(merged), Some(own)) = (merged.as_object_mut(), schema.as_object()) {
            merged.extend(own.clone());
        }
        merged
    }
}

/// Notes a key that nobody knows, and answers the one that was probably meant.
fn unknown<'k>(
    key: &Spanned<Cow<'_, str>>,
    table: &DeTable<'_>,
    known: &'k Map<String, Value>,
    place: &Place,
    faults: &mut Collector<'_>,
) -> Option<&'k str> {
    let word = key.get_ref().as_ref();
    if let Some(later) = later::key(&place.below(word).path()) {
        faults.add(key.span(), format!("`{}` is not in this version", later.name), later.mend);
        return None;
    }
    let message = format!("{} has no key `{word}`", place.heading());
    let free = known.keys().map(String::as_str).filter(|name| !table.contains_key(*name));
    let near = nearest(word, free);
    let mend = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
            format!("remove it; the keys here are {}", names.join(", "))
        }
    };
    faults.add(key.span(), message, mend);
    near
}

fn one_of(word: &str, span: Range<usize>, schema: &Value, place: &Place, faults: &mut Collector<'_>) {
    let Some(known) = schema.get("enum").and_then(Value::as_array) else { return };
    let known: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
    if known.contains(&word) {
        return;
    }
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let only = known.len() == 1;
    let mend = match nearest(word, known) {
        Some(near) if only => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean `{near}`? it is one of {}", names.join(", ")),
        None => format!("use one of {}", names.join(", ")),
    };
    faults.add(span, format!("`{}` cannot be `{word}`", place.path()), mend);
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn name(wanted: &str) -> &'static str {
    match wanted {
        "string" => "text in quotes",
        "array" => "a list",
        "object" => "a table",
        "boolean" => "true or false",
        "number" => "a number",
        _ => "a whole number",
    }
}

fn example(place: &Place, schema: &Value) -> String {
    let key = place.keys.last().map_or("", String::as_str);
    let example = schema.get("examples").and_then(Value::as_array).and_then(|examples| examples.first());
    match (example, schema.get("type").and_then(Value::as_str)) {
        (Some(Value::Array(items)), _) if items.first().is_some_and(Value::is_object) => {
            format!("add a block `[[{}]]`, see docs/reference/config.md", place.path())
        }
        (Some(value), _) => format!("write `{key} = {}`", toml_text(value)),
        (None, Some("object")) => format!("add a block `[{}]`, see docs/reference/config.md", place.path()),
        (None, Some("array")) if schema.pointer("/items/enum/0").is_some() => {
            let word = schema.pointer("/items/enum/0").map(toml_text).unwrap_or_default();
            format!("write `{key} = [{word}]`")
        }
        (None, Some("array")) => format!("add a block `[[{}]]`, see docs/reference/config.md", place.path()),
        (None, _) => "see docs/reference/config.md".to_owned(),
    }
}

fn toml_text(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{} = {}", toml_key(key), toml_text(value)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A key as it can stand there: quoted, if it is not bare (a dot would make it two).
fn toml_key(key: &str) -> String {
    let is_bare = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_bare { key.to_owned() } else { format!("{key:?}") }
}
