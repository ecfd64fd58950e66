//! The guard's own key: made at the first start, kept in `keys` of its folder, or of the one that several guards share,
//! readable by its owner alone. No default exists.

use crate::error::GuardError;
use crate::files::make_once;
use deputy_core::Secret;
use deputy_identity::mint::SigningKey;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes a folder that only its owner may enter, if it is not there.
pub(crate) fn own_folder(path: &Path) -> Result<(), GuardError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(GuardError::file(path))
}

/// Reads the key of a folder, or makes it. Of several guards that come at once, one makes it for all.
pub(crate) fn signing_key(folder: &Path) -> Result<SigningKey, GuardError> {
    let folder = folder.join("keys");
    own_folder(&folder)?;
    let path = folder.join("guard.pk8");
    if !path.try_exists().map_err(GuardError::file(&path))? {
        let made = SigningKey::generate().map_err(|error| GuardError::Unavailable(error.to_string()))?;
        make_once(&path, made.expose())?;
    }
    let pkcs8 = Secret::new(fs::read(&path).map_err(GuardError::file(&path))?);
    let mode = fs::metadata(&path).map_err(GuardError::file(&path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(GuardError::Open { path, mode });
    }
    let mend = "put the right file back, or move it away for a new one";
    SigningKey::from_pkcs8(&pkcs8).map_err(|_| GuardError::Damaged { path, line: None, mend })
}
