//! The one HTTP client. Nobody else in the house opens a connection to a stranger.

mod direct;
mod exchange;
mod fresh;
mod sending;
mod streamed;

pub(crate) use direct::Direct;
pub use exchange::{Exchange, Reply};
use fresh::Fresh;
pub(crate) use sending::{Sending, Unsent};
pub(crate) use streamed::{NEVER, Outgoing, Streamed, Undelivered};

use crate::resolver::{Checked, Refused, Resolver, SystemResolver, Zone};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_ENCODING, HeaderMap};
use reqwest::redirect::Policy;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// Hosts that the operator's config names: they may be private or on this machine. Lower case, without a final dot.
#[derive(Debug, Clone, Default)]
pub struct NamedHosts(Arc<BTreeSet<String>>);

impl NamedHosts {
    /// The hosts of these configured addresses.
    pub fn of<'a>(urls: impl IntoIterator<Item = &'a Url>) -> Self {
        Self(Arc::new(urls.into_iter().filter_map(host_of).collect()))
    }

    pub(crate) fn has(&self, url: &Url) -> bool {
        host_of(url).is_some_and(|host| self.contains(&host))
    }

    pub(crate) fn contains(&self, host: &str) -> bool {
        self.0.contains(host.strip_suffix('.').unwrap_or(host))
    }
}

/// How the client behaves.
#[derive(Clone)]
pub struct Settings {
    /// Hosts that may be inside.
    pub named_hosts: NamedHosts,
    /// For a whole answer, from the first lookup to the last byte (B1: 5 s).
    pub timeout: Duration,
    /// Who looks names up.
    pub resolver: Arc<dyn Resolver>,
}

impl Settings {
    /// Five seconds, the system's resolver, and these hosts.
    #[must_use]
    pub fn new(named_hosts: NamedHosts) -> Self {
        Self { named_hosts, timeout: Duration::from_secs(5), resolver: Arc::new(SystemResolver) }
    }
}

/// How we come to know an address.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// It is in the operator's config.
    Configured,
    /// A stranger told us, in an answer from this address: it must be on the same host, or public https (R6).
    LearnedFrom(&'a Url),
}

/// A whole answer with status 200.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body, at most as long as asked for.
    pub body: Bytes,
}

/// Why there is no answer. Addresses are shown without their query.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// We do not go there.
    #[error("`{url}` may not be called: {why}")]
    NotAllowed {
        /// Where.
        url: String,
        /// Which rule forbids it.
        why: String,
    },
    /// Network, DNS, TLS, or out of time.
    #[error("`{url}` cannot be reached: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// What happened.
        why: String,
    },
    /// Another status than 200; a redirect is one.
    #[error("`{url}` answered with status {status}")]
    Status {
        /// Where.
        url: String,
        /// Which.
        status: u16,
    },
    /// More bytes than we read.
    #[error("`{url}` answered with more than {limit_bytes} bytes")]
    TooLarge {
        /// Where.
        url: String,
        /// How many we read.
        limit_bytes: usize,
    },
    /// A content coding, though we asked for none: its size cannot be trusted.
    #[error("`{url}` answered in a content coding that was not asked for")]
    Encoded {
        /// Where.
        url: String,
    },
    /// The client could not be built.
    #[error("the http client cannot be built: {0}")]
    Client(String),
}

impl EgressError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed { .. } => "egress_not_allowed",
            Self::Unreachable { .. } => "egress_unreachable",
            Self::Status { .. } => "egress_status",
            Self::TooLarge { .. } => "egress_too_large",
            Self::Encoded { .. } => "egress_encoded",
            Self::Client(_) => "egress_client",
        }
    }
}

/// Calls strangers: https only, but for named hosts on this machine; no redirects; no proxy from the environment; no
/// cookies; a resolved address is checked and then connected to. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    named: reqwest::Client,
    public: reqwest::Client,
    plain: reqwest::Client,
    /// What plain http may reach.
    plain_zone: Zone,
    named_hosts: NamedHosts,
    fresh: Fresh,
    /// For connections of its own making (`direct`).
    resolver: Arc<dyn Resolver>,
    timeout: Duration,
}

impl HttpClient {
    /// Builds it.
    ///
    /// # Errors
    /// [`EgressError::Client`].
    pub fn new(settings: Settings) -> Result<Self, EgressError> {
        let plain_zone = Zone::Loopback(settings.named_hosts.clone());
        Self::with_plain(&settings, plain_zone)
    }

    /// One whose plain http reaches named hosts on the inside, not on this machine alone: for what carries no secret.
    ///
    /// # Errors
    /// [`EgressError::Client`].
    pub fn plain_inside(settings: Settings) -> Result<Self, EgressError> {
        let plain_zone = Zone::Inside(settings.named_hosts.clone());
        Self::with_plain(&settings, plain_zone)
    }

    fn with_plain(settings: &Settings, plain_zone: Zone) -> Result<Self, EgressError> {
        let hosts = || settings.named_hosts.clone();
        Ok(Self {
            named: build(settings, Zone::Named(hosts()))?,
            public: build(settings, Zone::Public)?,
            plain: build(settings, plain_zone.clone())?,
            fresh: Fresh::new(settings, plain_zone.clone()),
            plain_zone,
            named_hosts: hosts(),
            resolver: Arc::clone(&settings.resolver),
            timeout: settings.timeout,
        })
    }

    /// GETs a document of at most `limit_bytes`. Sends no credentials.
    ///
    /// # Errors
    /// Anything but a whole answer with status 200.
    pub async fn get(
        &self,
        url: &Url,
        ask: Ask<'_>,
        accept: &'static str,
        limit_bytes: usize,
    ) -> Result<Answer, EgressError> {
        let client = self.client_for(url, ask)?;
        let request = client.get(url.clone()).header(ACCEPT, accept);
        let response = request.send().await.map_err(|error| failed(url, error))?;
        if response.status() != http::StatusCode::OK {
            return Err(EgressError::Status { url: shown(url), status: response.status().as_u16() });
        }
        whole(url, response, limit_bytes).await
    }

    /// Which client may go there. An address in the URL itself never meets the resolver, so it is checked here.
    pub(crate) fn client_for(&self, url: &Url, ask: Ask<'_>) -> Result<&reqwest::Client, EgressError> {
        let not_allowed = |why: &str| EgressError::NotAllowed { url: shown(url), why: why.to_owned() };
        let host = host_of(url).ok_or_else(|| not_allowed("it has no host"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(not_allowed("it contains credentials"));
        }
        let foreign = match ask {
            Ask::Configured => false,
            Ask::LearnedFrom(teacher) => host_of(teacher).as_ref() != Some(&host),
        };
        let downgrade = matches!(ask, Ask::LearnedFrom(teacher) if teacher.scheme() == "https");
        let (client, zone) = match url.scheme() {
            "https" if foreign => (&self.public, Zone::Public),
            "https" => (&self.named, Zone::Named(self.named_hosts.clone())),
            "http" if !foreign && !downgrade && self.named_hosts.contains(&host) => {
                (&self.plain, self.plain_zone.clone())
            }
            "http" => return Err(not_allowed("plain http is for named hosts on this machine")),
            _ => return Err(not_allowed("it is not https")),
        };
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        if let Some(address) = literal {
            zone.check(&host, address).map_err(|refused| not_allowed(&refused.to_string()))?;
        }
        Ok(client)
    }
}

fn build(settings: &Settings, zone: Zone) -> Result<reqwest::Client, EgressError> {
    build_with(settings, zone, |builder| builder)
}

fn build_with(
    settings: &Settings,
    zone: Zone,
    also: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, EgressError> {
    let https_only = !matches!(zone, Zone::Loopback(_) | Zone::Inside(_));
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("deputy/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .https_only(https_only)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .dns_resolver(Checked { resolver: Arc::clone(&settings.resolver), zone: zone.clone() });
        also(builder)
    };
    // A machine without any root certificate still has its loopback; https then fails, for nobody is trusted.
    builder().build().or_else(|error| {
        tracing::warn!(error = root_cause(&error), "no root certificates: https will not work");
        builder().tls_certs_only([]).build().map_err(|error| EgressError::Client(root_cause(&error)))
    })
}

/// Reads an answer to its end, whatever its status.
pub(crate) async fn whole(
    url: &Url,
    mut response: reqwest::Response,
    limit_bytes: usize,
) -> Result<Answer, EgressError> {
    if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(EgressError::Encoded { url: shown(url) });
    }
    let too_large = || EgressError::TooLarge { url: shown(url), limit_bytes };
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |length| length > limit_bytes) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        if body.len().saturating_add(chunk.len()) > limit_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { headers: std::mem::take(response.headers_mut()), body: body.freeze() })
}

pub(crate) fn failed(url: &Url, error: reqwest::Error) -> EgressError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return EgressError::NotAllowed { url: shown(url), why: refused.to_string() };
        }
        source = cause.source();
    }
    let why = if error.is_timeout() { "out of time".to_owned() } else { root_cause(&error) };
    EgressError::Unreachable { url: shown(url), why }
}

/// The innermost reason; the outer ones only repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str()?.to_ascii_lowercase();
    Some(host.strip_suffix('.').unwrap_or(&host).to_owned())
}

pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests;
