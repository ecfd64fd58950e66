//! MCP servers as the hub sees them: one request, what is told on the way, and one reply. Which revision a server speaks,
//! its sessions, its ids and its transport are the implementation's matter (egress).
//!
//! The words are those of the modern era (2026-07-28): a server that asks the client something answers with
//! `resultType: "input_required"`, and is asked again with the client's answers. An implementation for an older server
//! keeps that server's request open meanwhile and gives it a `requestState` of its own making.

use async_trait::async_trait;
use deputy_core::Timestamp;
use deputy_protocol::mcp::ours;
use deputy_protocol::trace::TraceContext;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// One request to a server.
#[derive(Debug, Clone)]
pub struct Ask {
    /// `tools/call`, `resources/read`, … as the modern era names them.
    pub method: String,
    /// As the client sent them, names and URIs the server's own; `_meta` included, except that the members of the
    /// protocol's own in it (`io.modelcontextprotocol/…`, `progressToken`) are not relied upon but made anew from the rest
    /// of this. On a retry it holds `inputResponses` and the `requestState` that the earlier reply gave.
    pub params: Option<Box<RawValue>>,
    /// Who the client is and what it can do, on this request.
    pub client: ClientSide,
    /// On whose behalf: sessions, processes with state, and caches are never shared between two of these.
    pub principal: String,
    /// How long the reply may take. Progress does not lengthen it.
    pub timeout: Duration,
    /// It is a plain read: it changes nothing and sends nothing out, so that it may be sent once more where its connection
    /// ended before a word of the answer. `false` for everything else: nothing that could have an effect goes twice.
    pub changes_nothing: bool,
    /// The trace that it belongs to, if there is one. `_meta` in `params` says the same; over HTTP it goes into the headers,
    /// too.
    pub trace: Option<TraceContext>,
}

/// What the client said of itself on one request. It is told to the server as it is: never what the hub could do.
#[derive(Debug, Clone)]
pub struct ClientSide {
    /// `clientCapabilities`, an object.
    pub capabilities: Arc<RawValue>,
    /// `clientInfo`, if it said any.
    pub implementation: Option<Arc<RawValue>>,
    /// `logLevel`: wants `notifications/message` of this request.
    pub log_level: Option<String>,
    /// Wants `notifications/progress`.
    pub progress: bool,
}

impl Default for ClientSide {
    /// A client that can do nothing beyond asking.
    fn default() -> Self {
        Self {
            capabilities: deputy_protocol::relay::raw(&serde_json::json!({})).into(),
            implementation: None,
            log_level: None,
            progress: false,
        }
    }
}

/// A notification about one request, on its way: progress (without its token), log messages.
#[derive(Debug, Clone)]
pub struct Told {
    /// `notifications/progress`, `notifications/message`, or another.
    pub method: String,
    /// Its parameters; of progress without `progressToken`, which is the door's to put in.
    pub params: Option<Box<RawValue>>,
}

/// What the server said last about a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A result, as it was sent, in the words of the modern era: `resultType`, and for what can be cached `ttlMs` and
    /// `cacheScope`, are there, whatever revision the server speaks.
    Result(Box<RawValue>),
    /// An error of the protocol; its code in the words of the modern era (-32002 came as -32602).
    Fault {
        /// The JSON-RPC code.
        code: i64,
        /// For people.
        message: String,
        /// As it was sent.
        data: Option<Box<RawValue>>,
    },
}

impl Told {
    /// Without what only the hub says (`dev.deputy/…`).
    pub(crate) fn in_its_own_voice(mut self) -> Self {
        if let Some(params) = self.params.as_deref().and_then(ours::taken_out) {
            self.params = Some(params);
        }
        self
    }
}

impl Reply {
    /// Without what only the hub says (`dev.deputy/…`); everything else to the last byte.
    pub(crate) fn in_its_own_voice(self) -> Self {
        match self {
            Self::Result(result) => Self::Result(ours::taken_out(&result).unwrap_or(result)),
            Self::Fault { code, message, data } => {
                let data = data.map(|data| ours::without(&data).unwrap_or(data));
                Self::Fault { code, message, data }
            }
        }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was sent that could have an effect: it cannot be reached, or does not start.
    #[error("{0}")]
    NotSent(String),
    /// Nothing was sent, for there is no token for this person: why, in words that name no secret.
    #[error("{words}")]
    NoCredential {
        /// What the agent, or the person, can do about it.
        reason: deputy_core::Reason,
        /// What happened.
        words: String,
        /// The hub's own page where the person can do something about it.
        open: Option<String>,
    },
    /// It was sent, and the connection or the process ended before a reply.
    #[error("{0}")]
    Lost(String),
    /// It was sent, and there was no reply in time; the server was told to stop.
    #[error("it did not answer in time")]
    TimedOut,
    /// The client went away; the server was told to stop.
    #[error("it was cancelled")]
    Cancelled,
    /// It answered with more than it may.
    #[error("its answer has more than {limit_bytes} bytes")]
    TooLarge {
        /// What it may.
        limit_bytes: usize,
    },
    /// It answered with something that is no MCP.
    #[error("its answer is of no use: {0}")]
    Unusable(String),
    /// The request cannot be said in the revision that the server speaks.
    #[error("{0}")]
    Untranslatable(String),
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether its last answer was one; `None` before the first.
    pub is_up: Option<bool>,
    /// The revision that it speaks, once that is known.
    pub revision: Option<String>,
    /// The last thing that went wrong, and when.
    pub last_error: Option<(Timestamp, String)>,
    /// How often its process was started; 0 for servers at an address.
    pub starts: u64,
}

/// What a server says without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// Counts up with each change of its tools.
    pub tools: u64,
    /// Of its prompts.
    pub prompts: u64,
    /// Of its resources and templates.
    pub resources: u64,
}

/// One MCP server. Cheap to share; connections and processes begin when they are first needed.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Sends one request and waits for its reply. What is told on the way goes to `told`; whoever does not read it loses
    /// it, not the reply. Dropping the future or cancelling stops the request at the server as its era wants it.
    ///
    /// # Errors
    /// Why there is no reply, and whether the request may have had an effect.
    async fn ask(
        &self,
        ask: Ask,
        told: mpsc::Sender<Told>,
        cancel: &CancellationToken,
    ) -> Result<Reply, Failure>;

    /// What changed, for this principal: list changes as they come, for as long as anybody holds the receiver.
    fn changes(&self, principal: &str) -> watch::Receiver<Changed>;

    /// Listens to updates of one resource until the receiver is dropped; each item is the `params` of
    /// `notifications/resources/updated`.
    fn updates(&self, principal: &str, uri: &str) -> mpsc::Receiver<Box<RawValue>>;

    /// Listens to one task of the server's (extension `io.modelcontextprotocol/tasks`) until the receiver is dropped: word
    /// that it changed, or may have. What it came to is asked for with `tasks/get`, like anything that a server says, so
    /// that it is decided and recorded.
    fn task_changes(&self, principal: &str, id: &str) -> mpsc::Receiver<()>;

    /// How it is.
    fn health(&self) -> Health;

    /// Ends its processes and sessions.
    async fn close(&self);
}
