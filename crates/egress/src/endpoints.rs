//! Asks endpoints of identity providers and authorization servers, and fetches documents of clients.

use crate::client::{Ask, Exchange, HttpClient, NamedHosts, Outgoing, Undelivered};
use crate::keys::told;
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_hub::ports::{EndpointAnswer, Endpoints, FetchError, ToldBy};
use deputy_identity::form::Form;
use deputy_protocol::asking::request::{self, Side};
use deputy_protocol::mcp::version::MODERN;
use deputy_protocol::relay::raw;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use std::time::Duration;
use url::Url;

/// Bytes that an endpoint's answer may have.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// How long a server may take to refuse.
const CHALLENGED_WITHIN: Duration = Duration::from_secs(5);

/// Asks through the one client.
#[derive(Clone)]
pub struct EndpointClient {
    client: HttpClient,
    /// Where the hub itself is: what a stranger names is foreign to it.
    own: Option<Url>,
    /// Where the operator's own agents are: the only hosts inside that a stranger's word may lead to.
    agents: NamedHosts,
}

impl EndpointClient {
    /// With this client; `own` is the hub's own address, `agents` the hosts of agents that the operator approved.
    #[must_use]
    pub const fn new(client: HttpClient, own: Option<Url>, agents: NamedHosts) -> Self {
        Self { client, own, agents }
    }

    fn ask<'a>(&'a self, url: &Url, told_by: ToldBy<'a>) -> Result<Ask<'a>, FetchError> {
        match told_by {
            ToldBy::Operator => Ok(Ask::Configured),
            ToldBy::Document(document) => Ok(Ask::LearnedFrom(document)),
            ToldBy::Stranger if self.agents.has(url) => Ok(Ask::Configured),
            ToldBy::Stranger => match &self.own {
                Some(own) if own.host_str() != url.host_str() => Ok(Ask::LearnedFrom(own)),
                _ => {
                    let why = "it leads back to the hub".to_owned();
                    Err(FetchError::Unusable { url: url.to_string(), why })
                }
            },
        }
    }
}

#[async_trait]
impl Endpoints for EndpointClient {
    async fn document(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let ask = self.ask(url, told_by)?;
        let answer = self.client.get(url, ask, "application/json", limit_bytes).await;
        answer.map(|answer| answer.body.to_vec()).map_err(|error| told(url, &error))
    }

    async fn post_form(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        form: Form,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError> {
        let fields: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name, value.expose().as_str())).collect();
        self.post(url, told_by, Exchange::PostForm(&fields), authorization).await
    }

    async fn post_json(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        body: &serde_json::Value,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError> {
        self.post(url, told_by, Exchange::PostJson(body), authorization).await
    }

    async fn challenge(&self, url: &Url) -> Result<Option<String>, FetchError> {
        let unreachable = |why: String| FetchError::Unreachable { url: url.to_string(), why };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert("mcp-protocol-version", HeaderValue::from_static(MODERN));
        headers.insert("mcp-method", HeaderValue::from_static("server/discover"));
        let nothing = raw(&serde_json::json!({}));
        let side = Side { capabilities: &nothing, implementation: None, log_level: None, progress: false };
        // What has no effect on any server.
        let body = request::modern(1, "server/discover", None, &side, MODERN);
        let body = body.map_err(|why| unreachable(why.to_string()))?;
        let outgoing = Outgoing {
            method: Method::POST,
            headers,
            body: body.into(),
            timeout: CHALLENGED_WITHIN,
            afresh: false,
        };
        let streamed = self.client.stream(url, outgoing).await.map_err(|undelivered| match undelivered {
            Undelivered::Before(error) | Undelivered::Unanswered(error) | Undelivered::After(error) => {
                unreachable(error.to_string())
            }
        })?;
        // The body is nobody's business here: dropping it closes the stream.
        let header = streamed
            .headers()
            .get(WWW_AUTHENTICATE)
            .filter(|_| streamed.status() == StatusCode::UNAUTHORIZED);
        Ok(header.and_then(|value| value.to_str().ok()).map(str::to_owned))
    }
}

impl EndpointClient {
    async fn post(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        exchange: Exchange<'_>,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError> {
        let ask = self.ask(url, told_by)?;
        let header = match &authorization {
            None => None,
            Some(value) => {
                let mut header = HeaderValue::from_str(value.expose()).map_err(|_| FetchError::Unusable {
                    url: url.to_string(),
                    why: "the hub's own credential cannot stand in a header".to_owned(),
                })?;
                header.set_sensitive(true);
                Some((AUTHORIZATION, header))
            }
        };
        let reply = self
            .client
            .exchange_with(url, ask, exchange, header, MAX_ANSWER_BYTES)
            .await
            .map_err(|error| told(url, &error))?;
        Ok(EndpointAnswer { status: reply.status, body: Secret::new(reply.body.to_vec()) })
    }
}

#[cfg(test)]
mod tests;
