//! The guard's own way to key sets and documents: few addresses, each checked before it is connected to (B1).
//!
//! Hosts that the operator named may be inside, never link-local or a metadata address. An address that a document named is
//! on the same host as the document, or public. Plain http is for this machine.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use deputy_core::address::{Nearness, nearness};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// For a whole answer (B1).
const TIMEOUT: Duration = Duration::from_secs(5);

/// How near an address must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Anywhere but where nobody may go.
    Named,
    /// On the internet.
    Public,
    /// On this machine.
    Loopback,
    /// On this machine or on the inside.
    Inside,
}

impl Zone {
    fn allows(self, address: IpAddr) -> bool {
        match (self, nearness(address)) {
            (_, Nearness::Never) => false,
            (Self::Named, _) => true,
            (Self::Public, near) => near == Nearness::Public,
            (Self::Loopback, near) => near == Nearness::Loopback,
            (Self::Inside, near) => near != Nearness::Public,
        }
    }
}

/// Why nothing was fetched.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{url}`: {why}")]
pub(crate) struct NotFetched {
    url: String,
    why: String,
}

/// What was fetched.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) body: Bytes,
    /// `max-age` of its `Cache-Control`.
    pub(crate) max_age: Option<Duration>,
}

/// Brings documents.
#[async_trait]
pub(crate) trait Fetch: Send + Sync {
    /// A document of at most `limit_bytes`; `from`: the document that named this address, none for the operator.
    async fn document(
        &self,
        url: &Url,
        from: Option<&Url>,
        limit_bytes: usize,
    ) -> Result<Document, NotFetched>;
}

/// Over the network.
pub(crate) struct Fetcher {
    named: reqwest::Client,
    public: reqwest::Client,
    loopback: reqwest::Client,
    hosts: BTreeSet<String>,
}

impl Fetcher {
    /// One that may reach the hosts of these addresses wherever they are.
    pub(crate) fn new<'u>(urls: impl IntoIterator<Item = &'u Url>) -> Result<Self, String> {
        let build = |zone| {
            let builder = client(zone).timeout(TIMEOUT).https_only(zone != Zone::Loopback);
            builder.build().map_err(|error| format!("the http client cannot be built: {error}"))
        };
        Ok(Self {
            named: build(Zone::Named)?,
            public: build(Zone::Public)?,
            loopback: build(Zone::Loopback)?,
            hosts: urls.into_iter().filter_map(host).collect(),
        })
    }

    fn client_for(&self, url: &Url, from: Option<&Url>) -> Result<&reqwest::Client, &'static str> {
        let host = host(url).ok_or("it has no host")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it contains credentials");
        }
        let named = match from {
            None => self.hosts.contains(&host),
            Some(from) => self::host(from).as_ref() == Some(&host) && self.hosts.contains(&host),
        };
        let downgrade = from.is_some_and(|from| from.scheme() == "https");
        let (client, zone) = match (url.scheme(), named) {
            ("https", true) => (&self.named, Zone::Named),
            ("https", false) => (&self.public, Zone::Public),
            ("http", true) if !downgrade => (&self.loopback, Zone::Loopback),
            _ => return Err("plain http is for this machine"),
        };
        literal_is_allowed(url, zone)?;
        Ok(client)
    }
}

/// An address in the URL itself never meets the resolver.
pub(crate) fn literal_is_allowed(url: &Url, zone: Zone) -> Result<(), &'static str> {
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    if literal.is_none_or(|address| zone.allows(address)) {
        Ok(())
    } else {
        Err("its address may not be reached")
    }
}

/// A client that follows nothing, asks no proxy, and connects only within its zone.
pub(crate) fn client(zone: Zone) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("deputy-guard/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(TIMEOUT)
        .dns_resolver(Arc::new(Checked(zone)))
}

#[async_trait]
impl Fetch for Fetcher {
    async fn document(
        &self,
        url: &Url,
        from: Option<&Url>,
        limit_bytes: usize,
    ) -> Result<Document, NotFetched> {
        let failed = |why: String| NotFetched { url: shown(url), why };
        let client = self.client_for(url, from).map_err(|why| failed(why.to_owned()))?;
        let request = client.get(url.clone()).header("accept", "application/json, application/jwk-set+json");
        let mut response = request.send().await.map_err(|error| failed(root_cause(&error)))?;
        if response.status() != http::StatusCode::OK {
            return Err(failed(format!("status {}", response.status().as_u16())));
        }
        if response.headers().contains_key(http::header::CONTENT_ENCODING) {
            return Err(failed("a content coding that was not asked for".to_owned()));
        }
        let max_age = max_age(response.headers());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(root_cause(&error)))? {
            if body.len().saturating_add(chunk.len()) > limit_bytes {
                return Err(failed(format!("more than {limit_bytes} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Document { body: body.freeze(), max_age })
    }
}

fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?.to_ascii_lowercase();
    Some(host.strip_suffix('.').unwrap_or(&host).to_owned())
}

/// Without its query.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// The innermost reason; the outer ones only repeat the address.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    if error.is_timeout() { "out of time".to_owned() } else { innermost.to_string() }
}

/// RFC 9111 section 5.2.2; what may not be stored is good for no time.
fn max_age(headers: &http::HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(http::header::CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    let directives: Vec<String> =
        fields.flat_map(|field| field.split(',')).map(|part| part.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(Duration::ZERO);
    }
    let seconds = directives.iter().find_map(|directive| directive.strip_prefix("max-age="))?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

/// Hands out only addresses of its zone: what was checked is what is connected to.
struct Checked(Zone);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let zone = self.0;
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found: Vec<IpAddr> = if host == "localhost" || host.ends_with(".localhost") {
                // This machine, without asking anybody (RFC 6761 section 6.3).
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            } else {
                tokio::net::lookup_host((host.as_str(), 0)).await?.map(|address| address.ip()).collect()
            };
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| zone.allows(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "no address of it may be reached",
                )
                .into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
