//! Providers' keys: kept fresh, and fetched anew where a token names one that nobody knows (list B).

use super::Authenticator;
use deputy_core::{Event, EventKind};
use deputy_identity::keys::{Begun, KeyRing, RefreshId};
use deputy_identity::provider::{Provider, ProviderName};
use std::sync::Arc;
use std::time::Duration;

/// How long a request waits for keys that somebody else fetches.
const KEY_WAIT: Duration = Duration::from_secs(6);

impl Authenticator {
    /// Keeps every provider's keys fresh until the hub stops (B5).
    pub async fn keep_keys(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            let providers: Vec<_> =
                self.verifier.providers().map(|(p, r)| (Arc::clone(p), Arc::clone(r))).collect();
            for (provider, ring) in providers {
                if let Some(refresh) = ring.begin_scheduled(self.clock.now()) {
                    self.start_fetch(provider, ring, refresh);
                }
            }
        }
    }

    pub(super) async fn fetch(self: &Arc<Self>, name: &ProviderName) {
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
        self.supervisor.start(async move {
            let fetched = own.source.fetch(&provider).await;
            let fetched = fetched
                .map_err(
                    |error| tracing::warn!(provider = %provider.name(), %error, "keys could not be fetched"),
                )
                .ok();
            match ring.complete(refresh, fetched, own.clock.now()) {
                Ok(Some(loaded)) => {
                    tracing::debug!(provider = %provider.name(), usable = loaded.usable, "keys were fetched");
                    if let Some(previous) = loaded.previous_jwks_uri {
                        own.record_moved(&provider, &previous).await;
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(provider = %provider.name(), %error, "a key set is of no use"),
            }
            own.fetched.send_modify(|count| *count += 1);
        });
    }

    /// B2: another address for a provider's keys is a line of the log.
    async fn record_moved(&self, provider: &Provider, previous: &str) {
        tracing::warn!(provider = %provider.name(), previous, "the address of the keys changed");
        let event = Event::new(self.clock.now(), provider.tenant().clone(), EventKind::KeysMoved)
            .with_detail("provider", provider.name().as_str())
            .with_detail("previous", previous);
        if let Err(error) = self.journal.append(vec![event]).await {
            tracing::error!(%error, "a change of the keys' address could not be recorded");
        }
    }
}
