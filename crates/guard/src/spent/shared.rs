//! The memory that several guards share: a folder that all of them reach, with a file for each thing that was used.
//!
//! A file is made under a name that must not be there yet, which the file system decides for all of them at once, and it and
//! its folder are on disk before anybody is told yes. Nothing is ever undone: where one of two things was used before, the other
//! one is used up as well. If the folder is gone, is another one or cannot be written, everything is refused; it is never
//! made anew while a guard runs, for a folder that was not mounted looks like one in which nothing was used.

use super::{NotTaken, Once};
use crate::error::GuardError;
use crate::files::make_once;
use crate::keys::own_folder;
use deputy_core::Timestamp;
use deputy_core::id::random_bytes;
use rustix::fs::{Mode, OFlags, openat};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Folders, by the first byte of the name.
const FOLDERS: usize = 256;
/// Files in one of them, about; more is refused. (Other guards' files count from the next look on.)
const MOST_EACH: usize = 4096;
/// For so long a file stays after its end: another guard's clock may be behind.
const LONGER: Duration = Duration::from_secs(600);
/// For so long one stays that does not say when it ends: a crash cut it off.
const UNSAID: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a file: a time.
const CONTENT: u64 = 32;

/// The memory.
#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    /// The folder itself, whatever is at its path later.
    folder: File,
    /// How many files each of its folders had when this guard looked last, and those that it made since.
    counts: Vec<AtomicUsize>,
    next: AtomicUsize,
}

impl Shared {
    /// Joins the guards that share `shared`, with the folder `own` of this one, which remembers whom it joined.
    ///
    /// # Errors
    /// The folder is not there or not writable, does not keep two from making one file, or is not the one that this guard
    /// joined before.
    pub(super) fn join(shared: &Path, own: &Path) -> Result<Self, GuardError> {
        let path = shared.join("spent");
        known(shared, &path, own)?;
        let folder = File::open(&path).and_then(|folder| folder.sync_all().map(|()| folder));
        let folder = folder.map_err(GuardError::file(&path))?;
        let counts = (0..FOLDERS).map(|_| AtomicUsize::new(0)).collect();
        let memory = Self { path, folder, counts, next: AtomicUsize::new(0) };
        memory.try_out().map_err(GuardError::file(&memory.path))?;
        for index in 0..FOLDERS {
            memory.count(index).map_err(GuardError::file(&memory.path))?;
        }
        Ok(memory)
    }

    /// Whether two cannot make one file here, and files and folders can be put on disk.
    fn try_out(&self) -> io::Result<()> {
        let random = random_bytes::<16>().map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("00/try-{}", hex::encode(random));
        let first = self.make(&name, Timestamp::from_millis(0));
        let second = self.make(&name, Timestamp::from_millis(0));
        let _ = fs::remove_file(self.path.join(&name));
        match (first, second) {
            (Ok(()), Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            (Err(error), _) => Err(error),
            (Ok(()), Ok(())) => Err(io::Error::other("two can make the same file in it")),
            (Ok(()), Err(error)) => Err(error),
        }
    }

    /// Takes all of them; or some, and refuses. The last one first: an ID-JAG is not burnt by a client that proves itself
    /// with a used assertion.
    pub(super) fn take(&self, all: &[Once], now: Timestamp) -> Result<(), NotTaken> {
        self.still_there().map_err(NotTaken::Down)?;
        for once in all {
            self.room(folder_of(once), now).map_err(NotTaken::Down)?;
        }
        for (place, once) in all.iter().enumerate().rev() {
            match self.make(&name_of(once), once.until) {
                Ok(()) => {
                    if let Some(count) = self.counts.get(folder_of(once)) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(NotTaken::Before(place));
                }
                Err(error) => return Err(NotTaken::Down(error)),
            }
        }
        // Between the first look and now the folder may have been taken away, and with it what was just written.
        self.still_there().map_err(NotTaken::Down)
    }

    /// The folder at its path is the one that was joined.
    fn still_there(&self) -> io::Result<()> {
        let (at_path, own) = (fs::metadata(&self.path)?, self.folder.metadata()?);
        if (at_path.dev(), at_path.ino()) == (own.dev(), own.ino()) {
            return Ok(());
        }
        Err(io::Error::other("the folder is another one than the one that was joined"))
    }

    fn room(&self, index: usize, now: Timestamp) -> io::Result<()> {
        let full = || self.counts.get(index).is_none_or(|count| count.load(Ordering::Relaxed) >= MOST_EACH);
        if full() {
            self.forget(index, now)?;
        }
        if full() { Err(io::Error::other("too many at once")) } else { Ok(()) }
    }

    /// A file that nobody made before, on disk with its folder.
    fn make(&self, name: &str, until: Timestamp) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut file = File::from(openat(&self.folder, name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(format!("{}\n", until.millis()).as_bytes())?;
        file.sync_all()?;
        let within = name.split('/').next().unwrap_or_default();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        File::from(openat(&self.folder, within, flags, Mode::empty())?).sync_all()
    }

    /// Forgets what has ended in the next of the folders.
    pub(super) fn forget_next(&self, now: Timestamp) {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % FOLDERS;
        if let Err(error) = self.forget(index, now) {
            tracing::error!(%error, "what was used and has ended cannot be removed");
        }
    }

    fn forget(&self, index: usize, now: Timestamp) -> io::Result<()> {
        self.still_there()?;
        for entry in fs::read_dir(folder_at(&self.path, index))? {
            let path = entry?.path();
            match is_over(&path, now) {
                Ok(true) => removed(fs::remove_file(&path))?,
                Ok(false) => {}
                // Another guard was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.count(index)
    }

    fn count(&self, index: usize) -> io::Result<()> {
        let there = fs::read_dir(folder_at(&self.path, index))?.count();
        if let Some(count) = self.counts.get(index) {
            count.store(there, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The guards that share a folder know it by the id in it; each remembers in its own folder which one it joined. Once it has
/// its id, nothing in it is made again: what is missing was lost.
fn known(shared: &Path, spent: &Path, own: &Path) -> Result<(), GuardError> {
    if !shared.is_dir() {
        let mend = "mount it, or make it: a guard does not, for a folder that is not mounted would be one in which nothing was used";
        return Err(GuardError::Settings(format!("`{}` is not a folder; mend: {mend}", shared.display())));
    }
    let (joined, id_at) = (own.join("joined"), spent.join("id"));
    let before = read_if_there(&joined)?;
    if before.is_none() && read_if_there(&id_at)?.is_none() {
        for index in 0..FOLDERS {
            own_folder(&folder_at(spent, index))?;
        }
        let random = random_bytes::<16>().map_err(|error| GuardError::Unavailable(error.to_string()))?;
        make_once(&id_at, hex::encode(random).as_bytes())?;
    }
    match (before, read_if_there(&id_at)?) {
        (None, Some(id)) => make_once(&joined, id.as_bytes()).map(drop),
        (Some(before), Some(id)) if before == id => Ok(()),
        _ => Err(GuardError::Damaged {
            path: id_at,
            line: None,
            mend: "mount the folder that this guard joined before; if it is lost, remove `joined` in the `data_dir` of every guard \
                   once all assertions have expired: ten minutes after the last guard ended",
        }),
    }
}

fn folder_at(spent: &Path, index: usize) -> PathBuf {
    spent.join(format!("{index:02x}"))
}

fn read_if_there(path: &Path) -> Result<Option<String>, GuardError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(GuardError::File { path: path.to_owned(), error }),
    }
}

fn removed(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether no guard could take it for unused any more, whatever its clock says.
fn is_over(path: &Path, now: Timestamp) -> io::Result<bool> {
    let found = fs::metadata(path)?;
    let said = if found.len() <= CONTENT { fs::read_to_string(path)?.trim_end().parse().ok() } else { None };
    let end = match said {
        Some(millis) => Timestamp::from_millis(millis).plus(LONGER),
        None => Timestamp::from_seconds(u64::try_from(found.mtime()).unwrap_or(u64::MAX / 2000)).plus(UNSAID),
    };
    Ok(end <= now)
}

fn folder_of(once: &Once) -> usize {
    once.key.as_bytes().first().copied().map_or(0, usize::from)
}

fn name_of(once: &Once) -> String {
    format!("{:02x}/{}", folder_of(once), hex::encode(once.key.as_bytes()))
}

#[cfg(test)]
mod tests;
