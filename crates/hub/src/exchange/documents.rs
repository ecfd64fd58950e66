//! What authorization servers and servers say of themselves: learned only as far as it agrees with what is pinned (D1, D2).

use super::refusal::Fault;
use super::{AtServer, Connection};
use crate::ports::{Clock, Endpoints, ToldBy};
use deputy_core::{Issuer, SourceName};
use deputy_identity::exchange::user_oauth::{Challenge, ResourceMetadata, ServerMetadata};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// How long a document is believed.
const FRESH: Duration = Duration::from_secs(600);
/// Bytes that one may have.
const MOST_BYTES: usize = 256 * 1024;

/// Documents, as they were read last.
pub(super) struct Documents {
    endpoints: Arc<dyn Endpoints>,
    clock: Arc<dyn Clock>,
    token_endpoints: Mutex<HashMap<Issuer, (Url, Duration)>>,
    servers: Mutex<HashMap<Issuer, (Arc<ServerMetadata>, Duration)>>,
    /// Servers that did not contradict what is pinned.
    confirmed: Mutex<HashMap<SourceName, Duration>>,
}

/// RFC 8414 section 2, as far as it is needed.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
}

/// RFC 9728 section 2, as far as it is needed.
#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    authorization_servers: Vec<String>,
}

impl Documents {
    pub(super) fn new(endpoints: Arc<dyn Endpoints>, clock: Arc<dyn Clock>) -> Self {
        Self {
            endpoints,
            clock,
            token_endpoints: Mutex::default(),
            servers: Mutex::default(),
            confirmed: Mutex::default(),
        }
    }

    /// Where an authorization server gives tokens: the pinned place, else what its metadata says, on its own origin (D2).
    pub(super) async fn token_endpoint(&self, at: &AtServer) -> Result<Url, Fault> {
        if let Some(pinned) = &at.token_endpoint {
            return Ok(pinned.clone());
        }
        let now = self.clock.elapsed();
        let known = || self.token_endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((url, read_at)) = known().get(&at.issuer)
            && now.saturating_sub(*read_at) < FRESH
        {
            return Ok(url.clone());
        }
        let issuer =
            Url::parse(at.issuer.as_str()).map_err(|_| Fault::Document("its issuer is no address"))?;
        for address in metadata_addresses(&issuer) {
            let Ok(bytes) = self.endpoints.document(&address, ToldBy::Operator, MOST_BYTES).await else {
                continue;
            };
            let url = endpoint_of(&bytes, at, &issuer)?;
            known().insert(at.issuer.clone(), (url.clone(), now));
            return Ok(url);
        }
        Err(Fault::Unreachable)
    }

    /// What an authorization server says of itself, where people consent.
    pub(super) async fn server(&self, at: &AtServer) -> Result<Arc<ServerMetadata>, Fault> {
        let now = self.clock.elapsed();
        let known = || self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((metadata, read_at)) = known().get(&at.issuer)
            && now.saturating_sub(*read_at) < FRESH
        {
            return Ok(Arc::clone(metadata));
        }
        let issuer =
            Url::parse(at.issuer.as_str()).map_err(|_| Fault::Document("its issuer is no address"))?;
        for address in metadata_addresses(&issuer) {
            let Ok(bytes) = self.endpoints.document(&address, ToldBy::Operator, MOST_BYTES).await else {
                continue;
            };
            let metadata = Arc::new(ServerMetadata::read(&bytes, &at.issuer).map_err(Fault::Document)?);
            known().insert(at.issuer.clone(), (Arc::clone(&metadata), now));
            return Ok(metadata);
        }
        Err(Fault::Unreachable)
    }

    /// What a server at this address says of how it wants to be opened: its challenge, and its metadata at the place that the
    /// challenge names, else at the places where it usually is. Nothing secret is sent for it.
    pub(super) async fn resource(&self, address: &Url) -> (Challenge, Option<ResourceMetadata>) {
        let challenge = self.endpoints.challenge(address).await.ok().flatten();
        let challenge = challenge.map(|header| Challenge::read(&header)).unwrap_or_default();
        let named = challenge.resource_metadata.as_deref().and_then(|url| Url::parse(url).ok());
        let mut root = address.clone();
        root.set_path("/.well-known/oauth-protected-resource");
        root.set_query(None);
        let places = match named {
            Some(named) => vec![named],
            None => resource_address(address).into_iter().chain([root]).collect(),
        };
        for place in places {
            let document = self.endpoints.document(&place, ToldBy::Document(address), MOST_BYTES).await;
            if let Some(metadata) = document.ok().and_then(|bytes| ResourceMetadata::read(&bytes)) {
                return (challenge, Some(metadata));
            }
        }
        (challenge, None)
    }

    /// Looks at what the server itself says of its authorization servers, before it is sent anything: a contradiction is
    /// `true` (D1). That it says nothing is no matter: what counts is pinned.
    pub(super) async fn contradicts(&self, connection: &Connection) -> bool {
        let now = self.clock.elapsed();
        let known = || self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = known().get(&connection.server).is_some_and(|at| now.saturating_sub(*at) < FRESH);
        if lately {
            return false;
        }
        let Some(address) = Url::parse(&connection.resource).ok().and_then(|url| resource_address(&url))
        else {
            return false;
        };
        if self.foreign_at(connection, &address).await.is_some() {
            return true;
        }
        known().insert(connection.server.clone(), now);
        false
    }

    /// Another authorization server than the pinned one that a challenge names.
    pub(super) async fn foreign_in(&self, connection: &Connection, challenge: &str) -> Option<String> {
        let address = Url::parse(&parameter(challenge, "resource_metadata")?).ok()?;
        self.foreign_at(connection, &address).await
    }

    async fn foreign_at(&self, connection: &Connection, address: &Url) -> Option<String> {
        let pinned = &connection.way.authorization_server()?.issuer;
        let own = Url::parse(&connection.resource).ok()?;
        let document = self.endpoints.document(address, ToldBy::Document(&own), MOST_BYTES).await.ok()?;
        let said: Resource = serde_json::from_slice(&document).ok()?;
        let named = &said.authorization_servers;
        // D16: as bytes.
        if named.is_empty() || named.iter().any(|one| one == pinned.as_str()) {
            return None;
        }
        named.first().map(|one| one.chars().filter(|c| !c.is_control()).take(200).collect())
    }
}

fn endpoint_of(bytes: &[u8], at: &AtServer, issuer: &Url) -> Result<Url, Fault> {
    let metadata: Metadata =
        serde_json::from_slice(bytes).map_err(|_| Fault::Document("its metadata cannot be read"))?;
    if metadata.issuer != at.issuer.as_str() {
        return Err(Fault::Document("its metadata names another issuer"));
    }
    let url = Url::parse(&metadata.token_endpoint)
        .map_err(|_| Fault::Document("its metadata has no token endpoint"))?;
    if url.origin() != issuer.origin() {
        return Err(Fault::Document("its token endpoint is on another origin, and not pinned"));
    }
    Ok(url)
}

/// RFC 8414 section 3.1 and OpenID Connect Discovery 1.0 section 4, in the order in which MCP clients look.
#[must_use]
pub fn metadata_addresses(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url.set_query(None);
        url
    };
    let mut addresses = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        addresses.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    addresses
}

/// RFC 9728 section 3.1.
fn resource_address(resource: &Url) -> Option<Url> {
    if !matches!(resource.scheme(), "https" | "http") {
        return None;
    }
    let mut url = resource.clone();
    url.set_path(&format!("/.well-known/oauth-protected-resource{}", resource.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// A quoted parameter of a challenge (RFC 9110 section 11.2).
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let lower = challenge.to_ascii_lowercase();
    let at = lower.find(&format!("{name}=\""))?;
    let rest = challenge.get(at + name.len() + 2..)?;
    rest.split('"').next().map(str::to_owned)
}
