//! Where a secret belongs. It is no secret itself, and it is what a sealed value is bound to.

use deputy_core::{HeaderName, SourceName, TenantId};
use std::fmt;

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
