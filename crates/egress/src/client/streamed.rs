//! Answers that are read piece by piece, and may last. The same rules of where we may go hold as for a GET.

use super::fresh::{Gone, gone};
use super::{Ask, EgressError, HttpClient, failed, shown};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap};
use http::{Method, StatusCode};
use std::time::Duration;
use url::Url;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// For the whole exchange, to the last byte of the answer.
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
#[derive(Debug)]
pub(crate) struct Streamed {
    url: Url,
    response: reqwest::Response,
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
        if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Undelivered::After(EgressError::Encoded { url: shown(url) }));
        }
        Ok(Streamed { url: url.clone(), response })
    }
}

impl Streamed {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// How long the body is going to be, if it was said.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece; `None` at the end. Nothing is lost when this is dropped unfinished.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        self.response.chunk().await.map_err(|error| failed(&self.url, error))
    }
}
