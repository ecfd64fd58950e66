//! Where an export stopped, in a file: written after the lines were, so that each line is given at least once.

use crate::cli::Failure;
use deputy_audit::export::Chain;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;

/// The place in a log, and what the export was of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// The form of this file.
    v: u8,
    /// Of which log, in which form, which kinds (none: all).
    pub(super) stream: Stream,
    /// The first line that was not given yet.
    pub(super) next: u64,
    /// Where the chain of OCSF events stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chain: Option<Chain>,
}

/// What one cursor belongs to; another export must not go on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stream {
    pub(super) log: String,
    pub(super) format: String,
    pub(super) kinds: Vec<String>,
}

impl Cursor {
    pub(super) const fn start(stream: Stream) -> Self {
        Self { v: 1, stream, next: 0, chain: None }
    }

    /// What the file says, `None` if there is none yet.
    pub(super) fn read(file: &Path, stream: &Stream) -> Result<Option<Self>, Failure> {
        let name = file.display();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::Usage(format!("`{name}` cannot be read: {error}"))),
        };
        let cursor: Self = serde_json::from_str(&text)
            .map_err(|error| Failure::Usage(format!("`{name}` is not a cursor: {error}")))?;
        if cursor.v != 1 || cursor.stream != *stream {
            return Err(Failure::Usage(format!(
                "`{name}` belongs to another export (log `{}`, format `{}`, kinds `{}`)\n  mend: give each export its own cursor",
                cursor.stream.log,
                cursor.stream.format,
                cursor.stream.kinds.join(",")
            )));
        }
        Ok(Some(cursor))
    }

    /// Replaces the file: a reader finds the old text or the new one, also after a crash.
    pub(super) fn write(&self, file: &Path) -> Result<(), Failure> {
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let write = || -> std::io::Result<()> {
            let mut beside = tempfile::NamedTempFile::new_in(folder)?;
            beside.write_all(&serde_json::to_vec(self)?)?;
            beside.write_all(b"\n")?;
            beside.as_file().sync_all()?;
            beside.persist(file)?;
            Ok(())
        };
        write().map_err(|error| Failure::Fault(format!("`{}` cannot be written: {error}", file.display())))
    }
}
