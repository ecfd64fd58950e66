//! Which agents there are: those whose id is the address of a document about them (CIMD), and those that registered.

use super::used::{Of, Take, Used};
use crate::access::Access;
use crate::ports::{Clock, Endpoints, RegisteredClient, ToldBy};
use deputy_core::{Client, Digest, Secret, TenantId};
use deputy_identity::authorization::{ErrorCode, KnownClient, PresentedClient};
use deputy_identity::claims::Audiences;
use deputy_identity::client_assertion;
use deputy_identity::client_document::{
    ClientMetadata, DocumentAddress, KeysOf, MAX_METADATA_BYTES, read_registration,
};
use deputy_identity::keys::{KeySet, MAX_SET_BYTES};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// How long a document is believed.
const FRESH: Duration = Duration::from_secs(300);
/// How long it is remembered that there is none.
const ABSENT: Duration = Duration::from_secs(30);
/// Documents that are kept.
const MOST_DOCUMENTS: usize = 1_000;

/// Who vouches for an agent's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// Whoever owns this host: the document about it is there.
    Host(String),
    /// Nobody: it registered itself.
    Nobody,
}

/// An agent that may ask.
#[derive(Debug)]
pub struct KnownAgent {
    pub(crate) known: KnownClient,
    pub(crate) metadata: ClientMetadata,
    /// Who vouches for what it says of itself.
    pub vouched: Vouched,
}

impl KnownAgent {
    /// How it calls itself; its id where it does not.
    #[must_use]
    pub fn name(&self) -> String {
        self.metadata.name.clone().unwrap_or_else(|| match &self.vouched {
            Vouched::Host(host) => host.clone(),
            Vouched::Nobody => "An agent without a name".to_owned(),
        })
    }
}

/// Why an agent is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientFault {
    /// It is neither a document's address nor registered.
    #[error("client `{0}` is not known")]
    Unknown(String),
    /// Its document cannot be had.
    #[error("the document of client `{client}` cannot be had: {why}")]
    Unreachable {
        /// Which.
        client: String,
        /// What happened.
        why: String,
    },
    /// Its document is of no use.
    #[error("the document of client `{client}` is of no use: {why}")]
    Unusable {
        /// Which.
        client: String,
        /// What is wrong.
        why: String,
    },
}

impl ClientFault {
    /// For people.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Unknown(_) => {
                "The agent that sent you here is not known to this hub. Ask your administrator."
            }
            Self::Unreachable { .. } => {
                "The document about the agent cannot be read now. Try again in a minute."
            }
            Self::Unusable { .. } => {
                "The document about the agent is not valid. Tell whoever makes the agent."
            }
        }
    }
}

type Looked = (Duration, Result<Arc<KnownAgent>, ClientFault>);

/// Finds agents.
pub(crate) struct Clients {
    access: Arc<Access>,
    endpoints: Arc<dyn Endpoints>,
    clock: Arc<dyn Clock>,
    documents: Mutex<HashMap<Client, Looked>>,
    assertions: Mutex<Used>,
}

impl Clients {
    pub(crate) fn new(access: Arc<Access>, endpoints: Arc<dyn Endpoints>, clock: Arc<dyn Clock>) -> Self {
        Self { access, endpoints, clock, documents: Mutex::default(), assertions: Mutex::default() }
    }

    /// The agent of this id.
    ///
    /// # Errors
    /// See [`ClientFault`].
    pub(crate) async fn find(&self, id: &Client) -> Result<Arc<KnownAgent>, ClientFault> {
        match DocumentAddress::parse(&id.0) {
            Some(address) => self.document(&address).await,
            None => self.registered(id),
        }
    }

    fn registered(&self, id: &Client) -> Result<Arc<KnownAgent>, ClientFault> {
        let shown = || id.0.chars().take(120).collect::<String>();
        let row = self.access.client(id).ok_or_else(|| ClientFault::Unknown(shown()))?;
        let metadata = read_registration(row.metadata.to_string().as_bytes())
            .map_err(|error| ClientFault::Unusable { client: shown(), why: error.to_string() })?;
        Ok(Arc::new(KnownAgent { known: metadata.known(id.clone()), metadata, vouched: Vouched::Nobody }))
    }

    async fn document(&self, address: &DocumentAddress) -> Result<Arc<KnownAgent>, ClientFault> {
        let client = address.client();
        let now = self.clock.elapsed();
        if let Some((at, looked)) = self.documents().get(&client) {
            let lasts = if looked.is_ok() { FRESH } else { ABSENT };
            if now.saturating_sub(*at) < lasts {
                return looked.clone();
            }
        }
        let looked = self.fetch(address).await;
        let mut documents = self.documents();
        if documents.len() >= MOST_DOCUMENTS {
            documents.retain(|_, (at, _)| now.saturating_sub(*at) < ABSENT);
            if documents.len() >= MOST_DOCUMENTS {
                documents.clear();
            }
        }
        documents.insert(client, (now, looked.clone()));
        looked
    }

    async fn fetch(&self, address: &DocumentAddress) -> Result<Arc<KnownAgent>, ClientFault> {
        let client = address.client();
        let fetched = self.endpoints.document(address.url(), ToldBy::Stranger, MAX_METADATA_BYTES).await;
        let bytes = fetched
            .map_err(|error| ClientFault::Unreachable { client: client.0.clone(), why: error.to_string() })?;
        let document = address
            .read(&bytes)
            .map_err(|error| ClientFault::Unusable { client: client.0.clone(), why: error.to_string() })?;
        let host = address.url().host_str().unwrap_or_default().to_owned();
        let known = document.known();
        Ok(Arc::new(KnownAgent { known, metadata: document.metadata, vouched: Vouched::Host(host) }))
    }

    /// Whether whoever presents itself is the client that it says it is.
    ///
    /// # Errors
    /// `invalid_client`.
    pub(crate) async fn proven(
        &self,
        presented: &PresentedClient,
        audiences: &Audiences,
    ) -> Result<Client, ErrorCode> {
        let claimed = match presented {
            PresentedClient::Public(client) => client.clone(),
            // The hub gives out no secrets, so nobody has one.
            PresentedClient::Secret { .. } => return Err(ErrorCode::InvalidClient),
            PresentedClient::Assertion { client, assertion } => {
                let claimed = client_assertion::claimed_client(assertion.expose());
                let claimed = claimed.map_err(|_| ErrorCode::InvalidClient)?;
                if client.as_ref().is_some_and(|said| *said != claimed) {
                    return Err(ErrorCode::InvalidClient);
                }
                claimed
            }
        };
        let agent = self.find(&claimed).await.map_err(|_| ErrorCode::InvalidClient)?;
        match (&agent.metadata.keys, presented) {
            (KeysOf::Nobody, PresentedClient::Public(_)) => Ok(claimed),
            (KeysOf::Set(set), PresentedClient::Assertion { assertion, .. }) => {
                self.asserted(&claimed, assertion, set.as_bytes(), audiences)
            }
            (KeysOf::At(url), PresentedClient::Assertion { assertion, .. }) => {
                let set = self.keys_at(&claimed, url).await?;
                self.asserted(&claimed, assertion, &set, audiences)
            }
            // A client with a key that shows none is not that client.
            _ => Err(ErrorCode::InvalidClient),
        }
    }

    async fn keys_at(&self, client: &Client, url: &Url) -> Result<Vec<u8>, ErrorCode> {
        let document = Url::parse(&client.0).ok();
        let told_by = match &document {
            Some(document) if document.host_str() == url.host_str() => ToldBy::Document(document),
            _ => ToldBy::Stranger,
        };
        let set = self.endpoints.document(url, told_by, MAX_SET_BYTES).await;
        set.map_err(|_| ErrorCode::InvalidClient)
    }

    fn asserted(
        &self,
        client: &Client,
        assertion: &Secret<String>,
        set: &[u8],
        audiences: &Audiences,
    ) -> Result<Client, ErrorCode> {
        let now = self.clock.now();
        let keys = KeySet::parse(set).map_err(|_| ErrorCode::InvalidClient)?;
        let verified = client_assertion::verify(assertion.expose(), client, &keys, audiences, now);
        let verified = verified.map_err(|error| {
            tracing::info!(code = error.code(), "a client's assertion was refused");
            ErrorCode::InvalidClient
        })?;
        let mark = Digest::of_parts(&[client.0.as_bytes(), verified.id.as_bytes()]);
        // Good once: whoever comes second with it has copied it. (For as long as its end may be taken for later elsewhere.)
        let until = verified.expires_at.plus(Duration::from_secs(120));
        let who = if self.access.acts(client) { Of::Agent } else { Of::Stranger };
        let mut used = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        match used.take(who, mark, until, now) {
            Take::First => Ok(client.clone()),
            Take::Again => Err(ErrorCode::InvalidClient),
            Take::Full => Err(ErrorCode::TemporarilyUnavailable),
        }
    }

    /// A client registers itself. What it says is taken as it is, or refused.
    ///
    /// # Errors
    /// What the client reads.
    pub(crate) async fn register(
        &self,
        body: &[u8],
        tenant: &TenantId,
    ) -> Result<serde_json::Value, (ErrorCode, String)> {
        let metadata = read_registration(body).map_err(|error| (error.error_code(), error.to_string()))?;
        let unavailable = |why: String| (ErrorCode::TemporarilyUnavailable, why);
        let id = deputy_core::id::random_hex().map_err(|error| unavailable(error.to_string()))?;
        let id = Client(format!("dcr_{id}"));
        let mut said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let now = self.clock.now();
        let row = RegisteredClient { id: id.clone(), metadata: said.clone(), registered_at: now };
        self.access.register(row, tenant).await.map_err(|error| unavailable(error.to_string()))?;
        if let Some(members) = said.as_object_mut() {
            members.insert("client_id".to_owned(), id.0.into());
            members.insert("client_id_issued_at".to_owned(), now.seconds().into());
            let method = metadata.authentication_method();
            members.insert("token_endpoint_auth_method".to_owned(), method.into());
        }
        Ok(said)
    }

    fn documents(&self) -> std::sync::MutexGuard<'_, HashMap<Client, Looked>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
