//! How an upstream is reached, and its limits.

use crate::client::HttpClient;
use async_trait::async_trait;
use deputy_core::{Digest, Reason, Secret};
use deputy_hub::Supervisor;
use deputy_hub::ports::Clock;
use deputy_hub::ports::upstream::Failure;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What opens a server for a principal. It is asked at the socket's edge, once per request, and keeps its own caches.
#[async_trait]
pub trait Credential: Send + Sync {
    /// Headers to add: names in lower case, and their secret values.
    ///
    /// # Errors
    /// Why there are none; nothing is sent then.
    async fn headers(&self, principal: &str) -> Result<Vec<(String, Secret<String>)>, NoHeaders>;

    /// The names of the headers that it fills, as far as they are known beforehand; nothing is opened for it.
    async fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The server refused them. True: there are better ones now, and the request is sent once more.
    ///
    /// # Errors
    /// Why there can be none: that is the answer then.
    async fn refused(&self, _principal: &str, _challenge: &Challenge) -> Result<bool, NoHeaders> {
        Ok(false)
    }
}

/// Why there is no credential, in words that name no secret, with what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoHeaders {
    /// For the agent.
    pub reason: Reason,
    /// What happened.
    pub words: String,
    /// The hub's own page where the person can do something about it.
    pub open: Option<String>,
}

impl NoHeaders {
    /// Nobody but the operator can do anything about it.
    #[must_use]
    pub fn unavailable(words: impl Into<String>) -> Self {
        Self { reason: Reason::UpstreamUnavailable, words: words.into(), open: None }
    }
}

impl From<String> for NoHeaders {
    fn from(words: String) -> Self {
        Self::unavailable(words)
    }
}

impl std::fmt::Display for NoHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<NoHeaders> for Failure {
    fn from(none: NoHeaders) -> Self {
        Self::NoCredential { reason: none.reason, words: none.words, open: none.open }
    }
}

/// How a server refuses a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// 401 or 403.
    pub status: u16,
    /// `WWW-Authenticate`, if it is text.
    pub www_authenticate: Option<String>,
    /// The hash of the last credential's value that was sent: which one it refused.
    pub sent: Option<Digest>,
}

/// For servers that need none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredential;

#[async_trait]
impl Credential for NoCredential {
    async fn headers(&self, _principal: &str) -> Result<Vec<(String, Secret<String>)>, NoHeaders> {
        Ok(Vec::new())
    }
}

/// What one upstream may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One answer: a body, an event, a line.
    pub answer_bytes: usize,
    /// One line of an event stream.
    pub stream_line_bytes: usize,
    /// How long the first question to a server whose era is unknown may take.
    pub probe: Duration,
    /// How long `initialize` may take; it goes on when the client that wanted it first no longer waits.
    pub handshake: Duration,
    /// The most sessions, or processes, at a time.
    pub sessions: usize,
    /// After how long without use a session or a process ends.
    pub idle: Duration,
    /// How long a call that waits for the client's answer is kept.
    pub parked: Duration,
    /// How many of them one principal may have; the oldest is given up.
    pub parked_per_principal: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer_bytes: 16 << 20,
            stream_line_bytes: 16 << 20,
            probe: Duration::from_secs(5),
            handshake: Duration::from_secs(60),
            sessions: 1024,
            idle: Duration::from_secs(600),
            parked: Duration::from_secs(300),
            parked_per_principal: 32,
        }
    }
}

/// A server at an address.
#[derive(Clone)]
pub struct HttpSettings {
    /// Its name in the config, for logs.
    pub name: String,
    /// Its endpoint. The client's named hosts say whether it may be inside.
    pub url: Url,
    /// Who connects.
    pub client: HttpClient,
    /// What opens it.
    pub credential: Arc<dyn Credential>,
    /// What it may take.
    pub limits: Limits,
    /// For how long something was idle, and when it failed.
    pub clock: Arc<dyn Clock>,
    /// Where its tasks run.
    pub supervisor: Supervisor,
}

/// A server that is a program of ours.
#[derive(Clone)]
pub struct StdioSettings {
    /// Its name in the config, for logs.
    pub name: String,
    /// The program. Without a slash it is looked up in the `PATH` of `environment`, and nowhere if there is none.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment: nothing of the hub's own is inherited, `PATH` and `HOME` neither.
    pub environment: BTreeMap<String, String>,
    /// Where it runs; without one, where the hub does.
    pub directory: Option<PathBuf>,
    /// One process for all principals. Only for servers that keep no state and know no user.
    pub is_shared: bool,
    /// How long it has to end after its input was closed, and again after SIGTERM.
    pub grace: Duration,
    /// What it may take.
    pub limits: Limits,
    /// For how long something was idle, and when it failed.
    pub clock: Arc<dyn Clock>,
    /// Where its tasks run.
    pub supervisor: Supervisor,
}
