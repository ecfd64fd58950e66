//! What the hub says to a tab.

use super::{Heartbeat, Limits, VERSION};
use deputy_core::{Agent, Digest, Issuer, Origin, SourceName, Subject, ToolName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Whose tab it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelcomeUser {
    /// Who vouches.
    pub issuer: Issuer,
    /// For whom.
    pub subject: Subject,
}

/// Answers `hello`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The agreed version.
    pub version: u64,
    /// The user of the ticket.
    pub user: WelcomeUser,
    /// The configured app.
    pub app: SourceName,
    /// The tab's origin.
    pub origin: Origin,
    /// Whether the hub still has the tools of `toolsHash`.
    pub tools_known: bool,
    /// When the ticket's session ends, in milliseconds since 1970.
    pub session_expires_at: u64,
    /// What the tab may do.
    pub limits: Limits,
    /// How liveness is kept.
    pub heartbeat: Heartbeat,
}

/// Which tool, in exactly which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolReference {
    /// The source's own name.
    pub name: ToolName,
    /// The pin (P26).
    pub hash: Digest,
}

/// A call on its way into the tab.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFrame {
    /// Which tool.
    pub tool: ToolReference,
    /// The arguments, as the agent sent them.
    pub arguments: Box<RawValue>,
    /// How long the tab may take.
    pub timeout_ms: u64,
    /// Who asks.
    pub agent: Agent,
    /// Through which client.
    pub client: String,
    /// The class, in words.
    pub class: Vec<&'static str>,
    /// The hub's signed word for the application's back end.
    pub assertion: String,
}

/// What the hub says.
#[derive(Debug, Clone)]
pub enum HubFrame {
    /// Answers `hello`.
    Welcome(Box<Welcome>),
    /// Run this.
    Call(Box<CallFrame>),
    /// Stop that.
    Cancel {
        /// A reason code.
        reason: String,
    },
    /// Are you there?
    Ping,
}

impl HubFrame {
    /// Writes one frame.
    ///
    /// # Errors
    /// Never for values made by the hub; the error names what serde could not write.
    pub fn write(&self, id: &str, sequence: u64) -> Result<String, serde_json::Error> {
        match self {
            Self::Welcome(body) => envelope("welcome", id, sequence, body),
            Self::Call(body) => envelope("call", id, sequence, body),
            Self::Cancel { reason } => envelope("cancel", id, sequence, &CancelBody { reason }),
            Self::Ping => envelope("ping", id, sequence, &Empty {}),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    seq: u64,
    #[serde(flatten)]
    body: &'a T,
}

fn envelope<T: Serialize>(
    kind: &'static str,
    id: &str,
    seq: u64,
    body: &T,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Envelope { v: VERSION, kind, id, seq, body })
}

#[derive(Serialize)]
struct CancelBody<'a> {
    reason: &'a str,
}
#[derive(Serialize)]
struct Empty {}
