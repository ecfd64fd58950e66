//! Policy sets as files: `*.cedar` in one directory, or the set that ships with the program.

use crate::settings::PolicySource;
use deputy_policy::{PolicyError, PolicySet};
use std::path::{Path, PathBuf};

/// More than any policy set needs; a directory that holds more is not one of policies.
const LONGEST_FILE_BYTES: u64 = 1024 * 1024;

/// Why there is no policy set.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFilesError {
    /// A directory or file cannot be read.
    #[error("`{}` cannot be read: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file is larger than 1 MiB.
    #[error("`{}` is larger than 1 MiB", .0.display())]
    TooLarge(PathBuf),
    /// There is no `*.cedar` in the directory.
    #[error("`{}` holds no file `*.cedar`: nothing would be allowed", .0.display())]
    Empty(PathBuf),
    /// A policy is wrong.
    #[error("{0}")]
    Policy(#[from] PolicyError),
}

/// Reads and checks the set that the settings name.
///
/// # Errors
/// Not readable, none there, or a policy is wrong.
pub fn load(source: &PolicySource) -> Result<PolicySet, PolicyFilesError> {
    match source {
        PolicySource::Shipped => Ok(PolicySet::shipped()?),
        PolicySource::Directory(directory) => {
            let files = read(directory, ".cedar")?;
            if files.is_empty() {
                return Err(PolicyFilesError::Empty(directory.clone()));
            }
            Ok(PolicySet::parse(&files)?)
        }
    }
}

/// The files of a directory whose names end so, as (name, text), in the order of their names.
///
/// # Errors
/// Not readable or too large.
pub fn read(directory: &Path, ending: &str) -> Result<Vec<(String, String)>, PolicyFilesError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| PolicyFilesError::Unreadable { path, error }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable(directory))? {
        let path = entry.map_err(unreadable(directory))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Editors and config maps leave hidden files and directories beside the real ones.
        if !name.ends_with(ending) || name.starts_with('.') {
            continue;
        }
        let size = std::fs::metadata(&path).map_err(unreadable(&path))?.len();
        if size > LONGEST_FILE_BYTES {
            return Err(PolicyFilesError::TooLarge(path));
        }
        let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
        files.push((name.to_owned(), text));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_set_holds_where_no_directory_is_named() {
        assert!(load(&PolicySource::Shipped).is_ok());
    }

    #[test]
    fn an_empty_directory_is_refused_and_not_taken_for_permission() {
        let folder = tempfile::tempdir().expect("folder");
        let source = PolicySource::Directory(folder.path().to_owned());
        assert!(matches!(load(&source), Err(PolicyFilesError::Empty(_))));
        std::fs::write(folder.path().join(".own.cedar.swp"), "x").expect("written");
        std::fs::write(folder.path().join("notes.txt"), "x").expect("written");
        assert!(matches!(load(&source), Err(PolicyFilesError::Empty(_))));
    }

    #[test]
    fn a_bad_policy_is_named_by_its_file() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("own.cedar"), "permit everything").expect("written");
        let error = load(&PolicySource::Directory(folder.path().to_owned())).expect_err("not Cedar");
        assert!(error.to_string().starts_with("own.cedar:1:"), "{error}");
    }
}
