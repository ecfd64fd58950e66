//! Which arguments a policy set reads, so that a decision looks up those and no others.

use cedar_policy::Policy;
use serde_json::Value;
use std::collections::BTreeSet;

/// The argument paths that the policies of a set name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Paths written as literals.
    pub(crate) paths: BTreeSet<String>,
    /// Whether some path is computed, so that every argument may be read.
    pub(crate) every: bool,
}

impl Reads {
    /// Adds what one policy reads. Only `hasTag` and `getTag` can read an argument, since only the entities that hold
    /// arguments have tags. What cannot be understood counts as reading everything.
    pub(crate) fn add(&mut self, policy: &Policy) {
        match policy.to_json() {
            Ok(json) => self.walk(&json),
            Err(_) => self.every = true,
        }
    }

    /// Whether no policy reads any argument.
    pub(crate) fn is_none(&self) -> bool {
        self.paths.is_empty() && !self.every
    }

    fn walk(&mut self, json: &Value) {
        match json {
            Value::Object(members) => {
                for (name, value) in members {
                    if matches!(name.as_str(), "hasTag" | "getTag") {
                        self.tag(value);
                    }
                    self.walk(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn tag(&mut self, operands: &Value) {
        match operands.pointer("/right/Value").and_then(Value::as_str) {
            Some(path) => {
                self.paths.insert(path.to_owned());
            }
            None => self.every = true,
        }
    }
}
