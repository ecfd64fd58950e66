//! The hub's own keys: made at the first start, kept in `data_dir/keys`, readable by its owner alone. No default
//! exists (R5).

use deputy_core::Secret;
use deputy_identity::mint::SigningKey;
use deputy_identity::seal::Sealer;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file or its directory cannot be read or written.
    #[error("`{}` cannot be read or made: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Others can read it.
    #[error("`{}` can be read by others (mode {mode:o}): it may be known, so it is not used; mend: `chmod 600` it, or move it away for a new one", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds something else.
    #[error("`{}` does not hold the key it should: put the right file back, or move it away for a new one", .0.display())]
    Damaged(PathBuf),
    /// No randomness.
    #[error("no key can be made: {0}")]
    Making(String),
}

/// What the hub signs and seals with.
pub struct Keys {
    /// Signs assertions.
    pub signing: SigningKey,
    /// Seals continuation handles.
    pub sealer: Sealer,
}

impl Keys {
    /// Reads the keys of a data directory, or makes them.
    ///
    /// # Errors
    /// Names the file, and the mend.
    pub fn of(data_dir: &Path) -> Result<Self, KeysError> {
        let folder = data_dir.join("keys");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| KeysError::File { path, error }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed(&folder))?;
        let path = folder.join("assertion.pk8");
        let pkcs8 = read_or_make(&path, || {
            SigningKey::generate().map_err(|error| KeysError::Making(error.to_string()))
        })?;
        let signing = SigningKey::from_pkcs8(&pkcs8).map_err(|_| KeysError::Damaged(path))?;
        let path = folder.join("seal.key");
        let bytes = read_or_make(&path, || {
            let mut bytes = vec![0; 32];
            getrandom::fill(&mut bytes).map_err(|error| KeysError::Making(error.to_string()))?;
            Ok(Secret::new(bytes))
        })?;
        let key: [u8; 32] = bytes.expose().as_slice().try_into().map_err(|_| KeysError::Damaged(path))?;
        Ok(Self { signing, sealer: Sealer::new(&Secret::new(key)) })
    }
}

fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<Secret<Vec<u8>>, KeysError>,
) -> Result<Secret<Vec<u8>>, KeysError> {
    let failed = |error| KeysError::File { path: path.to_owned(), error };
    match fs::read(path) {
        Ok(bytes) => {
            let bytes = Secret::new(bytes);
            let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeysError::Open { path: path.to_owned(), mode });
            }
            Ok(bytes)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = make()?;
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
            file.write_all(made.expose()).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(made)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_keys_are_made_once_and_kept_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let first = Keys::of(folder.path()).expect("made");
        let again = Keys::of(folder.path()).expect("read");
        assert_eq!(first.signing.id(), again.signing.id());
        let other = tempfile::tempdir().expect("folder");
        assert_ne!(first.signing.id(), Keys::of(other.path()).expect("made").signing.id());
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().expect("folder");
        Keys::of(folder.path()).expect("made");
        let path = folder.path().join("keys/seal.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(matches!(Keys::of(folder.path()), Err(KeysError::Open { .. })));
    }

    #[test]
    fn a_damaged_key_is_named_and_not_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        Keys::of(folder.path()).expect("made");
        let path = folder.path().join("keys/seal.key");
        fs::write(&path, b"short").expect("written");
        assert!(matches!(Keys::of(folder.path()), Err(KeysError::Damaged(_))));
        assert_eq!(fs::read(&path).expect("still there"), b"short");
    }
}
