//! Which lines lost their bytes because they were old, as the line that says so has it (AUD-10). Only whole beginnings of a
//! log are pruned, only below a signed checkpoint, and the hashes stay: the tree, every checkpoint and every proof hold as
//! before. Bytes that are missing and of which no line says so are a fault.

use crate::{AuditError, Hash, erasure};
use deputy_core::{Event, EventKind, TenantId, Timestamp};
use serde_json::Value;

/// Size of the closing checkpoint, in the line's `detail`.
const CHECKPOINT: &str = "checkpoint";
/// Its root.
const ROOT: &str = "root";

/// One step of pruning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pruning {
    /// The first line of this step; all lines before it were pruned earlier.
    pub first: u64,
    /// The last line.
    pub last: u64,
    /// The size of the signed checkpoint that closes the pruned lines: it covers them all.
    pub checkpoint: u64,
    /// The root of that checkpoint.
    pub root: Hash,
}

impl Pruning {
    /// The line that says so.
    #[must_use]
    pub fn event(&self, at: Timestamp, tenant: TenantId) -> Event {
        Event::new(at, tenant, EventKind::LinesPruned)
            .with_detail(erasure::LINES, format!("{}-{}", self.first, self.last))
            .with_detail(CHECKPOINT, self.checkpoint)
            .with_detail(ROOT, self.root.to_string())
    }

    /// What such a line's `detail` says.
    ///
    /// # Errors
    /// A member is missing or malformed, or the checkpoint does not cover the lines.
    pub fn read(detail: &Value) -> Result<Self, AuditError> {
        let wrong = || AuditError::Unreadable("it does not say which lines were pruned".to_owned());
        let text = |name: &str| detail.get(name).and_then(Value::as_str).ok_or_else(wrong);
        let (first, last) = text(erasure::LINES)?.split_once('-').ok_or_else(wrong)?;
        let (first, last) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        let checkpoint = detail.get(CHECKPOINT).and_then(Value::as_u64).ok_or_else(wrong)?;
        let root = Hash::parse_hash(text(ROOT)?).map_err(|_| wrong())?;
        if first > last || last >= checkpoint {
            return Err(wrong());
        }
        Ok(Self { first, last, checkpoint, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn aud_10_the_line_of_a_pruning_reads_back() {
        let pruning = Pruning { first: 3, last: 9, checkpoint: 10, root: Hash([7; 32]) };
        let event = pruning.event(Timestamp::from_millis(1), TenantId::single());
        assert_eq!(event.detail[erasure::LINES], "3-9");
        assert_eq!(Pruning::read(&Value::Object(event.detail)).expect("reads"), pruning);
    }

    #[test]
    fn aud_10_a_pruning_that_its_checkpoint_does_not_close_is_refused() {
        let root = Hash([7; 32]).to_string();
        for (lines, checkpoint) in [("3-9", 9), ("9-3", 20), ("3", 20), ("-3", 20), ("", 20)] {
            let detail = json!({ "lines": lines, "checkpoint": checkpoint, "root": root });
            assert!(Pruning::read(&detail).is_err(), "{lines} {checkpoint}");
        }
        assert!(Pruning::read(&json!({ "lines": "0-1", "checkpoint": 2, "root": "x" })).is_err());
        assert!(Pruning::read(&json!({})).is_err());
    }
}
