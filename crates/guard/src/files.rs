//! Files that are made once and never changed, also where several guards make them at the same moment.

use crate::error::GuardError;
use deputy_core::id::random_bytes;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Puts a file at its place whole, readable by its owner alone, unless there is one. `false`: there was one.
///
/// A name beside it is linked to the place, which is atomic on network file systems as well: nobody ever reads a part, and
/// of several who come at once one is first.
pub(crate) fn make_once(path: &Path, content: &[u8]) -> Result<bool, GuardError> {
    let random = random_bytes::<8>().map_err(|error| GuardError::Unavailable(error.to_string()))?;
    let beside = path.with_extension(format!("{}.new", hex::encode(random)));
    let made = write(&beside, content).and_then(|()| match fs::hard_link(&beside, path) {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    });
    // Whatever came of it; a name that stays behind holds nothing that the file does not.
    let _ = fs::remove_file(&beside);
    made.map_err(GuardError::file(path))
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}
