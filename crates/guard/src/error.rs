//! Why a guard does not start.

use std::path::{Path, PathBuf};

/// Why a guard does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// A file or folder of its own cannot be read or written.
    #[error("`{}` cannot be read or made: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Others can read what only the guard may.
    #[error("`{}` can be read by others (mode {mode:o}): it may be known, so it is not used; mend: `chmod 600` it, or move it away for a new one", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file holds something else than it should.
    #[error("`{}` does not hold what it should{at}; mend: {mend}", .path.display(), at = in_line(*.line))]
    Damaged {
        /// Which.
        path: PathBuf,
        /// In which line, if it has any.
        line: Option<usize>,
        /// What to do about it.
        mend: &'static str,
    },
    /// Another guard has the folder.
    #[error("`{}` is another guard's that runs; mend: end it, or give this one a `data_dir` of its own", .0.display())]
    Taken(PathBuf),
    /// The settings cannot be.
    #[error("{0}")]
    Settings(String),
    /// Something that is needed cannot be had.
    #[error("{0}")]
    Unavailable(String),
}

fn in_line(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

impl GuardError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "guard_file",
            Self::Open { .. } => "guard_file_open",
            Self::Damaged { .. } => "guard_file_damaged",
            Self::Taken(_) => "guard_folder_taken",
            Self::Settings(_) => "guard_settings",
            Self::Unavailable(_) => "guard_unavailable",
        }
    }
}
