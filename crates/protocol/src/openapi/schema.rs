//! Schemas of a document as JSON Schema 2020-12: components become `$defs`, what 3.0 says in words of its own is said in
//! the standard's, and what is no schema (`xml`, `discriminator`, extensions) is left out.
//!
//! A whole schema may be too large to be given to a model or to be compiled ([`crate::schema`]). Then it is told with less
//! and less [`Detail`]: what is left out lets everything pass, so the server's own check decides.

mod keywords;

use super::reference::Root;
use crate::schema::Schema;
use keywords::{Kind, kind};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Schemas within one tool's schema; more do not fit into the bytes that a schema may have.
const NODES: usize = 3000;
/// Levels of schemas in schemas, without references.
const NESTING: usize = 24;

/// Which words a document speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAPI 3.0: JSON Schema draft 5, with words of its own.
    V30,
    /// OpenAPI 3.1: JSON Schema 2020-12.
    V31,
}

/// What a schema speaks of: `readOnly` members are not asked for, `writeOnly` ones are not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What is sent.
    Request,
    /// What comes back.
    Response,
}

/// How much is told.
#[derive(Debug, Clone, Copy)]
struct Detail {
    /// Titles, descriptions and examples of what is referred to.
    words: bool,
    /// Regular expressions.
    patterns: bool,
    /// How many references deep.
    references: usize,
}

const DETAILS: [Detail; 7] = [
    Detail { words: true, patterns: true, references: 64 },
    Detail { words: true, patterns: false, references: 64 },
    Detail { words: false, patterns: false, references: 64 },
    Detail { words: false, patterns: false, references: 4 },
    Detail { words: false, patterns: false, references: 2 },
    Detail { words: false, patterns: false, references: 1 },
    Detail { words: false, patterns: false, references: 0 },
];

/// A schema that the hub can use.
#[derive(Debug, Clone)]
pub(super) struct Translated {
    /// The schema.
    pub(super) schema: Value,
    /// The same compiled.
    pub(super) compiled: Arc<Schema>,
    /// Whether parts are left out that the document has.
    pub(super) is_cut: bool,
}

/// Translates what `build` puts together, with as much detail as fits.
pub(super) fn translate<'d>(
    root: Root<'d>,
    dialect: Dialect,
    side: Side,
    build: impl Fn(&mut Translator<'d>) -> Result<Value, String>,
) -> Result<Translated, String> {
    let mut last = String::new();
    for detail in DETAILS {
        let mut translator = Translator::new(root, dialect, side, detail);
        let mut schema = build(&mut translator)?;
        let definitions = translator.definitions()?;
        if let Some(members) = schema.as_object_mut().filter(|_| !definitions.is_empty()) {
            members.insert("$defs".to_owned(), Value::Object(definitions));
        }
        match Schema::compile(&schema) {
            Ok(compiled) => {
                return Ok(Translated { schema, compiled: Arc::new(compiled), is_cut: translator.is_cut });
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// Takes schemas over, one by one, and collects what they refer to.
pub(super) struct Translator<'d> {
    root: Root<'d>,
    dialect: Dialect,
    side: Side,
    detail: Detail,
    names: BTreeMap<String, String>,
    waiting: VecDeque<(String, &'d Value, usize)>,
    left: usize,
    is_cut: bool,
}

/// Where a schema stands.
#[derive(Clone, Copy)]
struct Place {
    /// Behind how many references.
    references: usize,
    /// Within how many schemas.
    nesting: usize,
}

impl<'d> Translator<'d> {
    fn new(root: Root<'d>, dialect: Dialect, side: Side, detail: Detail) -> Self {
        let (names, waiting) = (BTreeMap::new(), VecDeque::new());
        Self { root, dialect, side, detail, names, waiting, left: NODES, is_cut: false }
    }

    /// A schema in the words of 2020-12.
    pub(super) fn schema(&mut self, schema: &'d Value) -> Result<Value, String> {
        self.enter(schema, Place { references: 0, nesting: 0 })
    }

    /// What was referred to, the nearest first, until nothing new is.
    fn definitions(&mut self) -> Result<Map<String, Value>, String> {
        let mut definitions = Map::new();
        while let Some((name, schema, references)) = self.waiting.pop_front() {
            let translated = self.enter(schema, Place { references, nesting: 0 })?;
            definitions.insert(name, translated);
        }
        Ok(definitions)
    }

    fn enter(&mut self, schema: &'d Value, place: Place) -> Result<Value, String> {
        let Value::Object(members) = schema else {
            return if schema.is_boolean() { Ok(schema.clone()) } else { Err("a schema is none".to_owned()) };
        };
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || place.nesting > NESTING {
            self.is_cut = true;
            return Ok(json!({}));
        }
        let reference = members.get("$ref").and_then(Value::as_str);
        let referred = reference.map(|reference| self.refer(reference, place)).transpose()?;
        match (self.dialect, referred) {
            // Beside a reference 3.0 hears nothing.
            (Dialect::V30, Some(referred)) => Ok(referred),
            (Dialect::V30, None) => Ok(older(self.members(members, place)?, members)),
            (Dialect::V31, Some(Value::Object(mut referred))) => {
                referred.extend(self.members(members, place)?);
                Ok(Value::Object(referred))
            }
            (Dialect::V31, _) => Ok(Value::Object(self.members(members, place)?)),
        }
    }

    /// A reference into `$defs`, or a hole where it leads too far.
    fn refer(&mut self, reference: &str, place: Place) -> Result<Value, String> {
        let target = self.root.at(reference)?;
        if let Some(name) = self.names.get(reference) {
            return Ok(json!({"$ref": format!("#/$defs/{name}")}));
        }
        let references = place.references + 1;
        if references > self.detail.references {
            self.is_cut = true;
            let kind = target.get("type").filter(|kind| kind.is_string());
            let kind = kind.filter(|_| target.get("nullable") != Some(&Value::Bool(true)));
            return Ok(kind.map_or_else(|| json!({}), |kind| json!({"type": kind})));
        }
        let name = self.new_name(reference);
        self.waiting.push_back((name.clone(), target, references));
        Ok(json!({"$ref": format!("#/$defs/{name}")}))
    }

    /// The last part of the reference, if it can stand in one and is free.
    fn new_name(&mut self, reference: &str) -> String {
        let last = reference.rsplit('/').next().unwrap_or_default();
        let kept: String = last
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' })
            .take(64)
            .collect();
        let is_taken = |name: &String| self.names.values().any(|taken| taken == name);
        let mut names =
            std::iter::once(kept.clone()).chain((2_u32..).map(|number| format!("{kept}_{number}")));
        let name = names.find(|name| !is_taken(name)).unwrap_or(kept);
        self.names.insert(reference.to_owned(), name.clone());
        name
    }

    fn members(
        &mut self,
        members: &'d Map<String, Value>,
        place: Place,
    ) -> Result<Map<String, Value>, String> {
        let below = Place { nesting: place.nesting + 1, ..place };
        let mut taken = Map::new();
        for (keyword, value) in members {
            let translated = match (kind(keyword), value) {
                (Kind::Schema, Value::Array(items)) if keyword == "items" => {
                    let items = items.iter().map(|item| self.enter(item, below));
                    taken.insert("prefixItems".to_owned(), items.collect::<Result<_, _>>()?);
                    continue;
                }
                (Kind::Schema, schema) => self.enter(schema, below)?,
                (Kind::Schemas, Value::Array(schemas)) => {
                    schemas.iter().map(|schema| self.enter(schema, below)).collect::<Result<_, _>>()?
                }
                (Kind::Named, Value::Object(named)) => self.named(keyword, named, below)?,
                (Kind::Data, value) => value.clone(),
                (Kind::Pattern, value) if self.detail.patterns => value.clone(),
                (Kind::Words, value) if self.detail.words || place.references == 0 => value.clone(),
                (Kind::Example, value) if self.detail.words && is_plain(value) => value.clone(),
                (Kind::Foreign, _) => return Err(format!("a schema uses `{keyword}`")),
                (Kind::Pattern, _) => {
                    self.is_cut = true;
                    continue;
                }
                _ => continue,
            };
            taken.insert(keyword.clone(), translated);
        }
        self.forget(members, &mut taken);
        Ok(taken)
    }

    fn named(&mut self, keyword: &str, named: &'d Map<String, Value>, place: Place) -> Result<Value, String> {
        let mut schemas = Map::new();
        for (name, schema) in named {
            if keyword == "properties" && self.is_of_the_other_side(schema) {
                continue;
            }
            if keyword == "patternProperties" && !self.detail.patterns {
                self.is_cut = true;
                continue;
            }
            schemas.insert(name.clone(), self.enter(schema, place)?);
        }
        Ok(Value::Object(schemas))
    }

    /// What is not told of this side cannot be required on it, and what a left out pattern allowed must not be refused.
    fn forget(&mut self, members: &Map<String, Value>, taken: &mut Map<String, Value>) {
        let properties = members.get("properties").and_then(Value::as_object);
        if let (Some(properties), Some(Value::Array(required))) = (properties, taken.get_mut("required")) {
            required.retain(|name| {
                let schema = name.as_str().and_then(|name| properties.get(name));
                !schema.is_some_and(|schema| self.is_of_the_other_side(schema))
            });
        }
        if members.contains_key("patternProperties") && !self.detail.patterns {
            taken.remove("patternProperties");
            taken.remove("additionalProperties");
            taken.remove("unevaluatedProperties");
        }
    }

    fn is_of_the_other_side(&self, schema: &Value) -> bool {
        let word = match self.side {
            Side::Request => "readOnly",
            Side::Response => "writeOnly",
        };
        let says = |schema: &Value| schema.get(word) == Some(&Value::Bool(true));
        let referred =
            schema.get("$ref").and_then(Value::as_str).and_then(|reference| self.root.at(reference).ok());
        says(schema) || referred.is_some_and(says)
    }
}

/// Whether a value can be carried over as data: what looks like a reference in it would be taken for one.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(members) => {
            members.iter().all(|(name, value)| !name.starts_with('$') && is_plain(value))
        }
        _ => true,
    }
}

/// What 3.0 says in words of its own: `nullable`, bounds that are excluded by a boolean, one `example`.
fn older(mut taken: Map<String, Value>, members: &Map<String, Value>) -> Value {
    for (excludes, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match taken.remove(excludes) {
            Some(Value::Bool(true)) => {
                if let Some(bound) = taken.remove(bound) {
                    taken.insert(excludes.to_owned(), bound);
                }
            }
            Some(number @ Value::Number(_)) => drop(taken.insert(excludes.to_owned(), number)),
            _ => {}
        }
    }
    if members.get("nullable") != Some(&Value::Bool(true)) {
        return Value::Object(taken);
    }
    match taken.get("type").cloned() {
        Some(kind @ Value::String(_)) => {
            taken.insert("type".to_owned(), json!([kind, "null"]));
            if let Some(Value::Array(values)) = taken.get_mut("enum")
                && !values.contains(&Value::Null)
            {
                values.push(Value::Null);
            }
            Value::Object(taken)
        }
        _ => json!({"anyOf": [taken, {"type": "null"}]}),
    }
}

#[cfg(test)]
mod tests;
