//! JSON Schemas that somebody sent us: bounded before they are compiled, bounded while they are used.
//!
//! A schema comes from a page or a server that we do not control (MCP 2026-07-28, basic page: bound depth, count and
//! time, never fetch a network `$ref`). So: size, depth, dialect and references are looked at first; nothing is ever
//! fetched; and before arguments are checked, [`work`] counts how much work that would be.

mod bounds;
mod work;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};

/// The longest schema, as compact JSON.
pub const MAXIMUM_BYTES: usize = 16 * 1024;
/// The deepest nesting of objects and arrays in a schema.
pub const MAXIMUM_DEPTH: usize = 32;
/// The most regular expressions in a schema.
pub const MAXIMUM_PATTERNS: usize = 100;

const MAXIMUM_WORDS: usize = 300;
const BACKTRACKS: usize = 10_000;
const PATTERN_BYTES: usize = 512 * 1024;

/// Why a schema is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Neither an object nor a boolean.
    #[error("a schema must be a JSON object")]
    NotAnObject,
    /// Longer than [`MAXIMUM_BYTES`].
    #[error("a schema of {bytes} bytes is longer than {MAXIMUM_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Deeper than [`MAXIMUM_DEPTH`].
    #[error("a schema may nest {MAXIMUM_DEPTH} levels deep at most")]
    TooDeep,
    /// More than [`MAXIMUM_PATTERNS`].
    #[error("a schema may have {MAXIMUM_PATTERNS} patterns at most")]
    TooManyPatterns,
    /// `$schema` names a dialect that is not spoken here.
    #[error("the schema dialect `{0}` is not supported; use https://json-schema.org/draft/2020-12/schema")]
    Dialect(String),
    /// A reference that does not begin with `#`, or an `$id` below the root.
    #[error("`{0}` is not a reference inside the schema; only those that begin with # are followed")]
    Reference(String),
    /// Not a schema, or a pattern that is none.
    #[error("not a usable schema: {0}")]
    Invalid(String),
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    source: Value,
    /// See [`work::parts`].
    parts: Option<usize>,
    validator: Option<Validator>,
}

impl Schema {
    /// Bounds first, then compiles. Nothing is fetched.
    ///
    /// # Errors
    /// Which bound is broken, or what is wrong in it.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        if !schema.is_object() {
            return Err(SchemaError::NotAnObject);
        }
        bounds::check(schema)?;
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACKS)
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES);
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(schema)
            .map_err(|error| SchemaError::Invalid(shorten(&error.to_string())))?;
        Ok(Self { source: schema.clone(), parts: work::parts(schema), validator: Some(validator) })
    }

    /// The schema of a tool that has none: everything fits.
    #[must_use]
    pub fn anything() -> Self {
        Self { source: json!({}), parts: None, validator: None }
    }

    /// Whether `value` fits.
    ///
    /// # Errors
    /// One sentence for a model: where (a JSON pointer) and what was expected, at most 300 characters, without the value
    /// that was given.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let Some(validator) = &self.validator else { return Ok(()) };
        let is_small = self.parts.is_some_and(|parts| work::is_small(parts, value));
        if !is_small && !work::is_bearable(&self.source, value) {
            return Err("the schema makes these arguments too much work to check".to_owned());
        }
        // Most fit: what is wrong is looked for only where something is.
        if validator.is_valid(value) {
            return Ok(());
        }
        let Some(error) = validator.iter_errors(value).next() else { return Ok(()) };
        let path = error.instance_path().to_string();
        let place = if path.is_empty() { "the arguments".to_owned() } else { format!("`{path}`") };
        Err(shorten(&format!("{place}: {}", error.masked_with("this value"))))
    }
}

fn shorten(words: &str) -> String {
    if words.chars().count() <= MAXIMUM_WORDS {
        return words.to_owned();
    }
    let mut short: String = words.chars().take(MAXIMUM_WORDS.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
