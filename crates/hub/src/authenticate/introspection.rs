//! Token introspection (RFC 7662; C3 of the identity reference): for providers whose tokens end before they say so.

use crate::ports::{Clock, Endpoints, ToldBy};
use crate::sign_in::{OwnClient, discovery_address};
use deputy_core::Digest;
use deputy_identity::ProviderName;
use deputy_identity::claims::{Claims, TokenKind};
use deputy_identity::form::Form;
use deputy_identity::provider::Provider;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

/// How long a yes is believed (C3: at most 30 s). A no is never kept.
const BELIEVED: Duration = Duration::from_secs(20);
/// Yeses that are kept.
const MOST_KEPT: usize = 20_000;
/// How long the address in a discovery document is believed.
const ADDRESS_FRESH: Duration = Duration::from_secs(600);
/// Bytes that a discovery document may have (B1).
const DISCOVERY_BYTES: usize = 256 * 1024;
/// Locks that all askings share: many requests with one token ask once.
const ASKING: usize = 64;

/// How one provider is asked about tokens.
pub struct IntrospectionSetup {
    /// The hub's own client there.
    pub client: OwnClient,
    /// Where; `None`: its discovery document says so.
    pub url: Option<Url>,
}

/// Why there is no answer; then nobody is let in.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    /// No address, no network, no time.
    #[error("it cannot be asked: {0}")]
    Unreachable(String),
    /// What came is no answer.
    #[error("its answer is of no use: {0}")]
    Unusable(String),
}

/// Asks providers about tokens.
pub(crate) struct Introspection {
    of: HashMap<ProviderName, IntrospectionSetup>,
    endpoints: Arc<dyn Endpoints>,
    clock: Arc<dyn Clock>,
    addresses: Mutex<HashMap<ProviderName, (Url, Duration)>>,
    /// Since when a token is known to be good.
    known: Mutex<HashMap<Digest, Duration>>,
    asking: [tokio::sync::Mutex<()>; ASKING],
}

impl Introspection {
    /// `None` where no provider is asked: then nothing of this is on anybody's way.
    pub(crate) fn new(
        of: HashMap<ProviderName, IntrospectionSetup>,
        endpoints: Arc<dyn Endpoints>,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let (addresses, known) = (Mutex::default(), Mutex::default());
        let asking = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        (!of.is_empty()).then_some(Self { of, endpoints, clock, addresses, known, asking })
    }

    /// Whether the provider says that an access token still is good. ID tokens are nothing that it could be asked about.
    ///
    /// # Errors
    /// It does not answer: nobody is let in.
    pub(crate) async fn is_active(
        &self,
        provider: &Provider,
        token: &str,
        claims: &Claims,
    ) -> Result<bool, Fault> {
        let Some(setup) = self.of.get(provider.name()) else { return Ok(true) };
        if claims.kind != TokenKind::AccessToken {
            return Ok(true);
        }
        let mark = Digest::of_bytes(token.as_bytes());
        if self.is_known(&mark) {
            return Ok(true);
        }
        let _alone = self.lock(&mark).lock().await;
        if self.is_known(&mark) {
            return Ok(true);
        }
        // Counted from before it was asked, so that a slow answer is believed no longer.
        let asked_at = self.clock.elapsed();
        let is_active = self.ask(setup, provider, token).await?;
        if is_active {
            self.remember(mark, asked_at);
        }
        Ok(is_active)
    }

    async fn ask(&self, setup: &IntrospectionSetup, provider: &Provider, token: &str) -> Result<bool, Fault> {
        let base = discovery_address(provider).map_err(Fault::Unreachable)?;
        let address = self.address(setup, provider, &base).await?;
        let told_by = if setup.url.is_some() { ToldBy::Operator } else { ToldBy::Document(&base) };
        let own = &setup.client;
        let proof = own.authentication.prove(&own.id, provider.issuer(), self.clock.now());
        let proof = proof.map_err(|error| Fault::Unreachable(error.to_string()))?;
        let form = Form::new().with("token", token).with("token_type_hint", "access_token").and(proof.fields);
        let answer = self.endpoints.post_form(&address, told_by, form, proof.authorization).await;
        let answer = answer.map_err(|error| Fault::Unreachable(error.to_string()))?;
        if answer.status != 200 {
            return Err(Fault::Unusable(format!("status {}", answer.status)));
        }
        let said: Value = deputy_core::canonical::parse_strict(answer.body.expose())
            .map_err(|_| Fault::Unusable("it is no JSON".to_owned()))?;
        let active = said.get("active").and_then(Value::as_bool);
        active.ok_or_else(|| Fault::Unusable("`active` is missing".to_owned()))
    }

    async fn address(
        &self,
        setup: &IntrospectionSetup,
        provider: &Provider,
        base: &Url,
    ) -> Result<Url, Fault> {
        if let Some(url) = &setup.url {
            return Ok(url.clone());
        }
        let now = self.clock.elapsed();
        let known = || self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((url, at)) = known().get(provider.name())
            && now.saturating_sub(*at) < ADDRESS_FRESH
        {
            return Ok(url.clone());
        }
        let bytes = self.endpoints.document(base, ToldBy::Operator, DISCOVERY_BYTES).await;
        let bytes = bytes.map_err(|error| Fault::Unreachable(error.to_string()))?;
        let discovery = provider.read_discovery(&bytes);
        let discovery = discovery.map_err(|error| Fault::Unusable(error.to_string()))?;
        let named = discovery.introspection_endpoint;
        let url = named.ok_or_else(|| Fault::Unusable("it names no `introspection_endpoint`".to_owned()))?;
        known().insert(provider.name().clone(), (url.clone(), now));
        Ok(url)
    }

    fn is_known(&self, mark: &Digest) -> bool {
        let now = self.clock.elapsed();
        self.known().get(mark).is_some_and(|since| now.saturating_sub(*since) < BELIEVED)
    }

    fn remember(&self, mark: Digest, since: Duration) {
        let now = self.clock.elapsed();
        let mut known = self.known();
        if known.len() >= MOST_KEPT {
            known.retain(|_, since| now.saturating_sub(*since) < BELIEVED);
            if known.len() >= MOST_KEPT {
                known.clear();
            }
        }
        known.insert(mark, since);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, Duration>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self, mark: &Digest) -> &tokio::sync::Mutex<()> {
        let [first, others @ ..] = &self.asking;
        let place = mark.as_bytes().first().map_or(0, |byte| usize::from(*byte) % ASKING);
        place.checked_sub(1).and_then(|place| others.get(place)).unwrap_or(first)
    }
}
