//! What people let the hub do at servers, and the hub's own registrations there: rows of the table of [`super::access`], and
//! the keys under which what is secret in them is sealed.

use super::StoreError;
use super::access::AccessKey;
use async_trait::async_trait;
use deputy_core::{Client, Digest, Issuer, SourceName, TenantId, Timestamp, User};
use deputy_vault::{PersonPlace, Sealed, SealedTenantKey};
use serde::{Deserialize, Serialize};

/// What a person let the hub do at one server: the tokens are sealed, the rest is shown to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who.
    pub user: User,
    /// At which server.
    pub server: SourceName,
    /// Its authorization server.
    pub issuer: Issuer,
    /// The identifier of the server for which the tokens are (RFC 8707).
    pub resource: String,
    /// The hub's client id there.
    pub client: Client,
    /// What was asked for.
    pub asked: Vec<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// When they consented.
    pub given_at: Timestamp,
    /// When the tokens were had last.
    pub renewed_at: Timestamp,
    /// When it is forgotten unless it is used.
    pub ends_at: Timestamp,
    /// The first has 1; each renewal of the tokens has the next.
    pub version: u64,
    /// The tokens.
    pub sealed: Sealed,
}

impl Consent {
    /// Which row it is: one per person and server.
    #[must_use]
    pub fn key_of(user: &User, server: &SourceName) -> AccessKey {
        let id = Digest::of_parts(&[user.key().as_bytes(), server.as_str().as_bytes()]);
        AccessKey { kind: "consent", id: id.to_string() }
    }

    /// What the tokens are bound to.
    #[must_use]
    pub fn place(&self) -> PersonPlace {
        PersonPlace {
            tenant: self.user.tenant.clone(),
            person: self.user.key(),
            server: self.server.clone(),
            issuer: self.issuer.to_string(),
            version: self.version,
        }
    }
}

/// The hub as a client that registered itself at the authorization server of one server (RFC 7591), once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// In which organisation.
    pub tenant: TenantId,
    /// For which server.
    pub server: SourceName,
    /// Where.
    pub issuer: Issuer,
    /// Its id there.
    pub client: Client,
    /// With which redirect address: another one needs another registration.
    pub redirect_uri: String,
    /// How it shows itself (`token_endpoint_auth_method`).
    pub method: String,
    /// When.
    pub registered_at: Timestamp,
    /// When its secret ends, if it does.
    pub ends_at: Option<Timestamp>,
    /// Its secret, if it was given one.
    pub sealed: Option<Sealed>,
}

impl Registration {
    /// Which row it is: one per server.
    #[must_use]
    pub fn key(&self) -> AccessKey {
        AccessKey { kind: "registration", id: self.server.as_str().to_owned() }
    }

    /// What its secret is bound to.
    #[must_use]
    pub fn place(&self) -> PersonPlace {
        PersonPlace {
            tenant: self.tenant.clone(),
            person: String::new(),
            server: self.server.clone(),
            issuer: self.issuer.to_string(),
            version: 1,
        }
    }
}

/// The keys above what people consented to: one per organisation, sealed under the vault's master key.
#[async_trait]
pub trait ConsentKeys: Send + Sync {
    /// A tenant's.
    async fn consent_key(&self, tenant: &TenantId) -> Result<Option<SealedTenantKey>, StoreError>;
    /// Keeps a tenant's first. `false`: there is one already, or the master key was rotated meanwhile; nothing was kept.
    async fn begin_consents(&self, key: SealedTenantKey) -> Result<bool, StoreError>;
}
