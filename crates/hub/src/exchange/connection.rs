//! How a server's tokens are had: pinned by the operator, nothing of it learned from the server (D1).

use crate::servers::Right;
use crate::sign_in::OwnClient;
use deputy_core::{Issuer, SourceName, TenantId};
use deputy_identity::ProviderName;
use url::Url;

/// By which exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ID-JAG at the identity provider, redeemed at the server's own authorization server (MCP Enterprise-Managed
    /// Authorization).
    IdJag,
    /// RFC 8693 at the identity provider alone.
    TokenExchange,
    /// Entra ID's on-behalf-of flow.
    EntraObo,
    /// Google Cloud's Security Token Service.
    GoogleSts,
    /// A token for the hub itself: it acts as the service.
    ClientCredentials,
}

impl Kind {
    /// Its word in the configuration and in the log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::IdJag => "id_jag",
            Self::TokenExchange => "token_exchange",
            Self::EntraObo => "entra_obo",
            Self::GoogleSts => "google_sts",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// By which right the server is called then.
    #[must_use]
    pub const fn right(self) -> Right {
        match self {
            Self::ClientCredentials => Right::Key,
            _ => Right::Exchange,
        }
    }

    /// The lane.
    #[must_use]
    pub const fn lane(self) -> &'static str {
        self.right().lane()
    }
}

/// One server's way to a token.
pub struct Connection {
    /// Which server.
    pub server: SourceName,
    /// Whose.
    pub tenant: TenantId,
    /// By which exchange.
    pub kind: Kind,
    /// The identity provider that exchanges; `None` where nobody's token is exchanged.
    pub provider: Option<ProviderName>,
    /// The server's own authorization server.
    pub authorization_server: Option<Issuer>,
    /// Its token endpoint, if the operator named it; else its metadata does, at the same origin.
    pub token_endpoint: Option<Url>,
    /// The identifier of the server (RFC 8707, RFC 9728).
    pub resource: String,
    /// The most that is asked for.
    pub scopes: Vec<String>,
    /// The hub as a client there.
    pub client: Option<OwnClient>,
    /// The target (`audience`) where the resource is not it.
    pub audience: Option<String>,
}
