//! The way of a person through the hub's page to the authorization server of a server, and back: bound to the login of the
//! browser in which it began, once, for a short time.

use super::super::kept::Key;
use super::super::refusal::Fault;
use super::super::{Asker, AtServer, Connection, ConsentSettings, Exchange, Way};
use super::tokens::Tokens;
use super::{MOST, pinned_scopes};
use crate::access::AccessError;
use crate::ports::{Consent, Login};
use deputy_core::{Client, Digest, EventKind, Issuer, SourceName, Timestamp, User};
use deputy_identity::exchange::user_oauth::{Asking, Begun, Consented, ServerMetadata, state_of};
use deputy_identity::exchange::{ExchangeError, Granted};
use deputy_identity::form::Parameters;
use deputy_identity::login::CallbackError;
use deputy_vault::PersonPlace;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

const FORM: &str = "connect-server";
/// How long a page is good, and how long a person may take at the authorization server.
const LIFE: Duration = Duration::from_secs(600);
/// How many servers one login may be on the way to at once.
const AT_ONCE: usize = 16;
/// With which refresh tokens are asked for, where an authorization server says that it knows it.
const OFFLINE: &str = "offline_access";

/// A browser that was sent to an authorization server.
pub(super) struct Pending {
    begun: Begun,
    login: Digest,
    server: SourceName,
    pub(super) until: Duration,
}

/// What the page shows.
#[derive(Debug, Clone)]
pub struct Connecting {
    /// Which server.
    pub server: SourceName,
    /// Who asks for the person's consent.
    pub authorization_server: Issuer,
    /// The identifier of the server there.
    pub resource: String,
    /// What the hub asks to be allowed; none: the authorization server says.
    pub scopes: Vec<String>,
    /// Since when it is connected, if it is.
    pub since: Option<Timestamp>,
    /// Who is signed in.
    pub person: String,
    /// Where the form leads (CSP `form-action`): the origin of the authorization server's page.
    pub sent_on_to: String,
    /// What the form brings back: good for this login and this server alone.
    pub form: String,
}

/// Why a server is not connected.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectFault {
    /// There is no such server for this person.
    #[error("there is no such server")]
    NotFound,
    /// Nothing of the kind was begun in this browser, by whoever is signed in in it now; or it took too long.
    #[error("this browser did not begin to connect a server, or it took too long")]
    NotBegun,
    /// The person did not consent, or the authorization server did not let them.
    #[error("the authorization server of `{server}` answered `{code}`")]
    Refused {
        /// Which.
        server: SourceName,
        /// Its error, cleaned.
        code: String,
    },
    /// The answer is not of whom it should be, or of no use.
    #[error("the answer of the authorization server of `{server}` was not accepted: {why}")]
    Unusable {
        /// Which.
        server: SourceName,
        /// What is wrong.
        why: String,
    },
    /// It cannot be done now.
    #[error("`{server}` cannot be connected now: {why}")]
    Unavailable {
        /// Which.
        server: SourceName,
        /// What happened.
        why: String,
    },
}

impl ConnectFault {
    /// For people, without a word of what a stranger may have written.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::NotFound => "There is no such page.",
            Self::NotBegun => "This was not begun in this browser, or it took too long. Begin again.",
            Self::Refused { .. } => "The server was not connected: it was not allowed there.",
            Self::Unusable { .. } => "The server's answer was not accepted. Tell your administrator.",
            Self::Unavailable { .. } => "The server cannot be connected now. Try again in a minute.",
        }
    }
}

/// All that is needed to ask for consent.
struct Road<'a> {
    connection: &'a Arc<Connection>,
    at: &'a AtServer,
    metadata: Option<Arc<ServerMetadata>>,
    endpoint: Url,
    resource: String,
    scopes: Vec<String>,
}

impl Exchange {
    /// The page for a server; `None`: there is none for this person.
    ///
    /// # Errors
    /// See [`ConnectFault`].
    pub async fn connecting(&self, login: &Login, server: &SourceName) -> Result<Connecting, ConnectFault> {
        let (connection, at, settings) = self.for_consent(login, server).ok_or(ConnectFault::NotFound)?;
        let way =
            self.way(login, connection, at, settings).await.map_err(|fault| unavailable(server, &fault))?;
        let until = self.clock.now().plus(LIFE);
        let binding: [&[u8]; 2] = [login.id.as_bytes(), server.as_str().as_bytes()];
        let form = self.sealer.seal(FORM, &binding, b"connect", until);
        let form = form.map_err(|_| unavailable(server, &Fault::Internal))?;
        Ok(Connecting {
            server: server.clone(),
            authorization_server: at.issuer.clone(),
            resource: way.resource,
            scopes: way.scopes,
            since: self.access.consent(&login.user, server).map(|consent| consent.given_at),
            person: login.name.clone().unwrap_or_else(|| login.user.subject.to_string()),
            sent_on_to: way.endpoint.origin().ascii_serialization(),
            form,
        })
    }

    /// The person goes on from the page: where to send their browser.
    ///
    /// # Errors
    /// See [`ConnectFault`].
    pub async fn depart(&self, login: &Login, server: &SourceName, body: &[u8]) -> Result<Url, ConnectFault> {
        let (connection, at, settings) = self.for_consent(login, server).ok_or(ConnectFault::NotFound)?;
        self.is_from_page(login, server, body)?;
        let failed = |fault: &Fault| unavailable(server, fault);
        let way = self.way(login, connection, at, settings).await.map_err(|fault| failed(&fault))?;
        let known = self.known_as(way.connection, way.at, way.metadata.as_deref(), &way.scopes).await;
        let known = known.map_err(|fault| failed(&fault))?;
        let asking = Asking {
            client: known.id,
            redirect_uri: self.redirect_uri(),
            scopes: way.scopes,
            resource: way.resource,
            issuer: at.issuer.clone(),
            names_issuer: way.metadata.is_some_and(|metadata| metadata.names_issuer()),
            more: settings.authorization_parameters.clone(),
        };
        let (to, begun) = asking.begin(&way.endpoint).map_err(|error| failed(&Fault::Server(error)))?;
        let now = self.clock.elapsed();
        let mut pending = self.pending();
        pending.retain(|_, one| one.until > now);
        let own = pending.values().filter(|one| one.login == login.id).count();
        if own >= AT_ONCE || pending.len() >= MOST {
            return Err(ConnectFault::Unavailable {
                server: server.clone(),
                why: "too many are on their way at once".to_owned(),
            });
        }
        let state = Digest::of_bytes(begun.state().as_bytes());
        let one = Pending { begun, login: login.id, server: server.clone(), until: now.saturating_add(LIFE) };
        pending.insert(state, one);
        Ok(to)
    }

    /// A browser comes back, in which this login is signed in, if any is. Whatever comes of it, its `state` is used up.
    ///
    /// # Errors
    /// See [`ConnectFault`].
    pub async fn arrive(&self, login: Option<&Login>, query: &[u8]) -> Result<SourceName, ConnectFault> {
        let state = state_of(query).ok_or(ConnectFault::NotBegun)?;
        let now = self.clock.elapsed();
        let taken = self.pending().remove(&Digest::of_bytes(state.as_bytes()));
        let pending = taken.filter(|one| one.until > now).ok_or(ConnectFault::NotBegun)?;
        // INVARIANT: the login that comes back is the one that began.
        let login = login.filter(|login| login.id == pending.login).ok_or(ConnectFault::NotBegun)?;
        let Pending { begun, server, .. } = pending;
        let (connection, at, _) = self.for_consent(login, &server).ok_or(ConnectFault::NotFound)?;
        let code = begun.read_answer(query).map_err(|error| of_answer(&server, error))?;
        let asking = begun.asking();
        if asking.issuer != at.issuer {
            return Err(ConnectFault::NotBegun);
        }
        let body = self.as_client(connection, at, begun.redeem(&code)).await;
        let body = body.map_err(|fault| of_fault(&server, &fault))?;
        let answer = Consented::read(body.expose(), pinned_scopes(connection));
        let answer = answer.map_err(|error| of_fault(&server, &Fault::Server(error)))?;
        self.keep(login, connection, asking, &answer).await.map_err(|fault| of_fault(&server, &fault))?;
        Ok(server)
    }

    /// A person takes back what they had allowed. `false`: there is nothing.
    #[must_use]
    pub fn disconnect(&self, user: &User, server: &SourceName) -> bool {
        self.access.end_consent(user, server, "person")
    }

    async fn keep(
        &self,
        login: &Login,
        connection: &Connection,
        asking: &Asking,
        answer: &Consented,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        let tokens = Tokens::of(answer, now, None);
        let before = self.access.consent(&login.user, &connection.server);
        let scopes = match &answer.access.granted {
            Granted::AsAsked => asking.scopes.clone(),
            Granted::Scopes(scopes) => scopes.clone(),
        };
        let version = before.as_ref().map_or(1, |before| before.version.saturating_add(1));
        let place = PersonPlace {
            tenant: connection.tenant.clone(),
            person: login.user.key(),
            server: connection.server.clone(),
            issuer: asking.issuer.to_string(),
            version,
        };
        let consent = Consent {
            user: login.user.clone(),
            server: connection.server.clone(),
            issuer: asking.issuer.clone(),
            resource: asking.resource.clone(),
            client: asking.client.clone(),
            asked: asking.scopes.clone(),
            scopes,
            given_at: now,
            renewed_at: now,
            ends_at: tokens.kept_until(now),
            version,
            sealed: self.sealed(&place, &tokens).await?,
        };
        let mut event = self
            .journal
            .event(EventKind::ServerConnected, &login.user)
            .with_detail("authorization_server", asking.issuer.as_str())
            .with_detail("resource", asking.resource.as_str())
            .with_detail("scopes", asking.scopes.clone())
            .with_detail("scopes_granted", consent.scopes.clone());
        event.source = Some(connection.server.clone());
        match self.access.consented(consent, login, event).await {
            Ok(_) => {}
            Err(AccessError::Ended) => return Err(Fault::SignIn),
            Err(_) => return Err(Fault::Audit),
        }
        let asker = Asker { user: login.user.clone(), client: Client(String::new()) };
        let key = Key::of(connection, &asker);
        self.kept().drop_one(&key);
        self.consents.steps.lock().unwrap_or_else(PoisonError::into_inner).settled(&key);
        Ok(())
    }

    /// The connection of a server that this person may connect.
    fn for_consent(
        &self,
        login: &Login,
        server: &SourceName,
    ) -> Option<(&Arc<Connection>, &AtServer, &ConsentSettings)> {
        let connection = self.connections.get(server).filter(|one| one.tenant == login.user.tenant)?;
        match &connection.way {
            Way::UserOauth { at, consent } => Some((connection, at, consent)),
            _ => None,
        }
    }

    fn is_from_page(&self, login: &Login, server: &SourceName, body: &[u8]) -> Result<(), ConnectFault> {
        let form = Parameters::parse(body).map_err(|_| ConnectFault::NotBegun)?;
        let token = form.one("form").ok_or(ConnectFault::NotBegun)?;
        let binding: [&[u8]; 2] = [login.id.as_bytes(), server.as_str().as_bytes()];
        let opened = self.sealer.open(FORM, &binding, token, self.clock.now());
        opened.map(drop).map_err(|_| ConnectFault::NotBegun)
    }

    /// Where to ask for what: pins first, then what server and authorization server say, as far as it agrees with them.
    async fn way<'a>(
        &self,
        login: &Login,
        connection: &'a Arc<Connection>,
        at: &'a AtServer,
        settings: &ConsentSettings,
    ) -> Result<Road<'a>, Fault> {
        let (challenge, said) = match &settings.address {
            Some(address) => self.documents.resource(address).await,
            None => Default::default(),
        };
        if let Some(foreign) = said.as_ref().and_then(|said| said.foreign(&at.issuer)) {
            let foreign: String = foreign.chars().filter(|c| !c.is_control()).take(200).collect();
            let asker = Asker { user: login.user.clone(), client: Client(String::new()) };
            let why = format!("it names another authorization server: `{foreign}`");
            self.disable(connection, &asker, &why);
            return Err(Fault::Astray);
        }
        let named = match (&said, &settings.address) {
            (Some(said), Some(address)) => said.resource_of(address).map_err(Fault::Document)?,
            _ => None,
        };
        let resource = match named {
            Some(named) if !settings.is_resource_pinned => named.to_owned(),
            _ => connection.resource.clone(),
        };
        let metadata = self.metadata(at).await?;
        let endpoint = match (&settings.authorization_endpoint, &metadata) {
            (Some(pinned), _) => pinned.clone(),
            (None, Some(metadata)) => metadata.authorization_endpoint().map_err(Fault::Document)?,
            (None, None) => return Err(Fault::Unreachable),
        };
        let asker = Asker { user: login.user.clone(), client: Client(String::new()) };
        let key = Key::of(connection, &asker);
        let wanted = self.consents.steps.lock().unwrap_or_else(PoisonError::into_inner).wanted(&key);
        let scopes = match wanted {
            Some(wanted) => wanted,
            None if settings.are_scopes_pinned => connection.scopes.clone(),
            None => {
                let mut scopes = challenge.scopes.or_else(|| said.as_ref()?.scopes()).unwrap_or_default();
                let knows = metadata.as_ref().is_some_and(|metadata| metadata.knows_scope(OFFLINE));
                if knows && !scopes.is_empty() && !scopes.iter().any(|scope| scope == OFFLINE) {
                    scopes.push(OFFLINE.to_owned());
                }
                scopes
            }
        };
        Ok(Road { connection, at, metadata, endpoint, resource, scopes })
    }

    fn pending(&self) -> MutexGuard<'_, std::collections::HashMap<Digest, Pending>> {
        self.consents.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(server: &SourceName, fault: &Fault) -> ConnectFault {
    let why = match fault {
        Fault::Document(why) => (*why).to_owned(),
        Fault::Server(error) => error.to_string(),
        fault => fault.code().to_owned(),
    };
    ConnectFault::Unavailable { server: server.clone(), why }
}

fn of_fault(server: &SourceName, fault: &Fault) -> ConnectFault {
    match fault {
        Fault::Server(error @ (ExchangeError::InvalidGrant | ExchangeError::AccessDenied)) => {
            ConnectFault::Refused { server: server.clone(), code: error.code().to_owned() }
        }
        Fault::Server(error @ ExchangeError::Unusable(_)) => {
            ConnectFault::Unusable { server: server.clone(), why: error.to_string() }
        }
        fault => unavailable(server, fault),
    }
}

fn of_answer(server: &SourceName, error: CallbackError) -> ConnectFault {
    match error {
        CallbackError::State => ConnectFault::NotBegun,
        CallbackError::Refused(code) => ConnectFault::Refused { server: server.clone(), code },
        error => ConnectFault::Unusable { server: server.clone(), why: error.to_string() },
    }
}
