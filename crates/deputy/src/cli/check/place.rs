//! The data directory: whether it can be written, and whether there is room.

use super::Finding;
use std::path::{Path, PathBuf};

/// Below this the hub may stop soon: it refuses every call whose line it cannot write.
const LITTLE_ROOM_BYTES: u64 = 1024 * 1024 * 1024;
/// Below this it will.
const NO_ROOM_BYTES: u64 = 64 * 1024 * 1024;

/// Looks without making the directory: a file that is deleted at once shows whether one can be written.
pub(super) fn data_dir(path: &Path) -> Finding {
    let shown = path.display();
    let Some(existing) = nearest_existing(path) else {
        return Finding::bad(format!("data directory `{shown}` cannot be made"), "write another `data_dir`");
    };
    if !existing.is_dir() {
        let text = format!("data directory `{shown}`: `{}` is not a directory", existing.display());
        return Finding::bad(text, "write another `data_dir`, or move the file away");
    }
    if let Err(error) = tempfile::tempfile_in(&existing) {
        let text = format!("data directory `{shown}` cannot be written: {error}");
        return Finding::bad(text, format!("let the user who runs deputy write to `{}`", existing.display()));
    }
    let will = if existing == path { "can be written" } else { "will be made" };
    let room = match rustix::fs::statvfs(&existing) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => {
            let text = format!("data directory `{shown}` {will}; free space is not known: {error}");
            return Finding::warning(text, "see with `df` whether there is room");
        }
    };
    let text = format!("data directory `{shown}` {will}, {} MiB free", room / (1024 * 1024));
    let mend = "make room: when the disk is full, the hub refuses every call that it cannot record";
    match room {
        0..NO_ROOM_BYTES => Finding::bad(text, mend),
        NO_ROOM_BYTES..LITTLE_ROOM_BYTES => Finding::warning(text, mend),
        _ => Finding::good(text),
    }
}

/// Whether users other than the owner and the group may read a file.
pub(super) fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o004 != 0)
}

fn nearest_existing(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let found = absolute.ancestors().find(|folder| folder.exists())?;
    Some(if found == absolute { path.to_owned() } else { found.to_owned() })
}
