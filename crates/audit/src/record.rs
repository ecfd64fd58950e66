//! From an event to one line of the log, and back.
//!
//! A line has a public part, which is hashed into the tree for ever, and a personal part: what identifies a person or
//! could be guessed. The public part holds only `"personal": "sha256:<SHA-256(salt || personal part)>"`, so that erasing
//! personal part and salt leaves every proof valid (AUD-06).

mod written;

use crate::{AuditError, Hash};
use deputy_core::canonical::{self, Digest};
use deputy_core::event::PERSONAL;
use deputy_core::{
    AgentType, ApprovalId, CallId, Class, Client, DocumentId, Event, EventKind, Issuer, Outcome, PolicyId,
    Reason, SourceName, Subject, TenantId, Timestamp, ToolName, Verification,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use written::written;

/// The format that `"v"` names.
const VERSION: u8 = 1;
/// Up to here JSON numbers are exact (RFC 8785 writes them as IEEE 754 doubles).
const LARGEST_EXACT: u64 = 1 << 53;

/// What can be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// Canonical JSON.
    pub bytes: Vec<u8>,
    /// Makes the commitment in the public part unguessable.
    pub salt: [u8; 32],
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number, from 0.
    pub seq: u64,
    /// The public part: canonical JSON (RFC 8785).
    pub bytes: Vec<u8>,
    /// The personal part, if the event has one.
    pub personal: Option<Personal>,
    /// The record hash (RFC 6962) of the public part.
    pub leaf: Hash,
}

/// A line that does not know its number yet. All work but one hash is done, so that the one writer has little to do.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The members before `seq` in canonical order, without the closing brace.
    before: Vec<u8>,
    /// The members after `seq`, without the opening brace.
    after: Vec<u8>,
    personal: Option<Personal>,
}

impl Draft {
    /// Splits and writes an event. `salt` must be fresh random bytes.
    ///
    /// # Errors
    /// The event has a number that canonical JSON cannot write.
    pub fn of(event: &Event, salt: [u8; 32]) -> Result<Self, AuditError> {
        if event.at.millis() > LARGEST_EXACT {
            return Err(AuditError::TooLarge(event.at.millis()));
        }
        let (mut before, after, apart) = split(event);
        let personal = match apart.is_empty() {
            true => None,
            false => Some(Personal { bytes: written(&apart, &apart.detail)?, salt }),
        };
        before.personal = personal.as_ref().map(Personal::commitment);
        let mut before = written(&before, &before.detail)?;
        before.pop();
        let after = written(&after, &BTreeMap::new())?.split_off(1);
        Ok(Self { before, after, personal })
    }

    /// The line with its number.
    ///
    /// # Errors
    /// The number is above 2^53.
    pub fn number(self, seq: u64) -> Result<Record, AuditError> {
        if seq > LARGEST_EXACT {
            return Err(AuditError::TooLarge(seq));
        }
        let mut bytes = self.before;
        bytes.extend_from_slice(b",\"seq\":");
        bytes.extend_from_slice(seq.to_string().as_bytes());
        bytes.push(b',');
        bytes.extend_from_slice(&self.after);
        let leaf = leaf(&bytes);
        Ok(Record { seq, bytes, personal: self.personal, leaf })
    }
}

impl Record {
    /// The line of an event. `salt` must be fresh random bytes.
    ///
    /// # Errors
    /// The event or its number cannot be written as canonical JSON.
    pub fn of(event: &Event, seq: u64, salt: [u8; 32]) -> Result<Self, AuditError> {
        Draft::of(event, salt)?.number(seq)
    }

    /// The event again.
    ///
    /// # Errors
    /// See [`event`].
    pub fn event(&self) -> Result<Event, AuditError> {
        event(&self.bytes, self.personal.as_ref().map(|personal| personal.bytes.as_slice()))
    }
}

impl Personal {
    /// What the public part says of the personal part.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        Digest::of_joined(&[&self.salt, &self.bytes])
    }
}

/// The record hash (RFC 6962 section 2.1) of a public part.
#[must_use]
pub fn leaf(public: &[u8]) -> Hash {
    tlog_tiles::tlog::record_hash(public)
}

/// The event of a public part and what is left of the personal part. Without the latter, what was personal is absent.
///
/// # Errors
/// The bytes were not written by this crate.
pub fn event(public: &[u8], personal: Option<&[u8]>) -> Result<Event, AuditError> {
    let mut whole = object(public)?;
    for name in ["v", "seq", "personal"] {
        whole.remove(name);
    }
    for (name, value) in personal.map(object).transpose()?.unwrap_or_default() {
        match (whole.get_mut(&name), value) {
            (Some(Value::Object(kept)), Value::Object(apart)) => kept.extend(apart),
            (_, value) => drop(whole.insert(name, value)),
        }
    }
    serde_json::from_value(Value::Object(whole)).map_err(|error| AuditError::Unreadable(error.to_string()))
}

pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, AuditError> {
    match canonical::parse_strict(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(AuditError::Unreadable("not an object".to_owned())),
        Err(error) => Err(AuditError::Unreadable(error.to_string())),
    }
}

/// Takes an event apart. Every member is named here, so that a new one does not compile until somebody decides on which
/// side it stands.
fn split(event: &Event) -> (Before<'_>, After<'_>, Apart<'_>) {
    let Event {
        at,
        tenant,
        kind,
        user,
        agent,
        client,
        call,
        source,
        tool,
        class,
        definition,
        arguments,
        tab,
        approval,
        lane,
        outcome,
        reason,
        policies,
        policy_version,
        detail,
    } = event;
    let side = |personal: bool| -> BTreeMap<&str, &Value> {
        detail
            .iter()
            .filter(|(name, _)| name.starts_with(PERSONAL) == personal)
            .map(|(n, v)| (n.as_str(), v))
            .collect()
    };
    let before = Before {
        agent: agent.as_ref().map(|a| PlainAgent { agent_type: a.agent_type, verification: a.verification }),
        approval,
        at,
        call,
        class,
        definition,
        detail: side(false),
        kind,
        lane,
        outcome,
        personal: None,
        policies,
        policy_version,
        reason,
    };
    let named = agent.as_ref().map(|a| NamedAgent { name: &a.name, origin: &a.origin });
    let agent = named.filter(|a| a.name.is_some() || a.origin.is_some());
    let user = user.as_ref().map(|u| Person { issuer: &u.issuer, subject: &u.subject, tenant: &u.tenant });
    let apart = Apart { agent, arguments, client, detail: side(true), tab, user };
    (before, After { source, tenant, tool, v: VERSION }, apart)
}

/// The public members whose names sort before `seq`.
#[derive(Serialize)]
struct Before<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<PlainAgent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: &'a Option<ApprovalId>,
    at: &'a Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: &'a Option<CallId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: &'a Option<Class>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: &'a Option<Digest>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    detail: BTreeMap<&'a str, &'a Value>,
    kind: &'a EventKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: &'a Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<Digest>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    policies: &'a [PolicyId],
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: &'a Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: &'a Option<Reason>,
}

/// The public members whose names sort after `seq`.
#[derive(Serialize)]
struct After<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: &'a Option<SourceName>,
    tenant: &'a TenantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: &'a Option<ToolName>,
    v: u8,
}

/// The personal part.
#[derive(Serialize)]
struct Apart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<NamedAgent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: &'a Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: &'a Option<Client>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    detail: BTreeMap<&'a str, &'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tab: &'a Option<DocumentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Person<'a>>,
}

impl Apart<'_> {
    fn is_empty(&self) -> bool {
        let Self { agent, arguments, client, detail, tab, user } = self;
        agent.is_none()
            && arguments.is_none()
            && client.is_none()
            && detail.is_empty()
            && tab.is_none()
            && user.is_none()
    }
}

/// A user with the members in canonical order.
#[derive(Serialize)]
struct Person<'a> {
    issuer: &'a Issuer,
    subject: &'a Subject,
    tenant: &'a TenantId,
}

#[derive(Serialize)]
struct PlainAgent {
    #[serde(rename = "type")]
    agent_type: AgentType,
    verification: Verification,
}

#[derive(Serialize)]
struct NamedAgent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: &'a Option<String>,
}

#[cfg(test)]
mod tests;
