//! The software that asks: what it says of itself, and what was verified.

use serde::{Deserialize, Serialize};

/// The class of an agent (`agentType`); anything unknown becomes [`AgentType::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentType {
    /// The user themselves, in a page.
    UserSession,
    /// An agent that drives a browser.
    BrowserAgent,
    /// Assistive technology.
    AssistiveTechnology,
    /// A search engine's crawler.
    SearchCrawler,
    /// A program that works without a user present.
    AutomatedAgent,
    /// Not said, or not a word we know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl AgentType {
    /// The stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UserSession => "user_session",
            Self::BrowserAgent => "browser_agent",
            Self::AssistiveTechnology => "assistive_technology",
            Self::SearchCrawler => "search_crawler",
            Self::AutomatedAgent => "automated_agent",
            Self::Unknown => "unknown",
        }
    }
}

/// How far an agent's identity was proven. A self-reported field never raises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Evidence checked and good.
    Verified,
    /// Evidence given, and bad.
    Invalid,
    /// Evidence given, not decidable.
    Unverified,
    /// No evidence.
    #[default]
    None,
}

impl Verification {
    /// The stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Invalid => "invalid",
            Self::Unverified => "unverified",
            Self::None => "none",
        }
    }
}

/// The software that asks. Its own words about itself are labels, not proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Agent {
    /// Its class.
    #[serde(rename = "type")]
    pub agent_type: AgentType,
    /// What it calls itself, cleaned, at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it says it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How far that was proven.
    pub verification: Verification,
}

/// The OAuth client through which an agent speaks, as the identity provider named it in the token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Client(pub String);
