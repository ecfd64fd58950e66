//! The table of standing grants: a yes that holds for later calls of the same kind, too (APR-08).

use super::StoreError;
use async_trait::async_trait;
use deputy_core::{ApprovalRule, Client, Digest, Event, GrantId, SourceName, TenantId, Timestamp, User};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one argument has to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wanted {
    /// Exactly this value, as canonical JSON compares.
    Equals(Value),
    /// One of these.
    OneOf(Vec<Value>),
    /// A text that begins so.
    Prefix(String),
    /// A number, at most this.
    AtMost(f64),
    /// Whatever it is.
    Any(Always),
}

/// `true`, and nothing else: `{"any": true}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "bool", into = "bool")]
pub struct Always;

impl TryFrom<bool> for Always {
    type Error = &'static str;
    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("`any` can only be true") }
    }
}

impl From<Always> for bool {
    fn from(_: Always) -> Self {
        true
    }
}

impl Wanted {
    fn fits(&self, value: &Value) -> bool {
        // INVARIANT: what cannot be compared does not fit.
        let same = |a: &Value, b: &Value| matches!((Digest::of_json(a), Digest::of_json(b)), (Ok(a), Ok(b)) if a == b);
        match self {
            Self::Equals(wanted) => same(wanted, value),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| same(wanted, value)),
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::AtMost(most) => value.as_f64().is_some_and(|number| number.is_finite() && number <= *most),
            Self::Any(_) => true,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Equals(value) => format!("is {value}"),
            Self::OneOf(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!("is one of {}", values.join(", "))
            }
            Self::Prefix(prefix) => format!("begins with {}", Value::from(prefix.as_str())),
            Self::AtMost(most) => format!("is a number of at most {most}"),
            Self::Any(_) => "is anything".to_owned(),
        }
    }
}

/// Which arguments a standing grant covers: every argument of the call must be named here and fit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub std::collections::BTreeMap<String, Wanted>);

impl Pattern {
    /// Exactly these arguments.
    #[must_use]
    pub fn exactly(arguments: &Map<String, Value>) -> Self {
        Self(arguments.iter().map(|(name, value)| (name.clone(), Wanted::Equals(value.clone()))).collect())
    }

    /// Whether a call with these arguments is covered. An argument that is not named is not covered; one that is named and
    /// not there is covered only if it may be anything.
    #[must_use]
    pub fn covers(&self, arguments: &Value) -> bool {
        let Some(arguments) = arguments.as_object() else { return false };
        let named = |name: &String| self.0.contains_key(name);
        arguments.keys().all(named)
            && self.0.iter().all(|(name, wanted)| match arguments.get(name) {
                Some(value) => wanted.fits(value),
                None => matches!(wanted, Wanted::Any(_)),
            })
    }

    /// The true scope, in words.
    #[must_use]
    pub fn words(&self) -> String {
        if self.0.is_empty() {
            return "without arguments".to_owned();
        }
        let parts: Vec<String> =
            self.0.iter().map(|(name, wanted)| format!("`{name}` {}", wanted.words())).collect();
        format!("where {}, and there is no other argument", parts.join(", "))
    }
}

/// A yes that stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandingGrant {
    /// Its id.
    pub id: GrantId,
    /// For whom.
    pub user: User,
    /// Through which client alone.
    pub client: Client,
    /// Which source.
    pub source: SourceName,
    /// Which tool.
    pub tool: String,
    /// In which definition (P26).
    pub definition: Digest,
    /// With which arguments.
    pub pattern: Pattern,
    /// What policy wanted of the approval when it was given; it holds while policy wants exactly that.
    pub rule: ApprovalRule,
    /// Who gave it.
    pub given_by: User,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// How often in all.
    pub uses: u32,
    /// How often already.
    pub used: u32,
}

impl StandingGrant {
    /// What it allows, no more and no less.
    #[must_use]
    pub fn label(&self) -> String {
        format!(
            "client `{}` may call `{}` of `{}` {}, {} more times until {}, as long as the tool's definition stays the same",
            self.client.0,
            self.tool,
            self.source,
            self.pattern.words(),
            self.uses.saturating_sub(self.used),
            self.expires_at,
        )
    }
}

/// Standing grants.
#[async_trait]
pub trait StandingGrants: Send + Sync {
    /// Keeps one with its line.
    async fn grant(&self, grant: StandingGrant, event: Event) -> Result<(), StoreError>;
    /// The user's grants that hold at `now`, oldest first.
    async fn grants(&self, user: &User, now: Timestamp) -> Result<Vec<StandingGrant>, StoreError>;
    /// Uses one once, if it is the user's, holds at `now` and has uses left. `false`: it cannot be used (any more).
    async fn use_grant(
        &self,
        user: &User,
        id: &GrantId,
        now: Timestamp,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Ends one. `false`: there is none of this user's.
    async fn revoke_grant(&self, user: &User, id: &GrantId, event: Event) -> Result<bool, StoreError>;
    /// The tenant's grants that hold at `now`, for the operator, 1,000 at most.
    async fn grants_of_tenant(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<StandingGrant>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pattern(value: Value) -> Pattern {
        serde_json::from_value(value).expect("pattern")
    }

    #[test]
    fn apr_08_a_pattern_covers_what_it_names_and_nothing_else() {
        let some = pattern(json!({
            "to": {"equals": "bob"}, "amount": {"at_most": 100}, "ref": {"prefix": "INV-"}, "note": {"any": true},
        }));
        assert!(some.covers(&json!({"to": "bob", "amount": 100.0, "ref": "INV-7", "note": {"x": 1}})));
        assert!(some.covers(&json!({"to": "bob", "amount": 1, "ref": "INV-7"})), "anything may be nothing");
        for other in [
            json!({"to": "eve", "amount": 1, "ref": "INV-7"}),
            json!({"to": "bob", "amount": 100.5, "ref": "INV-7"}),
            json!({"to": "bob", "amount": "1", "ref": "INV-7"}),
            json!({"to": "bob", "amount": 1, "ref": "X"}),
            json!({"to": "bob", "amount": 1}),
            json!({"to": "bob", "amount": 1, "ref": "INV-7", "cc": "eve"}),
            json!([]),
        ] {
            assert!(!some.covers(&other), "{other}");
        }
        assert!(Pattern::default().covers(&json!({})) && !Pattern::default().covers(&json!({"a": 1})));
        assert!(serde_json::from_value::<Pattern>(json!({"a": {"any": false}})).is_err());
        assert!(serde_json::from_value::<Pattern>(json!({"a": {"equal": 1}})).is_err());
    }

    proptest! {
        #[test]
        fn apr_08_the_pattern_of_some_arguments_covers_them_and_no_change_of_them(
            names in proptest::collection::btree_map("[a-d]", -3..3_i64, 0..4), other in "[a-e]", value in -3..3_i64,
        ) {
            let arguments = json!(names);
            let exact = Pattern::exactly(arguments.as_object().expect("object"));
            prop_assert!(exact.covers(&arguments));
            let mut changed = names.clone();
            changed.insert(other, value);
            prop_assert_eq!(exact.covers(&json!(changed)), changed == names);
        }
    }
}
