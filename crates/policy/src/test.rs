//! Cases for `deputy policy test`: who calls what, and what the policies should say.
//!
//! Pure: the command line reads the files (`*.test.json`) and prints the results.

use crate::engine::Decided;
use crate::set::PolicySet;
use deputy_core::canonical::parse_strict;
use deputy_core::{
    Agent, AgentType, Arguments, Call, CallId, Class, Client, Definition, Digest, Facts, IdError, Issuer,
    JsonError, Origin, PolicyId, SourceKind, SourceName, Subject, TenantId, Timestamp, Tool, ToolKind,
    ToolName, User, Verdict, Verification,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One case: a question and the expected answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Who asks.
    pub principal: Principal,
    /// Through which agent; none is an agent that says nothing of itself.
    #[serde(default)]
    pub agent: CaseAgent,
    /// Through which client.
    #[serde(default = "default_client")]
    pub client: String,
    /// For which tool.
    pub tool: CaseTool,
    /// With what.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Whether a person approved exactly this call.
    #[serde(default)]
    pub approved: bool,
    /// Whether this client may have read a tool's output in the last half hour.
    #[serde(default)]
    pub untrusted: bool,
    /// When, in seconds since 1970-01-01T00:00:00Z.
    #[serde(default)]
    pub now: u64,
    /// What should come of it.
    pub expect: Expect,
    /// The policies that should decide, in any order. Left out: whichever.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
}

/// A person, as a case writes one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// What the issuer calls them.
    pub subject: String,
    /// Who vouches for them.
    #[serde(default = "default_issuer")]
    pub issuer: String,
    /// The organisation.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Their groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// An agent, as a case writes one. What is left out is unknown or unproven.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaseAgent {
    /// Its class.
    #[serde(rename = "type")]
    pub agent_type: AgentType,
    /// What it calls itself.
    pub name: Option<String>,
    /// Where it says it comes from.
    pub origin: Option<String>,
    /// How far that was proven.
    pub verification: Verification,
}

/// A tool, as a case writes one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseTool {
    /// The configured source.
    pub source: String,
    /// The source's own name for it.
    pub name: String,
    /// An app's or a server's.
    #[serde(default = "default_kind")]
    pub kind: SourceKind,
    /// The origin behind the source.
    #[serde(default = "default_origin")]
    pub origin: String,
    /// The words of its class, as the config writes them. Left out: unknown, which is write and egress.
    #[serde(default)]
    pub class: Option<Vec<String>>,
    /// Whose tab it lives in. Left out: for an app's tool the one who asks, for a server's nobody.
    #[serde(default)]
    pub owner: Option<Principal>,
}

/// What should come of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Allowed.
    Allow,
    /// A person is asked.
    Ask,
    /// Denied.
    Deny,
}

impl Expect {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// Why a case file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// Not JSON, or not a case.
    #[error("{file}: {problem}; docs/reference/policy.md shows what a case looks like")]
    Shape {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A case names something that cannot exist.
    #[error("case `{case}`: {problem}")]
    Value {
        /// The case.
        case: String,
        /// What is wrong.
        problem: String,
    },
}

/// How one case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// Whether it is as expected.
    pub passed: bool,
    /// What came of it.
    pub verdict: Verdict,
    /// The policies that decided.
    pub policies: Vec<PolicyId>,
    /// If it did not pass: what was expected and what came.
    pub difference: Option<String>,
}

/// Reads a case file: one case, or a list of them.
///
/// # Errors
/// Names the file, the line and the culprit.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>, CaseError> {
    let shape = |problem: String| CaseError::Shape { file: file.to_owned(), problem };
    parse_strict(text.as_bytes()).map_err(|error| shape(error.to_string()))?;
    let list = text.trim_start().starts_with('[');
    let cases =
        if list { serde_json::from_str(text) } else { serde_json::from_str(text).map(|case| vec![case]) };
    cases.map_err(|error| shape(error.to_string()))
}

/// Runs cases against a set.
///
/// # Errors
/// The first case that names something that cannot exist.
pub fn run(set: &PolicySet, cases: &[Case]) -> Result<Vec<CaseResult>, CaseError> {
    cases.iter().map(|case| run_one(set, case)).collect()
}

fn run_one(set: &PolicySet, case: &Case) -> Result<CaseResult, CaseError> {
    let question = case.question()?;
    let decided = Decided::of(set, &question.caller, &question.call, question.now);
    let policies = decided.answer.policies;
    let ids: BTreeSet<&str> = policies.iter().map(|id| id.0.as_str()).collect();
    let wanted: Option<BTreeSet<&str>> =
        case.policies.as_ref().map(|ids| ids.iter().map(String::as_str).collect());
    let mut differences = Vec::new();
    if word(decided.verdict) != case.expect.code() {
        differences.push(format!("expected {}, got {}", case.expect.code(), word(decided.verdict)));
    }
    if let Some(wanted) = wanted.filter(|wanted| *wanted != ids) {
        differences.push(format!("expected the policies {wanted:?} to decide, not {ids:?}"));
    }
    if !differences.is_empty() {
        differences.extend(decided.answer.errors);
    }
    let passed = differences.is_empty();
    let difference = (!passed).then(|| differences.join("; "));
    Ok(CaseResult { name: case.name.clone(), passed, verdict: decided.verdict, policies, difference })
}

/// The word for a verdict, as cases write it.
pub(crate) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Ask => "ask",
        Verdict::Deny => "deny",
        Verdict::StepUp => "step_up",
    }
}

/// A case in the shared words: for [`crate::Engine::decide`] and [`crate::explain::explain`].
#[derive(Debug, Clone)]
pub struct Question {
    /// Who asks.
    pub caller: Person,
    /// For what.
    pub call: Call,
    /// When.
    pub now: Timestamp,
}

/// The caller of a case. It is no `Caller` and reaches nothing.
#[derive(Debug, Clone)]
pub struct Person {
    user: User,
    agent: Agent,
    client: Client,
    groups: Vec<String>,
    approved: bool,
    untrusted: bool,
}

impl Facts for Person {
    fn user(&self) -> &User {
        &self.user
    }
    fn agent(&self) -> &Agent {
        &self.agent
    }
    fn client(&self) -> &Client {
        &self.client
    }
    fn groups(&self) -> &[String] {
        &self.groups
    }
    fn untrusted(&self) -> bool {
        self.untrusted
    }
    fn approved(&self, _call: &Digest) -> bool {
        self.approved
    }
}

impl Case {
    /// The case in the shared words.
    ///
    /// # Errors
    /// Names what cannot exist.
    pub fn question(&self) -> Result<Question, CaseError> {
        self.build().map_err(|Problem(problem)| CaseError::Value { case: self.name.clone(), problem })
    }

    fn build(&self) -> Result<Question, Problem> {
        let user = self.principal.user()?;
        let now = Timestamp::from_seconds(self.now);
        let raw =
            serde_json::value::to_raw_value(&self.arguments).map_err(|error| Problem(error.to_string()))?;
        let call = Call {
            id: CallId::new("call_of_a_policy_test")?,
            tool: self.tool.build(&user)?,
            arguments: Arguments::parse(&raw)?,
            deadline: now,
            tab: None,
        };
        let (client, groups) = (Client(self.client.clone()), self.principal.groups.clone());
        let (approved, untrusted) = (self.approved, self.untrusted);
        let caller = Person { user, agent: self.agent.build(), client, groups, approved, untrusted };
        Ok(Question { caller, call, now })
    }
}

impl Principal {
    fn user(&self) -> Result<User, IdError> {
        Ok(User {
            tenant: TenantId::new(self.tenant.as_str())?,
            issuer: Issuer::new(self.issuer.as_str())?,
            subject: Subject::new(self.subject.as_str())?,
        })
    }
}

impl CaseAgent {
    fn build(&self) -> Agent {
        Agent {
            agent_type: self.agent_type,
            name: self.name.clone(),
            origin: self.origin.clone(),
            verification: self.verification,
        }
    }
}

impl CaseTool {
    fn build(&self, asking: &User) -> Result<Tool, Problem> {
        let origin = Origin::new(self.origin.as_str())?;
        let definition = Definition {
            name: ToolName::new(self.name.as_str())?,
            title: None,
            description: String::new(),
            input_schema: None,
            output_schema: None,
            annotations: None,
            kind: if self.kind == SourceKind::App { ToolKind::Imperative } else { ToolKind::Server },
        };
        let owner = match (&self.owner, self.kind) {
            (Some(owner), _) => Some(owner.user()?),
            (None, SourceKind::App) => Some(asking.clone()),
            (None, SourceKind::Server) => None,
        };
        let class = match &self.class {
            Some(words) => Class::from_words(words.iter().map(String::as_str))?,
            None => Class::UNKNOWN,
        };
        Ok(Tool {
            source: SourceName::new(self.source.as_str())?,
            source_kind: self.kind,
            hash: definition.hash(&origin)?,
            origin,
            definition: Arc::new(definition),
            class,
            owner,
        })
    }
}

struct Problem(String);

impl From<IdError> for Problem {
    fn from(error: IdError) -> Self {
        Self(error.to_string())
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        Self(error.to_string())
    }
}

fn default_client() -> String {
    "test-client".to_owned()
}

fn default_issuer() -> String {
    "https://idp.example".to_owned()
}

fn default_tenant() -> String {
    TenantId::single().to_string()
}

fn default_origin() -> String {
    "https://app.example".to_owned()
}

const fn default_kind() -> SourceKind {
    SourceKind::App
}

#[cfg(test)]
mod tests;
