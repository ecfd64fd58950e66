//! The trusted issuers and their keys over time: fetched in the background, and once more for a key that is new (B3 to B6).

use crate::clock::Clock;
use crate::error::GuardError;
use crate::fetch::{Fetch, NotFetched};
use crate::settings::TrustedIssuer;
use crate::tasks::Tasks;
use deputy_core::TenantId;
use deputy_identity::claims::Verified;
use deputy_identity::id_jag::{IdJag, IdJagExpectations};
use deputy_identity::keys::{Begun, Fetched, MAX_SET_BYTES, RefreshId};
use deputy_identity::provider::KeysAt;
use deputy_identity::{Attempt, KeyRing, Provider, ProviderName, TokenError, Verifier};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a request waits for a key.
const KEY_WAIT: Duration = Duration::from_secs(6);

/// Whose ID-JAGs are taken.
pub(crate) struct Issuers {
    verifier: Verifier,
    fetch: Arc<dyn Fetch>,
    clock: Clock,
    tasks: Tasks,
    fetched: watch::Sender<u64>,
}

impl Issuers {
    pub(crate) fn new(
        trusted: &[TrustedIssuer],
        fetch: Arc<dyn Fetch>,
        clock: Clock,
        tasks: Tasks,
    ) -> Result<Arc<Self>, GuardError> {
        let mut providers = Vec::new();
        for (index, entry) in trusted.iter().enumerate() {
            let provider = ProviderName::new(&format!("issuer-{}", index + 1)).and_then(|name| {
                let (keys, algorithms) = (entry.keys_at.clone(), entry.algorithms.clone());
                Provider::id_jag_issuer(name, TenantId::single(), entry.issuer.clone(), keys, algorithms)
            });
            let provider = provider.map_err(|error| GuardError::Settings(error.to_string()))?;
            providers.push((Arc::new(provider), Arc::new(KeyRing::new())));
        }
        let verifier = Verifier::new(providers).map_err(|error| GuardError::Settings(error.to_string()))?;
        Ok(Arc::new(Self { verifier, fetch, clock, tasks, fetched: watch::Sender::new(0) }))
    }

    /// Checks an ID-JAG; fetches its issuer's keys if its key is new.
    pub(crate) async fn check(
        self: &Arc<Self>,
        assertion: &str,
        expectations: &IdJagExpectations,
    ) -> Result<Verified<IdJag>, TokenError> {
        match self.verifier.id_jag(assertion, expectations, Attempt::First, self.clock.now()) {
            Err(TokenError::KeysNeeded(name)) => {
                self.renew(&name).await;
                self.verifier.id_jag(assertion, expectations, Attempt::AfterRefresh, self.clock.now())
            }
            done => done,
        }
    }

    /// Keeps everybody's keys fresh.
    pub(crate) async fn keep_keys(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            for (provider, ring) in self.verifier.providers() {
                if let Some(refresh) = ring.begin_scheduled(self.clock.now()) {
                    self.start_fetch(Arc::clone(provider), Arc::clone(ring), refresh);
                }
            }
        }
    }

    async fn renew(self: &Arc<Self>, name: &ProviderName) {
        let Some((provider, ring)) = self.verifier.provider(name) else { return };
        let mut fetched = self.fetched.subscribe();
        let before = ring.generation();
        let before = match ring.begin_forced(self.clock.now()) {
            Begun::Fetch(refresh) => {
                self.start_fetch(Arc::clone(provider), Arc::clone(ring), refresh);
                before
            }
            Begun::Wait(generation) => generation,
            Begun::CoolingDown => return,
        };
        let done = async {
            while ring.generation() == before {
                if fetched.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whoever has waited long enough goes on with the keys there are.
        let _ = tokio::time::timeout(KEY_WAIT, done).await;
    }

    /// In a task of its own, so that a request that goes away does not take the fetch with it.
    fn start_fetch(self: &Arc<Self>, provider: Arc<Provider>, ring: Arc<KeyRing>, refresh: RefreshId) {
        let own = Arc::clone(self);
        self.tasks.start(async move {
            let issuer = provider.issuer();
            let fetched = own.keys_of(&provider).await;
            let fetched =
                fetched.map_err(|error| tracing::warn!(%issuer, %error, "keys could not be fetched")).ok();
            match ring.complete(refresh, fetched, own.clock.now()) {
                Ok(Some(loaded)) => {
                    tracing::debug!(%issuer, usable = loaded.usable, "keys were fetched");
                    if let Some(previous) = loaded.previous_jwks_uri {
                        tracing::warn!(%issuer, previous, "the address of the keys changed");
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%issuer, %error, "a key set is of no use"),
            }
            own.fetched.send_modify(|count| *count += 1);
        });
    }

    async fn keys_of(&self, provider: &Provider) -> Result<Fetched, String> {
        let told = |error: NotFetched| error.to_string();
        let (url, from) = match provider.keys_at() {
            KeysAt::Set(url) => (url.clone(), None),
            KeysAt::Discovery(url) => {
                let document = self.fetch.document(url, None, MAX_SET_BYTES).await.map_err(told)?;
                let read = provider.read_discovery(&document.body).map_err(|error| error.to_string())?;
                (read.jwks_uri, Some(url))
            }
        };
        let set = self.fetch.document(&url, from, MAX_SET_BYTES).await.map_err(told)?;
        Ok(Fetched { set: set.body.to_vec(), jwks_uri: url.to_string(), max_age: set.max_age })
    }
}
