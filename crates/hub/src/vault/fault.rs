//! Why a secret is not there, with the mend; never what it is.

use crate::ports::StoreError;
use deputy_core::{SourceName, TenantId};
use deputy_vault::{KeyId, VaultError};

/// Why there is no master key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MasterKeyFault {
    /// Nobody said where it is: the vault is sealed (VLT-06).
    #[error(
        "the vault is sealed, for no master key is configured\n  mend: `deputy vault key FILE` makes one, outside the data directory; name it under `[vault]` as `master_key`"
    )]
    None,
    /// It is said where it is, and it cannot be used.
    #[error("the master key cannot be used: {0}")]
    Unusable(String),
    /// It is another one.
    #[error(
        "the vault was sealed under master key `{needed}`, and the one that is configured is `{found}`\n  mend: put that key back where `master_key` points"
    )]
    Other {
        /// The key that is needed.
        needed: KeyId,
        /// The key that is there.
        found: KeyId,
    },
}

/// Why the vault did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultFault {
    /// The master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyFault),
    /// There is no secret for a server that wants one.
    #[error("the vault has no secret for server `{server}`\n  mend: `deputy vault put {server}`")]
    NoSecret {
        /// The server.
        server: SourceName,
    },
    /// There are secrets, and the key above them is gone.
    #[error(
        "the key of tenant `{0}` is gone from the vault\n  mend: put the newest backup of the database back"
    )]
    NoTenantKey(TenantId),
    /// VLT-07.
    #[error(
        "`{0}` is not what the audit log says was put there last: an older row was put back, or changed\n  mend: put the secret again (`deputy vault rotate`), and find out who writes to the database"
    )]
    NotAsRecorded(String),
    /// A header that is the hub's own business.
    #[error("`{name}` is not for the vault: {why}")]
    Header {
        /// The header.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// It cannot stand in a header.
    #[error(
        "the secret has a character that no header can carry\n  mend: give printable ASCII on one line, without white space at its ends"
    )]
    Unsendable,
    /// It does not seal or open.
    #[error(
        "{0}\n  mend: put the secret again (`deputy vault put`); if it happens to all, put the database's backup back"
    )]
    Sealed(VaultError),
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<VaultError> for VaultFault {
    fn from(error: VaultError) -> Self {
        Self::Sealed(error)
    }
}

impl VaultFault {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MasterKey(MasterKeyFault::None) => "vault_sealed",
            Self::MasterKey(_) => "master_key_unusable",
            Self::NoSecret { .. } => "secret_missing",
            Self::NoTenantKey(_) => "tenant_key_missing",
            Self::NotAsRecorded(_) => "secret_not_as_recorded",
            Self::Header { .. } => "header_not_allowed",
            Self::Unsendable => "secret_unsendable",
            Self::Sealed(error) => error.code(),
            Self::Store(_) => "store_unavailable",
        }
    }
}
