//! Definitions that many tabs have in common, kept once.
//!
//! Every tab of an application brings the same tools. A compiled schema is many kilobytes, so that ten of them in each of
//! ten thousand tabs would fill a machine. Kept by the definition's hash, which covers everything that is shared.

use deputy_core::{Definition, DefinitionHash};
use deputy_protocol::schema::Schema;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Entries that nobody uses any more are swept out when there are this many more than after the last sweep.
const SWEEP_AFTER: usize = 256;

/// A definition with its schemas compiled.
#[derive(Clone)]
pub(crate) struct Compiled {
    pub(crate) definition: Arc<Definition>,
    pub(crate) input: Arc<Schema>,
    pub(crate) output: Option<Arc<Schema>>,
}

impl Compiled {
    fn new(definition: Definition) -> Result<Self, String> {
        let compile = |schema| Schema::compile(schema).map_err(|error| error.to_string());
        let input = definition.input_schema.as_ref().map_or_else(|| Ok(Schema::anything()), compile)?;
        let output = definition.output_schema.as_ref().map(compile).transpose()?;
        Ok(Self { definition: Arc::new(definition), input: Arc::new(input), output: output.map(Arc::new) })
    }

    fn remembered(&self) -> Remembered {
        Remembered {
            definition: Arc::downgrade(&self.definition),
            input: Arc::downgrade(&self.input),
            output: self.output.as_ref().map(Arc::downgrade),
        }
    }
}

/// The same without keeping it alive.
struct Remembered {
    definition: Weak<Definition>,
    input: Weak<Schema>,
    output: Option<Weak<Schema>>,
}

impl Remembered {
    fn compiled(&self) -> Option<Compiled> {
        let output = match &self.output {
            None => None,
            Some(output) => Some(output.upgrade()?),
        };
        Some(Compiled { definition: self.definition.upgrade()?, input: self.input.upgrade()?, output })
    }
}

/// What is in use now, by hash. It holds nothing alive.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_hash: HashMap<DefinitionHash, Remembered>,
    after_sweep: usize,
}

impl Shelf {
    /// The definition with this hash, compiled: the one that others use, or a new one.
    pub(crate) fn take(&self, hash: DefinitionHash, definition: Definition) -> Result<Compiled, String> {
        if let Some(compiled) = self.kept(&hash) {
            return Ok(compiled);
        }
        // Compiled without the lock: a schema may take a while.
        let compiled = Compiled::new(definition)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_hash.len() > kept.after_sweep + SWEEP_AFTER {
            kept.by_hash.retain(|_, remembered| remembered.definition.strong_count() > 0);
            kept.after_sweep = kept.by_hash.len();
        }
        kept.by_hash.insert(hash, compiled.remembered());
        Ok(compiled)
    }

    fn kept(&self, hash: &DefinitionHash) -> Option<Compiled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_hash.get(hash)?.compiled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::{Origin, ToolKind, ToolName};
    use serde_json::json;

    fn definition(name: &str) -> (DefinitionHash, Definition) {
        let definition = Definition {
            name: ToolName::new(name).expect("name"),
            title: None,
            description: "d".to_owned(),
            input_schema: Some(json!({"type": "object", "required": ["id"]})),
            output_schema: Some(json!({"type": "object"})),
            annotations: None,
            kind: ToolKind::Imperative,
        };
        let hash = definition.hash(&Origin::new("https://crm.example").expect("origin")).expect("hash");
        (hash, definition)
    }

    fn take(shelf: &Shelf, name: &str) -> Compiled {
        let (hash, definition) = definition(name);
        shelf.take(hash, definition).expect("compiled")
    }

    #[test]
    fn the_same_definition_is_compiled_once_for_as_long_as_anybody_has_it() {
        let shelf = Shelf::default();
        let (first, second, other) = (take(&shelf, "a"), take(&shelf, "a"), take(&shelf, "b"));
        assert!(
            Arc::ptr_eq(&first.input, &second.input) && Arc::ptr_eq(&first.definition, &second.definition)
        );
        assert!(!Arc::ptr_eq(&first.input, &other.input));
        assert!(second.input.check(&json!({})).is_err() && second.output.is_some());
    }

    #[test]
    fn what_nobody_has_any_more_is_kept_by_nobody() {
        let shelf = Shelf::default();
        let weak = Arc::downgrade(&take(&shelf, "a").input);
        assert!(weak.upgrade().is_none());
        for at in 0..=2 * SWEEP_AFTER {
            drop(take(&shelf, &format!("tool_{at}")));
        }
        assert!(shelf.0.lock().expect("lock").by_hash.len() <= SWEEP_AFTER + 2);
    }
}
