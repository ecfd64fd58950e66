//! Tables, so that what talks to strangers never sees them.
//!
//! Ring 3: the only crate that names a database. [`SqliteStore`] implements the hub's ports; [`AuditReader`] reads the audit
//! log without a hub, for the command line.
//!
//! One writer commits for everybody (group commit): it takes all changes and audit lines that wait, runs them in one
//! transaction, commits once under `synchronous=FULL`, and only then answers. A change and its lines are in the same
//! transaction, so neither exists without the other (AUD-01).

pub mod place;
pub mod sqlite;

pub use place::Place;
pub use sqlite::access::AccessDesk;
pub use sqlite::desk::{Desk, Wished};
pub use sqlite::erasure::{Erased, wish};
pub use sqlite::pins::{AcceptedTool, PinReader, PinnedTool, leave_accepted};
pub use sqlite::reader::{AuditReader, Filter, Listed, Onward, Which};
pub use sqlite::retention::Gone;
pub use sqlite::switches::SwitchDesk;
pub use sqlite::vault::{SecretReader, VaultDesk};
pub use sqlite::writer::{Rotated, rotate_key};
pub use sqlite::{Settings, SqliteStore};

use std::path::PathBuf;

/// Why the store does not open, or does not read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// STO-02.
    #[error(
        "SQLite {found} is linked in, but versions before 3.51.3 can corrupt a database (the WAL-reset bug): build with the bundled SQLite"
    )]
    SqliteTooOld {
        /// What `sqlite_version()` says.
        found: String,
    },
    /// A newer program wrote it.
    #[error(
        "the database has schema {found}, but this program knows up to {known}: use the newer program again"
    )]
    SchemaTooNew {
        /// What the database says.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// An older program wrote it, and none of this version has opened it yet.
    #[error("the database has schema {found}, and this program works with {known}: start its hub once")]
    SchemaTooOld {
        /// What the database says.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// AUD-05.
    #[error(
        "the audit log of `{tenant}` has {lines} lines that are not an extension of the {signed} lines signed in `{file}`: an older copy of the database was put in place, or lines were removed or changed. Put the newest database back; to accept the loss and begin a new log, move the whole data directory away"
    )]
    RolledBack {
        /// Whose log.
        tenant: String,
        /// How many lines the database has.
        lines: u64,
        /// How many were signed.
        signed: u64,
        /// The checkpoint that says so.
        file: PathBuf,
    },
    /// Another process writes.
    #[error("another hub runs on this data directory (`{file}` is locked): stop it first")]
    InUse {
        /// The lock.
        file: PathBuf,
    },
    /// A file that must be there next to the database is not.
    #[error(
        "`{file}` is missing although the database holds a log that needs it: put it back from where the database came from"
    )]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// The log key is not 32 bytes in hexadecimal.
    #[error("`{file}` does not hold a log key (64 hexadecimal digits)")]
    Key {
        /// The file.
        file: PathBuf,
    },
    /// AUD-11.
    #[error(
        "`{file}` is there: the log key was about to be rotated, and that did not end. Run `deputy audit rotate-key` again: it goes on where it stopped"
    )]
    Rotating {
        /// The key that was to take over.
        file: PathBuf,
    },
    /// AUD-10.
    #[error("line {seq} was pruned on {at}: its bytes are gone, only its hash is left in the tree")]
    Pruned {
        /// The line.
        seq: u64,
        /// When.
        at: deputy_core::Timestamp,
    },
    /// There is no database.
    #[error("there is no database at `{0}`")]
    NoDatabase(PathBuf),
    /// A file cannot be read or written.
    #[error("`{file}` cannot be used: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log itself.
    #[error(transparent)]
    Audit(#[from] deputy_audit::AuditError),
    /// The database.
    #[error("the database fails: {0}")]
    Database(#[from] sqlx::Error),
    /// The database, where lines are written.
    #[error("the database fails: {0}")]
    Appending(#[from] rusqlite::Error),
    /// Something in the database does not read back.
    #[error("the database holds something unreadable: {0}")]
    Corrupt(String),
}
