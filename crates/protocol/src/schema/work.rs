//! How much work a check would be, counted before it is done.
//!
//! Sixteen kilobytes of schema are enough to double the work at each of a hundred references, or to refer to itself in
//! a circle. This walk follows a value through a schema like the check itself does, but stops counting at a limit.

use serde_json::{Map, Value};

const STEPS: usize = 250_000;
const NESTING: usize = 256;
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// How many steps a schema takes at most for each value in what is checked, if it nowhere refers to another part of itself:
/// then each of its parts meets each value once at most. `None`: it does.
pub(super) fn parts(schema: &Value) -> Option<usize> {
    match schema {
        Value::Object(members) => {
            if REFERENCES.iter().any(|keyword| members.contains_key(*keyword)) {
                return None;
            }
            members.values().try_fold(1, |sum: usize, member| sum.checked_add(parts(member)?))
        }
        Value::Array(items) => items.iter().try_fold(1, |sum: usize, item| sum.checked_add(parts(item)?)),
        _ => Some(1),
    }
}

/// Whether a schema of so many [`parts`] is bearable for a value, whatever it says.
pub(super) fn is_small(parts: usize, value: &Value) -> bool {
    count(value, STEPS / parts.max(1)).is_some()
}

/// What is left of so many values after those in `value`; `None`: there are more.
fn count(value: &Value, left: usize) -> Option<usize> {
    let left = left.checked_sub(1)?;
    match value {
        Value::Object(members) => members.values().try_fold(left, |left, member| count(member, left)),
        Value::Array(items) => items.iter().try_fold(left, |left, item| count(item, left)),
        _ => Some(left),
    }
}

/// Whether the check ends in a bearable number of steps.
pub(super) fn is_bearable(schema: &Value, value: &Value) -> bool {
    let mut walk = Walk { root: schema, left: STEPS };
    walk.enter(schema, value, 0).is_some()
}

struct Walk<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Walk<'a> {
    /// `None`: too much.
    fn enter(&mut self, schema: &'a Value, value: &'a Value, nesting: usize) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let Value::Object(keywords) = schema else { return Some(()) };
        let nesting = Some(nesting + 1).filter(|nesting| *nesting <= NESTING)?;
        for (keyword, applied) in keywords {
            self.in_place(keyword, applied, value, nesting)?;
        }
        match value {
            Value::Object(members) => self.members(keywords, members, nesting),
            Value::Array(items) => self.items(keywords, items, nesting),
            _ => Some(()),
        }
    }

    /// Keywords whose schemas apply to the same value.
    fn in_place(
        &mut self,
        keyword: &str,
        applied: &'a Value,
        value: &'a Value,
        nesting: usize,
    ) -> Option<()> {
        match (keyword, applied) {
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter().try_for_each(|schema| self.enter(schema, value, nesting))
            }
            ("not" | "if" | "then" | "else", schema) => self.enter(schema, value, nesting),
            ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                schemas.values().try_for_each(|schema| self.enter(schema, value, nesting))
            }
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) => {
                // A reference that leads nowhere is the compiler's to refuse.
                self.resolve(target).map_or(Some(()), |schema| self.enter(schema, value, nesting))
            }
            _ => Some(()),
        }
    }

    fn members(
        &mut self,
        keywords: &'a Map<String, Value>,
        members: &'a Map<String, Value>,
        nesting: usize,
    ) -> Option<()> {
        if let Some(Value::Object(properties)) = keywords.get("properties") {
            for (name, schema) in properties {
                if let Some(member) = members.get(name) {
                    self.enter(schema, member, nesting)?;
                }
            }
        }
        let patterned =
            keywords.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values);
        let any = ["additionalProperties", "unevaluatedProperties"]
            .into_iter()
            .filter_map(|name| keywords.get(name));
        for schema in patterned.chain(any) {
            members.values().try_for_each(|member| self.enter(schema, member, nesting))?;
        }
        Some(())
    }

    fn items(&mut self, keywords: &'a Map<String, Value>, items: &'a [Value], nesting: usize) -> Option<()> {
        for keyword in ["prefixItems", "items", "contains", "additionalItems", "unevaluatedItems"] {
            match keywords.get(keyword) {
                Some(Value::Array(schemas)) => {
                    schemas
                        .iter()
                        .zip(items)
                        .try_for_each(|(schema, item)| self.enter(schema, item, nesting))?;
                }
                Some(schema) => items.iter().try_for_each(|item| self.enter(schema, item, nesting))?,
                None => {}
            }
        }
        Some(())
    }

    /// `#`, `#/a/pointer` or `#anchor`.
    fn resolve(&self, target: &str) -> Option<&'a Value> {
        let fragment = target.strip_prefix('#')?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.root.pointer(&unescaped(fragment));
        }
        anchored(self.root, fragment)
    }
}

fn anchored<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => {
            let is_it = ["$anchor", "$dynamicAnchor"]
                .into_iter()
                .any(|keyword| members.get(keyword).and_then(Value::as_str) == Some(name));
            if is_it { Some(value) } else { members.values().find_map(|member| anchored(member, name)) }
        }
        Value::Array(items) => items.iter().find_map(|item| anchored(item, name)),
        _ => None,
    }
}

/// Percent escapes of a URI fragment (RFC 6901 section 6).
fn unescaped(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, escape.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn walked(schema: &Value, value: &Value) -> usize {
        let mut walk = Walk { root: schema, left: usize::MAX };
        walk.enter(schema, value, 0).expect("bearable");
        usize::MAX - walk.left
    }

    fn json() -> impl Strategy<Value = Value> {
        let keyword = prop::sample::select(vec![
            "a",
            "properties",
            "patternProperties",
            "additionalProperties",
            "unevaluatedProperties",
            "items",
            "prefixItems",
            "contains",
            "allOf",
            "anyOf",
            "not",
            "if",
            "dependentSchemas",
        ]);
        let leaf = prop_oneof![Just(json!(true)), Just(json!({})), Just(json!("x"))];
        leaf.prop_recursive(5, 48, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((keyword.clone(), inner), 0..5).prop_map(|members| {
                    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_no_number_of_parts() {
        assert_eq!(parts(&json!({"type": "object", "properties": {"a": {"type": "string"}}})), Some(5));
        for reference in REFERENCES {
            assert_eq!(parts(&json!({"items": [{"not": {reference: "#"}}]})), None, "{reference}");
        }
    }

    proptest! {
        #[test]
        fn a_schema_without_references_takes_no_more_steps_than_its_parts_times_the_values(
            schema in json(), value in json(),
        ) {
            let values = usize::MAX - count(&value, usize::MAX).expect("count");
            prop_assert!(walked(&schema, &value) <= parts(&schema).expect("no reference") * values);
        }
    }
}
