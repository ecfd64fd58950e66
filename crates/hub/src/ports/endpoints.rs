//! Endpoints of identity providers and authorization servers, and documents of clients: what the hub asks over HTTP beside
//! keys and tools.

use super::FetchError;
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_identity::form::Form;
use url::Url;

/// Who told the hub an address. What it may lead to depends on it.
#[derive(Debug, Clone, Copy)]
pub enum ToldBy<'a> {
    /// The operator: it may be inside.
    Operator,
    /// A document from here: the same host, or public https.
    Document(&'a Url),
    /// A stranger: public https, and a host that the operator named for it.
    Stranger,
}

/// What an endpoint answered. It may hold tokens, so it cannot be printed.
pub struct EndpointAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most 256 KiB.
    pub body: Secret<Vec<u8>>,
}

/// Asks endpoints. No redirect is followed, nothing is tried twice.
#[async_trait]
pub trait Endpoints: Send + Sync {
    /// `GET`s a JSON document of at most `limit_bytes`, without any credential.
    ///
    /// # Errors
    /// Anything but a whole answer with status 200.
    async fn document(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, FetchError>;

    /// `POST`s a form, with the whole value of `Authorization` if the client shows itself there, and gives the answer
    /// whatever its status.
    ///
    /// # Errors
    /// No whole answer.
    async fn post_form(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        form: Form,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError>;

    /// The same with a JSON document.
    ///
    /// # Errors
    /// No whole answer.
    async fn post_json(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        body: &serde_json::Value,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError>;

    /// Asks an MCP server of the operator's for nothing, without any credential, and gives the `WWW-Authenticate` with which
    /// it refuses (RFC 9728 section 5.1); `None`: it does not refuse, or not so.
    ///
    /// # Errors
    /// No answer.
    async fn challenge(&self, url: &Url) -> Result<Option<String>, FetchError>;
}
