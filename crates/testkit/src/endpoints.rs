//! The endpoints of [`TestIssuer`], and documents of clients: in memory, as far as the hub asks for them.

use crate::TestIssuer;
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_hub::ports::{EndpointAnswer, Endpoints, FetchError, ToldBy};
use deputy_identity::form::Form;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use url::Url;

/// One request to an endpoint: where, and the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where.
    pub url: String,
    /// The form.
    pub form: BTreeMap<String, String>,
    /// The whole `Authorization` header.
    pub authorization: Option<String>,
}

/// What an endpoint answers to a form: status and body.
pub type Answering = Arc<dyn Fn(&Asked) -> (u16, Value) + Send + Sync>;

/// Documents and endpoints by their addresses.
#[derive(Default)]
pub struct FakeEndpoints {
    documents: Mutex<HashMap<String, Value>>,
    answering: Mutex<HashMap<String, Answering>>,
    challenges: Mutex<HashMap<String, String>>,
    asked: Mutex<Vec<Asked>>,
    fetched: Mutex<Vec<String>>,
}

impl FakeEndpoints {
    /// With the discovery document of [`TestIssuer`].
    #[must_use]
    pub fn new() -> Self {
        let endpoints = Self::default();
        let at = |path: &str| format!("{}{path}", TestIssuer::ISSUER);
        endpoints.publish(
            &at("/.well-known/openid-configuration"),
            json!({
                "issuer": TestIssuer::ISSUER, "jwks_uri": at("/jwks"), "authorization_endpoint": at("/authorize"),
                "token_endpoint": at("/token"), "authorization_response_iss_parameter_supported": true,
            }),
        );
        endpoints
    }

    /// Puts a document at an address.
    pub fn publish(&self, url: &str, document: Value) {
        self.documents.lock().unwrap().insert(url.to_owned(), document);
    }

    /// From now on a server refuses with this `WWW-Authenticate`.
    pub fn challenge_with(&self, url: &str, header: &str) {
        self.challenges.lock().unwrap().insert(url.to_owned(), header.to_owned());
    }

    /// From now on this is what an endpoint answers.
    pub fn answer(&self, url: &str, with: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) {
        self.answering.lock().unwrap().insert(url.to_owned(), Arc::new(with));
    }

    /// Every form that was posted.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Every document that was fetched.
    #[must_use]
    pub fn fetched(&self) -> Vec<String> {
        self.fetched.lock().unwrap().clone()
    }
}

fn absent(url: &Url) -> FetchError {
    FetchError::Unreachable { url: url.to_string(), why: "status 404".to_owned() }
}

#[async_trait]
impl Endpoints for FakeEndpoints {
    async fn document(&self, url: &Url, _: ToldBy<'_>, limit_bytes: usize) -> Result<Vec<u8>, FetchError> {
        self.fetched.lock().unwrap().push(url.to_string());
        let document = self.documents.lock().unwrap().get(url.as_str()).map(ToString::to_string);
        let document = document.ok_or_else(|| absent(url))?;
        if document.len() > limit_bytes {
            let why = format!("more than {limit_bytes} bytes");
            return Err(FetchError::Unusable { url: url.to_string(), why });
        }
        Ok(document.into_bytes())
    }

    async fn post_form(
        &self,
        url: &Url,
        _: ToldBy<'_>,
        form: Form,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError> {
        let form = form.iter().map(|(name, value)| (name.to_owned(), value.expose().clone())).collect();
        self.post(url, form, authorization)
    }

    async fn post_json(
        &self,
        url: &Url,
        _: ToldBy<'_>,
        body: &Value,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError> {
        // As members of the form, each as its JSON.
        let members = body.as_object().into_iter().flatten();
        let form = members.map(|(name, value)| (name.clone(), value.to_string())).collect();
        self.post(url, form, authorization)
    }

    async fn challenge(&self, url: &Url) -> Result<Option<String>, FetchError> {
        Ok(self.challenges.lock().unwrap().get(url.as_str()).cloned())
    }
}

impl FakeEndpoints {
    fn post(
        &self,
        url: &Url,
        form: BTreeMap<String, String>,
        authorization: Option<Secret<String>>,
    ) -> Result<EndpointAnswer, FetchError> {
        let authorization = authorization.map(|value| value.expose().clone());
        let asked = Asked { url: url.to_string(), form, authorization };
        self.asked.lock().unwrap().push(asked.clone());
        let answering = self.answering.lock().unwrap().get(url.as_str()).cloned();
        let (status, body) = answering.ok_or_else(|| absent(url))?(&asked);
        Ok(EndpointAnswer { status, body: Secret::new(body.to_string().into_bytes()) })
    }
}
