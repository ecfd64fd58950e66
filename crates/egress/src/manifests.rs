//! Fetches applications' manifests (`/.well-known/deputy-tools.json`) from the addresses that the operator named.

use crate::client::{Answer, Ask, HttpClient};
use crate::keys::told;
use async_trait::async_trait;
use deputy_hub::ports::{FetchError, ManifestSource};
use http::header::CONTENT_TYPE;
use url::Url;

/// Bytes that a manifest may have.
const MAX_MANIFEST_BYTES: usize = 5 * 1024 * 1024;

/// Brings manifests.
#[derive(Clone)]
pub struct ManifestFetcher {
    client: HttpClient,
}

impl ManifestFetcher {
    /// With this client.
    #[must_use]
    pub const fn new(client: HttpClient) -> Self {
        Self { client }
    }
}

#[async_trait]
impl ManifestSource for ManifestFetcher {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let unusable = |why: String| FetchError::Unusable { url: url.to_owned(), why };
        let address = Url::parse(url).map_err(|error| unusable(error.to_string()))?;
        let asked = self.client.get(&address, Ask::Configured, "application/json", MAX_MANIFEST_BYTES).await;
        let answer = asked.map_err(|error| told(&address, &error))?;
        if !is_json(&answer) {
            return Err(unusable("its `Content-Type` is not `application/json`".to_owned()));
        }
        Ok(answer.body.to_vec())
    }
}

/// RFC 6839 section 3.1: `application/json`, or a type that ends in `+json`.
fn is_json(answer: &Answer) -> bool {
    let field = answer.headers.get(CONTENT_TYPE).and_then(|field| field.to_str().ok()).unwrap_or_default();
    let kind = field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

#[cfg(test)]
mod tests;
