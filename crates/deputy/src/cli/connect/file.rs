//! Puts one entry into a file that belongs to another program, takes it out again, and leaves the rest of it alone.

use super::jsonc::{self, Edit, Wrong};
use super::toml_table::Table;
use crate::cli::Failure;
use serde_json::Value;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file larger than this is not a configuration.
const LARGEST: u64 = 8 * 1024 * 1024;

/// What belongs where.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) format: Format,
}

/// In which way.
#[derive(Debug)]
pub(super) enum Format {
    /// A member of a list in a JSON file, with or without comments.
    Json { list: &'static str, name: String, server: Value },
    /// A table in a TOML file.
    Toml { table: &'static str, name: String, url: String },
    /// A file of its own.
    Whole(String),
}

/// What became of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Changed,
    AsItWas,
}

/// Why a client's file was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be read or written.
    #[error("`{}`: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It holds something that we would destroy.
    #[error("`{}:{line}:{column}`: {what}; it was left as it is\n  mend: mend it there, or leave out --write and --remove and do it by hand", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
        /// In which way.
        what: String,
    },
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Entry {
    /// What belongs in the file, as it would stand there alone.
    pub(super) fn text(&self) -> String {
        self.alone().trim_end().to_owned()
    }

    fn alone(&self) -> String {
        match &self.format {
            Format::Json { list, name, server } => jsonc::Entry { list, name, server }.alone(),
            Format::Toml { table, name, url } => Table { table, name, url }.alone(),
            Format::Whole(text) => text.clone(),
        }
    }

    fn edit(&self, text: &str, way: Way) -> Result<Edit, Wrong> {
        match (&self.format, way) {
            (Format::Json { list, name, server }, Way::In) => jsonc::Entry { list, name, server }.put(text),
            (Format::Json { list, name, server }, Way::Out) => {
                jsonc::Entry { list, name, server }.take_out(text)
            }
            (Format::Toml { table, name, url }, Way::In) => Table { table, name, url }.put(text),
            (Format::Toml { table, name, url }, Way::Out) => Table { table, name, url }.take_out(text),
            (Format::Whole(whole), _) if whole != text => {
                Err(Wrong { at: 0, what: "it says something else than what would be written".to_owned() })
            }
            (Format::Whole(_), Way::In) => Ok(Edit::Nothing),
            (Format::Whole(_), Way::Out) => Ok(Edit::NoFile),
        }
    }
}

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

/// Puts the entry in, making the file if need be.
pub(super) fn put(entry: &Entry) -> Result<Done, FileError> {
    match read(&entry.path)? {
        None => {
            write(&entry.path, &entry.alone())?;
            Ok(Done::Changed)
        }
        Some(text) => apply(entry, &text, Way::In),
    }
}

/// Takes the entry out; a file that was made for it goes with it.
pub(super) fn take_out(entry: &Entry) -> Result<Done, FileError> {
    match read(&entry.path)? {
        None => Ok(Done::AsItWas),
        Some(text) => apply(entry, &text, Way::Out),
    }
}

fn apply(entry: &Entry, text: &str, way: Way) -> Result<Done, FileError> {
    let path = &entry.path;
    let edit = entry.edit(text, way).map_err(|wrong| foreign(path, text, wrong))?;
    match edit {
        Edit::Nothing => return Ok(Done::AsItWas),
        Edit::Text(text) => write(path, &text)?,
        Edit::NoFile => std::fs::remove_file(path).map_err(|error| io_error(path, error))?,
    }
    Ok(Done::Changed)
}

fn foreign(path: &Path, text: &str, wrong: Wrong) -> FileError {
    let before = text.get(..wrong.at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    FileError::Foreign { path: path.to_owned(), line, column, what: wrong.what }
}

/// `None`: there is no such file.
fn read(path: &Path) -> Result<Option<String>, FileError> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > LARGEST => {
            let what = "it is too large for a configuration".to_owned();
            return Err(FileError::Foreign { path: path.to_owned(), line: 1, column: 1, what });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let bytes = std::fs::read(path).map_err(|error| io_error(path, error))?;
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        foreign(path, &text, Wrong { at, what: "it is not UTF-8".to_owned() })
    })
}

/// The file is replaced in one step, so that no reader sees half of it; where it is a link, what it points to.
fn write(path: &Path, text: &str) -> Result<(), FileError> {
    let failed = |error| io_error(path, error);
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut beside = tempfile::Builder::new().prefix(".deputy-").tempfile_in(folder).map_err(failed)?;
    beside.write_all(text.as_bytes()).map_err(failed)?;
    let permissions = match std::fs::metadata(&target) {
        Ok(before) => before.permissions(),
        Err(_) => usual(),
    };
    beside.as_file().set_permissions(permissions).map_err(failed)?;
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(&target).map_err(|error| failed(error.error)).map(drop)
}

/// A new file holds no secret: anybody may read it.
fn usual() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o644)
}

fn io_error(path: &Path, error: io::Error) -> FileError {
    FileError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
