//! People and agents sign in at the hub: a relying party of the organisation's identity provider ([`Logins`]), and in front
//! of it an authorization server for MCP clients ([`AuthorizationServer`]; OAuth 2.1, RFC 8414, 8707, 9207, 9728).

mod authorize;
mod clients;
mod held;
mod logins;
mod pages;
mod tokens;
mod used;

pub(crate) use authorize::Parts;
pub use authorize::{AuthorizationServer, Step};
pub(crate) use clients::Clients;
pub use clients::{ClientFault, KnownAgent, Vouched};
pub use held::Held;
pub use logins::{Arrival, Departure, LoginFault, Logins, Wanted};
pub(crate) use logins::{discovery_address, is_due};
pub use pages::{Consent, Decision};
pub use tokens::TokenFault;

use deputy_core::{Client, Effect, SourceName, TenantId};
use deputy_identity::ProviderName;
use deputy_identity::client_authentication::ClientAuthentication;
use std::collections::HashMap;
use std::time::Duration;

/// How people and agents sign in, as the operator said it.
pub struct SignInSetup {
    /// The hub's own client at each provider through which people sign in.
    pub providers: HashMap<ProviderName, OwnClient>,
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
    /// Whether clients may register themselves (RFC 7591).
    pub dynamic_registration: bool,
    /// Who may act for everybody without a page.
    pub agents: Vec<ApprovedAgent>,
}

/// The hub as a client of a provider.
pub struct OwnClient {
    /// Its id there.
    pub id: Client,
    /// How it shows that it is that client.
    pub authentication: ClientAuthentication,
}

/// An agent that an administrator approved for everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedAgent {
    /// In which organisation.
    pub tenant: TenantId,
    /// Which.
    pub client: Client,
    /// The most that its calls may do.
    pub most: Effect,
    /// Which sources; `None`: all.
    pub sources: Option<Vec<SourceName>>,
}

/// The scopes of the hub's own tokens: how far an agent's calls may go. A broader one covers the narrower.
pub const SCOPES: [Effect; 3] = [Effect::Read, Effect::Write, Effect::Destructive];

/// The scopes up to an effect, as tokens and challenges list them.
#[must_use]
pub fn scopes_up_to(most: Effect) -> Vec<&'static str> {
    SCOPES.into_iter().filter(|effect| *effect <= most).map(Effect::code).collect()
}

/// How far scopes go; what is no scope of the hub's says nothing.
pub(crate) fn farthest(scopes: &[String]) -> Option<Effect> {
    SCOPES.into_iter().rev().find(|effect| scopes.iter().any(|scope| scope == effect.code()))
}
