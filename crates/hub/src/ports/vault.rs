//! The vault's tables: secrets as they are kept, which is sealed; and the orders that change them.
//!
//! Whoever has an order has sealed already, so neither a table nor its file ever holds a plain secret.

use super::StoreError;
use async_trait::async_trait;
use deputy_core::{Digest, Event, EventKind, HeaderName, Operator, SourceName, TenantId, Timestamp};
use deputy_vault::{KeyId, Place, Sealed, SealedTenantKey};
use serde::{Deserialize, Serialize};

/// The newest version of a secret, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// Whose.
    pub tenant: TenantId,
    /// For which server.
    pub server: SourceName,
    /// In which header it goes there.
    pub name: HeaderName,
    /// What stands before it in the header.
    pub prefix: String,
    /// The first is 1; none comes twice, also after the secret was removed.
    pub version: u64,
    /// The value.
    pub sealed: Sealed,
    /// Who put it there.
    pub by: Operator,
    /// When.
    pub at: Timestamp,
}

impl SealedSecret {
    /// What the value is bound to.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            tenant: self.tenant.clone(),
            server: self.server.clone(),
            name: self.name.clone(),
            version: self.version,
            prefix: self.prefix.clone(),
        }
    }

    fn event(&self) -> Event {
        let which = Which::of(self);
        self.by
            .told(which.event(EventKind::SecretPut, self.at))
            .with_detail("sealed", self.sealed.digest().to_string())
    }
}

/// Which version of which secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Which {
    /// Whose.
    pub tenant: TenantId,
    /// For which server.
    pub server: SourceName,
    /// In which header.
    pub name: HeaderName,
    /// Which version.
    pub version: u64,
}

impl Which {
    /// Of a secret.
    #[must_use]
    pub fn of(secret: &SealedSecret) -> Self {
        let SealedSecret { tenant, server, name, version, .. } = secret;
        Self { tenant: tenant.clone(), server: server.clone(), name: name.clone(), version: *version }
    }

    fn event(&self, kind: EventKind, at: Timestamp) -> Event {
        let mut event = Event::new(at, self.tenant.clone(), kind);
        event.source = Some(self.server.clone());
        event.with_detail("name", self.name.as_str()).with_detail("version", self.version)
    }
}

/// What the log says last of a secret (VLT-07).
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// This line: it was put, or removed.
    Line(Box<Event>),
    /// Nothing any more, for the log is pruned (AUD-10).
    Pruned,
    /// Nothing, and nothing was pruned.
    Nothing,
}

impl Recorded {
    /// Whether the log's last word is that exactly this was put there.
    #[must_use]
    pub fn confirms(&self, secret: &SealedSecret) -> bool {
        match self {
            Self::Line(event) => {
                let said: Option<Digest> =
                    event.detail.get("sealed").and_then(|sealed| sealed.as_str()?.parse().ok());
                let version = event.detail.get("version").and_then(serde_json::Value::as_u64);
                event.kind == EventKind::SecretPut
                    && version == Some(secret.version)
                    && said == Some(secret.sealed.digest())
            }
            Self::Pruned => true,
            Self::Nothing => false,
        }
    }
}

/// A secret and what the log says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptSecret {
    /// As the table has it.
    pub secret: SealedSecret,
    /// As the log has it.
    pub recorded: Recorded,
}

/// What a tenant's vault holds, as of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// The key above its secrets, if there was ever one.
    pub tenant_key: Option<SealedTenantKey>,
    /// Its secrets, by server and name.
    pub secrets: Vec<KeptSecret>,
}

/// A tenant key in the place of another, and the data keys of what stays under it. Values are not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekey {
    /// The key before.
    pub before: KeyId,
    /// The key from now on.
    pub tenant_key: SealedTenantKey,
    /// Everything that stays.
    pub secrets: Vec<(Which, Sealed)>,
}

/// A change to the vault, ready to be made. It is made only if the tables are still as they were when it was drawn up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VaultOrder {
    /// Put a secret, in the place of the version before.
    Put {
        /// The secret.
        secret: Box<SealedSecret>,
        /// The tenant's key, where this is the tenant's first secret.
        tenant_key: Option<SealedTenantKey>,
    },
    /// Take a secret out.
    Remove {
        /// Its newest version.
        which: Which,
        /// The tenant's next key, so that the one that opened it is gone (VLT-08). Without it the secret goes all the
        /// same: what takes away never waits.
        rekey: Option<Rekey>,
        /// Who.
        by: Operator,
        /// When.
        at: Timestamp,
    },
    /// Put all tenants' keys under another master key.
    ReplaceMasterKey {
        /// The same keys, resealed.
        keys: Vec<SealedTenantKey>,
        /// The keys above what people consented to, resealed.
        #[serde(default)]
        consents: Vec<SealedTenantKey>,
        /// The master key before.
        before: KeyId,
        /// Who.
        by: Operator,
        /// When.
        at: Timestamp,
    },
}

impl VaultOrder {
    /// The lines that say that it was done; never what a secret is.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        match self {
            Self::Put { secret, .. } => vec![secret.event()],
            Self::Remove { which, by, at, .. } => vec![by.told(which.event(EventKind::SecretRemoved, *at))],
            Self::ReplaceMasterKey { keys, consents, before, by, at } => keys
                .iter()
                .chain(consents)
                .map(|key| {
                    let event = Event::new(*at, key.tenant.clone(), EventKind::VaultKeyRotated);
                    by.told(event)
                        .with_detail("previous", before.to_string())
                        .with_detail("next", key.under.to_string())
                })
                .collect(),
        }
    }
}

/// Reads what is kept.
#[async_trait]
pub trait SealedSecrets: Send + Sync {
    /// A tenant's key and secrets, for one server or all, with what the log says of each, as of one moment.
    async fn kept(&self, tenant: &TenantId, server: Option<&SourceName>) -> Result<Kept, StoreError>;
    /// The highest version that a secret of this name ever had; 0: there never was one.
    async fn newest_version(
        &self,
        tenant: &TenantId,
        server: &SourceName,
        name: &HeaderName,
    ) -> Result<u64, StoreError>;
    /// The keys of all tenants.
    async fn tenant_keys(&self) -> Result<Vec<SealedTenantKey>, StoreError>;
    /// The keys above what people consented to, of all tenants.
    async fn consent_keys(&self) -> Result<Vec<SealedTenantKey>, StoreError>;
}

/// Changes what is kept.
#[async_trait]
pub trait VaultOrders: Send + Sync {
    /// Carries an order out with its lines, in one transaction. `false`: the tables are not as they were when it was drawn
    /// up, and nothing was changed.
    async fn carry_out(&self, order: VaultOrder) -> Result<bool, StoreError>;
}
