//! A server that is described by an OpenAPI document, as an MCP server: its operations are tools.
//!
//! What is in the document and what a request looks like is `deputy_protocol::openapi`'s matter. Here it is fetched, kept
//! fresh, and requests go out, each with the credential of its principal.

mod base;
mod document;

use crate::client::{EgressError, HttpClient, Sending, Unsent};
use crate::upstream::Credential;
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_hub::Supervisor;
use deputy_hub::ports::Clock;
use deputy_hub::ports::upstream::{Ask, Changed, Failure, Health, Reply, Told, Upstream};
use deputy_protocol::jsonrpc::code;
use deputy_protocol::mcp::{meta, version};
use deputy_protocol::openapi::{Answered, Method, Operation, Options, Request, answer, refused};
use deputy_protocol::relay::{Object, raw};
use document::{Age, Kept, Loaded};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use serde_json::value::RawValue;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

/// For reading a document that nobody waits for.
const READING: Duration = Duration::from_secs(30);

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentAt {
    /// On this machine; from the operator's config.
    File(PathBuf),
    /// At an address; from the operator's config. It is fetched without credentials.
    Url(Url),
}

/// What the operator says of such a server.
#[derive(Clone)]
pub struct Served {
    /// Its name in the config.
    pub name: String,
    /// Its document.
    pub document: DocumentAt,
    /// Where it is, if the document does not say so, or not on the same host.
    pub base_url: Option<Url>,
    /// What is offered.
    pub options: Options,
    /// Bytes of an answer.
    pub limit_bytes: usize,
    /// How old the document may be when tools are listed.
    pub refresh: Duration,
    /// Who asks.
    pub credential: Arc<dyn Credential>,
}

/// One such server.
pub struct OpenApiUpstream {
    client: HttpClient,
    clock: Arc<dyn Clock>,
    kept: Kept,
    limit_bytes: usize,
    refresh: Duration,
    credential: Arc<dyn Credential>,
    state: Mutex<Health>,
}

impl OpenApiUpstream {
    /// Nothing is read before it is needed. The client's config must name the hosts of the document and of the server.
    #[must_use]
    pub fn new(client: HttpClient, clock: Arc<dyn Clock>, served: Served) -> Self {
        let Served { name, document, base_url, options, limit_bytes, refresh, credential } = served;
        let (own, fills) = ((client.clone(), Arc::clone(&clock)), Arc::clone(&credential));
        let kept = Kept::new(own, name, document, base_url, options, fills, refresh);
        let state = Mutex::new(Health { is_up: None, revision: None, last_error: None, starts: 0 });
        Self { client, clock, kept, limit_bytes, refresh, credential, state }
    }

    /// From now on looks by itself whether the document has changed, while anybody holds a receiver of
    /// [`Upstream::changes`].
    pub fn keep_fresh(self: &Arc<Self>, supervisor: &Supervisor) {
        let (own, refresh) = (Arc::downgrade(self), self.refresh);
        supervisor.start_until_shutdown(async move {
            loop {
                tokio::time::sleep(refresh).await;
                let Some(own) = own.upgrade() else { return };
                if own.kept.is_watched() {
                    // What goes wrong is in the health.
                    let _ = own.loaded(Age::Fresh, Instant::now() + refresh.max(READING)).await;
                }
            }
        });
    }

    async fn loaded(&self, age: Age, until: Instant) -> Result<Arc<Loaded>, Failure> {
        let (loaded, fault) = in_time(until, self.kept.current(age)).await?;
        if let Some(why) = &fault {
            self.went_wrong(why);
        }
        match loaded {
            Some(loaded) => {
                let revision = format!("OpenAPI {}", loaded.document.openapi());
                self.health_mut(|health| health.revision = Some(revision));
                Ok(loaded)
            }
            None => Err(Failure::NotSent(fault.unwrap_or_default())),
        }
    }

    async fn reply(&self, ask: &Ask, until: Instant) -> Result<Reply, Failure> {
        match ask.method.as_str() {
            "server/discover" => Ok(Reply::Result(self.discovered(&*self.loaded(Age::Fresh, until).await?))),
            "tools/list" => match parameters(ask)?.get("cursor").filter(|cursor| cursor.get() != "null") {
                Some(_) => Ok(fault(code::INVALID_PARAMS, "this cursor was not given by this server")),
                None => Ok(Reply::Result(self.listed(&*self.loaded(Age::Fresh, until).await?))),
            },
            "tools/call" => self.call(ask, until).await,
            _ => Ok(fault(code::METHOD_NOT_FOUND, "this server has tools and nothing else")),
        }
    }

    fn discovered(&self, loaded: &Loaded) -> Box<RawValue> {
        let document = &loaded.document;
        let name = if document.title().is_empty() { self.kept.name() } else { document.title() };
        raw(&json!({
            "resultType": "complete",
            "supportedVersions": version::MODERN_SPOKEN,
            "capabilities": {"tools": {"listChanged": true}},
            "ttlMs": self.ttl_ms(),
            "cacheScope": "public",
            "_meta": {meta::SERVER_INFO: {"name": name, "version": document.version()}},
        }))
    }

    /// All tools, on one page. The document is fetched without credentials, so the list is the same for everybody.
    fn listed(&self, loaded: &Loaded) -> Box<RawValue> {
        let tools: Vec<_> = loaded.document.operations().iter().map(|operation| operation.tool()).collect();
        raw(&json!({
            "resultType": "complete",
            "tools": tools,
            "ttlMs": self.ttl_ms(),
            "cacheScope": "public",
        }))
    }

    fn ttl_ms(&self) -> u64 {
        u64::try_from(self.refresh.as_millis()).unwrap_or(u64::MAX)
    }

    async fn call(&self, ask: &Ask, until: Instant) -> Result<Reply, Failure> {
        let loaded = self.loaded(Age::Any, until).await?;
        let parameters = parameters(ask)?;
        let name: String = parameters.read("name").unwrap_or_default();
        let Some(operation) = loaded.document.operation(&name) else {
            return Ok(fault(code::INVALID_PARAMS, "there is no such tool"));
        };
        let none = raw(&json!({}));
        let arguments = parameters.get("arguments").filter(|raw| raw.get() != "null").unwrap_or(&none);
        let request = match operation.request(arguments) {
            Ok(request) => request,
            Err(error) => return Ok(Reply::Result(refused(&error))),
        };
        let url = base::address(&loaded.base, &request).map_err(Failure::NotSent)?;
        let mut headers = headers(&request).map_err(Failure::NotSent)?;
        crate::trace::tell(&mut headers, ask.trace.as_ref());
        let own = in_time(until, self.credential.headers(&ask.principal)).await??;
        for (name, value) in own {
            let named = HeaderName::try_from(name.as_str())
                .map_err(|_| Failure::NotSent("the credential has no header field".to_owned()))?;
            if headers.contains_key(&named) {
                let why = format!("the header field `{named}` is the hub's to fill");
                return Ok(Reply::Result(refused(&why)));
            }
            headers.insert(named, sensitive(&value).map_err(Failure::NotSent)?);
        }
        self.send(operation, request, url, headers, until).await
    }

    async fn send(
        &self,
        operation: &Operation,
        request: Request,
        url: Url,
        headers: HeaderMap,
        until: Instant,
    ) -> Result<Reply, Failure> {
        let sending = Sending {
            method: method(request.method),
            headers,
            body: request.body.map(Into::into),
            timeout: until.saturating_duration_since(Instant::now()),
        };
        let (status, answered) =
            self.client.send(&url, sending, self.limit_bytes).await.map_err(|unsent| match unsent {
                Unsent::Before(error) => Failure::NotSent(error.to_string()),
                Unsent::OutOfTime => Failure::TimedOut,
                Unsent::After(EgressError::TooLarge { limit_bytes, .. }) => Failure::TooLarge { limit_bytes },
                Unsent::After(error @ EgressError::Encoded { .. }) => Failure::Unusable(error.to_string()),
                Unsent::After(error) => Failure::Lost(error.to_string()),
            })?;
        let media = answered.headers.get(CONTENT_TYPE).and_then(|field| field.to_str().ok());
        let answered = Answered { status, media, body: &answered.body };
        Ok(Reply::Result(answer(operation, answered)))
    }

    fn health_mut(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn went_wrong(&self, why: &str) {
        let now = self.clock.now();
        self.health_mut(|health| health.last_error = Some((now, why.to_owned())));
    }
}

#[async_trait]
impl Upstream for OpenApiUpstream {
    async fn ask(
        &self,
        ask: Ask,
        _told: mpsc::Sender<Told>,
        cancel: &CancellationToken,
    ) -> Result<Reply, Failure> {
        let until = Instant::now().checked_add(ask.timeout).unwrap_or_else(Instant::now);
        let reply = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::Cancelled),
            reply = self.reply(&ask, until) => reply,
        };
        match &reply {
            Ok(_) => self.health_mut(|health| health.is_up = Some(true)),
            Err(Failure::Cancelled) => {}
            Err(failure) => {
                self.health_mut(|health| health.is_up = Some(false));
                self.went_wrong(&failure.to_string());
            }
        }
        reply
    }

    fn changes(&self, _principal: &str) -> watch::Receiver<Changed> {
        self.kept.changes()
    }

    /// There are no resources, so nothing ever comes.
    fn updates(&self, _principal: &str, _uri: &str) -> mpsc::Receiver<Box<RawValue>> {
        mpsc::channel(1).1
    }

    /// There are no tasks either.
    fn task_changes(&self, _principal: &str, _id: &str) -> mpsc::Receiver<()> {
        mpsc::channel(1).1
    }

    fn health(&self) -> Health {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn close(&self) {}
}

/// What comes before sending, as long as there is time: then nothing was sent.
async fn in_time<T>(until: Instant, before: impl Future<Output = T>) -> Result<T, Failure> {
    let late = |_| Failure::NotSent("there was no time left to send anything".to_owned());
    tokio::time::timeout_at(until.into(), before).await.map_err(late)
}

fn parameters(ask: &Ask) -> Result<Object, Failure> {
    let Some(parameters) = &ask.params else { return Ok(Object::default()) };
    Object::parse(parameters).map_err(|error| Failure::Untranslatable(format!("`params`: {error}")))
}

fn fault(code: i64, message: &str) -> Reply {
    Reply::Fault { code, message: message.to_owned(), data: None }
}

fn headers(request: &Request) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let cannot = || format!("the header field `{name}` cannot be written");
        let name: HeaderName = name.parse().map_err(|_| cannot())?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| cannot())?);
    }
    Ok(headers)
}

/// Marked, so that no layer below writes it into a log.
fn sensitive(value: &Secret<String>) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value.expose())
        .map_err(|_| "the credential cannot stand in a header field".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

const fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    }
}

#[cfg(test)]
mod tests;
