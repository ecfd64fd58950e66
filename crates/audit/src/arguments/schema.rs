//! The marks of a JSON schema. All schemas that may speak of a value are asked, and one mark is enough: whether a branch of
//! `oneOf` applies is not decided here, so each is heard.

use serde_json::Value;

/// More schemas than this about one value are not followed; then the value counts as marked.
const MOST: usize = 64;

/// The schemas that may speak of one value.
pub(super) struct Marks<'s> {
    root: &'s Value,
    schemas: Vec<&'s Value>,
    too_many: bool,
}

impl<'s> Marks<'s> {
    /// Of the whole arguments.
    pub(super) fn of(root: &'s Value) -> Self {
        Self::from(root, vec![root])
    }

    fn from(root: &'s Value, mut schemas: Vec<&'s Value>) -> Self {
        let mut at = 0;
        while let Some(schema) = schemas.get(at).copied() {
            let found: Vec<&Value> = related(root, schema)
                .into_iter()
                .filter(|new| !schemas.iter().any(|known| std::ptr::eq(*known, *new)))
                .collect();
            schemas.extend(found);
            if schemas.len() > MOST {
                return Self { root, schemas: Vec::new(), too_many: true };
            }
            at += 1;
        }
        Self { root, schemas, too_many: false }
    }

    /// Whether the value must not be kept.
    pub(super) fn secret(&self) -> bool {
        // Schemas are short: to go through their members once is cheaper than to look up each that could be there.
        let says = |(name, value): (&String, &Value)| match name.as_str() {
            "writeOnly" | "x-deputy-redact" => value.as_bool() == Some(true),
            "format" => value.as_str() == Some("password"),
            _ => false,
        };
        self.too_many || self.schemas.iter().flat_map(|schema| schema.as_object()).flatten().any(says)
    }

    /// The same for a member of the value.
    pub(super) fn member(&self, name: &str) -> Self {
        let mut below = Vec::new();
        for (keyword, value) in self.schemas.iter().flat_map(|schema| schema.as_object()).flatten() {
            match keyword.as_str() {
                "properties" => below.extend(value.get(name)),
                // Whether a pattern fits is not decided here.
                "patternProperties" => {
                    below.extend(value.as_object().into_iter().flat_map(|all| all.values()))
                }
                "additionalProperties" => below.push(value),
                _ => {}
            }
        }
        self.below(below)
    }

    /// The same for an item of the value.
    pub(super) fn item(&self, at: usize) -> Self {
        let below = self.schemas.iter().flat_map(|schema| {
            let own = schema.get("prefixItems").and_then(|items| items.get(at));
            let items = schema.get("items");
            let listed = items.and_then(|items| items.get(at));
            own.into_iter().chain(listed).chain(items.filter(|items| items.is_object()))
        });
        self.below(below.collect())
    }

    fn below(&self, schemas: Vec<&'s Value>) -> Self {
        match self.too_many {
            true => Self { root: self.root, schemas: Vec::new(), too_many: true },
            false => Self::from(self.root, schemas),
        }
    }
}

/// Schemas that speak of the same value.
fn related<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut found: Vec<&Value> = Vec::new();
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        match keyword.as_str() {
            "allOf" | "anyOf" | "oneOf" => found.extend(value.as_array().into_iter().flatten()),
            "if" | "then" | "else" => found.push(value),
            "dependentSchemas" => found.extend(value.as_object().into_iter().flat_map(|all| all.values())),
            "$ref" => {
                let local = value.as_str().and_then(|reference| reference.strip_prefix('#'));
                found.extend(local.and_then(|pointer| root.pointer(pointer)));
            }
            _ => {}
        }
    }
    found
}
