//! What a tab says: from text to types. No state is kept here; see [`super`] for limits and codes.

use super::{CloseCode, Limits, VERSION};
use deputy_core::canonical::parse_strict;
use deputy_core::{Definition, Digest, DocumentId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a frame is not accepted. The close code says the same to the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not JSON, a member twice, a wrong type, a missing member.
    #[error("bad frame: {0}")]
    Malformed(String),
    /// A version that we do not speak.
    #[error("version `{0}` is not spoken here")]
    Version(String),
    /// A frame was lost, repeated or reordered.
    #[error("sequence number {found} where {expected} was due")]
    Sequence {
        /// What was due.
        expected: u64,
        /// What came.
        found: u64,
    },
}

impl FrameError {
    /// With which code to close.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Malformed(_) | Self::Sequence { .. } => CloseCode::BadFrame,
            Self::Version(_) => CloseCode::Version,
        }
    }
}

/// What a page says of itself; display data only (P5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Page {
    /// Its address.
    #[serde(default)]
    pub url: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
}

/// The first frame of a tab.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Versions that the tab speaks.
    pub versions: Vec<u64>,
    /// The single-use ticket (P2).
    pub ticket: String,
    /// The document (P20).
    pub doc_id: DocumentId,
    /// The hash of the tool set that the tab has now (P9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_hash: Option<Digest>,
    /// Display data.
    #[serde(default)]
    pub page: Page,
    /// Whether the document has focus.
    #[serde(default)]
    pub focused: bool,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello").field("doc_id", &self.doc_id).finish_non_exhaustive()
    }
}

/// Why a tab says goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByeReason {
    /// Nobody is signed in any more.
    SignedOut,
    /// Somebody else is signed in.
    SessionChanged,
    /// The page went into the back-forward cache.
    Frozen,
    /// The application closed it.
    Closed,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToolResult {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A JSON value.
    Json {
        /// The value.
        value: Value,
    },
    /// An MCP tool result.
    Content {
        /// Content blocks.
        content: Vec<Value>,
        /// Structured content.
        #[serde(rename = "structuredContent", default, skip_serializing_if = "Option::is_none")]
        structured_content: Option<Value>,
        /// Whether the tool says that it failed.
        #[serde(rename = "isError", default)]
        is_error: bool,
    },
}

/// What a tab says.
#[derive(Debug, Clone, PartialEq)]
pub enum TabFrame {
    /// The first frame.
    Hello(Box<Hello>),
    /// The full set of tools.
    Tools {
        /// Those that are well formed and small enough (P18).
        tools: Vec<Definition>,
        /// Why others were left out, a sentence each.
        refused: Vec<String>,
    },
    /// Focus gained or lost.
    Focus {
        /// Gained.
        focused: bool,
    },
    /// The call is there.
    Accepted,
    /// The tool is about to run.
    Started,
    /// It moves.
    Progress {
        /// How far.
        progress: f64,
        /// Of how much.
        total: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// It answered.
    Result(ToolResult),
    /// It did not run, or failed.
    Error {
        /// A reason code, or `tool_failed`.
        code: String,
        /// In words.
        message: String,
    },
    /// Its signal was aborted.
    Cancelled,
    /// Answers a ping.
    Pong,
    /// The last frame.
    Bye {
        /// Why.
        reason: ByeReason,
    },
    /// A type that we do not know: ignored.
    Unknown,
}

impl TabFrame {
    /// Reads one frame: the envelope (P1), then the body.
    ///
    /// # Errors
    /// Says what breaks the protocol; [`FrameError::close_code`] says how to close.
    pub fn parse(text: &str, expected_sequence: u64) -> Result<(String, Self), FrameError> {
        let value = parse_strict(text.as_bytes()).map_err(|error| malformed(&error))?;
        let Value::Object(mut members) = value else { return Err(malformed(&"not an object")) };
        let version = members.remove("v").ok_or_else(|| malformed(&"`v` is missing"))?;
        if version.as_u64() != Some(VERSION) {
            return Err(FrameError::Version(version.to_string().chars().take(20).collect()));
        }
        let found = number(&members, "seq")?;
        if found != expected_sequence {
            return Err(FrameError::Sequence { expected: expected_sequence, found });
        }
        let id = string(&members, "id")?;
        if id.is_empty()
            || id.len() > 80
            || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            return Err(malformed(&"`id` is not 1 to 80 of A-Z, a-z, 0-9, - and _"));
        }
        let kind = string(&members, "type")?;
        Ok((id, Self::body(&kind, members)?))
    }

    fn body(kind: &str, members: Map<String, Value>) -> Result<Self, FrameError> {
        Ok(match kind {
            "hello" => Self::Hello(Box::new(read(members)?)),
            "tools" => tools(read::<ToolsBody>(members)?.tools)?,
            "focus" => Self::Focus { focused: read::<FocusBody>(members)?.focused },
            "accepted" => Self::Accepted,
            "started" => Self::Started,
            "progress" => {
                let body: ProgressBody = read(members)?;
                Self::Progress { progress: body.progress, total: body.total, message: body.message }
            }
            "result" => Self::Result(read::<ResultBody>(members)?.result),
            "error" => {
                let body: ErrorBody = read(members)?;
                Self::Error { code: body.code, message: body.message }
            }
            "cancelled" => Self::Cancelled,
            "pong" => Self::Pong,
            "bye" => Self::Bye { reason: read::<ByeBody>(members)?.reason },
            _ => Self::Unknown,
        })
    }
}

#[derive(Deserialize)]
struct ToolsBody {
    tools: Vec<Value>,
}
#[derive(Deserialize)]
struct FocusBody {
    focused: bool,
}
#[derive(Deserialize)]
struct ProgressBody {
    progress: f64,
    total: Option<f64>,
    message: Option<String>,
}
#[derive(Deserialize)]
struct ResultBody {
    result: ToolResult,
}
#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
}
#[derive(Deserialize)]
struct ByeBody {
    reason: ByeReason,
}

/// Entries of `tools` that are looked at; a set beyond that is not a set of tools.
const MOST_VALUES: usize = 1024;

/// One bad definition never spoils the set (P18).
fn tools(values: Vec<Value>) -> Result<TabFrame, FrameError> {
    let limits = Limits::default();
    if values.len() > MOST_VALUES {
        return Err(malformed(&format!(
            "`tools` has {} entries, at most {MOST_VALUES} are read",
            values.len()
        )));
    }
    let (mut tools, mut refused) = (Vec::<Definition>::new(), Vec::new());
    for value in values {
        let size = value.to_string().len();
        let name: String =
            value.get("name").and_then(Value::as_str).unwrap_or("?").chars().take(80).collect();
        if size > limits.definition_bytes {
            refused.push(format!("`{name}` has {size} bytes, at most {} are taken", limits.definition_bytes));
        } else if tools.len() >= limits.tools {
            refused.push(format!("`{name}` is beyond the {} tools of one document", limits.tools));
        } else {
            match Definition::deserialize(value) {
                Ok(tool) if tools.iter().any(|known| known.name == tool.name) => {
                    refused.push(format!("`{name}` is there twice"));
                }
                Ok(tool) => tools.push(tool),
                Err(error) => refused.push(format!("`{name}`: {error}")),
            }
        }
    }
    Ok(TabFrame::Tools { tools, refused })
}

fn malformed(error: &impl std::fmt::Display) -> FrameError {
    FrameError::Malformed(error.to_string().chars().take(300).collect())
}

fn number(members: &Map<String, Value>, name: &str) -> Result<u64, FrameError> {
    members
        .get(name)
        .and_then(Value::as_u64)
        .ok_or_else(|| malformed(&format!("`{name}` is not a whole number")))
}

fn string(members: &Map<String, Value>, name: &str) -> Result<String, FrameError> {
    let found = members
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| malformed(&format!("`{name}` is not a string")))?;
    Ok(found.to_owned())
}

fn read<T: for<'de> Deserialize<'de>>(members: Map<String, Value>) -> Result<T, FrameError> {
    T::deserialize(Value::Object(members)).map_err(|error| malformed(&error))
}

#[cfg(test)]
mod tests;
