//! What commands need of HTTP, and no more: so that they can be tried without a network.

use super::Failure;
use deputy_core::Secret;
use deputy_egress::{Ask, Exchange, HttpClient, KeyFetcher, ManifestFetcher, NamedHosts};
use std::future::Future;
use url::Url;

/// A status and a body. The body is whatever the other side sent.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// At most a megabyte.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Whether the other side did it.
    pub(super) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// What is sent.
pub(super) enum Request<'r> {
    /// `GET`.
    Get,
    /// `POST` of a form.
    Form(&'r [(&'r str, &'r str)]),
    /// `POST` of JSON.
    Json(&'r serde_json::Value),
}

/// Sends one request.
pub(super) trait Web {
    /// Redirects are not followed: neither a token nor a decision goes where nobody named.
    ///
    /// `learned_from` is the address whose answer named `url`, if nobody on our side did.
    fn send(
        &self,
        url: &Url,
        learned_from: Option<&Url>,
        request: Request<'_>,
        bearer: Option<&Secret<String>>,
    ) -> impl Future<Output = Result<Answer, String>> + Send;
}

/// The real network.
pub(super) struct Egress(HttpClient);

/// The longest answer that is read.
const LIMIT_BYTES: usize = 1024 * 1024;

impl Egress {
    /// With leave to reach these hosts even inside.
    pub(super) fn naming(urls: &[Url]) -> Result<Self, Failure> {
        HttpClient::new(deputy_egress::Settings::new(NamedHosts::of(urls)))
            .map(Self)
            .map_err(|error| Failure::Fault(error.to_string()))
    }

    /// What fetches the keys of identity providers, as in the hub.
    pub(super) fn key_source(&self) -> KeyFetcher {
        KeyFetcher::new(self.0.clone())
    }

    /// A document of a configured address, and what time the other side has (`Date`), in seconds since the epoch.
    pub(super) async fn document(&self, url: &Url) -> Result<(Vec<u8>, Option<u64>), String> {
        let answer = self.0.get(url, Ask::Configured, "application/json", LIMIT_BYTES).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let date = answer.headers.get("date").and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
        let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        Ok((answer.body.to_vec(), since.map(|since| since.as_secs())))
    }

    /// What fetches manifests, as in the hub.
    pub(super) fn manifest_source(&self) -> ManifestFetcher {
        ManifestFetcher::new(self.0.clone())
    }
}

impl Web for Egress {
    async fn send(
        &self,
        url: &Url,
        learned_from: Option<&Url>,
        request: Request<'_>,
        bearer: Option<&Secret<String>>,
    ) -> Result<Answer, String> {
        let ask = learned_from.map_or(Ask::Configured, Ask::LearnedFrom);
        let exchange = match request {
            Request::Get => Exchange::Get,
            Request::Form(form) => Exchange::PostForm(form),
            Request::Json(body) => Exchange::PostJson(body),
        };
        let reply = self.0.exchange(url, ask, exchange, bearer, LIMIT_BYTES).await;
        let reply = reply.map_err(|error| error.to_string())?;
        Ok(Answer { status: reply.status, body: reply.body.to_vec() })
    }
}
