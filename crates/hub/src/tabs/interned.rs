//! Definitions and compiled schemas, once for all tabs that offer the same: an idle tab is a few kilobytes.

use deputy_core::{Definition, DefinitionHash};
use deputy_protocol::schema::Schema;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A definition with its schemas compiled.
#[derive(Clone)]
pub(crate) struct Compiled {
    pub(crate) definition: Arc<Definition>,
    pub(crate) input: Arc<Schema>,
    pub(crate) output: Option<Arc<Schema>>,
}

struct Entry {
    definition: Weak<Definition>,
    input: Weak<Schema>,
    output: Option<Weak<Schema>>,
}

/// Everything that any tab offers now, by hash. The hash covers all of a definition, so equal hashes are equal tools.
#[derive(Default)]
pub(crate) struct Interned(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    entries: HashMap<DefinitionHash, Entry>,
    sweep_at: usize,
}

impl Interned {
    /// The one that is there, or a new one.
    pub(crate) fn share(&self, hash: DefinitionHash, definition: Definition) -> Result<Compiled, String> {
        if let Some(known) = self.known(&hash) {
            return Ok(known);
        }
        let compile = |schema| Schema::compile(schema).map_err(|error| error.to_string());
        let input = definition.input_schema.as_ref().map_or_else(|| Ok(Schema::anything()), compile)?;
        let output = definition.output_schema.as_ref().map(compile).transpose()?;
        let compiled = Compiled {
            definition: Arc::new(definition),
            input: Arc::new(input),
            output: output.map(Arc::new),
        };
        self.keep(hash, &compiled);
        Ok(compiled)
    }

    fn known(&self, hash: &DefinitionHash) -> Option<Compiled> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = shelf.entries.get(hash)?;
        let output = match &entry.output {
            Some(output) => Some(output.upgrade()?),
            None => None,
        };
        Some(Compiled { definition: entry.definition.upgrade()?, input: entry.input.upgrade()?, output })
    }

    fn keep(&self, hash: DefinitionHash, compiled: &Compiled) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry {
            definition: Arc::downgrade(&compiled.definition),
            input: Arc::downgrade(&compiled.input),
            output: compiled.output.as_ref().map(Arc::downgrade),
        };
        shelf.entries.insert(hash, entry);
        if shelf.entries.len() >= shelf.sweep_at {
            shelf.entries.retain(|_, entry| entry.definition.strong_count() > 0);
            shelf.sweep_at = (shelf.entries.len() * 2).max(64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::{Digest, Origin};

    fn definition(text: &str) -> (Digest, Definition) {
        let value = serde_json::json!({"name": "x", "description": text, "kind": "imperative", "inputSchema": {"type": "object"}});
        let definition: Definition = serde_json::from_value(value).expect("definition");
        (definition.hash(&Origin::new("https://a.example").expect("origin")).expect("hash"), definition)
    }

    #[test]
    fn equal_definitions_are_one_and_what_nobody_offers_is_forgotten() {
        let interned = Interned::default();
        let (hash, same) = definition("a");
        let one = interned.share(hash, same.clone()).expect("compiled");
        let two = interned.share(hash, same).expect("compiled");
        assert!(Arc::ptr_eq(&one.definition, &two.definition) && Arc::ptr_eq(&one.input, &two.input));
        for number in 0..1000 {
            let (hash, other) = definition(&number.to_string());
            interned.share(hash, other).expect("compiled");
        }
        assert!(interned.0.lock().expect("shelf").entries.len() <= 128);
        assert!(interned.known(&hash).is_some());
    }
}
