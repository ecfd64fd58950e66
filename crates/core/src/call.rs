//! One wish to use a tool.

use crate::canonical::{self, Digest, JsonError};
use crate::id::{CallId, DocumentId};
use crate::time::Timestamp;
use crate::tool::Tool;
use crate::user::User;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The latest moment at which a call may still run. Default 60 s, at most 600 s (P12).
pub type Deadline = Timestamp;

/// What a tool is called with: the bytes as they came, and the same parsed. Always a JSON object. Copies share it.
#[derive(Debug, Clone)]
pub struct Arguments(Arc<Read>);

#[derive(Debug)]
struct Read {
    raw: Box<RawValue>,
    value: Value,
    digest: Digest,
}

impl Arguments {
    /// Parses once. The raw text is what the tool gets, the value is what policy reads, and the digest is over the
    /// canonical form: bytes checked = bytes sent = bytes audited (R9).
    ///
    /// # Errors
    /// Not JSON, not an object, or a member twice.
    pub fn parse(raw: &RawValue) -> Result<Self, JsonError> {
        let value = canonical::parse_strict(raw.get().as_bytes())?;
        if !value.is_object() {
            return Err(JsonError("arguments must be a JSON object".to_owned()));
        }
        let digest = Digest::of_json(&value)?;
        Ok(Self(Arc::new(Read { raw: raw.to_owned(), value, digest })))
    }

    /// No arguments: `{}`.
    ///
    /// # Errors
    /// Never in practice; the signature is that of [`Arguments::parse`].
    pub fn none() -> Result<Self, JsonError> {
        let raw = RawValue::from_string("{}".to_owned()).map_err(|error| JsonError(error.to_string()))?;
        Self::parse(&raw)
    }

    /// The text as it came.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0.raw
    }

    /// The same, parsed.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// SHA-256 of the canonical form.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.0.digest
    }
}

/// One wish to use a tool, resolved: which tool, with what, until when.
#[derive(Debug, Clone)]
pub struct Call {
    /// Made by the hub.
    pub id: CallId,
    /// What is called.
    pub tool: Tool,
    /// With what.
    pub arguments: Arguments,
    /// Until when.
    pub deadline: Deadline,
    /// The tab that the agent chose (`_meta["dev.deputy/tab"]`), if it chose one.
    pub tab: Option<DocumentId>,
}

impl Call {
    /// What an approval is bound to (APR-01): format version, requester, client, source, tool, definition, raw arguments.
    /// The call's own id and deadline are left out, else nobody could spend an approval.
    #[must_use]
    pub fn digest(&self, requester: &User, client: &str) -> Digest {
        let tool = &self.tool;
        Named {
            requester,
            client,
            source: tool.source.as_str(),
            origin: tool.origin.as_str(),
            tool: tool.definition.name.as_str(),
            definition: &tool.hash,
        }
        .with(self.arguments.digest())
    }
}

/// Everything that [`Call::digest`] holds but the arguments: for whom a question to people is kept without the call.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Who asks.
    pub requester: &'a User,
    /// Through which client.
    pub client: &'a str,
    /// Of which source.
    pub source: &'a str,
    /// At which origin.
    pub origin: &'a str,
    /// The source's own name for it.
    pub tool: &'a str,
    /// In which definition.
    pub definition: &'a Digest,
}

impl Named<'_> {
    /// The digest of the call with these arguments.
    #[must_use]
    pub fn with(&self, arguments: &Digest) -> Digest {
        Digest::of_parts(&[
            b"deputy-call-v1",
            self.requester.key().as_bytes(),
            self.client.as_bytes(),
            self.source.as_bytes(),
            self.origin.as_bytes(),
            self.tool.as_bytes(),
            self.definition.as_bytes(),
            arguments.as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("json")
    }

    #[test]
    fn r9_arguments_keep_their_bytes_and_refuse_a_member_twice() {
        let arguments = Arguments::parse(&raw(r#"{ "b" : 1.0, "a":2 }"#)).expect("arguments");
        assert_eq!(arguments.raw().get(), r#"{ "b" : 1.0, "a":2 }"#);
        let reordered = Arguments::parse(&raw(r#"{"a":2,"b":1}"#)).expect("arguments");
        assert_eq!(arguments.digest(), reordered.digest());
        assert!(Arguments::parse(&raw(r#"{"a":1,"a":2}"#)).is_err());
        assert!(Arguments::parse(&raw("[]")).is_err());
    }
}
