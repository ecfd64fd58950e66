//! From a bearer token to a [`Caller`]: each request by itself, nothing remembered but keys (A14, lists A and B of the
//! identity reference).

mod introspection;
mod keys;
mod lines;
mod own;
mod pushed;

pub(crate) use introspection::Introspection;
pub use introspection::IntrospectionSetup;
use lines::SignedIn;
pub(crate) use own::OwnTokens;

use crate::caller::Caller;
use crate::journal::Journal;
use crate::ports::{Clock, KeySource};
use crate::supervisor::Supervisor;
use crate::switches::Thrown;
use deputy_core::{Client, Digest, Secret, SourceName, TenantId, Timestamp};
use deputy_identity::TokenError;
use deputy_identity::Verifier;
use deputy_identity::claims::{Claims, Expectations, Verified};
use deputy_identity::keys::RingHealth;
use deputy_identity::login::{Login, LoginExpectations};
use deputy_identity::provider::{Provider, ProviderName};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Where somebody stands; each door has audiences of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Door {
    /// `/mcp`.
    Mcp,
    /// `/s/{server}/mcp`.
    Server(SourceName),
    /// `/api`.
    Api,
    /// `/api/tickets` for one app.
    Tickets(SourceName),
}

impl Door {
    /// Its word in log and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Server(_) => "server",
            Self::Api => "api",
            Self::Tickets(_) => "tickets",
        }
    }

    /// The source that it leads to, if it leads to one alone.
    #[must_use]
    pub const fn source(&self) -> Option<&SourceName> {
        match self {
            Self::Server(source) | Self::Tickets(source) => Some(source),
            Self::Mcp | Self::Api => None,
        }
    }

    /// A caller has a client (RFC 9068 section 2.2), and people's own doors open only to people's own clients: an agent
    /// that gets itself a token for `/api` still cannot approve what it asks for.
    ///
    /// # Errors
    /// The word for the log.
    pub fn welcomes(&self, claims: &Claims, people_clients: &[Client]) -> Result<(), &'static str> {
        match (self, &claims.client) {
            (_, None) => Err("client_missing"),
            (Self::Api, Some(client)) if !people_clients.contains(client) => Err("client_not_for_people"),
            _ => Ok(()),
        }
    }
}

/// Nobody was let in. The door says no more than this (A13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// 401.
    Refused,
    /// 503: the identity provider's keys, or the log, are not to be had now.
    Unavailable,
}

/// What the operator decides beyond the doors' expectations.
pub struct Rules {
    /// In whose log strangers are counted.
    pub counting: TenantId,
    /// The clients through which people, not agents, come to `/api`.
    pub people_clients: Vec<Client>,
    /// Who is stopped.
    pub thrown: Arc<Thrown>,
    /// The hub's own tokens, where it gives any.
    pub(crate) own: Option<OwnTokens>,
    /// Which providers are asked about each token.
    pub(crate) introspection: Option<Introspection>,
}

/// Checks bearer tokens.
pub struct Authenticator {
    verifier: Verifier,
    doors: HashMap<Door, Expectations>,
    source: Arc<dyn KeySource>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    tenant: TenantId,
    fetched: watch::Sender<u64>,
    signed_in: Mutex<HashMap<Digest, Timestamp>>,
    people_clients: Vec<Client>,
    thrown: Arc<Thrown>,
    own: Option<OwnTokens>,
    introspection: Option<Introspection>,
}

impl Authenticator {
    /// Over these providers, with these expectations per door.
    #[must_use]
    pub fn new(
        verifier: Verifier,
        doors: HashMap<Door, Expectations>,
        source: Arc<dyn KeySource>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        supervisor: Supervisor,
        rules: Rules,
    ) -> Self {
        Self {
            verifier,
            doors,
            source,
            journal,
            clock,
            supervisor,
            tenant: rules.counting,
            fetched: watch::Sender::new(0),
            signed_in: Mutex::default(),
            people_clients: rules.people_clients,
            thrown: rules.thrown,
            own: rules.own,
            introspection: rules.introspection,
        }
    }

    /// The issuers that are configured.
    #[must_use]
    pub fn issuers(&self) -> Vec<String> {
        let every = self.verifier.providers().flat_map(|(provider, _)| provider.issuers());
        // Google's other spelling of its issuer is no address, and clients read these as addresses (RFC 9728).
        let mut issuers: Vec<String> =
            every.map(ToString::to_string).filter(|issuer| issuer.starts_with("http")).collect();
        issuers.sort();
        issuers
    }

    /// How well each provider's keys are known, for `/readyz`.
    #[must_use]
    pub fn health(&self) -> Vec<(ProviderName, RingHealth)> {
        let now = self.clock.now();
        self.verifier
            .providers()
            .map(|(provider, ring)| (provider.name().clone(), ring.health(now)))
            .collect()
    }

    /// Lets somebody in, or not.
    ///
    /// # Errors
    /// The reason is counted for the log; outside it is one of two.
    pub async fn authenticate(self: &Arc<Self>, door: &Door, token: &str) -> Result<Caller, Denied> {
        if let Some(own) = self.own.as_ref().filter(|own| own.seems_own(token)) {
            return self.by_grant(own, door, token).await;
        }
        let verified = self.verify(door, token).await?;
        if let Err(code) = door.welcomes(verified.claims(), &self.people_clients) {
            self.journal.count_refused(&self.tenant, door.name(), code);
            return Err(Denied::Refused);
        }
        let claims = verified.claims();
        let signed_in = SignedIn {
            user: &claims.user,
            client: claims.client.as_ref(),
            acting: [("act", claims.act.as_ref()), ("impersonator", claims.impersonator.as_ref())],
            token_id: claims.token_id,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
            grant: None,
        };
        self.record(door, &signed_in).await?;
        Ok(Caller::new(&verified))
    }

    /// Lets an agent in by the permission that a token of the hub's own stands for.
    async fn by_grant(&self, own: &OwnTokens, door: &Door, token: &str) -> Result<Caller, Denied> {
        let refuse = |code| {
            self.journal.count_refused(&self.tenant, door.name(), code);
            Denied::Refused
        };
        // INVARIANT: the hub's own tokens open the doors of agents alone: not people's, not applications'.
        let (Door::Mcp | Door::Server(_)) = door else { return Err(refuse("kind")) };
        let Some(expectations) = self.doors.get(door) else { return Err(Denied::Refused) };
        let stands = own.check(token, &expectations.audiences, self.clock.now());
        let stands = stands.map_err(|error| refuse(error.code()))?;
        let stands = stands.ok_or_else(|| refuse("grant_ended"))?;
        let user = &stands.grant.user;
        if self.thrown.stops_user(user) {
            return Err(refuse("stopped"));
        }
        let caller = Caller::by_grant(&stands.verified, &stands.grant, &stands.login);
        if self.thrown.ends(&caller).is_some() {
            return Err(refuse("revoked"));
        }
        let signed_in = SignedIn {
            user,
            client: Some(&stands.grant.client),
            acting: [("act", None), ("impersonator", None)],
            token_id: Some(Digest::of_bytes(stands.verified.id.as_bytes())),
            issued_at: Some(stands.verified.issued_at),
            expires_at: stands.verified.expires_at,
            grant: Some(&stands.grant),
        };
        self.record(door, &signed_in).await?;
        Ok(caller)
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, name: &ProviderName) -> Option<Arc<Provider>> {
        self.verifier.provider(name).map(|(provider, _)| Arc::clone(provider))
    }

    /// Checks the ID token of somebody who signs in at the hub.
    pub(crate) async fn verify_login(
        self: &Arc<Self>,
        id_token: &Secret<String>,
        expectations: &LoginExpectations<'_>,
    ) -> Result<Verified<Login>, Denied> {
        let verify =
            |attempt| self.verifier.login(id_token.expose(), expectations, attempt, self.clock.now());
        let verified = self.with_keys(verify).await.map_err(|error| {
            tracing::warn!(code = error.code(), "an ID token was not accepted");
            self.journal.count_refused(&self.tenant, "login", error.code());
            Denied::from(&error)
        })?;
        let claims = verified.claims.claims();
        if self.thrown.stops_user(&claims.user) || self.thrown.ends_fresh(claims) {
            self.journal.count_refused(&claims.user.tenant, "login", "revoked");
            return Err(Denied::Refused);
        }
        Ok(verified)
    }

    pub(crate) async fn verify(
        self: &Arc<Self>,
        door: &Door,
        token: &str,
    ) -> Result<Verified<Claims>, Denied> {
        // INVARIANT: a door without expectations lets nobody in.
        let Some(expectations) = self.doors.get(door) else { return Err(Denied::Refused) };
        let verified = match self.verifier.verify(token, expectations, self.clock.now()) {
            Err(TokenError::KeysNeeded(name)) => {
                self.fetch(&name).await;
                self.verifier.verify_again(token, expectations, self.clock.now())
            }
            done => done,
        };
        let verified = verified.map_err(|error| {
            self.journal.count_refused(&self.tenant, door.name(), error.code());
            Denied::from(&error)
        })?;
        let user = &verified.claims().user;
        if self.thrown.stops_user(user) {
            self.journal.count_refused(&user.tenant, door.name(), "stopped");
            return Err(Denied::Refused);
        }
        if self.thrown.ends_token(verified.claims()) {
            self.journal.count_refused(&verified.claims().user.tenant, door.name(), "revoked");
            return Err(Denied::Refused);
        }
        self.introspect(door, token, verified.claims()).await?;
        Ok(verified)
    }

    /// C3: where the operator wants it, the provider itself says whether the token still is good.
    async fn introspect(&self, door: &Door, token: &str, claims: &Claims) -> Result<(), Denied> {
        let Some(introspection) = &self.introspection else { return Ok(()) };
        let Some((provider, _)) = self.verifier.provider(&claims.provider) else { return Ok(()) };
        let (code, denied) = match introspection.is_active(provider, token, claims).await {
            Ok(true) => return Ok(()),
            Ok(false) => ("token_inactive", Denied::Refused),
            Err(fault) => {
                tracing::warn!(provider = %provider.name(), %fault, "a token cannot be asked about");
                ("introspection_unavailable", Denied::Unavailable)
            }
        };
        self.journal.count_refused(&claims.user.tenant, door.name(), code);
        Err(denied)
    }
}
