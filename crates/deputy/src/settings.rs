//! Settings: `deputy.toml`, parsed once into types that cannot be wrong.
//!
//! [`Settings::load`] reads a file; what is wrong with it comes back as [`Faults`], each with its line, its culprit and
//! its mend. Nothing here has a default secret, and nothing turns verification, policy or audit off (invariant 15).

pub mod environment;
mod fault;
mod guard;
mod later;
mod located;
mod meaning;
mod network;
mod raw;
mod schema;
pub mod secret;
mod shape;
mod span;
#[cfg(test)]
mod tests;

pub(crate) use fault::nearest;
pub use fault::{Fault, Faults, SettingsError};
pub use guard::{GuardClient, GuardClientKeys, GuardSettings};
pub use network::{AddressError, PublicUrl, address};
pub use schema::{guard_schema_text, schema_text};
pub use secret::{SecretError, SecretSource};

use crate::publish::Target;
use deputy_audit::arguments::Recording;
use deputy_core::{Class, Client, Effect, Issuer, Origin, SourceName, TenantId, ToolName};
use deputy_hub::Trust;
use deputy_hub::exchange::Subject;
use deputy_hub::limits::Limit;
use deputy_hub::traces::Sample;
use deputy_identity::provider::KeysAt;
use deputy_identity::{Audiences, Provider, ProviderName, TokenKind};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Everything the operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub itself.
    pub hub: Hub,
    /// The organisations; [`TenantId::single`] alone where the file names none.
    pub tenants: Vec<TenantId>,
    /// Who vouches for people; at least one, no two with the same issuer.
    pub identity_providers: Vec<IdentityProvider>,
    /// Web applications; no two share a name, an origin or an audience.
    pub apps: Vec<App>,
    /// MCP servers; no two share a name, nor one with an application.
    pub servers: Vec<Server>,
    /// Who may do what.
    pub policy: PolicySource,
    /// How often calls may be performed; no two share a name.
    pub limits: Vec<Limit>,
    /// How people and agents sign in at the hub; `None`: they do not.
    pub sign_in: Option<SignIn>,
    /// What the audit log holds.
    pub audit: Audit,
    /// Where the vault's master key is; `None`: the vault is sealed.
    pub vault: Option<MasterKeyPlace>,
    /// Where traces of calls go; `None`: none are made.
    pub telemetry: Option<Telemetry>,
}

/// Where traces of calls go.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The collector, without the path of traces.
    pub endpoint: Url,
    /// Where the headers are that it wants, one in a line.
    pub headers: Option<SecretSource>,
    /// Which part of the traces that begin here is recorded.
    pub sample: Sample,
    /// What the hub calls itself there.
    pub service_name: String,
}

/// Where the vault's master key is. The key itself is read at each use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeyPlace {
    /// In a file, outside the data directory.
    File(PathBuf),
    /// A credential that systemd hands over.
    Credential(String),
}

/// What the audit log holds.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// How much of calls' arguments.
    pub recording: Recording,
    /// How long its lines keep their bytes; `None`: for ever.
    pub keep: Option<Duration>,
    /// Where its checkpoints are carried.
    pub publish: Vec<Target>,
}

/// The hub itself.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it listens for operators' metrics.
    pub operations_listen: Option<SocketAddr>,
    /// Under which origin it is reached.
    pub public_url: PublicUrl,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// How long a call waits for a person.
    pub approval_wait: Duration,
    /// How long after an approval the call may still start.
    pub approval_execution: Duration,
    /// How long a call may run when the agent names no deadline.
    pub call_deadline: Duration,
    /// The client with which `deputy approve` signs people in.
    pub cli_client_id: Option<String>,
    /// The groups whose people may turn switches over the API.
    pub operator_groups: Vec<String>,
}

/// Who vouches for people.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// Its name, tenant, issuer, keys, algorithms, claims. It takes ID tokens only where an application brings them.
    pub provider: Provider,
    /// The hub's own client there.
    pub client: Option<ProviderClient>,
    /// Whether, and where, it is asked about each of its tokens; then it has a client.
    pub introspection: Option<Introspection>,
    /// Its stream of security events.
    pub events: Option<Events>,
}

/// A provider is asked about each of its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    /// Where; `None`: its discovery document says so.
    pub url: Option<Url>,
}

/// A provider's stream of security events.
#[derive(Debug, Clone)]
pub struct Events {
    /// What the stream calls the hub.
    pub audience: String,
    /// Where the secret is that a push brings.
    pub push_token: Option<SecretSource>,
    /// Where events are fetched, and where the token for it is; `None`: they are pushed.
    pub poll: Option<(Url, Option<SecretSource>)>,
}

/// The hub's own client at an identity provider or authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderClient {
    /// Its `client_id`.
    pub id: String,
    /// Where its secret is.
    pub secret: Option<SecretSource>,
    /// Where the private key is with which it signs assertions. Neither: a public client.
    pub private_key: Option<SecretSource>,
    /// Whether the secret goes into the form.
    pub secret_in_form: bool,
    /// For whom assertions are, if it is said.
    pub assertion_audience: Option<String>,
}

/// People sign in at the hub, and agents get their tokens from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Through which providers; each has a client.
    pub providers: Vec<ProviderName>,
    /// What the hub asks of them, `openid` among it.
    pub scopes: Vec<String>,
    /// How long a person stays signed in.
    pub session: Duration,
    /// How long an agent's permission lasts unless it is renewed.
    pub grant: Duration,
    /// How long an access token lasts.
    pub token: Duration,
    /// After how long the provider is asked again about a person.
    pub ask_again: Duration,
    /// Whether clients may register themselves.
    pub dynamic_registration: bool,
    /// Who may act for everybody.
    pub agents: Vec<ApprovedAgent>,
}

/// An agent that an administrator approved for everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedAgent {
    /// In which organisation.
    pub tenant: TenantId,
    /// Its client id.
    pub client: Client,
    /// The most that its calls may do.
    pub most: Effect,
    /// The sources that it may use; `None`: all.
    pub sources: Option<Vec<SourceName>>,
}

/// A web application whose tabs offer tools.
#[derive(Debug, Clone)]
pub struct App {
    /// The first half of its tools' public names.
    pub name: SourceName,
    /// The organisation it belongs to.
    pub tenant: TenantId,
    /// The origins of its pages; at least one.
    pub origins: Vec<Origin>,
    /// What its user tokens are for; at least one (A9).
    pub audiences: Audiences,
    /// Who vouches for its users; always one of [`Settings::identity_providers`], of the same tenant.
    pub identity_provider: ProviderName,
    /// The kind of token it brings for its users (A10).
    pub token: TokenKind,
    /// What its tools do to the world.
    pub classes: BTreeMap<ToolName, Class>,
    /// Where its manifest is.
    pub manifest: Option<Manifest>,
}

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
    /// How long one of its answers may take.
    pub timeout: Duration,
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

/// Where an application's manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its address.
    pub url: Url,
    /// The origin of that address: one of the application's own.
    pub origin: Origin,
}

/// Where the policy set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// The one that ships with the program.
    Shipped,
    /// `*.cedar` in this directory.
    Directory(PathBuf),
}

fn text_of(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => SettingsError::Missing(path.to_owned()),
        _ => SettingsError::Unreadable { path: path.to_owned(), error },
    })
}

impl Settings {
    /// Reads and checks a file. Relative paths in it are relative to the file.
    ///
    /// # Errors
    /// No such file, not readable, or everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = text_of(path)?;
        Self::parse(&text, path).map_err(SettingsError::Faults)
    }

    /// Checks a text as if it stood in the file `path`; reads nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Faults> {
        meaning::parse(text, path)
    }

    /// The identity provider of a name.
    #[must_use]
    pub fn identity_provider(&self, name: &ProviderName) -> Option<&IdentityProvider> {
        self.identity_providers.iter().find(|entry| entry.provider.name() == name)
    }

    /// The addresses that the operator named: their hosts may be inside (DESIGN section 4), all others may not.
    #[must_use]
    pub fn named_addresses(&self) -> Vec<Url> {
        let of_providers = self.identity_providers.iter().map(|entry| match entry.provider.keys_at() {
            KeysAt::Discovery(url) | KeysAt::Set(url) => url.clone(),
        });
        let of_providers = of_providers.chain(self.identity_providers.iter().flat_map(|entry| {
            let asked = entry.introspection.iter().filter_map(|asked| asked.url.clone());
            asked.chain(entry.events.iter().filter_map(|events| Some(events.poll.as_ref()?.0.clone())))
        }));
        let webhooks = self.audit.publish.iter().filter_map(|target| match target {
            Target::Webhook(url) => Some(url.clone()),
            Target::Bucket(bucket) => Some(bucket.url.clone()),
            Target::File(_) => None,
        });
        let manifests =
            self.apps.iter().filter_map(|app| app.manifest.as_ref().map(|manifest| manifest.url.clone()));
        let servers = self.servers.iter().flat_map(|server| match &server.way {
            Way::Address(url) => vec![url.clone()],
            Way::Command { .. } => Vec::new(),
            Way::OpenApi { document, base_url, .. } => {
                let document = match document {
                    Document::Address(url) => Some(url.clone()),
                    Document::File(_) => None,
                };
                document.into_iter().chain(base_url.clone()).collect()
            }
        });
        let exchanges = self.servers.iter().flat_map(|server| match &server.credential {
            Credential::Exchange(exchange) => {
                let issuer = match &exchange.way {
                    ExchangeWay::IdJag { authorization_server, .. }
                    | ExchangeWay::UserOauth { authorization_server, .. }
                    | ExchangeWay::ClientCredentials { authorization_server, .. } => {
                        Url::parse(authorization_server.as_str()).ok()
                    }
                    _ => None,
                };
                issuer.into_iter().chain(exchange.token_endpoint.clone()).collect()
            }
            Credential::Open | Credential::Vault => Vec::new(),
        });
        let of_providers =
            of_providers.chain(exchanges).chain(manifests).chain(servers).chain(self.agent_addresses());
        of_providers.chain(Url::parse(self.hub.public_url.as_str()).ok()).chain(webhooks).collect()
    }

    /// Where the documents of approved agents are: the operator named their hosts, so they may be inside.
    #[must_use]
    pub fn agent_addresses(&self) -> Vec<Url> {
        let agents = self.sign_in.iter().flat_map(|sign_in| &sign_in.agents);
        agents.filter_map(|agent| Url::parse(&agent.client.0).ok().filter(Url::has_host)).collect()
    }
}
