//! Why a policy set was not taken: which file, where, what, and how to mend it.

use std::fmt;

/// A place in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The name that the file was given under.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset in a file's text; the end if it lies beyond.
    pub(crate) fn of_offset(file: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { file: file.to_owned(), line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a policy set was not taken. The set in force stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not Cedar.
    #[error("{at}: {problem}; {mend}")]
    Syntax {
        /// Where.
        at: Position,
        /// What Cedar says.
        problem: String,
        /// What to do.
        mend: String,
    },
    /// Cedar, but not about what the schema knows.
    #[error("{at}: policy `{policy}`: {problem}; {mend}")]
    Invalid {
        /// Where.
        at: Position,
        /// Which policy.
        policy: String,
        /// What Cedar says.
        problem: String,
        /// What to do.
        mend: String,
    },
    /// A policy that can never apply: a rule nobody would miss until it is needed.
    #[error("{at}: policy `{policy}` can never have an effect: {problem}; correct it or remove it")]
    Dead {
        /// Where.
        at: Position,
        /// Which policy.
        policy: String,
        /// What Cedar says.
        problem: String,
    },
    /// A policy without an `@id`.
    #[error("{at}: the policy that starts with `{culprit}` has no id; write @id(\"a-name\") above it")]
    NoId {
        /// Where.
        at: Position,
        /// Its first words.
        culprit: String,
    },
    /// An `@id` that cannot go into a log.
    #[error("{at}: `{id}` is not a policy id; use 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`")]
    BadId {
        /// Where.
        at: Position,
        /// The id.
        id: String,
    },
    /// The same `@id` twice.
    #[error("{at}: policy `{id}` is already defined at {first}; give one of them another @id")]
    DuplicateId {
        /// Where.
        at: Position,
        /// The id.
        id: String,
        /// Where it was first.
        first: Position,
    },
    /// A template: nothing here fills its slots, so it would never apply.
    #[error("{at}: the policy that starts with `{culprit}` is a template; replace its `?slots` by entities")]
    Template {
        /// Where.
        at: Position,
        /// Its first words.
        culprit: String,
    },
    /// An annotation about approvals that is not one, or cannot be kept.
    #[error("{at}: policy `{policy}`: {problem}; {mend}")]
    Annotation {
        /// Where.
        at: Position,
        /// Which policy.
        policy: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: String,
    },
    /// The schema that the program carries does not parse. A test keeps this from happening.
    #[error("the built-in schema is broken: {0}")]
    Schema(String),
}

impl PolicyError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "policy_syntax",
            Self::Invalid { .. } => "policy_invalid",
            Self::Dead { .. } => "policy_dead",
            Self::NoId { .. } => "policy_without_id",
            Self::BadId { .. } => "policy_id_invalid",
            Self::DuplicateId { .. } => "policy_id_duplicate",
            Self::Template { .. } => "policy_template",
            Self::Annotation { .. } => "policy_annotation",
            Self::Schema(_) => "policy_schema",
        }
    }

    /// Where in which file.
    #[must_use]
    pub const fn position(&self) -> Option<&Position> {
        match self {
            Self::Syntax { at, .. }
            | Self::Invalid { at, .. }
            | Self::Dead { at, .. }
            | Self::NoId { at, .. }
            | Self::BadId { at, .. }
            | Self::DuplicateId { at, .. }
            | Self::Annotation { at, .. }
            | Self::Template { at, .. } => Some(at),
            Self::Schema(_) => None,
        }
    }
}
