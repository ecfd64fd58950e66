//! An append-only log that can be checked without us, so that a log can be verified without the hub.
//!
//! Ring 1: no IO, no clock. A caller (the store) keeps the lines, the stored hashes and the checkpoints; this crate says
//! what to keep, and finds out whether somebody touched it.
//!
//! * [`record`]: from an event to one line, with what names a person kept apart so that it can be erased;
//! * [`tree`]: the Merkle tree of RFC 6962 over the lines;
//! * [`checkpoint`]: signed tree heads (C2SP `tlog-checkpoint`) and the keys for them; [`keys`]: all that a log ever had;
//! * [`signer`]: never signs two heads that contradict each other (AUD-05);
//! * [`arguments`]: how much of a call's arguments a line holds;
//! * [`erasure`]: which lines an erasure was about; [`retention`]: which lines lost their bytes for their age;
//! * [`bundle`]: a whole log as one file, checked with the public keys alone;
//! * [`export`]: a line as other systems read it (JSONL, OCSF);
//! * [`proof`]: one line's `tlog-proof`, checkable offline;
//! * [`verify`]: recomputes a whole log and names the first thing that is wrong (AUD-03).

pub mod arguments;
pub mod bundle;
pub mod checkpoint;
pub mod erasure;
pub mod export;
pub mod keys;
pub mod proof;
pub mod record;
pub mod retention;
pub mod signer;
pub mod tree;
pub mod verify;

pub use checkpoint::{Checkpoint, LogKey, VerifierKey};
pub use keys::VerifierKeys;
pub use proof::Proof;
pub use record::{Draft, Personal, Record};
pub use retention::Pruning;
pub use signer::Signer;
pub use tlog_tiles::tlog::Hash;
pub use tree::{Edge, Hashes, StoredHashes};
pub use verify::{Fault, Pruned, Report, Row, Signed, Verifier, verify};

/// Why something could not be written into the log, signed, proven or read back.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An event has no canonical form.
    #[error("the event cannot be written as canonical JSON: {0}")]
    Unwritable(#[from] deputy_core::JsonError),
    /// A number that canonical JSON cannot hold exactly.
    #[error("`{0}` is above 2^53, which canonical JSON cannot write exactly")]
    TooLarge(u64),
    /// A stored line is not one that this crate wrote.
    #[error("the line is not an event: {0}")]
    Unreadable(String),
    /// No randomness for a key.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// Not a verifier key `name+id+base64`.
    #[error("`{0}` is not the public key of a log")]
    Key(String),
    /// A checkpoint that is malformed, or not signed by this key, or of another log.
    #[error("the checkpoint is not good: {0}")]
    Checkpoint(String),
    /// A proof that is malformed or proves nothing.
    #[error("the proof is not good: {0}")]
    Proof(String),
    /// A hash that the tree needs is not there.
    #[error("the stored hash {0} is missing")]
    HashMissing(u64),
    /// AUD-05.
    #[error(
        "a checkpoint of {size} lines is not signed: one of {signed} lines is already signed and this is not an extension of it"
    )]
    Inconsistent {
        /// What was to be signed.
        size: u64,
        /// The highest that was signed.
        signed: u64,
    },
}
