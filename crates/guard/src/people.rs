//! Lists of people in files, read anew when they change: who is let in, who is let in no more (E6).
//!
//! A line is `ISSUER SUBJECT`, or a JSON array of issuer and subject, or of issuer, tenant and subject. A line that starts
//! with `#` is a remark. A list that cannot be read decides nothing: whoever asks is refused.

use crate::error::GuardError;
use crate::person::Person;
use deputy_core::{Issuer, Subject};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Longest list that is read at all.
const MAX_BYTES: u64 = 16 << 20;
/// A file that changed this recently may change again without its time showing it.
const RACY: Duration = Duration::from_secs(2);
const MEND: &str = "write `ISSUER SUBJECT` in each line, or `[\"ISSUER\", \"TENANT\", \"SUBJECT\"]`";

/// Which file it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
    written: (i64, i64),
}

/// A list in a file.
pub(crate) struct People {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<Listed>)>>,
}

/// Who is in it.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    exactly: HashSet<Person>,
    /// Lines without a tenant.
    anywhere: HashSet<(Issuer, Subject)>,
}

impl Listed {
    /// Whether a line names this person and nobody else: without a tenant it is about people who have none.
    pub(crate) fn names(&self, person: &Person) -> bool {
        self.exactly.contains(person) || (person.tenant.is_none() && self.covers(person))
    }

    /// Whether a line may mean this person: without a tenant it is about every tenant of the issuer.
    pub(crate) fn may_mean(&self, person: &Person) -> bool {
        self.exactly.contains(person) || self.covers(person)
    }

    fn covers(&self, person: &Person) -> bool {
        self.anywhere.contains(&(person.issuer.clone(), person.subject.clone()))
    }
}

impl People {
    /// The list in this file, read now.
    pub(crate) fn open(path: &Path) -> Result<Self, GuardError> {
        let people = Self { path: path.to_owned(), read: Mutex::default() };
        people.now()?;
        Ok(people)
    }

    /// The same; an empty file is made if there is none.
    pub(crate) fn open_or_make(path: &Path) -> Result<Self, GuardError> {
        let made = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        made.map_err(GuardError::file(path))?;
        Self::open(path)
    }

    /// The list as it is now.
    ///
    /// # Errors
    /// It is not there any more, not readable, or a line of it is none. Whoever asks must refuse.
    pub(crate) fn now(&self) -> Result<Arc<Listed>, GuardError> {
        let failed = || GuardError::file(&self.path);
        // Opened, not only looked at: on a network file system that is what asks whether it changed elsewhere.
        let mut file = File::open(&self.path).map_err(failed())?;
        let found = file.metadata().map_err(failed())?;
        let stamp = Stamp {
            inode: found.ino(),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
            written: (found.mtime(), found.mtime_nsec()),
        };
        let settled = found.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        let settled = settled.is_some_and(|age| age >= RACY);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, listed)) = read.as_ref()
            && *known == stamp
            && settled
        {
            return Ok(Arc::clone(listed));
        }
        if found.size() > MAX_BYTES {
            return Err(GuardError::Damaged { path: self.path.clone(), line: None, mend: "make it shorter" });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed())?;
        let listed = Arc::new(parse(&text).map_err(|line| GuardError::Damaged {
            path: self.path.clone(),
            line: Some(line),
            mend: MEND,
        })?);
        *read = Some((stamp, Arc::clone(&listed)));
        Ok(listed)
    }
}

/// Or the number of the first line that is none.
fn parse(text: &str) -> Result<Listed, usize> {
    let mut listed = Listed::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (issuer, tenant, subject) = words(line).ok_or(index + 1)?;
        let (Ok(issuer), Ok(subject)) = (Issuer::new(issuer), Subject::new(subject)) else {
            return Err(index + 1);
        };
        match tenant {
            Some(tenant) => drop(listed.exactly.insert(Person { issuer, tenant: Some(tenant), subject })),
            None => drop(listed.anywhere.insert((issuer, subject))),
        }
    }
    Ok(listed)
}

fn words(line: &str) -> Option<(String, Option<String>, String)> {
    if line.starts_with('[') {
        let mut words = serde_json::from_str::<Vec<String>>(line).ok()?.into_iter();
        return match (words.next()?, words.next()?, words.next(), words.next()) {
            (issuer, subject, None, None) => Some((issuer, None, subject)),
            (issuer, tenant, Some(subject), None) => Some((issuer, Some(tenant), subject)),
            _ => None,
        };
    }
    let (issuer, subject) = line.split_once(char::is_whitespace)?;
    Some((issuer.to_owned(), None, subject.trim_start().to_owned()))
}

#[cfg(test)]
mod tests;
