//! Tokens for servers, for the person who asks: had from the organisation's own identity provider, kept in memory only
//! (identity reference list D).
//!
//! An agent's own bearer never comes here: what a token is exchanged for is what the provider gave the hub when the person
//! signed in at it (D3). Where the tokens come from is pinned in the configuration; a server that names another
//! authorization server gets none from then on (D1).

mod asking;
mod connection;
pub mod consent;
mod documents;
mod kept;
mod refusal;
mod refused;

pub use connection::{Asker, AtServer, Connection, ConsentSettings, ServerClient, Way};
pub use deputy_identity::exchange::token_exchange::Subject;
pub use documents::metadata_addresses;
pub use refusal::ExchangeRefusal;
pub use refused::ServerRefusal;

use crate::access::Access;
use crate::journal::Journal;
use crate::ports::{Clock, Endpoints, Login};
use crate::sign_in::Logins;
use crate::supervisor::Supervisor;
use crate::vault::PersonVault;
use asking::Fresh;
use deputy_core::{Event, EventKind, Issuer, Reason, Secret, SourceName, User};
use deputy_identity::mint::SigningKey;
use deputy_identity::seal::Sealer;
use documents::Documents;
use kept::{Kept, Key};
use refusal::Fault;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// No token is kept for longer, whatever its server says (D7).
const LONGEST: Duration = Duration::from_secs(600);
/// How long a token is kept whose server says nothing about that.
const UNSAID: Duration = Duration::from_secs(60);
/// How long before its end a token is no longer sent.
const SKEW: Duration = Duration::from_secs(30);

/// What the desk is made of.
pub(crate) struct Parts {
    pub(crate) connections: Vec<Connection>,
    pub(crate) logins: Option<Arc<Logins>>,
    pub(crate) access: Arc<Access>,
    pub(crate) endpoints: Arc<dyn Endpoints>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervisor: Supervisor,
    pub(crate) public_url: Issuer,
    pub(crate) sealer: Arc<Sealer>,
    /// Seals what people consented to; `None`: nobody can.
    pub(crate) vault: Option<PersonVault>,
}

/// Where tokens for servers are had.
pub struct Exchange {
    connections: HashMap<SourceName, Arc<Connection>>,
    logins: Option<Arc<Logins>>,
    access: Arc<Access>,
    endpoints: Arc<dyn Endpoints>,
    journal: Arc<Journal>,
    /// With which the hub shows who it is where its own document is its client id.
    key: Arc<SigningKey>,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    public_url: Issuer,
    documents: Documents,
    kept: Mutex<Kept>,
    sealer: Arc<Sealer>,
    vault: Option<PersonVault>,
    consents: consent::Open,
}

impl Exchange {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let connections = parts.connections.into_iter();
        Arc::new(Self {
            connections: connections.map(|one| (one.server.clone(), Arc::new(one))).collect(),
            logins: parts.logins,
            access: parts.access,
            documents: Documents::new(Arc::clone(&parts.endpoints), Arc::clone(&parts.clock)),
            endpoints: parts.endpoints,
            journal: parts.journal,
            key: parts.key,
            clock: parts.clock,
            supervisor: parts.supervisor,
            public_url: parts.public_url,
            kept: Mutex::default(),
            sealer: parts.sealer,
            vault: parts.vault,
            consents: consent::Open::default(),
        })
    }

    /// A token with which this server is asked for this person. Any number of calls at once are one exchange (D8); it goes
    /// on when whoever asked first no longer waits, so that its line is written.
    ///
    /// # Errors
    /// Why there is none, and what can be done about it.
    pub async fn token(
        self: &Arc<Self>,
        asker: &Asker,
        server: &SourceName,
    ) -> Result<Secret<String>, ExchangeRefusal> {
        let connection = self.connections.get(server).filter(|one| one.tenant == asker.user.tenant);
        let Some(connection) = connection.cloned() else {
            return Err(ExchangeRefusal::unavailable("the hub has no connection to it"));
        };
        let login = self.login_for(&connection, asker)?;
        if matches!(connection.way, Way::UserOauth { .. })
            && self.access.consent(&asker.user, &connection.server).is_none()
        {
            return Err(self.asks_consent(&connection));
        }
        let key = Key::of(&connection, asker);
        if let Some(known) = self.known(&key, login.as_deref()) {
            return known;
        }
        let Some(flight) = self.kept().flight(&key) else {
            return Err(ExchangeRefusal::unavailable(
                "too many people ask for tokens at once; retry in a minute",
            ));
        };
        let guard = flight.lock_owned().await;
        // Somebody else may have been here meanwhile.
        if let Some(known) = self.known(&key, login.as_deref()) {
            return known;
        }
        let (sender, result) = oneshot::channel();
        let (own, asker) = (Arc::clone(self), asker.clone());
        self.supervisor.start(async move {
            let result = own.fly(&connection, &asker, key, login).await;
            drop(guard);
            let _ = sender.send(result);
        });
        result.await.unwrap_or_else(|_| Err(ExchangeRefusal::unavailable("the hub is stopping")))
    }

    /// The server refused its token (401): it is dropped, and had anew once a minute at most (D7). `true`: ask again.
    pub fn drop_token(&self, asker: &Asker, server: &SourceName) -> bool {
        let Some(connection) = self.connections.get(server) else { return false };
        let now = self.clock.elapsed();
        self.kept().refused(&Key::of(connection, asker), now)
    }

    /// Looks into what a server says about where its tokens come from: `WWW-Authenticate`. One that names another
    /// authorization server than the pinned one is asked nothing from then on (D1). `true`: it does.
    pub async fn is_led_astray(&self, asker: &Asker, server: &SourceName, challenge: &str) -> bool {
        let Some(connection) = self.connections.get(server) else { return false };
        let foreign = self.documents.foreign_in(connection, challenge).await;
        match foreign {
            Some(other) => {
                self.disable(connection, asker, &format!("it names another authorization server: `{other}`"));
                true
            }
            None => false,
        }
    }

    /// The client document of the hub itself, for authorization servers that read such (CIMD).
    #[must_use]
    pub fn client_document(public_url: &str) -> serde_json::Value {
        serde_json::json!({
            "client_id": format!("{public_url}/oauth/client.json"),
            "client_name": "Deputy",
            "client_uri": public_url,
            "redirect_uris": [format!("{public_url}{}", consent::CALLBACK), format!("{public_url}/login/callback")],
            "grant_types": [
                "authorization_code", "refresh_token", deputy_identity::authorization::JWT_BEARER, "client_credentials",
            ],
            "response_types": ["code"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks_uri": format!("{public_url}/.well-known/jwks.json"),
        })
    }

    /// Forgets tokens that ended and those of people who are no longer signed in, until the hub stops (C4).
    pub(crate) async fn forget_ended(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            self.sweep();
        }
    }

    /// How many tokens are in memory.
    #[must_use]
    pub fn kept_tokens(&self) -> usize {
        self.kept().tokens()
    }

    /// The public half of the keys with which the hub shows authorization servers which client it is.
    pub(crate) fn own_keys(&self) -> Vec<serde_json::Value> {
        self.connections.values().filter_map(|one| one.own_key()).collect()
    }

    /// One round of forgetting.
    pub fn sweep(&self) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let consented = |user: &User, server: &SourceName| {
            let is_one =
                self.connections.get(server).is_some_and(|one| matches!(one.way, Way::UserOauth { .. }));
            !is_one || self.access.consent(user, server).is_some()
        };
        let mut kept = self.kept();
        kept.forget(now, elapsed, |login| self.access.login(login).is_some());
        kept.drop_unless(consented);
        drop(kept);
        self.consents.sweep(elapsed);
    }

    /// The newest sign-in of this person through the provider of this connection; `None`: it needs none.
    fn login_for(
        &self,
        connection: &Connection,
        asker: &Asker,
    ) -> Result<Option<Arc<Login>>, ExchangeRefusal> {
        let Some(provider) = connection.way.provider() else { return Ok(None) };
        let logins = self.access.logins_of(&asker.user).into_iter();
        let newest =
            logins.filter(|login| login.provider == provider.as_str()).max_by_key(|login| login.began_at);
        newest.map(Some).ok_or_else(|| self.worded(connection, &Fault::SignIn))
    }

    /// What is known without asking anybody.
    fn known(&self, key: &Key, login: Option<&Login>) -> Option<Result<Secret<String>, ExchangeRefusal>> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        self.kept().known(key, login.map(|login| login.id), now, elapsed)
    }

    /// One exchange, to its line and its place in memory.
    async fn fly(
        &self,
        connection: &Connection,
        asker: &Asker,
        key: Key,
        login: Option<Arc<Login>>,
    ) -> Result<Secret<String>, ExchangeRefusal> {
        let id = login.as_ref().map(|login| login.id);
        let exchanged = match &connection.way {
            Way::UserOauth { at, .. } => self.consented(connection, at, asker).await,
            _ => self.exchanged(connection, login.as_deref()).await,
        };
        let result = match exchanged {
            Ok(fresh) => self.record(connection, asker, &fresh).await.map(|()| fresh),
            Err(fault) => Err(fault),
        };
        match result {
            Ok(fresh) => {
                // INVARIANT: whoever was signed out while the token was made is not given it.
                if id.is_some_and(|id| self.access.login(&id).is_none()) {
                    return Err(self.worded(connection, &Fault::SignIn));
                }
                // Nor whoever took back what they had allowed.
                if matches!(connection.way, Way::UserOauth { .. })
                    && self.access.consent(&asker.user, &connection.server).is_none()
                {
                    return Err(self.asks_consent(connection));
                }
                let token = Secret::new(fresh.access.token.expose().clone());
                self.kept().keep(key, fresh, id);
                Ok(token)
            }
            Err(fault) => Err(self.failed(connection, asker, key, id, &fault).await),
        }
    }

    async fn failed(
        &self,
        connection: &Connection,
        asker: &Asker,
        key: Key,
        login: Option<deputy_core::Digest>,
        fault: &Fault,
    ) -> ExchangeRefusal {
        let refusal = self.worded(connection, fault);
        let event = self.line(EventKind::ExchangeRefused, connection, asker).with_detail("why", fault.code());
        let event = Event { reason: Some(refusal.reason), ..event };
        let line = self.journal.append_later(vec![event]);
        if fault.is_for_the_operator() {
            tracing::error!(server = %connection.server, why = fault.code(), "no token can be had for a server");
        }
        let now = self.clock.elapsed();
        if fault.disables() {
            self.kept().disable(&connection.server, refusal.clone());
        }
        if fault.drops_the_person() {
            // D13: what was had for them goes with it.
            self.kept().drop_person(&asker.user);
        }
        self.kept().hold(key, login, fault.hold(), now, refusal.clone());
        // What is taken away is gone by now: only the answer waits for the line.
        if let Err(error) = line.await {
            tracing::error!(%error, "a refused exchange could not be recorded");
        }
        refusal
    }

    /// D14: who, by which right, for what, until when; the line is on disk before the token is used.
    async fn record(&self, connection: &Connection, asker: &Asker, fresh: &Fresh) -> Result<(), Fault> {
        let mut event = self
            .line(EventKind::TokenExchanged, connection, asker)
            .with_detail("scopes_granted", fresh.granted(&connection.scopes))
            .with_detail("expires_at", fresh.ends_at.to_string());
        if let Some(id) = &fresh.assertion {
            event = event.with_detail("assertion", id.to_string());
        }
        self.journal.append(vec![event]).await.map_err(|_| Fault::Audit)
    }

    fn line(&self, kind: EventKind, connection: &Connection, asker: &Asker) -> Event {
        let mut event = self
            .journal
            .event(kind, &asker.user)
            .with_detail("credential", connection.way.code())
            .with_detail("resource", connection.resource.as_str())
            .with_detail("scopes", connection.scopes.clone());
        if let Some(provider) = connection.way.provider() {
            event = event.with_detail("provider", provider.as_str());
        }
        if let Some(at) = connection.way.authorization_server() {
            event = event.with_detail("authorization_server", at.issuer.as_str());
        }
        event.client = Some(asker.client.clone());
        event.source = Some(connection.server.clone());
        event.lane = Some(connection.way.right().lane().to_owned());
        event
    }

    fn disable(&self, connection: &Connection, asker: &Asker, why: &str) {
        tracing::error!(server = %connection.server, why, "a server is sent no credential any more, until the hub is started anew");
        let event = self.line(EventKind::ExchangeRefused, connection, asker);
        let event = event.with_detail("why", "authorization_server_changed");
        let line = self.journal.append_later(vec![event]);
        self.supervisor.start(async move {
            if let Err(error) = line.await {
                tracing::error!(%error, "that a server is sent no credential any more could not be recorded");
            }
        });
        let words = "an operator has to look at this server: it is sent no credential any more";
        self.kept().disable(&connection.server, ExchangeRefusal::new(Reason::UpstreamUnavailable, words));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
