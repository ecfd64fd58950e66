//! What may be used once and was: ID-JAGs and client assertions, remembered until they expire, across restarts and, where
//! several guards share a folder, across all of them (E4).

mod alone;
mod shared;

use crate::error::GuardError;
use alone::Alone;
use deputy_core::{Digest, Timestamp};
use rustix::fs::{FlockOperation, flock};
use shared::Shared;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Something that may be used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Once {
    key: Digest,
    until: Timestamp,
}

impl Once {
    /// A `jti` of an issuer, of one kind of token, until it can be of no use any more.
    pub(crate) fn new(kind: &str, issuer: &str, id: &str, until: Timestamp) -> Self {
        Self { key: Digest::of_parts(&[kind.as_bytes(), issuer.as_bytes(), id.as_bytes()]), until }
    }
}

/// Why something may not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// The one at this place was used before.
    #[error("it was used before")]
    Before(usize),
    /// Nobody can tell.
    #[error("what was used cannot be remembered: {0}")]
    Down(io::Error),
}

/// The memory.
#[derive(Debug)]
pub(crate) struct Spent {
    /// Held for as long as this guard runs.
    _lock: File,
    memory: Memory,
}

#[derive(Debug)]
enum Memory {
    Alone(Alone),
    Shared(Shared),
}

impl Spent {
    /// Reads what is remembered in a folder, which is this guard's alone from now on; or joins those who share another one.
    ///
    /// # Errors
    /// Another guard has the folder, what is in it is not what this one writes, or the shared one is another than it was.
    pub(crate) fn open(folder: &Path, shared: Option<&Path>, now: Timestamp) -> Result<Self, GuardError> {
        let lock = locked(folder)?;
        let memory = match shared {
            Some(shared) => Memory::Shared(Shared::join(shared, folder)?),
            None => Memory::Alone(Alone::open(folder, now)?),
        };
        Ok(Self { _lock: lock, memory })
    }

    /// Takes all of them, or refuses. Waits for the disk: not for a thread that must not wait.
    pub(crate) fn take(&self, all: &[Once], now: Timestamp) -> Result<(), NotTaken> {
        match &self.memory {
            Memory::Alone(alone) => alone.take(all, now),
            Memory::Shared(shared) => shared.take(all, now),
        }
    }

    /// Forgets a part of what has ended, where that takes time of its own; each call takes the next part.
    pub(crate) fn forget_some(&self, now: Timestamp) {
        if let Memory::Shared(shared) = &self.memory {
            shared.forget_next(now);
        }
    }
}

fn locked(folder: &Path) -> Result<File, GuardError> {
    let path = folder.join("lock");
    let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = lock.map_err(GuardError::file(&path))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| GuardError::Taken(folder.to_owned()))?;
    Ok(lock)
}
