//! Requests of any method with any header fields, answered as a whole. The same rules of where we may go hold as for a GET.

use super::{Answer, Ask, EgressError, HttpClient, failed, whole};
use bytes::Bytes;
use http::{HeaderMap, Method};
use std::time::Duration;
use url::Url;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    /// For all of it, to the last byte of the answer.
    pub(crate) timeout: Duration,
}

/// Why there is no answer, and whether the request may have arrived.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// Nothing was sent.
    Before(EgressError),
    /// Something was.
    After(EgressError),
    /// Something was, and there was no time left.
    OutOfTime,
}

impl HttpClient {
    /// Sends it to an address of the config and reads an answer of at most `limit_bytes`, whatever its status. A redirect
    /// is an answer and is not followed.
    pub(crate) async fn send(
        &self,
        url: &Url,
        sending: Sending,
        limit_bytes: usize,
    ) -> Result<(u16, Answer), Unsent> {
        let client = self.client_for(url, Ask::Configured).map_err(Unsent::Before)?;
        let mut request =
            client.request(sending.method, url.clone()).headers(sending.headers).timeout(sending.timeout);
        if let Some(body) = sending.body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| {
            let (is_before, is_late) = (error.is_connect() || error.is_builder(), error.is_timeout());
            match failed(url, error) {
                error @ EgressError::NotAllowed { .. } => Unsent::Before(error),
                error if is_before => Unsent::Before(error),
                _ if is_late => Unsent::OutOfTime,
                error => Unsent::After(error),
            }
        })?;
        let status = response.status().as_u16();
        let answer = whole(url, response, limit_bytes).await.map_err(Unsent::After)?;
        Ok((status, answer))
    }
}
