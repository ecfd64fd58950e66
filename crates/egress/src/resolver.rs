//! Names to addresses, once: what was checked is what is connected to, so a name that changes its mind in between
//! (rebinding) gains nothing.

use crate::client::NamedHosts;
use async_trait::async_trait;
use deputy_core::address::{Nearness, nearness};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Looks a name up.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of a host name.
    ///
    /// # Errors
    /// It has none, or nobody answers.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver. `localhost` and everything below it is this machine without asking anybody
/// (RFC 6761 section 6.3).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if host == "localhost" || host.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Which of a host's addresses one kind of request may use.
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    /// Public ones, and private ones of these hosts.
    Named(NamedHosts),
    /// Public ones.
    Public,
    /// This machine, if the host is one of these.
    Loopback(NamedHosts),
    /// This machine and private addresses, if the host is one of these.
    Inside(NamedHosts),
}

impl Zone {
    /// Why not, if not.
    pub(crate) fn check(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let (named, nearness) = (self.names(host), nearness(address));
        let allowed = match (self, nearness) {
            (_, Nearness::Never) => false,
            (Self::Loopback(_), nearness) => named && nearness == Nearness::Loopback,
            (Self::Inside(_), nearness) => named && nearness != Nearness::Public,
            (_, Nearness::Public) => true,
            (_, Nearness::Private | Nearness::Loopback) => named,
        };
        if allowed { Ok(()) } else { Err(Refused { host: host.to_owned(), address }) }
    }

    fn names(&self, host: &str) -> bool {
        match self {
            Self::Named(hosts) | Self::Loopback(hosts) | Self::Inside(hosts) => hosts.contains(host),
            Self::Public => false,
        }
    }
}

/// The host has no address that may be connected to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("host `{host}` is at `{address}`, which may not be reached")]
pub(crate) struct Refused {
    host: String,
    address: IpAddr,
}

/// Those of a host's addresses that may be connected to: at least one.
///
/// # Errors
/// There is none: the last that was refused, if there was any.
pub(crate) fn allowed(zone: &Zone, host: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Option<Refused>> {
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found {
        match zone.check(host, address) {
            Ok(()) => allowed.push(address),
            Err(error) => refused = Some(error),
        }
    }
    if allowed.is_empty() { Err(refused) } else { Ok(allowed) }
}

/// Hands the HTTP client only addresses that were checked.
pub(crate) struct Checked {
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) zone: Zone,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, zone) = (Arc::clone(&self.resolver), self.zone.clone());
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            match allowed(&zone, &host, resolver.resolve(&host).await?) {
                Ok(addresses) => {
                    Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
                }
                Err(Some(refused)) => Err(refused.into()),
                Err(None) => Err(io::Error::from(io::ErrorKind::NotFound).into()),
            }
        })
    }
}
