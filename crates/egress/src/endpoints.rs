//! Asks endpoints of identity providers and authorization servers, and fetches documents of clients.

use crate::client::{Ask, Exchange, HttpClient, NamedHosts};
use crate::keys::told;
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_hub::ports::{EndpointAnswer, Endpoints, FetchError, ToldBy};
use deputy_identity::form::Form;
use http::header::{AUTHORIZATION, HeaderValue};
use url::Url;

/// Bytes that an endpoint's answer may have.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

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
