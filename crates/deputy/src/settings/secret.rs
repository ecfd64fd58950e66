//! Where a secret is. The settings never hold the secret itself; it is read at the moment of use.

use super::environment;
use deputy_core::Secret;
use std::path::PathBuf;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file, which holds nothing else.
    File(PathBuf),
    /// In an environment variable.
    Environment(String),
}

/// Why a secret is not there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("the secret in `{}` cannot be read: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// There is no such variable, or it is not text.
    #[error("the environment has no variable `{0}`")]
    Unset(String),
    /// It is there and holds nothing.
    #[error("the secret in `{0}` is empty")]
    Empty(String),
}

impl SecretSource {
    /// Reads the secret; white space at its end is not part of it.
    ///
    /// # Errors
    /// It is not there, not readable or empty.
    pub fn read(&self) -> Result<Secret<String>, SecretError> {
        let (text, place) = match self {
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| SecretError::Unreadable { path: path.clone(), error })?;
                (Secret::new(text), path.display().to_string())
            }
            Self::Environment(name) => {
                let text = environment::secret(name).ok_or_else(|| SecretError::Unset(name.clone()))?;
                (text, name.clone())
            }
        };
        let trimmed = text.expose().trim_end();
        if trimmed.is_empty() {
            return Err(SecretError::Empty(place));
        }
        Ok(Secret::new(trimmed.to_owned()))
    }
}
