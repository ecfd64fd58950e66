//! Tokens for servers, for one person at a time: had from the organisation's own identity provider, kept in memory, and never
//! the token that an agent brought (list D of the identity reference).
//!
//! [`Exchange::token`] is asked at the socket's edge, once per request. What it kept is good for one person, one login, one
//! server; it is gone with the login. What the provider answers becomes a reason that the agent can act on.

mod connection;
mod kept;
mod legs;

pub use connection::{Connection, Kind};

use crate::access::Access;
use crate::journal::Journal;
use crate::ports::{Clock, Endpoints, Login};
use crate::sign_in::Logins;
use deputy_core::{Client, Digest, EventKind, Reason, Secret, SourceName, TenantId, Timestamp, User};
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::exchange::ExchangeError;
use kept::{Had, Kept, Key};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// No token is kept longer, whatever its server says.
const CAP: Duration = Duration::from_secs(600);
/// A token without a life of its own lives so long.
const UNSAID: Duration = Duration::from_secs(60);
/// Before its end a token is not used any more.
const SKEW: Duration = Duration::from_secs(30);
/// What an administrator has to mend is not asked again before (D9).
const REFUSED: Duration = Duration::from_secs(60);
/// What cannot be reached is not asked again before.
const AGAIN: Duration = Duration::from_secs(2);

/// Why there is no token, for the agent, in words that name no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct NoToken {
    /// What can be done about it.
    pub reason: Reason,
    /// What happened.
    pub words: String,
}

impl NoToken {
    fn new(reason: Reason, words: impl Into<String>) -> Self {
        Self { reason, words: words.into() }
    }
}

/// What came of an exchange.
pub(crate) struct Exchanged {
    pub(crate) token: Secret<String>,
    pub(crate) ends_at: Timestamp,
    /// The ID-JAG's `jti`, hashed, and what it allows.
    pub(crate) assertion: Option<Digest>,
    pub(crate) scopes: Option<Vec<String>>,
}

/// Gets tokens for servers.
pub struct Exchange {
    connections: HashMap<SourceName, Arc<Connection>>,
    stopped: HashMap<SourceName, AtomicBool>,
    logins: Option<Arc<Logins>>,
    access: Arc<Access>,
    endpoints: Arc<dyn Endpoints>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    sign_in: String,
    kept: Kept,
}

/// What the desk is made of.
pub(crate) struct Parts {
    pub(crate) connections: Vec<Connection>,
    pub(crate) logins: Option<Arc<Logins>>,
    pub(crate) access: Arc<Access>,
    pub(crate) endpoints: Arc<dyn Endpoints>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where people sign in.
    pub(crate) sign_in: String,
}

impl Exchange {
    pub(crate) fn new(parts: Parts) -> Self {
        let connections: HashMap<_, _> = parts
            .connections
            .into_iter()
            .map(|connection| (connection.server.clone(), Arc::new(connection)))
            .collect();
        Self {
            stopped: connections.keys().map(|name| (name.clone(), AtomicBool::new(false))).collect(),
            connections,
            logins: parts.logins,
            access: parts.access,
            endpoints: parts.endpoints,
            journal: parts.journal,
            clock: parts.clock,
            sign_in: parts.sign_in,
            kept: Kept::default(),
        }
    }

    /// A token for this server, for this person; of the many who ask at once one exchanges (D8).
    ///
    /// # Errors
    /// See [`NoToken`].
    pub async fn token(&self, server: &SourceName, user: &User) -> Result<Secret<String>, NoToken> {
        let connection = self.connection(server, &user.tenant)?;
        let login = self.login(&connection, user)?;
        let key =
            Key { user: user.clone(), login: login.as_ref().map(|login| login.id), server: server.clone() };
        let slot = self.kept.slot(key, |id| self.access.login(id).is_some());
        let mut had = slot.lock().await;
        let now = self.clock.now();
        match &*had {
            Some(Had::Token { token, until }) if *until > now => {
                return Ok(Secret::new(token.expose().clone()));
            }
            Some(Had::Refused { none, until }) if *until > now => return Err(none.clone()),
            _ => {}
        }
        let done = self.exchange(&connection, login).await;
        let done = match done {
            Ok(exchanged) => self.recorded(&connection, user, exchanged).await,
            Err(error) => Err(self.refused(&connection, user, error).await),
        };
        match done {
            Ok((token, until)) => {
                let shown = Secret::new(token.expose().clone());
                *had = Some(Had::Token { token, until });
                Ok(shown)
            }
            Err((none, for_how_long)) => {
                *had = Some(Had::Refused { none: none.clone(), until: self.clock.now().plus(for_how_long) });
                Err(none)
            }
        }
    }

    /// The server refused the token: the next request exchanges anew, once (D7).
    pub async fn forget(&self, server: &SourceName, user: &User) {
        let Ok(connection) = self.connection(server, &user.tenant) else { return };
        let Ok(login) = self.login(&connection, user) else { return };
        let key = Key { user: user.clone(), login: login.map(|login| login.id), server: server.clone() };
        self.kept.forget(&key);
    }

    /// The server, or what stands before it, names another authorization server than the operator did: it gets no token any
    /// more until the hub starts again (D1).
    pub fn stop(&self, server: &SourceName, named: &str) {
        if let Some(stopped) = self.stopped.get(server)
            && !stopped.swap(true, Ordering::AcqRel)
        {
            let named: String = named.chars().filter(|c| !c.is_control()).take(200).collect();
            tracing::error!(%server, named, "a server names another authorization server than the configuration: it is given no token any more");
        }
    }

    /// The keys with which the hub shows servers' authorization servers which client it is, public halves.
    pub(crate) fn own_keys(&self) -> Vec<serde_json::Value> {
        let own = self.connections.values().filter_map(|connection| connection.client.as_ref());
        let keys = own.filter_map(|own| match &own.authentication {
            ClientAuthentication::PrivateKeyJwt { key, .. } => Some(key.public_jwk().clone()),
            _ => None,
        });
        keys.collect()
    }

    /// The authorization server that was pinned for a server.
    #[must_use]
    pub fn pinned(&self, server: &SourceName) -> Option<&str> {
        self.connections.get(server)?.authorization_server.as_ref().map(deputy_core::Issuer::as_str)
    }

    fn connection(&self, server: &SourceName, tenant: &TenantId) -> Result<Arc<Connection>, NoToken> {
        let known = self.connections.get(server).filter(|connection| connection.tenant == *tenant);
        let stopped = self.stopped.get(server).is_some_and(|stopped| stopped.load(Ordering::Acquire));
        match known {
            Some(connection) if !stopped => Ok(Arc::clone(connection)),
            Some(_) => Err(NoToken::new(
                Reason::UpstreamUnavailable,
                "its authorization server is not the one that was configured; an administrator has to look",
            )),
            None => Err(NoToken::new(Reason::UpstreamUnavailable, "there is no way to a token for it")),
        }
    }

    /// Whose tokens are exchanged: the person's newest login through the provider of this connection.
    fn login(&self, connection: &Connection, user: &User) -> Result<Option<Arc<Login>>, NoToken> {
        let Some(provider) = &connection.provider else { return Ok(None) };
        let own = self.access.logins_of(user).into_iter().filter(|login| login.provider == provider.as_str());
        let newest = own.max_by_key(|login| login.began_at);
        newest.map(Some).ok_or_else(|| self.sign_in_first())
    }

    fn sign_in_first(&self) -> NoToken {
        NoToken::new(
            Reason::SessionEnded,
            format!("the user is not signed in at the hub; ask them to sign in at {}", self.sign_in),
        )
    }

    /// Written down before it is used (D14). Never the token.
    async fn recorded(
        &self,
        connection: &Connection,
        user: &User,
        exchanged: Exchanged,
    ) -> Result<(Secret<String>, Timestamp), (NoToken, Duration)> {
        let mut event = self.about(EventKind::TokenExchanged, connection, user);
        if let Some(id) = exchanged.assertion {
            event = event.with_detail("assertion", id.to_string());
        }
        if let Some(scopes) = exchanged.scopes {
            event = event.with_detail("granted", scopes);
        }
        event = event.with_detail("until", exchanged.ends_at.to_string());
        if let Err(error) = self.journal.append(vec![event]).await {
            tracing::error!(%error, "a token is not used: its line cannot be written");
            return Err((NoToken::new(Reason::AuditUnavailable, "nothing can be written down now"), AGAIN));
        }
        let now = self.clock.now();
        let life = exchanged.ends_at.since(now).min(CAP);
        let until = now.plus(life.saturating_sub(SKEW.min(life / 2)));
        Ok((exchanged.token, until))
    }

    /// What the provider's answer means (D9), and for how long it is believed.
    async fn refused(
        &self,
        connection: &Connection,
        user: &User,
        error: legs::Trouble,
    ) -> (NoToken, Duration) {
        let (none, for_how_long) = match &error {
            legs::Trouble::SignedOut => (self.sign_in_first(), Duration::ZERO),
            legs::Trouble::Unreachable(why) => {
                tracing::warn!(server = %connection.server, why, "no token can be had now");
                let words =
                    "the identity provider, or the server's authorization server, cannot be reached now";
                (NoToken::new(Reason::UpstreamUnavailable, words), AGAIN)
            }
            legs::Trouble::Answered(error) => self.answered(connection, error),
        };
        let event = self
            .about(EventKind::ExchangeRefused, connection, user)
            .with_detail("why", error.code())
            .with_detail("told", none.reason.code());
        if let Err(error) = self.journal.append(vec![event]).await {
            tracing::error!(%error, "a refused exchange could not be recorded");
        }
        (none, for_how_long)
    }

    fn answered(&self, connection: &Connection, error: &ExchangeError) -> (NoToken, Duration) {
        match error {
            ExchangeError::InvalidGrant => (self.sign_in_first(), AGAIN),
            ExchangeError::InsufficientUserAuthentication { max_age, acr_values } => {
                let age = max_age.map(|age| format!("; not longer ago than {} s", age.as_secs()));
                let how = if acr_values.is_empty() {
                    String::new()
                } else {
                    format!("; as strongly as `{}`", acr_values.join("`, `"))
                };
                let words = format!(
                    "the identity provider wants the user to sign in again at {}{how}{}",
                    self.sign_in,
                    age.unwrap_or_default()
                );
                (NoToken::new(Reason::StepUpRequired, words), AGAIN)
            }
            ExchangeError::InteractionRequired { .. } => {
                let words =
                    format!("the identity provider wants to ask the user something: {}", self.sign_in);
                (NoToken::new(Reason::StepUpRequired, words), AGAIN)
            }
            ExchangeError::Temporary(_) => (
                NoToken::new(Reason::UpstreamUnavailable, "the identity provider is not to be had now"),
                AGAIN,
            ),
            ExchangeError::AccessDenied => {
                let words = "the identity provider does not let the user use it through an agent";
                (NoToken::new(Reason::PolicyDenied, words), REFUSED)
            }
            error => {
                // Only an administrator can do anything about it: said once a minute, not at each request.
                tracing::error!(server = %connection.server, code = error.code(), %error, "a token exchange is refused: its set-up is wrong");
                let words = "the way to a token for it is not set up right; an administrator has to look";
                (NoToken::new(Reason::UpstreamUnavailable, words), REFUSED)
            }
        }
    }

    fn about(&self, kind: EventKind, connection: &Connection, user: &User) -> deputy_core::Event {
        let mut event = self
            .journal
            .event(kind, user)
            .with_detail("credential", connection.kind.code())
            .with_detail("resource", connection.resource.as_str())
            .with_detail("scopes", connection.scopes.clone());
        event.source = Some(connection.server.clone());
        event.lane = Some(connection.kind.lane().to_owned());
        if let Some(provider) = &connection.provider {
            event = event.with_detail("provider", provider.as_str());
        }
        if let Some(server) = &connection.authorization_server {
            event = event.with_detail("authorization_server", server.as_str());
        }
        if let Some(own) = &connection.client {
            let Client(id) = &own.id;
            event = event.with_detail("as", id.as_str());
        }
        event
    }
}
