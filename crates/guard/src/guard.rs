//! The guard itself: who it believes, what it issued, whom it lets in.

use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::GuardError;
use crate::fetch::{Fetch, Fetcher};
use crate::issuers::Issuers;
use crate::keys;
use crate::people::People;
use crate::person::Person;
use crate::policy::Scopes;
use crate::settings::{ClientKeysAt, RESOURCE_PATH, Settings, Users};
use crate::spent::Spent;
use crate::tasks::Tasks;
use crate::user::GuardedUser;
use deputy_core::Issuer;
use deputy_identity::mint::{
    self, AccessToken, IssuedAccess, MintError, Minted, OwnKeys, SigningKey, USER_ASSERTION_LIFETIME,
    UserAssertion,
};
use deputy_identity::provider::KeysAt;
use deputy_identity::{Audiences, TokenError};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The longest life of an access token (E5).
const LONGEST_LIFETIME: Duration = Duration::from_secs(600);
/// A part of what was used is looked through for what has ended; all of it in about eight minutes.
const FORGET_EVERY: Duration = Duration::from_secs(2);

/// An authorization server for one resource, and the check of what it issued.
pub struct Guard {
    pub(crate) settings: Settings,
    pub(crate) issuer: Issuer,
    pub(crate) resource: String,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) clients: Clients,
    pub(crate) spent: Arc<Spent>,
    pub(crate) key: SigningKey,
    own: OwnKeys,
    audiences: Audiences,
    denied: People,
    listed: Option<People>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotIn {
    /// The token is none of ours, or over.
    #[error("{0}")]
    Token(TokenError),
    /// The person is not, or no more, let in.
    #[error("the person is not let in")]
    Person,
    /// A list cannot be read, so nobody can tell.
    #[error("nobody can tell who is let in")]
    Unknown,
}

impl NotIn {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Token(error) => error.code(),
            Self::Person => "person_not_let_in",
            Self::Unknown => "people_unreadable",
        }
    }
}

impl Guard {
    /// A guard with the machine's clock. Its keys and its memory are in `settings.data_dir`, which is its alone, or in
    /// `settings.shared_dir`, which is all its siblings'.
    ///
    /// # Errors
    /// The settings cannot be, a file is damaged or open to others, or another guard has the folder.
    pub fn open(settings: Settings, tasks: Tasks) -> Result<Arc<Self>, GuardError> {
        Self::open_at(settings, tasks, Clock::of_machine())
    }

    /// The same with another clock, for tests.
    ///
    /// # Errors
    /// As [`Guard::open`].
    pub fn open_at(settings: Settings, tasks: Tasks, clock: Clock) -> Result<Arc<Self>, GuardError> {
        let fetch = Fetcher::new(&addresses(&settings)).map_err(GuardError::Unavailable)?;
        Self::with(settings, tasks, clock, Arc::new(fetch))
    }

    fn with(
        settings: Settings,
        tasks: Tasks,
        clock: Clock,
        fetch: Arc<dyn Fetch>,
    ) -> Result<Arc<Self>, GuardError> {
        let wrong = GuardError::Settings;
        let issuer = Issuer::new(settings.public_url.as_str()).map_err(|error| wrong(error.to_string()))?;
        if settings.issuers.is_empty() || settings.clients.is_empty() {
            return Err(wrong("no issuer is trusted, or no client: nobody could get in".to_owned()));
        }
        if settings.issuers.iter().any(|trusted| trusted.issuer == issuer) {
            return Err(wrong(format!("`{issuer}` is the guard itself: it does not trust its own word")));
        }
        let lifetime = settings.token_lifetime;
        if lifetime < Duration::from_secs(1) || lifetime > LONGEST_LIFETIME {
            return Err(wrong("access tokens live between a second and ten minutes".to_owned()));
        }
        keys::own_folder(&settings.data_dir)?;
        let shared = settings.shared_dir.as_deref();
        let spent = Arc::new(Spent::open(&settings.data_dir, shared, clock.now())?);
        let key = keys::signing_key(shared.unwrap_or(&settings.data_dir))?;
        let resource = format!("{issuer}{RESOURCE_PATH}");
        let audiences = Audiences::one(resource.clone()).map_err(|error| wrong(error.to_string()))?;
        let own =
            OwnKeys::new(issuer.clone(), &mint::jwks([&key])).map_err(|error| wrong(error.to_string()))?;
        let issuers = Issuers::new(&settings.issuers, Arc::clone(&fetch), clock.clone(), tasks.clone())?;
        let clients = Clients::new(&settings.clients, fetch, clock.clone()).map_err(wrong)?;
        let denied = People::open_or_make(&settings.denied)?;
        let listed = match &settings.users {
            Users::AnyFromIssuer => None,
            Users::Listed(path) => Some(People::open(path)?),
        };
        tasks.start_until_end(Arc::clone(&issuers).keep_keys());
        if shared.is_some() {
            tasks.start_until_end(forget(Arc::clone(&spent), clock.clone()));
        }
        Ok(Arc::new(Self {
            settings,
            issuer,
            resource,
            clock,
            tasks,
            issuers,
            clients,
            spent,
            key,
            own,
            audiences,
            denied,
            listed,
        }))
    }

    /// The identifier of the resource (RFC 9728), which is the audience of every token.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What each scope opens.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.settings.scopes
    }

    /// Checks an access token, and that its person is still let in. Nothing is remembered between two requests.
    pub(crate) fn check(&self, token: &str) -> Result<GuardedUser, NotIn> {
        let verified = self.own.verify(token, &self.audiences, self.clock.now()).map_err(NotIn::Token)?;
        let person = person_in(&verified).ok_or(NotIn::Token(TokenError::Claim("idp")))?;
        self.let_in(&person)?;
        Ok(GuardedUser::new(person, verified.client.clone(), verified.scopes.clone(), verified.expires_at))
    }

    /// Whether a person is let in now (E6).
    pub(crate) fn let_in(&self, person: &Person) -> Result<(), NotIn> {
        let unknown = |error: GuardError| {
            tracing::error!(%error, "a list of people cannot be read: everybody is refused");
            NotIn::Unknown
        };
        if self.denied.now().map_err(unknown)?.may_mean(person) {
            return Err(NotIn::Person);
        }
        match &self.listed {
            Some(listed) if !listed.now().map_err(unknown)?.names(person) => Err(NotIn::Person),
            _ => Ok(()),
        }
    }

    /// An access token for a person, which lives until the user's end.
    pub(crate) fn access_token(&self, user: &GuardedUser) -> Result<Minted, MintError> {
        let person = user.person();
        let mut extra = Map::from_iter([("idp".to_owned(), json!(person.issuer))]);
        if let Some(tenant) = &person.tenant {
            extra.insert("idp_tenant".to_owned(), json!(tenant));
        }
        let token = AccessToken {
            issuer: self.issuer.clone(),
            subject: person.subject.clone(),
            audience: self.resource.clone(),
            client: user.client().clone(),
            scopes: user.scopes().to_vec(),
            issued_at: self.clock.now(),
            expires_at: user.expires_at(),
            extra,
        };
        token.sign(&self.key)
    }

    /// The guard's word to the server about who is calling; over with the user's token at the latest.
    pub(crate) fn word_about(&self, user: &GuardedUser) -> Result<String, MintError> {
        let (now, person) = (self.clock.now(), user.person());
        let word = UserAssertion {
            issuer: self.issuer.clone(),
            audience: self.resource.clone(),
            vouched_by: person.issuer.clone(),
            provider_tenant: person.tenant.clone(),
            subject: person.subject.clone(),
            client: user.client().clone(),
            scopes: user.scopes().to_vec(),
            issued_at: now,
            expires_at: user.expires_at().min(now.plus(USER_ASSERTION_LIFETIME)),
        };
        word.sign(&self.key)
    }
}

/// Goes through what was used and has ended, a part at a time.
async fn forget(spent: Arc<Spent>, clock: Clock) {
    let mut every = tokio::time::interval(FORGET_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let (spent, now) = (Arc::clone(&spent), clock.now());
        if tokio::task::spawn_blocking(move || spent.forget_some(now)).await.is_err() {
            tracing::error!("what was used and has ended cannot be removed");
        }
    }
}

/// Every address that the operator named.
fn addresses(settings: &Settings) -> Vec<Url> {
    let of_issuers = settings.issuers.iter().map(|trusted| match &trusted.keys_at {
        KeysAt::Discovery(url) | KeysAt::Set(url) => url.clone(),
    });
    let of_clients = settings.clients.iter().filter_map(|client| match &client.keys_at {
        ClientKeysAt::Given(_) => None,
        ClientKeysAt::Address(url) | ClientKeysAt::Document(url) => Some(url.clone()),
    });
    of_issuers.chain(of_clients).collect()
}

/// Whom a token of this guard's own names: the subject, and who vouches for it.
fn person_in(token: &IssuedAccess) -> Option<Person> {
    let text = |name: &str| token.extra.get(name).and_then(Value::as_str);
    Some(Person {
        issuer: Issuer::new(text("idp")?).ok()?,
        tenant: text("idp_tenant").map(str::to_owned),
        subject: token.subject.clone(),
    })
}
