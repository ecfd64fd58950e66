//! Answers that are read piece by piece, and may last. The same rules of where we may go hold as for a GET.

use super::direct::{Answering, Direct};
use super::fresh::{Gone, gone};
use super::{Ask, EgressError, HttpClient, failed, shown};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap};
use http::{Method, StatusCode};
use std::time::Duration;
use url::Url;

/// Longer than anything lasts; whoever waits has a deadline of their own.
pub(crate) const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What is sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// For the whole exchange, to the last byte of the answer; over a direct way, to the head of the answer.
    pub(crate) timeout: Duration,
    /// Over a connection that carried nothing before and carries nothing after.
    pub(crate) afresh: bool,
}

/// Why there is no answer, and whether the request may have arrived.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// Nothing was sent.
    Before(EgressError),
    /// The connection ended where the answer should have begun: it may have been one that the server had left already.
    Unanswered(EgressError),
    /// Something was.
    After(EgressError),
}

/// An answer whose body is still to be read. Dropping it closes the stream.
pub(crate) enum Streamed {
    /// Through the client of all.
    Shared(Box<(Url, reqwest::Response)>),
    /// Over a way of its own.
    Direct(Box<Answering>),
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Sends a request to an address of the config; resolves when the head of the answer is there. A redirect is an answer.
    pub(crate) async fn stream(&self, url: &Url, outgoing: Outgoing) -> Result<Streamed, Undelivered> {
        let pooled = self.client_for(url, Ask::Configured).map_err(Undelivered::Before)?;
        let client = if outgoing.afresh { self.afresh(url).map_err(Undelivered::Before)? } else { pooled };
        let request = client
            .request(outgoing.method, url.clone())
            .headers(outgoing.headers)
            .body(outgoing.body)
            .timeout(outgoing.timeout);
        let response = request.send().await.map_err(|error| {
            let gone = gone(&error);
            match (failed(url, error), gone) {
                (error @ EgressError::NotAllowed { .. }, _) => Undelivered::Before(error),
                (error, Gone::BeforeItWasSent) => Undelivered::Before(error),
                (error, Gone::BeforeTheAnswer) => Undelivered::Unanswered(error),
                (error, Gone::Otherwise) => Undelivered::After(error),
            }
        })?;
        Streamed::Shared(Box::new((url.clone(), response))).unless_encoded(|| shown(url))
    }
}

impl Direct {
    /// The same over this way.
    pub(crate) async fn stream(&self, outgoing: Outgoing) -> Result<Streamed, Undelivered> {
        let answering = self.send(outgoing).await?;
        Streamed::Direct(Box::new(answering)).unless_encoded(|| self.shown())
    }
}

impl Streamed {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Shared(shared) => shared.1.status(),
            Self::Direct(answering) => answering.status(),
        }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Shared(shared) => shared.1.headers(),
            Self::Direct(answering) => answering.headers(),
        }
    }

    /// How long the body is going to be, if it was said.
    pub(crate) fn announced(&self) -> Option<u64> {
        match self {
            Self::Shared(shared) => shared.1.content_length(),
            Self::Direct(answering) => answering.announced(),
        }
    }

    /// The next piece; `None` at the end. Nothing is lost when this is dropped unfinished.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        match self {
            Self::Shared(shared) => {
                let (url, response) = &mut **shared;
                response.chunk().await.map_err(|error| failed(url, error))
            }
            Self::Direct(answering) => answering.chunk().await,
        }
    }

    fn unless_encoded(self, url: impl FnOnce() -> String) -> Result<Self, Undelivered> {
        if self.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Undelivered::After(EgressError::Encoded { url: url() }));
        }
        Ok(self)
    }
}
