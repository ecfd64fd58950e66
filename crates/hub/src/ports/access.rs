//! The table of who is signed in at the hub itself, which agents may act for whom, and who was shut out.

use super::StoreError;
use super::consents::{Consent, Registration};
use async_trait::async_trait;
use deputy_core::{
    Client, Digest, DocumentId, Effect, Event, GrantId, Issuer, SourceName, TenantId, Timestamp, User,
};
use serde::{Deserialize, Serialize};

/// A person who is signed in at the hub, in one browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// SHA-256 of what the browser's cookie holds, never that itself.
    pub id: Digest,
    /// Who.
    pub user: User,
    /// The provider's name in the config.
    pub provider: String,
    /// `sid`: the provider's own session (OpenID Connect Back-Channel Logout 1.0 section 2.4).
    #[serde(default)]
    pub provider_session: Option<String>,
    /// How the provider calls them. Shown to them, and no key to anything (A11).
    #[serde(default)]
    pub name: Option<String>,
    /// Their groups, as the provider said last.
    #[serde(default)]
    pub groups: Vec<String>,
    /// How strongly they signed in (`acr`).
    #[serde(default)]
    pub acr: Option<String>,
    /// When they proved who they are to the provider.
    pub authenticated_at: Timestamp,
    /// When they came.
    pub began_at: Timestamp,
    /// When the provider was last asked about them.
    pub asked_at: Timestamp,
    /// When the provider said last in which groups they are. `None`: when they came.
    #[serde(default)]
    pub told_at: Option<Timestamp>,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
    /// What the provider gave the hub for them, sealed (D11).
    pub held: String,
}

/// Which sources an agent may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sources {
    /// All that the person can use, those that come later too.
    All,
    /// These.
    Only(Vec<SourceName>),
}

impl Sources {
    /// Whether a source is among them.
    #[must_use]
    pub fn have(&self, source: &SourceName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(source),
        }
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(_), Self::Only(names)) => names.iter().all(|name| self.have(name)),
        }
    }
}

/// Who let an agent act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenBy {
    /// The person, on the consent page.
    Person,
    /// An administrator, in the configuration, for everyone.
    Administrator,
}

/// A person's time-limited, scope-limited permission for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessGrant {
    /// What it is called.
    pub id: GrantId,
    /// For whom the agent acts.
    pub user: User,
    /// Which agent.
    pub client: Client,
    /// How it calls itself. A label.
    #[serde(default)]
    pub client_name: Option<String>,
    /// The address that its tokens open (RFC 8707), as their `aud`.
    pub resource: String,
    /// Which sources.
    pub sources: Sources,
    /// The most that its calls may do to the world.
    pub most: Effect,
    /// Who gave it.
    pub by: GivenBy,
    /// Of which login it lives: it ends with that.
    pub login: Digest,
    /// When it was given.
    pub given_at: Timestamp,
    /// When it ends unless it is renewed.
    pub ends_at: Timestamp,
    /// How often its refresh token was exchanged: only the newest is good (RFC 9700 section 4.14.2).
    pub generation: u64,
}

/// A client that registered itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredClient {
    /// Its id, made by the hub.
    pub id: Client,
    /// What it said of itself, as it was accepted (RFC 7591 section 2).
    pub metadata: serde_json::Value,
    /// When.
    pub registered_at: Timestamp,
}

/// Who or what is shut out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Revoked {
    /// A person, at every door.
    User {
        /// Their provider.
        issuer: Issuer,
        /// Their `sub`.
        subject: deputy_core::Subject,
    },
    /// One of a provider's sessions.
    Session {
        /// The provider.
        issuer: Issuer,
        /// Its `sid`.
        session: String,
    },
    /// What a person has that names none of the provider's sessions, so that nobody can tell in which it began.
    OutsideSessions {
        /// Their provider.
        issuer: Issuer,
        /// Their `sub`.
        subject: deputy_core::Subject,
    },
    /// What was said of a person until then: their groups. The person stays; whatever still says it is worth nothing.
    Claims {
        /// Their provider.
        issuer: Issuer,
        /// Their `sub`.
        subject: deputy_core::Subject,
    },
    /// An agent, for everybody.
    Agent {
        /// Its client id.
        client: Client,
    },
    /// One permission.
    Grant {
        /// Which.
        id: GrantId,
    },
    /// One tab.
    Tab {
        /// Which.
        document: DocumentId,
    },
}

impl Revoked {
    /// The stable word for its kind.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Session { .. } => "session",
            Self::OutsideSessions { .. } => "outside_sessions",
            Self::Claims { .. } => "claims",
            Self::Agent { .. } => "agent",
            Self::Grant { .. } => "grant",
            Self::Tab { .. } => "tab",
        }
    }
}

/// What was taken away, and from when on it may be had anew (C4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// In which tenant.
    pub tenant: TenantId,
    /// What.
    pub target: Revoked,
    /// What was issued before this moment is worth nothing. `None`: nothing is, until somebody lets them in again.
    pub before: Option<Timestamp>,
    /// Who said so: `operator`, `back_channel_logout`, `shared_signals`, `provider`, `person`, `reuse`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "row", content = "of", rename_all = "snake_case")]
pub enum AccessRecord {
    /// Somebody signed in.
    Login(Login),
    /// An agent's permission.
    Grant(AccessGrant),
    /// A registered client.
    Client(RegisteredClient),
    /// Something taken away.
    Revocation(Revocation),
    /// What a person let the hub do at a server.
    Consent(Consent),
    /// The hub as a client that registered itself.
    Registration(Registration),
}

/// Which row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKey {
    /// Which kind.
    pub kind: &'static str,
    /// Which of them.
    pub id: String,
}

impl AccessRecord {
    /// Which row it is.
    #[must_use]
    pub fn key(&self) -> AccessKey {
        match self {
            Self::Login(login) => login.key(),
            Self::Grant(grant) => grant.key(),
            Self::Client(client) => AccessKey { kind: "client", id: client.id.0.clone() },
            Self::Revocation(revocation) => revocation.key(),
            Self::Consent(consent) => Consent::key_of(&consent.user, &consent.server),
            Self::Registration(registration) => registration.key(),
        }
    }

    /// Whose it is, if it is one person's: an erased person's rows go.
    #[must_use]
    pub const fn person(&self) -> Option<&User> {
        match self {
            Self::Login(login) => Some(&login.user),
            Self::Grant(grant) => Some(&grant.user),
            Self::Consent(consent) => Some(&consent.user),
            Self::Client(_) | Self::Revocation(_) | Self::Registration(_) => None,
        }
    }

    /// When it is of no more use.
    #[must_use]
    pub const fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Self::Login(login) => Some(login.ends_at),
            Self::Grant(grant) => Some(grant.ends_at),
            Self::Consent(consent) => Some(consent.ends_at),
            Self::Registration(registration) => registration.ends_at,
            Self::Client(_) | Self::Revocation(_) => None,
        }
    }
}

impl Login {
    /// Which row it is.
    #[must_use]
    pub fn key(&self) -> AccessKey {
        AccessKey { kind: "login", id: self.id.to_string() }
    }
}

impl AccessGrant {
    /// Which row it is.
    #[must_use]
    pub fn key(&self) -> AccessKey {
        AccessKey { kind: "grant", id: self.id.as_str().to_owned() }
    }
}

impl Revocation {
    /// Which row it is: one per target.
    #[must_use]
    pub fn key(&self) -> AccessKey {
        let target = serde_json::to_string(&self.target).unwrap_or_default();
        AccessKey { kind: "revocation", id: format!("{} {target}", self.tenant) }
    }
}

/// What somebody on the hub's own machine wants taken away, or given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationOrder {
    /// Take it away.
    Revoke(Revocation),
    /// Let them in again; who and when are those of this.
    Readmit(Revocation),
}

/// An order that waits for the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationWish {
    /// Higher than that of every earlier one.
    pub id: u64,
    /// What is wanted.
    pub order: RevocationOrder,
}

/// What changes at once.
#[derive(Debug, Clone, Default)]
pub struct AccessChange {
    /// Rows that are so from now on.
    pub put: Vec<AccessRecord>,
    /// Rows that are gone.
    pub remove: Vec<AccessKey>,
    /// The wish that asked for it: taken out.
    pub wish: Option<u64>,
    /// The lines that say so.
    pub events: Vec<Event>,
}

/// Logins, grants, clients and revocations: read once at start, written through.
#[async_trait]
pub trait AccessTable: Send + Sync {
    /// All rows.
    async fn access(&self) -> Result<Vec<AccessRecord>, StoreError>;
    /// Changes rows and appends lines, in one transaction.
    async fn change_access(&self, change: AccessChange) -> Result<(), StoreError>;
    /// What is wished and not done yet, in the order of their ids.
    async fn revocation_wishes(&self) -> Result<Vec<RevocationWish>, StoreError>;
}
