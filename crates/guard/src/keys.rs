//! The guard's own key: made at the first start, kept in `data_dir/keys`, readable by its owner alone. No default exists.

use crate::error::GuardError;
use deputy_core::Secret;
use deputy_identity::mint::SigningKey;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes a folder that only its owner may enter, if it is not there.
pub(crate) fn own_folder(path: &Path) -> Result<(), GuardError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(GuardError::file(path))
}

/// Reads the key of a data directory, or makes it.
pub(crate) fn signing_key(data_dir: &Path) -> Result<SigningKey, GuardError> {
    let folder = data_dir.join("keys");
    own_folder(&folder)?;
    let path = folder.join("guard.pk8");
    let pkcs8 = match fs::read(&path) {
        Ok(bytes) => {
            let bytes = Secret::new(bytes);
            let mode = fs::metadata(&path).map_err(GuardError::file(&path))?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(GuardError::Open { path, mode });
            }
            bytes
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(&path)?,
        Err(error) => return Err(GuardError::File { path, error }),
    };
    let mend = "put the right file back, or move it away for a new one";
    SigningKey::from_pkcs8(&pkcs8).map_err(|_| GuardError::Damaged { path, line: None, mend })
}

fn make(path: &Path) -> Result<Secret<Vec<u8>>, GuardError> {
    let made = SigningKey::generate().map_err(|error| GuardError::Unavailable(error.to_string()))?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(GuardError::file(path))?;
    file.write_all(made.expose()).and_then(|()| file.sync_all()).map_err(GuardError::file(path))?;
    Ok(made)
}
