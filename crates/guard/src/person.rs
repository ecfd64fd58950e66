//! A person as a trusted issuer knows them.

use deputy_core::{Issuer, Subject};
use serde_json::json;

/// Issuer, the issuer's own tenant where it has several, and subject; all three, byte for byte (A11).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Person {
    /// Who vouches for them.
    pub issuer: Issuer,
    /// In which of the issuer's tenants.
    pub tenant: Option<String>,
    /// What the issuer calls them.
    pub subject: Subject,
}

impl Person {
    /// One injective string.
    #[must_use]
    pub(crate) fn key(&self) -> String {
        json!([self.issuer, self.tenant, self.subject]).to_string()
    }
}
