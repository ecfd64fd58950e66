//! A whole log as one file, for whoever has nothing but the public keys (AUD-04): a JSON object per line. First which log it
//! is, then its checkpoints, then its lines from the first on. It names nobody: personal parts are left out.
//!
//! ```text
//! {"bundle":1,"log":"deputy/default@0123456789abcdef"}
//! {"checkpoint":"deputy/default@0123456789abcdef\n42\n…"}
//! {"leaf":"…"}                 a pruned line: its record hash
//! {"public":"{…}"}             a line: the text that its record hash is over
//! ```

use crate::{AuditError, Fault, Hash, Report, Row, Verifier, VerifierKeys, record};
use deputy_core::TenantId;
use serde::{Deserialize, Serialize};
use std::io::BufRead;

/// One line of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Entry {
    /// The first.
    Head {
        /// The format: 1.
        bundle: u8,
        /// The log's origin.
        log: String,
    },
    /// A signed note.
    Checkpoint {
        /// Its text.
        checkpoint: String,
    },
    /// A pruned line.
    Pruned {
        /// Its record hash, base64.
        leaf: String,
    },
    /// A line.
    Line {
        /// Its public part.
        public: String,
    },
}

/// Why a bundle says nothing about a log.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Not a bundle, or not one of this version.
    #[error("line {0} of the file is not one of a bundle")]
    Malformed(usize),
    /// It is of another log than the keys.
    #[error("it is of the log `{found}`, but the keys are of `{wanted}`")]
    OtherLog {
        /// What it says.
        found: String,
        /// Whose keys were given.
        wanted: String,
    },
    /// The keys.
    #[error(transparent)]
    Keys(#[from] AuditError),
}

impl Entry {
    /// The first line of a log's bundle.
    #[must_use]
    pub fn head(log: &str) -> Self {
        Self::Head { bundle: 1, log: log.to_owned() }
    }

    /// A line by its public part.
    ///
    /// # Errors
    /// It is not text.
    pub fn line(public: Vec<u8>) -> Result<Self, AuditError> {
        let public = String::from_utf8(public).map_err(|error| AuditError::Unreadable(error.to_string()))?;
        Ok(Self::Line { public })
    }

    /// As it stands in the file, without the line's end.
    ///
    /// # Errors
    /// Never in practice: it is texts and a number.
    pub fn text(&self) -> Result<String, AuditError> {
        serde_json::to_string(self).map_err(|error| AuditError::Unreadable(error.to_string()))
    }
}

/// Checks a bundle with the public keys of its log, and a checkpoint that was kept elsewhere. `keys` is a text as the hub's
/// `log.vkey` is; whose log it is, the bundle says.
///
/// # Errors
/// It is no bundle, or of another log. That the log is not good is the inner `Fault`.
pub fn verify(
    bundle: impl BufRead,
    keys: &str,
    external: Option<&str>,
) -> Result<(TenantId, Result<Report, Fault>), BundleError> {
    let mut entries = bundle.lines().enumerate().map(|(at, line)| -> Result<Entry, BundleError> {
        serde_json::from_str(&line?).map_err(|_| BundleError::Malformed(at + 1))
    });
    let Some(Entry::Head { bundle: 1, log }) = entries.next().transpose()? else {
        return Err(BundleError::Malformed(1));
    };
    let tenant = log.strip_prefix("deputy/").and_then(|log| log.split_once('@'));
    let tenant =
        tenant.and_then(|(tenant, _)| TenantId::new(tenant).ok()).ok_or(BundleError::Malformed(1))?;
    let keys = VerifierKeys::read(keys, &tenant)?;
    if keys.origin() != log {
        return Err(BundleError::OtherLog { found: log, wanted: keys.origin().to_owned() });
    }
    let (mut notes, mut first) = (Vec::new(), None);
    for entry in entries.by_ref() {
        match entry? {
            Entry::Checkpoint { checkpoint } => notes.push(checkpoint),
            other => {
                first = Some(other);
                break;
            }
        }
    }
    let mut verifier = match Verifier::new(&keys, notes.iter().map(String::as_str), external) {
        Ok(verifier) => verifier.of_bundle(),
        Err(fault) => return Ok((tenant, Err(fault))),
    };
    for (seq, entry) in first.map(Ok).into_iter().chain(entries).enumerate() {
        let number = seq as u64;
        let fed = match entry? {
            Entry::Line { public } => verifier.line(&row(number, public)),
            Entry::Pruned { leaf } => {
                let leaf = Hash::parse_hash(&leaf);
                verifier.pruned(leaf.map_err(|_| BundleError::Malformed(seq + notes.len() + 2))?)
            }
            _ => return Err(BundleError::Malformed(seq + notes.len() + 2)),
        };
        if let Err(fault) = fed {
            return Ok((tenant, Err(fault)));
        }
    }
    Ok((tenant, verifier.finish()))
}

fn row(seq: u64, public: String) -> Row {
    let public = public.into_bytes();
    Row { seq, leaf: record::leaf(&public), public, personal: None }
}

#[cfg(test)]
mod tests;
