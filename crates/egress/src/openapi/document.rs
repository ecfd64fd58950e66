//! The document: read when it is first needed, read again when it is old, and kept while a new one is of no use.

use super::{DocumentAt, base};
use crate::client::{Ask, HttpClient};
use crate::upstream::Credential;
use deputy_core::Digest;
use deputy_hub::ports::Clock;
use deputy_hub::ports::upstream::Changed;
use deputy_protocol::openapi::{Document, MAXIMUM_BYTES, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Mutex, watch};
use url::Url;

/// How long nothing is tried after it went wrong.
const PAUSE: Duration = Duration::from_secs(5);
/// Operations that are named in the log if they are left out.
const NAMED: usize = 20;
const ACCEPT: &str =
    "application/openapi+json, application/json, application/openapi+yaml, application/yaml, */*;q=0.1";

/// How old it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Whatever there is.
    Any,
    /// Not older than the operator said.
    Fresh,
}

/// A document, and where its server is.
pub(super) struct Loaded {
    pub(super) document: Document,
    pub(super) base: Url,
}

#[derive(Default)]
struct State {
    loaded: Option<Arc<Loaded>>,
    digest: Option<Digest>,
    /// When it was last read, or tried to be.
    tried: Option<Duration>,
    fault: Option<String>,
}

/// The document of one server.
pub(super) struct Kept {
    client: HttpClient,
    clock: Arc<dyn Clock>,
    name: String,
    at: DocumentAt,
    base_url: Option<Url>,
    options: Options,
    credential: Arc<dyn Credential>,
    refresh: Duration,
    /// Held while it is read: who comes meanwhile waits for the same.
    state: Mutex<State>,
    changed: watch::Sender<Changed>,
}

impl Kept {
    pub(super) fn new(
        (client, clock): (HttpClient, Arc<dyn Clock>),
        name: String,
        at: DocumentAt,
        base_url: Option<Url>,
        options: Options,
        credential: Arc<dyn Credential>,
        refresh: Duration,
    ) -> Self {
        let (state, changed) = (Mutex::default(), watch::Sender::new(Changed::default()));
        Self { client, clock, name, at, base_url, options, credential, refresh, state, changed }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn changes(&self) -> watch::Receiver<Changed> {
        self.changed.subscribe()
    }

    pub(super) fn is_watched(&self) -> bool {
        self.changed.receiver_count() > 0
    }

    /// The document, and what went wrong when it was last read: then it is the one before.
    pub(super) async fn current(&self, age: Age) -> (Option<Arc<Loaded>>, Option<String>) {
        let mut state = self.state.lock().await;
        if self.is_due(&state, age) {
            // Set first: a reader that is dropped does not make the next one try at once.
            state.tried = Some(self.clock.elapsed());
            match self.read(state.digest).await {
                Ok(None) => state.fault = None,
                Ok(Some((digest, loaded))) => {
                    let is_first = state.loaded.is_none();
                    state.loaded = Some(Arc::new(loaded));
                    (state.digest, state.fault) = (Some(digest), None);
                    if !is_first {
                        self.changed.send_modify(|changed| changed.tools += 1);
                    }
                }
                Err(why) => {
                    tracing::warn!(server = self.name, why, "an OpenAPI document cannot be used");
                    state.fault = Some(why);
                }
            }
        }
        (state.loaded.clone(), state.fault.clone())
    }

    fn is_due(&self, state: &State, age: Age) -> bool {
        let Some(tried) = state.tried else { return true };
        let since = self.clock.elapsed().saturating_sub(tried);
        match (&state.loaded, &state.fault, age) {
            (None, None, _) => true,
            (None, Some(_), _) | (Some(_), Some(_), Age::Fresh) => since >= PAUSE,
            (Some(_), None, Age::Fresh) => since >= self.refresh,
            (Some(_), _, Age::Any) => false,
        }
    }

    /// Reads it; `None` if it is still the one with this digest.
    async fn read(&self, known: Option<Digest>) -> Result<Option<(Digest, Loaded)>, String> {
        let bytes = match &self.at {
            DocumentAt::File(path) => file(path).await?,
            DocumentAt::Url(url) => {
                let got = self.client.get(url, Ask::Configured, ACCEPT, MAXIMUM_BYTES).await;
                got.map_err(|error| error.to_string())?.body.to_vec()
            }
        };
        // What the hub fills is no argument, whatever the document says; the operator may have put a secret meanwhile.
        let mut options = self.options.clone();
        options.withheld.extend(self.credential.names().await);
        let withheld = options.withheld.iter().map(String::as_bytes);
        let digest = Digest::of_parts(&withheld.chain([bytes.as_slice()]).collect::<Vec<_>>());
        if known == Some(digest) {
            return Ok(None);
        }
        // A large document takes a while, and others shall not wait for it.
        let parsed = tokio::task::spawn_blocking(move || Document::parse(&bytes, &options)).await;
        let document = parsed.map_err(|error| error.to_string())?.map_err(|error| self.of_it(&error))?;
        let at = match &self.at {
            DocumentAt::Url(url) => Some(url),
            DocumentAt::File(_) => None,
        };
        let base = base::base(&document, self.base_url.as_ref(), at)?;
        for left_out in document.left_out().iter().take(NAMED) {
            let (operation, why) = (&left_out.operation, &left_out.why);
            tracing::warn!(server = self.name, operation, why, "an operation is not offered as a tool");
        }
        Ok(Some((digest, Loaded { document, base })))
    }

    fn of_it(&self, error: &impl std::fmt::Display) -> String {
        let place = match &self.at {
            DocumentAt::File(path) => path.display().to_string(),
            DocumentAt::Url(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        };
        format!("the OpenAPI document `{place}` cannot be used: {error}")
    }
}

async fn file(path: &Path) -> Result<Vec<u8>, String> {
    let cannot =
        |error: std::io::Error| format!("the OpenAPI document `{}` cannot be read: {error}", path.display());
    let most = u64::try_from(MAXIMUM_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let opened = tokio::fs::File::open(path).await.map_err(cannot)?;
    // One byte more than there may be, so that a longer one is seen to be.
    opened.take(most).read_to_end(&mut bytes).await.map_err(cannot)?;
    Ok(bytes)
}
