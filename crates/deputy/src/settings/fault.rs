//! What is wrong with a configuration, said so that it can be mended: the line, the culprit, the mend.
//!
//! The line itself is never echoed: somebody may have written a secret into it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, with the culprit in backticks.
    pub message: String,
    /// What to do about it.
    pub mend: String,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no such file.
    #[error("there is no configuration at `{}`\n  mend: name the file with --config FILE; docs/reference/config.md has one to start from", .0.display())]
    Missing(PathBuf),
    /// The file is there and cannot be read.
    #[error("`{}` cannot be read: {error}\n  mend: let the user who runs deputy read the file", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is wrong in one place or several.
    #[error("{0}")]
    Faults(Faults),
}

/// Everything that is wrong with one file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file.
    pub path: PathBuf,
    /// At least one.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}:{}:{}: {}", self.path.display(), fault.line, fault.column, fault.message)?;
            write!(f, "  mend: {}", fault.mend)?;
        }
        Ok(())
    }
}

/// Gathers faults while a text is read.
pub(super) struct Collector<'t> {
    text: &'t str,
    faults: Vec<(usize, Fault)>,
}

impl<'t> Collector<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Notes a fault at a place in the text.
    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>, mend: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let fault = Fault { line, column, message: message.into(), mend: mend.into() };
        self.faults.push((span.start, fault));
    }

    /// The faults in the order of the text.
    pub(super) fn finish(mut self, path: &Path) -> Faults {
        if self.is_empty() {
            self.add(0..0, "the file cannot be understood", "compare it with docs/reference/config.md");
        }
        self.faults.sort_by_key(|(start, _)| *start);
        self.faults.dedup();
        Faults { path: path.to_owned(), faults: self.faults.into_iter().map(|(_, fault)| fault).collect() }
    }
}

/// The known word nearest to a mistyped one, if one is near.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let folded = word.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(folded.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
