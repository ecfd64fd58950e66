//! What is pinned of one server: by which way its tokens come, from whom, for what (section 3.5 of the identity reference).

use crate::servers::Right;
use deputy_core::{Client, Issuer, SourceName, TenantId, User};
use deputy_identity::ProviderName;
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::exchange::token_exchange::Subject;
use url::Url;

/// One server whose tokens the hub gets for people.
pub struct Connection {
    /// Which.
    pub server: SourceName,
    /// Whose.
    pub tenant: TenantId,
    /// Its identifier (RFC 8707), exact.
    pub resource: String,
    /// The most that is asked for.
    pub scopes: Vec<String>,
    /// By which way.
    pub way: Way,
}

/// By which way tokens come. A denial in one never leads to another.
pub enum Way {
    /// MCP Enterprise-Managed Authorization: both legs.
    IdJag {
        /// Who vouches for people.
        provider: ProviderName,
        /// Who gives tokens for the server.
        at: AtServer,
    },
    /// Token exchange at the provider (RFC 8693).
    TokenExchange {
        /// The provider.
        provider: ProviderName,
        /// The client id of the server there.
        audience: String,
        /// Scopes that the provider adds of itself.
        unasked_scopes: Vec<String>,
        /// What is exchanged.
        subject: Subject,
        /// Its token endpoint, if it is pinned.
        token_endpoint: Option<Url>,
    },
    /// Microsoft Entra ID on behalf of.
    EntraObo {
        /// The provider.
        provider: ProviderName,
        /// Its token endpoint, if it is pinned.
        token_endpoint: Option<Url>,
    },
    /// Google Cloud's Security Token Service.
    GoogleSts {
        /// Who vouches for people.
        provider: ProviderName,
        /// The pool and its provider.
        audience: String,
        /// The project that is billed.
        user_project: Option<String>,
        /// Where it is.
        token_endpoint: Url,
    },
    /// Each person's own consent at the server's authorization server.
    UserOauth {
        /// Who gives tokens for the server.
        at: AtServer,
        /// What else is pinned, or learned.
        consent: ConsentSettings,
    },
    /// The hub itself: a service account.
    ClientCredentials {
        /// Who gives tokens for the server.
        at: AtServer,
    },
}

/// An authorization server, and the hub there.
pub struct AtServer {
    /// Its issuer, exact.
    pub issuer: Issuer,
    /// Its token endpoint, if it is pinned; else it is learned from its metadata, and on the same origin (D2).
    pub token_endpoint: Option<Url>,
    /// The hub's own client there.
    pub client: ServerClient,
}

/// How a person's consent is asked for.
pub struct ConsentSettings {
    /// The address of the server itself, for what it says of how it wants to be opened.
    pub address: Option<Url>,
    /// Where a person consents, if it is pinned; else it is learned as the token endpoint is.
    pub authorization_endpoint: Option<Url>,
    /// Whether [`Connection::resource`] was written down; else what the server calls itself counts, if that can be.
    pub is_resource_pinned: bool,
    /// Whether [`Connection::scopes`] were written down; else the server's challenge says which, or its metadata.
    pub are_scopes_pinned: bool,
    /// What its authorization server wants to be told beyond the standard when a person is sent there.
    pub authorization_parameters: Vec<(String, String)>,
}

/// The hub as a client of an authorization server.
pub enum ServerClient {
    /// Its id is the address of its own document, and its key the hub's own.
    OwnDocument,
    /// Its own document where that is read; else it registers itself, once (RFC 7591).
    SelfRegistered,
    /// It was registered there.
    Registered {
        /// Its id.
        id: Client,
        /// How it shows that it is that client.
        authentication: ClientAuthentication,
    },
}

impl Way {
    /// The word for it in the configuration and the log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::IdJag { .. } => "id_jag",
            Self::TokenExchange { .. } => "token_exchange",
            Self::EntraObo { .. } => "entra_obo",
            Self::GoogleSts { .. } => "google_sts",
            Self::UserOauth { .. } => "user_oauth",
            Self::ClientCredentials { .. } => "client_credentials",
        }
    }

    /// By which right a server is called with such a token.
    #[must_use]
    pub const fn right(&self) -> Right {
        match self {
            Self::ClientCredentials { .. } => Right::Key,
            _ => Right::Exchange,
        }
    }

    /// Who vouches for the person; `None`: nobody is behind it.
    #[must_use]
    pub const fn provider(&self) -> Option<&ProviderName> {
        match self {
            Self::IdJag { provider, .. }
            | Self::TokenExchange { provider, .. }
            | Self::EntraObo { provider, .. }
            | Self::GoogleSts { provider, .. } => Some(provider),
            Self::UserOauth { .. } | Self::ClientCredentials { .. } => None,
        }
    }

    /// The authorization server, where it is another than the provider.
    #[must_use]
    pub const fn authorization_server(&self) -> Option<&AtServer> {
        match self {
            Self::IdJag { at, .. } | Self::UserOauth { at, .. } | Self::ClientCredentials { at } => Some(at),
            _ => None,
        }
    }
}

impl Connection {
    /// The public half of the key that was made for this authorization server alone.
    pub(super) fn own_key(&self) -> Option<serde_json::Value> {
        match &self.way.authorization_server()?.client {
            ServerClient::Registered {
                authentication: ClientAuthentication::PrivateKeyJwt { key, .. },
                ..
            } => Some(key.public_jwk().clone()),
            _ => None,
        }
    }
}

/// For whom a token is wanted, and through which client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The person.
    pub user: User,
    /// The agent's client.
    pub client: Client,
}

impl Asker {
    /// Reads [`crate::Caller::principal`]. `None`: it is none.
    #[must_use]
    pub fn of_principal(principal: &str) -> Option<Self> {
        let (tenant, issuer, subject, client) =
            serde_json::from_str::<(TenantId, Issuer, deputy_core::Subject, Client)>(principal).ok()?;
        Some(Self { user: User { tenant, issuer, subject }, client })
    }
}
