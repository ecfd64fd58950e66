//! The manifest of an application, `/.well-known/deputy-tools.json`: which definitions its origin stands for; see
//! `docs/reference/manifest.md`. Fetching it is somebody else's business.

use super::Limits;
use crate::schema::Schema;
use deputy_core::canonical::parse_strict;
use deputy_core::{Definition, DefinitionHash, Digest, Origin};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;

/// Tools that one manifest may have: an application has many pages, each of at most [`Limits::tools`].
const MOST_TOOLS: usize = 4096;

/// Why a manifest is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON that a manifest is.
    #[error("it is not a manifest: {0}")]
    Malformed(String),
    /// A version that we do not read.
    #[error("`v` is `{0}`, but only 1 is read here")]
    Version(String),
    /// It was made for somewhere else: its hashes are those of another origin.
    #[error("`origin` is `{found}`, but it was fetched from `{expected}`: make it anew at that origin")]
    Origin {
        /// What it says.
        found: String,
        /// Where it was fetched.
        expected: Origin,
    },
    /// A set beyond all bounds.
    #[error("it has {0} tools, at most {MOST_TOOLS} are read")]
    TooMany(usize),
    /// Which of the two would count is nobody's guess.
    #[error("the tool `{0}` is there twice")]
    Twice(String),
}

/// A definition and the hash that pins it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinned {
    /// What it is.
    pub definition: Definition,
    /// Computed here, never believed.
    pub hash: DefinitionHash,
}

/// A manifest that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What it stands for.
    pub tools: Vec<Pinned>,
    /// Why others of its tools are left out, a sentence each: no tab could offer them.
    pub refused: Vec<String>,
}

#[derive(Deserialize)]
struct Body {
    v: Value,
    origin: String,
    tools: Vec<Value>,
}

#[derive(Deserialize)]
struct Named {
    hash: Digest,
    #[serde(flatten)]
    definition: Definition,
}

impl Manifest {
    /// Reads what `origin` answered. Each definition is bounded as a tab's is (P18, P27), and its hash computed: one that
    /// says another is left out.
    ///
    /// # Errors
    /// It is no manifest, or not this origin's.
    pub fn parse(bytes: &[u8], origin: &Origin) -> Result<Self, ManifestError> {
        let malformed = |error: String| ManifestError::Malformed(error.chars().take(300).collect());
        let value = parse_strict(bytes).map_err(|error| malformed(error.to_string()))?;
        let body = Body::deserialize(value).map_err(|error| malformed(error.to_string()))?;
        if body.v != 1 {
            return Err(ManifestError::Version(body.v.to_string().chars().take(40).collect()));
        }
        if body.origin != origin.as_str() {
            let found = body.origin.chars().take(200).collect();
            return Err(ManifestError::Origin { found, expected: origin.clone() });
        }
        if body.tools.len() > MOST_TOOLS {
            return Err(ManifestError::TooMany(body.tools.len()));
        }
        let (mut tools, mut refused, mut names) = (Vec::new(), Vec::new(), HashSet::new());
        for value in body.tools {
            let name: String =
                value.get("name").and_then(Value::as_str).unwrap_or("?").chars().take(80).collect();
            match pinned(value, origin) {
                Ok(tool) if names.insert(tool.definition.name.clone()) => tools.push(tool),
                Ok(_) => return Err(ManifestError::Twice(name)),
                Err(error) => {
                    refused.push(format!("`{name}`: {}", error.chars().take(200).collect::<String>()))
                }
            }
        }
        Ok(Self { tools, refused })
    }
}

fn pinned(value: Value, origin: &Origin) -> Result<Pinned, String> {
    let Named { hash: said, definition } = Named::deserialize(value).map_err(|error| error.to_string())?;
    let words = serde_json::to_value(&definition).map_err(|error| error.to_string())?;
    let (size, most) = (words.to_string().len(), Limits::default().definition_bytes);
    if size > most {
        return Err(format!("it has {size} bytes, at most {most} are taken"));
    }
    if let Some(hidden) = deputy_core::text::hidden(&words) {
        return Err(format!("it holds the invisible character U+{:04X}", u32::from(hidden)));
    }
    for schema in [&definition.input_schema, &definition.output_schema].into_iter().flatten() {
        Schema::compile(schema).map_err(|error| error.to_string())?;
    }
    let hash = definition.hash(origin).map_err(|error| error.to_string())?;
    if hash != said {
        return Err(format!("its hash is `{hash}`, not `{said}`"));
    }
    Ok(Pinned { definition, hash })
}

#[cfg(test)]
mod tests;
