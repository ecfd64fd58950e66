//! The memory of a guard that is alone: a file of its own.
//!
//! A file that only grows, a line for each; nobody is told yes before the line is on disk. It is written anew, without what
//! has expired, at the start and when it has grown. A line that was cut off by a crash was never answered. If the file
//! cannot be written, everything is refused until it can.

use super::{NotTaken, Once};
use crate::error::GuardError;
use deputy_core::{Digest, Timestamp};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Remembered at once; more is refused.
const MOST: usize = 1 << 20;
/// Lines of the file, over those that are remembered, before it is written anew.
const SLACK: usize = 4096;
const FILE: &str = "spent";

/// The memory.
#[derive(Debug)]
pub(super) struct Alone {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    until: HashMap<Digest, Timestamp>,
    /// `None`: the last write failed, so nothing is known about what is in the file.
    file: Option<File>,
    lines: usize,
}

impl Alone {
    /// Reads what is remembered in a folder.
    ///
    /// # Errors
    /// The file cannot be read or written, or is not what this one writes.
    pub(super) fn open(folder: &Path, now: Timestamp) -> Result<Self, GuardError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(GuardError::File { path, error }),
        };
        let mut until = read(&text).map_err(|line| GuardError::Damaged {
            path: path.clone(),
            line: Some(line),
            mend: "put the right file back; if it is lost, remove it once every assertion has expired: ten minutes after the \
                   guard ended",
        })?;
        until.retain(|_, end| *end > now);
        let file = write_anew(&path, &until).map_err(GuardError::file(&path))?;
        let lines = until.len();
        Ok(Self { path, state: Mutex::new(State { until, file: Some(file), lines }) })
    }

    /// Takes all of them, or none. Waits for the disk: not for a thread that must not wait.
    pub(super) fn take(&self, all: &[Once], now: Timestamp) -> Result<(), NotTaken> {
        // A panic while the lock was held leaves at most something remembered that was not answered.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lines > state.until.len().saturating_add(SLACK) || state.until.len() >= MOST {
            state.until.retain(|_, end| *end > now);
            state.file = None;
        }
        for (place, once) in all.iter().enumerate() {
            let earlier = all.get(..place).unwrap_or_default();
            let known = state.until.get(&once.key).is_some_and(|end| *end > now);
            if known || earlier.iter().any(|other| other.key == once.key) {
                return Err(NotTaken::Before(place));
            }
        }
        if state.until.len().saturating_add(all.len()) > MOST {
            return Err(NotTaken::Down(io::Error::other("too many at once")));
        }
        // Remembered before it is written: what may be in the file already is never taken a second time.
        state.until.extend(all.iter().map(|once| (once.key, once.until)));
        self.write(&mut state, all).map_err(|error| {
            state.file = None;
            NotTaken::Down(error)
        })
    }

    fn write(&self, state: &mut State, all: &[Once]) -> io::Result<()> {
        let file = match &mut state.file {
            Some(file) => file,
            empty => {
                state.lines = state.until.len();
                *empty = Some(write_anew(&self.path, &state.until)?);
                return Ok(());
            }
        };
        // A file that was removed or replaced would not be read at the next start.
        if fs::metadata(&self.path)?.ino() != file.metadata()?.ino() {
            return Err(io::Error::other("the file was replaced"));
        }
        let text: String = all.iter().map(|once| line(&once.key, once.until)).collect();
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        state.lines = state.lines.saturating_add(all.len());
        Ok(())
    }
}

fn line(key: &Digest, until: Timestamp) -> String {
    format!("{} {}\n", until.millis(), hex::encode(key.as_bytes()))
}

/// Or the number of the first line that is none. What follows the last end of a line was never answered.
fn read(text: &str) -> Result<HashMap<Digest, Timestamp>, usize> {
    let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
    let lines = whole.split('\n').filter(|line| !line.is_empty()).enumerate();
    lines.map(|(index, line)| entry(line).ok_or(index + 1)).collect()
}

fn entry(line: &str) -> Option<(Digest, Timestamp)> {
    let (until, key) = line.split_once(' ')?;
    let key: [u8; 32] = hex::decode(key).ok()?.try_into().ok()?;
    Some((Digest::from_bytes(key), Timestamp::from_millis(until.parse().ok()?)))
}

/// The whole file, in the place of the old one at once.
fn write_anew(path: &Path, until: &HashMap<Digest, Timestamp>) -> io::Result<File> {
    let mut text = String::with_capacity(until.len() * 80);
    for (key, end) in until {
        // Writing to a string does not fail.
        let _ = text.write_str(&line(key, *end));
    }
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests;
