//! One address: read and checked once, its host looked up and its addresses checked at each connection.

use super::super::{Ask, EgressError, HttpClient, host_of, shown};
use super::{Broken, Open};
use crate::resolver::{Refused, Resolver, Zone, allowed};
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use url::{Host, Position, Url};

/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("deputy/", env!("CARGO_PKG_VERSION")));

pub(super) struct Place {
    url: Url,
    host: String,
    literal: Option<IpAddr>,
    port: u16,
    authority: HeaderValue,
    path: Uri,
    zone: Zone,
    resolver: Arc<dyn Resolver>,
    within: Duration,
}

impl Place {
    /// `None`: it is reached in another way, or not at all.
    pub(super) fn of(client: &HttpClient, url: &Url) -> Option<Self> {
        // INVARIANT: what may not be called has no place.
        client.client_for(url, Ask::Configured).ok()?;
        if url.scheme() != "http" || !matches!(client.plain_zone, Zone::Loopback(_)) {
            return None;
        }
        let literal = match url.host()? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        let written = url.host_str()?;
        let authority = match url.port() {
            Some(port) => HeaderValue::from_str(&format!("{written}:{port}")),
            None => HeaderValue::from_str(written),
        };
        Some(Self {
            host: host_of(url)?,
            literal,
            port: url.port_or_known_default()?,
            authority: authority.ok()?,
            path: url[Position::BeforePath..Position::AfterQuery].parse().ok()?,
            zone: client.plain_zone.clone(),
            resolver: Arc::clone(&client.resolver),
            within: client.timeout,
            url: url.clone(),
        })
    }

    /// Says in a request where it goes, and who asks.
    pub(super) fn address<B>(&self, request: &mut Request<B>) {
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.entry(USER_AGENT).or_insert(AGENT);
    }

    /// A new connection to an address that was checked just now.
    pub(super) async fn connect(&self) -> Result<Open, EgressError> {
        match tokio::time::timeout(self.within, self.connected()).await {
            Ok(open) => open,
            Err(_) => Err(self.unreachable("out of time".to_owned())),
        }
    }

    async fn connected(&self) -> Result<Open, EgressError> {
        let found = match self.literal {
            Some(address) => Ok(vec![address]),
            None => self.resolver.resolve(&self.host).await,
        };
        let found = found.map_err(|error| self.unreachable(error.to_string()))?;
        let addresses = allowed(&self.zone, &self.host, found).map_err(|refused| self.refused(&refused))?;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, self.port)).await {
                Ok(stream) => {
                    // Small messages go out at once; a socket that refuses works as well.
                    let _ = stream.set_nodelay(true);
                    return Open::new(stream).await.map_err(|why| self.broken(&why));
                }
                Err(error) => last = error,
            }
        }
        Err(self.unreachable(last.to_string()))
    }

    pub(super) fn broken(&self, why: &Broken) -> EgressError {
        self.unreachable(why.root_cause())
    }

    pub(super) fn unreachable(&self, why: String) -> EgressError {
        EgressError::Unreachable { url: self.shown(), why }
    }

    pub(super) fn shown(&self) -> String {
        shown(&self.url)
    }

    fn refused(&self, refused: &Option<Refused>) -> EgressError {
        match refused {
            Some(refused) => EgressError::NotAllowed { url: self.shown(), why: refused.to_string() },
            None => self.unreachable(io::Error::from(io::ErrorKind::NotFound).to_string()),
        }
    }
}
