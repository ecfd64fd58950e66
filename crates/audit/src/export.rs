//! A line of the log as other systems read it: our own JSON ([`jsonl`]) or OCSF ([`ocsf`]). Pure: whoever exports reads
//! the lines, and keeps the [`Chain`] between two runs.

pub mod ocsf;

pub use ocsf::Chain;

use crate::{AuditError, Hash, record};
use deputy_core::{Event, canonical};
use serde_json::{Value, json};

/// A line on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// Its record hash: what proofs and checkpoints are over.
    pub leaf: Hash,
    /// What it says; what was erased is absent.
    pub event: Event,
    /// Whether its personal part was erased.
    pub erased: bool,
}

impl Line {
    /// From what a store holds.
    ///
    /// # Errors
    /// The public or the personal part is not one that this crate wrote.
    pub fn of(seq: u64, public: &[u8], personal: Option<&[u8]>) -> Result<Self, AuditError> {
        let erased = personal.is_none() && record::object(public)?.contains_key("personal");
        Ok(Self { seq, leaf: record::leaf(public), event: record::event(public, personal)?, erased })
    }
}

/// A line as one JSON object without line breaks, as `docs/reference/audit-events.md` has it. `origin` is the log's name.
///
/// # Errors
/// A number that JSON cannot hold exactly.
pub fn jsonl(origin: &str, line: &Line) -> Result<String, AuditError> {
    let mut object = json!({
        "v": 1, "log": origin, "seq": line.seq, "leaf": line.leaf.to_string(), "time": line.event.at.to_string(),
    });
    if let Some(members) = object.as_object_mut() {
        if line.erased {
            members.insert("erased".to_owned(), Value::Bool(true));
        }
        let event = serde_json::to_value(&line.event).map_err(|e| AuditError::Unreadable(e.to_string()))?;
        if let Value::Object(event) = event {
            members.extend(event);
        }
    }
    text(&object)
}

fn text(value: &Value) -> Result<String, AuditError> {
    String::from_utf8(canonical::to_canonical(value)?).map_err(|e| AuditError::Unreadable(e.to_string()))
}

#[cfg(test)]
mod tests;
