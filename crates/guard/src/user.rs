//! The person behind a request, as a proof.

use crate::person::Person;
use deputy_core::{Client, Timestamp};

/// A person for whom a trusted issuer vouched, through a client, by an access token that this guard issued and checked at
/// this very request. Nobody but a [`crate::Guard`] makes one: the private fields are the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedUser {
    person: Person,
    client: Client,
    scopes: Vec<String>,
    expires_at: Timestamp,
}

impl GuardedUser {
    pub(crate) const fn new(
        person: Person,
        client: Client,
        scopes: Vec<String>,
        expires_at: Timestamp,
    ) -> Self {
        Self { person, client, scopes, expires_at }
    }

    /// Who.
    #[must_use]
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// Through which client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What was granted.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether this scope was granted.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    /// When the access token ends; a stream that it opened ends then, too.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whose sessions: the person's through the client.
    pub(crate) fn owner(&self) -> String {
        serde_json::json!([self.person.key(), self.client]).to_string()
    }
}
