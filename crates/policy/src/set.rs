//! A policy set: parsed, every policy named, validated strictly against the schema.

use crate::asking;
use crate::error::{PolicyError, Position};
use crate::known::Known;
use crate::reads::Reads;
use crate::slices::Slices;
use crate::world::Vocabulary;
use cedar_policy::{Policy, Schema, ValidationMode, ValidationWarning, Validator};
use deputy_core::{ApprovalRule, Digest, PolicyId};
use miette::Diagnostic;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

const SCHEMA: &str = include_str!("../../../policy/deputy.cedarschema");
const SHIPPED: &str = include_str!("../../../policy/default.cedar");

/// Policies that were parsed and validated against the schema. Cheap to clone.
#[derive(Clone)]
pub struct PolicySet(Arc<Parsed>);

pub(crate) struct Parsed {
    pub(crate) cedar: cedar_policy::PolicySet,
    pub(crate) slices: Slices,
    pub(crate) known: Known,
    pub(crate) ids: Vec<PolicyId>,
    rules: BTreeMap<String, ApprovalRule>,
    pub(crate) reads: Reads,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) version: Digest,
    positions: BTreeMap<String, Position>,
}

impl PolicySet {
    /// Parses and validates the files, given as (name, text). No file means no rule: everything is denied.
    ///
    /// # Errors
    /// The first fault: bad syntax, a word that the schema lacks, a policy without an `@id` or with one that is taken,
    /// a policy that can never apply, a template.
    pub fn parse(files: &[(String, String)]) -> Result<Self, PolicyError> {
        let schema = schema()?;
        let mut loading = Loading::default();
        for (file, text) in files {
            loading.add_file(file, text)?;
        }
        loading.validate(schema, files)?;
        let mut reads = Reads::default();
        loading.cedar.policies().for_each(|policy| reads.add(policy));
        let slices = Slices::of(&loading.cedar).map_err(|error| PolicyError::Schema(error.to_string()))?;
        Ok(Self(Arc::new(Parsed {
            slices,
            known: Known::default(),
            cedar: loading.cedar,
            ids: loading.ids,
            rules: loading.rules,
            reads,
            vocabulary: Vocabulary::new()?,
            version: version(files),
            positions: loading.positions,
        })))
    }

    /// The policies that Deputy ships with.
    ///
    /// # Errors
    /// None; a test keeps the shipped file valid.
    pub fn shipped() -> Result<Self, PolicyError> {
        Self::parse(&[("default.cedar".to_owned(), SHIPPED.to_owned())])
    }

    /// A digest of the schema and of all files' names and texts. It does not depend on the order of the files.
    #[must_use]
    pub fn version(&self) -> Digest {
        self.0.version
    }

    /// The ids of the policies, in the order of the files.
    #[must_use]
    pub fn ids(&self) -> Vec<PolicyId> {
        self.0.ids.clone()
    }

    /// Where a policy stands.
    #[must_use]
    pub fn position(&self, id: &PolicyId) -> Option<&Position> {
        self.0.positions.get(&id.0)
    }

    /// The schema in Cedar's own notation.
    #[must_use]
    pub const fn schema_text() -> &'static str {
        SCHEMA
    }

    /// The shipped policies as text.
    #[must_use]
    pub const fn shipped_text() -> &'static str {
        SHIPPED
    }

    pub(crate) fn parsed(&self) -> &Parsed {
        &self.0
    }
}

impl Parsed {
    /// What these policies together want of an approval: the strictest. Those that say nothing about it add nothing.
    pub(crate) fn rule<'a>(&self, ids: impl Iterator<Item = &'a PolicyId>) -> ApprovalRule {
        let said = ids.filter_map(|id| self.rules.get(&id.0).cloned());
        said.reduce(ApprovalRule::and).unwrap_or_default()
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySet").field("version", &self.0.version).field("ids", &self.0.ids).finish()
    }
}

/// The schema, parsed once.
pub(crate) fn schema() -> Result<Schema, PolicyError> {
    static PARSED: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
        let parsed = Schema::from_cedarschema_str(SCHEMA);
        parsed.map(|(schema, _warnings)| schema).map_err(|error| error.to_string())
    });
    PARSED.clone().map_err(PolicyError::Schema)
}

fn version(files: &[(String, String)]) -> Digest {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    let mut parts = vec![SCHEMA.as_bytes()];
    for (name, text) in sorted {
        parts.push(name.as_bytes());
        parts.push(text.as_bytes());
    }
    Digest::of_parts(&parts)
}

#[derive(Default)]
struct Loading {
    cedar: cedar_policy::PolicySet,
    ids: Vec<PolicyId>,
    rules: BTreeMap<String, ApprovalRule>,
    positions: BTreeMap<String, Position>,
}

impl Loading {
    fn add_file(&mut self, file: &str, text: &str) -> Result<(), PolicyError> {
        let parsed =
            cedar_policy::PolicySet::from_str(text).map_err(|errors| syntax_error(file, text, &errors))?;
        if let Some(template) = parsed.templates().next() {
            let source = template.to_cedar();
            let at = Position::of_offset(file, text, text.find(&source).unwrap_or_default());
            return Err(PolicyError::Template { at, culprit: first_words(&source) });
        }
        let mut policies: Vec<_> = parsed.policies().collect();
        policies.sort_by_key(|policy| ordinal(policy));
        let mut cursor = 0;
        for policy in policies {
            let source = policy.to_cedar().unwrap_or_default();
            let offset =
                text.get(cursor..).and_then(|rest| rest.find(&source)).map_or(cursor, |at| cursor + at);
            cursor = offset + source.len();
            self.add_policy(policy, &source, Position::of_offset(file, text, offset))?;
        }
        Ok(())
    }

    fn add_policy(&mut self, policy: &Policy, source: &str, at: Position) -> Result<(), PolicyError> {
        let Some(id) = policy.annotation("id") else {
            return Err(PolicyError::NoId { at, culprit: first_words(source) });
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !(1..=64).contains(&id.len()) || !id.bytes().all(fits) {
            return Err(PolicyError::BadId { at, id: id.chars().take(80).collect() });
        }
        if let Some(first) = self.positions.get(id) {
            return Err(PolicyError::DuplicateId { at, id: id.to_owned(), first: first.clone() });
        }
        if let Some(rule) = asking::rule(policy, id, &at)? {
            self.rules.insert(id.to_owned(), rule);
        }
        // Parsing names policies by their place in the file; two files would collide, and logs would say nothing.
        let named = policy.new_id(cedar_policy::PolicyId::new(id));
        self.cedar.add(named).map_err(|error| PolicyError::Invalid {
            at: at.clone(),
            policy: id.to_owned(),
            problem: error.to_string(),
            mend: "check its scope".to_owned(),
        })?;
        self.ids.push(PolicyId(id.to_owned()));
        self.positions.insert(id.to_owned(), at);
        Ok(())
    }

    fn validate(&self, schema: Schema, files: &[(String, String)]) -> Result<(), PolicyError> {
        let result = Validator::new(schema).validate(&self.cedar, ValidationMode::Strict);
        let locate = |id: &str, fault: &dyn Diagnostic| self.locate(id, fault, files);
        if let Some(error) = result.validation_errors().next() {
            let policy = error.policy_id().to_string();
            let (at, problem) = (locate(&policy, error), plain(error, &policy));
            let mend = help_of(error, "use only the words of docs/reference/policy.md");
            return Err(PolicyError::Invalid { at, policy, problem, mend });
        }
        // A text in two scripts is a legitimate comparison; every other warning is a rule that says nothing, or one
        // that says something else than it shows.
        let grave =
            |warning: &&ValidationWarning| !matches!(warning, ValidationWarning::MixedScriptString(_));
        if let Some(warning) = result.validation_warnings().find(grave) {
            let policy = warning.policy_id().to_string();
            let (at, problem) = (locate(&policy, warning), plain(warning, &policy));
            return Err(PolicyError::Dead { at, policy, problem });
        }
        Ok(())
    }

    fn locate(&self, id: &str, fault: &dyn Diagnostic, files: &[(String, String)]) -> Position {
        let start = self.positions.get(id);
        let file = start.and_then(|at| files.iter().find(|(name, _)| *name == at.file));
        match (file, label_offset(fault), start) {
            (Some((name, text)), Some(offset), _) => Position::of_offset(name, text, offset),
            (_, _, Some(at)) => at.clone(),
            _ => Position { file: String::new(), line: 1, column: 1 },
        }
    }
}

fn syntax_error(file: &str, text: &str, errors: &cedar_policy::ParseErrors) -> PolicyError {
    let first = errors.iter().next();
    let offset = first.and_then(|error| label_offset(error)).unwrap_or_default();
    let at = Position::of_offset(file, text, offset);
    let problem = first.map_or_else(|| errors.to_string(), ToString::to_string);
    let expected = first.and_then(label_text);
    let mend = first
        .and_then(|error| error.help().map(|help| help.to_string()))
        .or(expected)
        .unwrap_or_else(|| "see docs/how-to/write-a-policy.md".to_owned());
    PolicyError::Syntax { at, problem, mend }
}

fn label_offset(fault: &dyn Diagnostic) -> Option<usize> {
    fault.labels()?.next().map(|label| label.offset())
}

fn label_text(fault: &cedar_policy::ParseError) -> Option<String> {
    fault.labels()?.next()?.label().map(str::to_owned)
}

fn help_of(fault: &dyn Diagnostic, otherwise: &str) -> String {
    fault.help().map_or_else(|| otherwise.to_owned(), |help| help.to_string())
}

/// Cedar's words without its own mention of the policy, which stands in front already.
fn plain(fault: &dyn std::fmt::Display, policy: &str) -> String {
    let text = fault.to_string();
    text.strip_prefix(&format!("for policy `{policy}`, ")).map_or(text.clone(), str::to_owned)
}

fn first_words(source: &str) -> String {
    source.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(40).collect()
}

/// `policy12` → 12: the place that the parser gave.
fn ordinal(policy: &Policy) -> usize {
    policy.id().to_string().trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
