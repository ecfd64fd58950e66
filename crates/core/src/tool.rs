//! Tools: what can be called, under which name, and what it does to the world.

use crate::canonical::{Digest, JsonError};
use crate::id::{IdError, SourceName, identifier};
use crate::user::{Origin, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

identifier!(
    /// The name a source gives its tool (MCP 2026-07-28, tools; WebMCP: the same set).
    /// A request to a server that calls no tool goes by the name of its method, `resources/read`: no tool's name has a `/`.
    ToolName, "tool name", "use 1 to 128 of A-Z, a-z, 0-9, _, - and .",
    |v| (1..=128).contains(&v.len()) && (v.split('/').count() > 1 && v.split('/').all(step) || tool(v))
);

fn tool(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// A part of a method's name: nothing that a path could climb by.
fn step(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphabetic())
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

identifier!(
    /// `{source}__{tool}`: what agents call. At most 64 of `[A-Za-z0-9_-]` (P25).
    PublicName, "public tool name", "use 1 to 64 of A-Z, a-z, 0-9, _ and -",
    |v| (1..=64).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
);

impl PublicName {
    /// The public name depends on nothing but the configured source and the tool's own name (P25). A name that does
    /// not fit (a dot, or longer than 64 in all) keeps what fits and ends in `-` and 10 digits of its hash.
    #[must_use]
    pub fn of(source: &SourceName, tool: &ToolName) -> Self {
        let plain = format!("{source}__{tool}");
        if plain.len() <= 64 && !plain.contains(['.', '/']) {
            return Self(plain.into());
        }
        let digest = Digest::of_parts(&[source.as_str().as_bytes(), tool.as_str().as_bytes()]);
        let hash = hex::encode(digest.as_bytes());
        let kept: String =
            plain.chars().take(53).map(|c| if matches!(c, '.' | '/') { '-' } else { c }).collect();
        Self(format!("{kept}-{}", hash.get(..10).unwrap_or_default()).into())
    }
}

/// The graver half of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something.
    Write,
    /// Destroys something.
    Destructive,
}

impl Effect {
    /// The stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
        }
    }
}

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Class {
    /// Read, write or destructive.
    pub effect: Effect,
    /// Whether it also sends data out.
    pub egress: bool,
}

impl Class {
    /// Nobody said: it writes and sends out.
    pub const UNKNOWN: Self = Self { effect: Effect::Write, egress: true };
    /// Only reads, and sends nothing out.
    pub const READ: Self = Self { effect: Effect::Read, egress: false };

    /// Whether the intent must be durable before the effect (DESIGN section 5).
    #[must_use]
    pub const fn is_risky(self) -> bool {
        self.egress || !matches!(self.effect, Effect::Read)
    }

    /// The higher of both in each half: how annotations may raise a class, never lower it (P28).
    #[must_use]
    pub fn raised_to(self, other: Self) -> Self {
        Self { effect: self.effect.max(other.effect), egress: self.egress || other.egress }
    }

    /// From the operator's words (`["destructive", "egress"]`).
    ///
    /// # Errors
    /// Names a word that is no class, and says which are.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, IdError> {
        let mut class: Option<Self> = None;
        for word in words {
            let next = match word {
                "read" => Self::READ,
                "write" => Self { effect: Effect::Write, egress: false },
                "destructive" => Self { effect: Effect::Destructive, egress: false },
                "egress" => Self { effect: Effect::Read, egress: true },
                _ => return Err(IdError::new("class", word, "use read, write, destructive or egress")),
            };
            class = Some(class.map_or(next, |class| class.raised_to(next)));
        }
        class
            .ok_or_else(|| IdError::new("class", "", "name at least one of read, write, destructive, egress"))
    }

    /// The words of [`Class::from_words`].
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        let mut words = vec![self.effect.code()];
        if self.egress {
            words.push("egress");
        }
        words
    }
}

/// How a tool came to be in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Registered by script (`registerTool`).
    Imperative,
    /// A form with `toolname`.
    Form,
    /// Offered by an MCP server.
    Server,
    /// No tool: a request of another method to an MCP server.
    Method,
}

impl ToolName {
    /// Whether it is a method's name and no tool's.
    #[must_use]
    pub fn is_method(&self) -> bool {
        self.as_str().contains('/')
    }
}

/// Where tools come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A web application, through its tabs.
    App,
    /// An MCP server.
    Server,
}

/// A tool as its source defines it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// The source's own name for it.
    pub name: ToolName,
    /// For people. Empty counts as absent: a browser gives `""` where a page gave none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "not_empty")]
    pub title: Option<String>,
    /// For models.
    pub description: String,
    /// JSON Schema of the arguments; absent means high risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema of the structured result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Hints, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
    /// Script, form or server.
    pub kind: ToolKind,
}

fn not_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// The hash that pins a definition (P26).
pub type DefinitionHash = Digest;

impl Definition {
    /// SHA-256 over the canonical JSON of `{annotations, description, inputSchema, kind, name, origin, outputSchema, title}`;
    /// absent members are left out (P26). `vectors/definition.json` has cases that JavaScript agrees on.
    ///
    /// # Errors
    /// A number in a schema that RFC 8785 cannot write.
    pub fn hash(&self, origin: &Origin) -> Result<DefinitionHash, JsonError> {
        let mut object = json!({
            "description": self.description, "kind": self.kind, "name": self.name, "origin": origin,
        });
        let optional = [
            ("title", self.title.clone().map(Value::String)),
            ("inputSchema", self.input_schema.clone()),
            ("outputSchema", self.output_schema.clone()),
            ("annotations", self.annotations.clone()),
        ];
        for (name, value) in optional {
            if let (Some(value), Some(members)) = (value, object.as_object_mut()) {
                members.insert(name.to_owned(), value);
            }
        }
        Digest::of_json(&object)
    }

    /// The class that the hints ask for: `destructiveHint` and `consequentialHint` raise, `openWorldHint` adds egress.
    /// `readOnlyHint` is heard only as a contradiction: it can never lower anything.
    #[must_use]
    pub fn hinted_class(&self) -> Class {
        let hint = |name: &str| {
            self.annotations.as_ref().and_then(|a| a.get(name)).and_then(Value::as_bool).unwrap_or(false)
        };
        let effect = if hint("destructiveHint") {
            Effect::Destructive
        } else if hint("consequentialHint") {
            Effect::Write
        } else {
            Effect::Read
        };
        Class { effect, egress: hint("openWorldHint") }
    }

    /// The operator's class if there is one, else [`Class::UNKNOWN`]; raised by the hints either way (P28).
    #[must_use]
    pub fn class(&self, configured: Option<Class>) -> Class {
        configured.unwrap_or(Class::UNKNOWN).raised_to(self.hinted_class())
    }

    /// A developer's own tool, hidden from agents (P28).
    #[must_use]
    pub fn is_debugging(&self) -> bool {
        self.annotations.as_ref().and_then(|a| a.get("debugging")).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// A tool as policy, approval and log see it: resolved, classed, pinned.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The configured source.
    pub source: SourceName,
    /// App or server.
    pub source_kind: SourceKind,
    /// The origin or server that stands behind the source.
    pub origin: Origin,
    /// What it is.
    pub definition: Arc<Definition>,
    /// The pin.
    pub hash: DefinitionHash,
    /// What it does to the world.
    pub class: Class,
    /// Whose tab it lives in; `None` for a server's tool.
    pub owner: Option<User>,
}

impl Tool {
    /// What agents call it.
    #[must_use]
    pub fn public_name(&self) -> PublicName {
        PublicName::of(&self.source, &self.definition.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn definition(annotations: Value) -> Definition {
        Definition {
            name: ToolName::new("x").expect("name"),
            title: None,
            description: "d".to_owned(),
            input_schema: None,
            output_schema: None,
            annotations: Some(annotations),
            kind: ToolKind::Imperative,
        }
    }

    #[test]
    fn a_method_is_named_as_the_protocol_does_and_no_path_is_a_name() {
        for good in ["resources/read", "resources/templates/list", "read", "a.b-c_1"] {
            assert!(ToolName::new(good).is_ok(), "{good}");
        }
        assert!(ToolName::new("resources/read").is_ok_and(|name| name.is_method()));
        for bad in ["", "/", "a/", "/a", "a//b", "../a", "a/..", "a/b.c", "a/b-c", "a/1"] {
            assert!(ToolName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn p28_hints_raise_a_class_and_never_lower_it() {
        let read_only = definition(json!({"readOnlyHint": true}));
        assert_eq!(read_only.class(None), Class::UNKNOWN);
        let destructive = definition(json!({"destructiveHint": true, "openWorldHint": true}));
        let raised = destructive.class(Some(Class::READ));
        assert_eq!(raised, Class { effect: Effect::Destructive, egress: true });
    }

    #[test]
    fn p28_an_unclassed_tool_is_write_and_egress() {
        assert!(Class::UNKNOWN.is_risky() && Class::UNKNOWN.egress);
        assert!(!Class::READ.is_risky());
        assert!(Class { effect: Effect::Read, egress: true }.is_risky());
    }

    #[test]
    fn class_words_read_back_and_a_wrong_one_is_named() {
        let class = Class::from_words(["destructive", "egress"]).expect("class");
        assert_eq!(Class::from_words(class.words()), Ok(class));
        assert!(Class::from_words(["reed"]).expect_err("typo").to_string().contains("`reed`"));
        assert!(Class::from_words([]).is_err());
    }

    #[test]
    fn p26_the_hash_covers_every_part_of_a_definition() {
        let origin = Origin::new("https://crm.acme.example").expect("origin");
        let base = definition(json!({}));
        let hash = |d: &Definition, o: &Origin| d.hash(o).expect("hash");
        let mut changed = base.clone();
        changed.description.push('!');
        assert_ne!(hash(&base, &origin), hash(&changed, &origin));
        assert_ne!(hash(&base, &origin), hash(&base, &Origin::new("https://b.example").expect("origin")));
        let mut schema = base.clone();
        schema.input_schema = Some(json!({"type": "object"}));
        assert_ne!(hash(&base, &origin), hash(&schema, &origin));
    }

    proptest! {
        #[test]
        fn r11_p25_public_names_fit_and_never_collide(
            a in "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", b in "[A-Za-z0-9_.-]{1,128}",
            c in "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", d in "[A-Za-z0-9_.-]{1,128}",
        ) {
            let name = |s: &str, t: &str| PublicName::of(&SourceName::new(s).expect("source"), &ToolName::new(t).expect("tool"));
            let (x, y) = (name(&a, &b), name(&c, &d));
            prop_assert!(PublicName::new(x.as_str()).is_ok());
            prop_assert_eq!(x == y, (a == c) && (b == d));
        }
    }
}
