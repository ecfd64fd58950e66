//! Fetches identity providers' keys: the discovery document if the config does not say where they are, then the set.

use crate::client::{Answer, Ask, EgressError, HttpClient};
use async_trait::async_trait;
use deputy_hub::ports::{FetchError, KeySource};
use deputy_identity::keys::{Fetched, MAX_SET_BYTES};
use deputy_identity::provider::{KeysAt, Provider};
use http::header::CACHE_CONTROL;
use std::time::Duration;
use url::Url;

const JSON: &str = "application/json, application/jwk-set+json";

/// Brings the keys of any configured provider.
#[derive(Clone)]
pub struct KeyFetcher {
    client: HttpClient,
}

impl KeyFetcher {
    /// With this client.
    #[must_use]
    pub const fn new(client: HttpClient) -> Self {
        Self { client }
    }

    async fn set(&self, url: &Url, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        let answer = self.document(url, ask).await?;
        Ok(Fetched { set: answer.body.to_vec(), jwks_uri: url.to_string(), max_age: max_age(&answer) })
    }

    async fn document(&self, url: &Url, ask: Ask<'_>) -> Result<Answer, FetchError> {
        self.client.get(url, ask, JSON, MAX_SET_BYTES).await.map_err(|error| told(url, &error))
    }
}

#[async_trait]
impl KeySource for KeyFetcher {
    /// Discovery is read anew each time, so that a provider that moves its keys is followed (and the move audited, B2).
    async fn fetch(&self, provider: &Provider) -> Result<Fetched, FetchError> {
        match provider.keys_at() {
            KeysAt::Set(url) => self.set(url, Ask::Configured).await,
            KeysAt::Discovery(url) => {
                let answer = self.document(url, Ask::Configured).await?;
                let discovery = provider
                    .read_discovery(&answer.body)
                    .map_err(|error| FetchError::Unusable { url: url.to_string(), why: error.to_string() })?;
                self.set(&discovery.jwks_uri, Ask::LearnedFrom(url)).await
            }
        }
    }
}

pub(crate) fn told(url: &Url, error: &EgressError) -> FetchError {
    let url = url.to_string();
    let why = match error {
        EgressError::NotAllowed { why, .. } | EgressError::Unreachable { why, .. } => why.clone(),
        EgressError::Status { status, .. } => format!("status {status}"),
        EgressError::TooLarge { limit_bytes, .. } => format!("more than {limit_bytes} bytes"),
        EgressError::Encoded { .. } => "a content coding that was not asked for".to_owned(),
        EgressError::Client(why) => why.clone(),
    };
    match error {
        EgressError::TooLarge { .. } | EgressError::Encoded { .. } => FetchError::Unusable { url, why },
        _ => FetchError::Unreachable { url, why },
    }
}

/// RFC 9111 section 5.2.2; what may not be stored is good for no time.
fn max_age(answer: &Answer) -> Option<Duration> {
    let fields = answer.headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    let directives: Vec<String> =
        fields.flat_map(|field| field.split(',')).map(|part| part.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(Duration::ZERO);
    }
    let seconds = directives.iter().find_map(|directive| directive.strip_prefix("max-age="))?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
