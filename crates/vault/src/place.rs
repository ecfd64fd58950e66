//! Where a secret belongs. It is no secret itself, and it is what a sealed value is bound to.

use crate::sealed::LONGEST_SECRET;
use deputy_core::{HeaderName, SourceName, TenantId};
use std::fmt;

/// The most bytes that may be kept of what a person consented to: an access and a refresh token.
pub const LONGEST_CONSENT: usize = 80 * 1024;

mod private {
    pub trait Sealed {}
    impl Sealed for super::Place {}
    impl Sealed for super::PersonPlace {}
}

/// What something can be sealed for. Only this crate has such places: two kinds of them never share what they bind.
pub trait Placed: fmt::Display + private::Sealed {
    /// The most bytes that a value may have there.
    const LONGEST: usize;
    /// Stands before the purpose of whatever is sealed for such a place.
    const PURPOSE: &'static str;

    /// Whose.
    fn tenant(&self) -> &TenantId;
    /// All that it is bound to.
    fn parts(&self) -> Vec<Vec<u8>>;
}

/// One version of one secret: whose, for which server, under which name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whose.
    pub tenant: TenantId,
    /// For which server.
    pub server: SourceName,
    /// Under which name: the header that carries it.
    pub name: HeaderName,
    /// The first has 1; no two of one name ever share one.
    pub version: u64,
    /// What stands before the secret in the header, as `Bearer `; bound, so that nobody can turn it into something else.
    pub prefix: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{} version {}", self.tenant, self.server, self.name, self.version)
    }
}

impl Placed for Place {
    const LONGEST: usize = LONGEST_SECRET;
    const PURPOSE: &'static str = "";

    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        vec![
            self.tenant.as_str().into(),
            self.server.as_str().into(),
            self.name.as_str().into(),
            self.version.to_be_bytes().into(),
            self.prefix.as_str().into(),
        ]
    }
}

/// Where the tokens belong that a person consented to: whose, for which server, from which authorization server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PersonPlace {
    /// In which organisation.
    pub tenant: TenantId,
    /// Whose: [`deputy_core::User::key`]. Empty: the hub's own, its registration as a client.
    pub person: String,
    /// For which server.
    pub server: SourceName,
    /// From which authorization server.
    pub issuer: String,
    /// The first has 1; each renewal has the next.
    pub version: u64,
}

impl Placed for PersonPlace {
    const LONGEST: usize = LONGEST_CONSENT;
    const PURPOSE: &'static str = "consent ";

    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        vec![
            self.tenant.as_str().into(),
            self.person.as_str().into(),
            self.server.as_str().into(),
            self.issuer.as_str().into(),
            self.version.to_be_bytes().into(),
        ]
    }
}

/// Without the person: it stands in logs.
impl fmt::Display for PersonPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a consent for {}/{} version {}", self.tenant, self.server, self.version)
    }
}
