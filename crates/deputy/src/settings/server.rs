//! `[[server]]` as settings: how a server is reached, and by which right it is called.

use super::ProviderClient;
use deputy_core::{Class, Issuer, SourceName, TenantId, ToolName};
use deputy_hub::Trust;
use deputy_hub::exchange::Subject;
use deputy_identity::ProviderName;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// An MCP server.
#[derive(Debug, Clone)]
pub struct Server {
    /// The first half of its tools' public names, and its place under `/s/`.
    pub name: SourceName,
    /// The organisation it belongs to.
    pub tenant: TenantId,
    /// How it is reached.
    pub way: Way,
    /// By which right it is called.
    pub credential: Credential,
    /// Whether its definitions are reviewed first.
    pub trust: Trust,
    /// How long one of its answers may take when it is asked for a list.
    pub timeout: Duration,
    /// How long a call of it may run, if that is not what it is elsewhere.
    pub call_deadline: Option<Duration>,
    /// Bytes that one of them may have.
    pub answer_bytes: usize,
    /// What its tools do to the world.
    pub classes: BTreeMap<ToolName, Class>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// At an address.
    Address(Url),
    /// As a process of the hub's own.
    Command {
        /// The program, and its arguments.
        words: Vec<String>,
        /// Its environment, whole.
        environment: BTreeMap<String, String>,
        /// Where it runs.
        folder: PathBuf,
        /// Whether all users share one process.
        shared: bool,
    },
    /// As an HTTP interface.
    OpenApi {
        /// Its document.
        document: Document,
        /// Where it is, if the document is not to say.
        base_url: Option<Url>,
        /// The operations that become tools; `None`: all.
        include: Option<Vec<String>>,
        /// Operations that do not.
        exclude: Vec<String>,
    },
}

/// Where an OpenAPI document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// At an address.
    Address(Url),
    /// In a file.
    File(PathBuf),
}

/// By which right a server is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// It needs none.
    Open,
    /// By what the vault has for it.
    Vault,
    /// By a token that the hub gets.
    Exchange(Box<Exchange>),
}

/// How tokens for a server are had; everything is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its identifier, exact.
    pub resource: String,
    /// The most that is asked for.
    pub scopes: Vec<String>,
    /// Where tokens are had, if that is pinned.
    pub token_endpoint: Option<Url>,
    /// By which way.
    pub way: ExchangeWay,
}

/// By which way tokens for a server are had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeWay {
    /// MCP Enterprise-Managed Authorization.
    IdJag {
        /// Who vouches for people.
        provider: ProviderName,
        /// Who gives tokens.
        authorization_server: Issuer,
        /// The hub there; `None`: by its own document.
        client: Option<ProviderClient>,
    },
    /// RFC 8693 at the provider.
    TokenExchange {
        /// Which.
        provider: ProviderName,
        /// The server's client id there.
        audience: String,
        /// What the provider adds of itself.
        unasked_scopes: Vec<String>,
        /// What is exchanged.
        subject: Subject,
    },
    /// Microsoft Entra ID.
    EntraObo {
        /// Which provider.
        provider: ProviderName,
    },
    /// Google Cloud.
    GoogleSts {
        /// Who vouches for people.
        provider: ProviderName,
        /// The pool and its provider.
        audience: String,
        /// The project that is billed.
        user_project: Option<String>,
    },
    /// Each person's own consent.
    UserOauth {
        /// Who gives tokens.
        authorization_server: Issuer,
        /// Where people consent, if that is pinned.
        authorization_endpoint: Option<Url>,
        /// What they want to be told beyond the standard when somebody is sent there.
        authorization_parameters: Vec<(String, String)>,
        /// The hub there.
        client: UserClient,
        /// What the file itself says.
        pinned: Pinned,
    },
    /// The hub itself.
    ClientCredentials {
        /// Who gives tokens.
        authorization_server: Issuer,
        /// The hub there.
        client: ProviderClient,
    },
}

/// The hub at the authorization server at which people consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserClient {
    /// By its own document.
    OwnDocument,
    /// By its own document where that is read; else it registers itself.
    SelfRegistered,
    /// As it was registered.
    Registered(ProviderClient),
}

/// What counts as it is written, and not as the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// `resource`.
    pub resource: bool,
    /// `scopes`.
    pub scopes: bool,
}
