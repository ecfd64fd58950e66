//! Who may do what in the CRM. Its own permissions, which no agent and no hub can widen.

use serde::Serialize;

/// What a person may do with the contacts of their organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Look and change.
    Editor,
    /// Only look.
    Reader,
}

/// A person as the CRM knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The identity provider's `sub`.
    pub(crate) subject: String,
    /// What to call them.
    pub(crate) name: String,
    /// Where they work.
    pub(crate) organisation: &'static str,
    /// What they may do.
    pub(crate) role: Role,
}

impl Person {
    /// Somebody who signed in. A subject that nobody gave rights to belongs to no organisation and may only read.
    pub(crate) fn new(subject: &str, name: Option<&str>) -> Self {
        let (organisation, role) = match subject {
            "alice" => ("Acme", Role::Editor),
            "bob" => ("Globex", Role::Editor),
            "carol" => ("Acme", Role::Reader),
            _ => ("Visitors", Role::Reader),
        };
        Self { subject: subject.to_owned(), name: name.unwrap_or(subject).to_owned(), organisation, role }
    }
}
