//! Everything that can be wrong with a log.

/// What is wrong with a log, at which line. Lines count from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A number is skipped, or comes out of order.
    #[error("line {expected} is missing or out of order: line {found} is stored in its place")]
    Missing {
        /// Which line should be here.
        expected: u64,
        /// Which is.
        found: u64,
    },
    /// The public part is not what its record hash says.
    #[error("line {seq} was changed: it does not hash to its record hash")]
    Changed {
        /// The line.
        seq: u64,
    },
    /// The public part does not read, or says another number.
    #[error("line {seq} is not a line of this log: {why}")]
    Foreign {
        /// The line.
        seq: u64,
        /// In which way.
        why: String,
    },
    /// The personal part is not what the public part commits to.
    #[error("the personal part of line {seq} was changed or put in")]
    PersonalChanged {
        /// The line.
        seq: u64,
    },
    /// A personal part is gone, and no later line says that it was erased.
    #[error("the personal part of line {seq} was removed, and no line says that somebody was erased")]
    PersonalRemoved {
        /// The line.
        seq: u64,
    },
    /// Bytes are gone, and no line says that they were pruned.
    #[error("the lines {from} to {to} have lost their bytes, and no line says that they were pruned")]
    RemovedInSilence {
        /// The first line that no pruning is about.
        from: u64,
        /// The last that is not there.
        to: u64,
    },
    /// A hash of the tree is not what the lines say.
    #[error("stored hash {index} does not fit the lines up to {seq}: the tree or a line was changed")]
    HashChanged {
        /// The line that completed it.
        seq: u64,
        /// The index of the hash.
        index: u64,
    },
    /// A checkpoint is not signed by the key of this log.
    #[error("a checkpoint is not signed by `{origin}`: {why}")]
    NotSigned {
        /// Whose key was used.
        origin: String,
        /// In which way.
        why: String,
    },
    /// A key went on signing after it was replaced.
    #[error(
        "a checkpoint of {size} lines is signed by the key {key} alone, which was replaced after {replaced} lines"
    )]
    OldKey {
        /// The size of the checkpoint.
        size: u64,
        /// The id of the key.
        key: String,
        /// The size of the first checkpoint of a newer key.
        replaced: u64,
    },
    /// The lines are not those that were signed.
    #[error(
        "the lines {from} to {to} are not those that were signed: a line was changed, removed, put in, or moved"
    )]
    Rewritten {
        /// The first line that may be wrong.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The log is another than the one whose checkpoint was kept elsewhere.
    #[error(
        "the log was forked: its first {signed} lines are not those of the checkpoint that was kept elsewhere"
    )]
    Forked {
        /// The size of that checkpoint.
        signed: u64,
    },
    /// Fewer lines than were signed.
    #[error(
        "the log ends after {lines} lines but {signed} were signed: the tail was cut off, or an older copy was put back"
    )]
    CutOff {
        /// How many there are.
        lines: u64,
        /// How many were signed.
        signed: u64,
    },
}
