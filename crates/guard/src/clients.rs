//! The clients that may redeem ID-JAGs, and how each proves which one it is: by a signed assertion (`private_key_jwt`), with
//! keys that the operator gave, that are at an address, or that its document names (CIMD).

use crate::clock::Clock;
use crate::fetch::Fetch;
use crate::settings::{ClientKeysAt, TrustedClient};
use deputy_core::canonical::parse_strict;
use deputy_core::{Client, Timestamp};
use deputy_identity::claims::Verified;
use deputy_identity::client_assertion::{self, ClientAssertion};
use deputy_identity::keys::{KeySet, MAX_SET_BYTES};
use deputy_identity::{Audiences, TokenError};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

/// How long fetched keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(600);
/// How long they are used if they cannot be.
const STALE: Duration = Duration::from_secs(3600);
/// Between two fetches, whatever came of the first.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// Longest document of a client.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// Why a client was not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKnown {
    /// It is none of ours, or did not prove it.
    #[error("{0}")]
    Refused(TokenError),
    /// There is no such client here.
    #[error("the client is not configured here")]
    Nobody,
    /// Its keys are not to be had.
    #[error("the client's keys are unavailable: {0}")]
    Unavailable(String),
}

impl NotKnown {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.code(),
            Self::Nobody => "client_unknown",
            Self::Unavailable(_) => "client_keys_unavailable",
        }
    }
}

/// All of them.
pub(crate) struct Clients {
    by_id: HashMap<String, Arc<Entry>>,
    fetch: Arc<dyn Fetch>,
    clock: Clock,
}

struct Entry {
    id: Client,
    keys_at: ClientKeysAt,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    tried_at: Option<Timestamp>,
}

/// Whether keys that are known will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Known,
    New,
}

impl Clients {
    pub(crate) fn new(
        clients: &[TrustedClient],
        fetch: Arc<dyn Fetch>,
        clock: Clock,
    ) -> Result<Self, String> {
        let mut by_id = HashMap::new();
        for client in clients {
            let (id, keys_at) = (client.id.clone(), client.keys_at.clone());
            let entry = Arc::new(Entry { id, keys_at, held: Mutex::default() });
            if by_id.insert(client.id.0.clone(), entry).is_some() {
                return Err(format!("the client `{}` is there twice", client.id.0));
            }
        }
        Ok(Self { by_id, fetch, clock })
    }

    /// Who made this assertion, if it proves it to us. Whether it came before is for the caller to know.
    pub(crate) async fn authenticate(
        &self,
        assertion: &str,
        audiences: &Audiences,
    ) -> Result<Verified<ClientAssertion>, NotKnown> {
        let claimed = client_assertion::claimed_client(assertion).map_err(NotKnown::Refused)?;
        // A stranger's id makes nobody fetch anything.
        let entry = self.by_id.get(&claimed.0).ok_or(NotKnown::Nobody)?;
        let verify =
            |keys: &KeySet| client_assertion::verify(assertion, &entry.id, keys, audiences, self.clock.now());
        let keys = self.keys(entry, Want::Known).await?;
        match verify(&keys) {
            // No key of that name, or another key under it: it may be new.
            Err(TokenError::Algorithm | TokenError::Signature) => {
                let keys = self.keys(entry, Want::New).await?;
                verify(&keys).map_err(NotKnown::Refused)
            }
            done => done.map_err(NotKnown::Refused),
        }
    }

    async fn keys(&self, entry: &Entry, want: Want) -> Result<Arc<KeySet>, NotKnown> {
        if let ClientKeysAt::Given(keys) = &entry.keys_at {
            return Ok(Arc::clone(keys));
        }
        // Held while fetching: who comes meanwhile waits for the same keys.
        let mut held = entry.held.lock().await;
        let now = self.clock.now();
        let age = |at: Timestamp| if at <= now { now.since(at) } else { Duration::MAX };
        let fresh = held.keys.as_ref().is_some_and(|(_, at)| age(*at) < FRESH);
        let cool = held.tried_at.is_none_or(|at| age(at) >= COOL_DOWN);
        let mut why = "they could not be fetched a moment ago".to_owned();
        if cool && (want == Want::New || !fresh) {
            held.tried_at = Some(now);
            match self.fetched(entry).await {
                Ok(keys) => held.keys = Some((Arc::new(keys), now)),
                Err(error) => {
                    tracing::warn!(client = %entry.id.0, %error, "a client's keys could not be fetched");
                    why = error;
                }
            }
        }
        match &held.keys {
            Some((keys, at)) if age(*at) < STALE => Ok(Arc::clone(keys)),
            _ => Err(NotKnown::Unavailable(why)),
        }
    }

    async fn fetched(&self, entry: &Entry) -> Result<KeySet, String> {
        match &entry.keys_at {
            ClientKeysAt::Given(_) => Err("they were given".to_owned()),
            ClientKeysAt::Address(url) => self.set(url, None).await,
            ClientKeysAt::Document(url) => {
                let document = self.fetch.document(url, None, MAX_DOCUMENT_BYTES).await;
                let document = document.map_err(|error| error.to_string())?;
                match keys_named(&document.body, &entry.id)? {
                    Named::Inside(set) => parse(set.as_bytes()),
                    Named::At(at) => self.set(&at, Some(url)).await,
                }
            }
        }
    }

    async fn set(&self, url: &Url, from: Option<&Url>) -> Result<KeySet, String> {
        let set = self.fetch.document(url, from, MAX_SET_BYTES).await.map_err(|error| error.to_string())?;
        parse(&set.body)
    }
}

fn parse(set: &[u8]) -> Result<KeySet, String> {
    KeySet::parse(set).map_err(|error| error.to_string())
}

enum Named {
    Inside(String),
    At(Url),
}

/// What a client's document (draft-ietf-oauth-client-id-metadata-document) says about its keys. It must be about this
/// client, byte for byte, and about one that signs its assertions.
fn keys_named(document: &[u8], id: &Client) -> Result<Named, String> {
    let document = parse_strict(document).map_err(|error| format!("the client's document: {error}"))?;
    let text = |member: &str| document.get(member).and_then(Value::as_str);
    if text("client_id") != Some(id.0.as_str()) {
        return Err("the client's document is about another `client_id`".to_owned());
    }
    if text("token_endpoint_auth_method") != Some("private_key_jwt") {
        return Err(
            "the client's document does not say `token_endpoint_auth_method`: `private_key_jwt`".to_owned()
        );
    }
    match (document.get("jwks"), text("jwks_uri")) {
        (Some(set), None) => Ok(Named::Inside(set.to_string())),
        (None, Some(at)) => {
            deputy_identity::provider::address(at).map(Named::At).map_err(|error| error.to_string())
        }
        _ => Err("the client's document has not one of `jwks` and `jwks_uri`".to_owned()),
    }
}

#[cfg(test)]
mod tests;
