//! A person, known only by what the identity provider calls them. There is no user table.

use crate::id::{TenantId, identifier};
use serde::{Deserialize, Serialize};

identifier!(
    /// The `iss` of an identity provider, compared byte for byte.
    Issuer, "issuer", "use 1 to 512 visible characters",
    |v| (1..=512).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_graphic())
);
identifier!(
    /// The `sub` of a user at one issuer (OpenID Connect Core 2: at most 255).
    Subject, "subject", "use 1 to 255 bytes without control characters",
    |v| (1..=255).contains(&v.len()) && !v.chars().any(char::is_control)
);
identifier!(
    /// A web origin in its serialized form, `https://host[:port]` (RFC 6454 section 6.2), exact; of a server that is a
    /// process, `stdio://` and its configured name.
    Origin, "origin", "use scheme://host or scheme://host:port in lower case, without a path",
    origin
);

/// A person: (tenant, issuer, subject). E-mail is never a key (A11).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    /// The organisation.
    pub tenant: TenantId,
    /// Who vouches for them.
    pub issuer: Issuer,
    /// What the issuer calls them.
    pub subject: Subject,
}

impl User {
    /// One injective string: a JSON array of the three parts.
    #[must_use]
    pub fn key(&self) -> String {
        serde_json::json!([self.tenant, self.issuer, self.subject]).to_string()
    }
}

fn origin(value: &str) -> bool {
    let Some((scheme, host)) = value.split_once("://") else { return false };
    // `stdio://name` is what stands behind a server that is a process of the hub's own.
    matches!(scheme, "https" | "http" | "stdio")
        && (1..=260).contains(&host.len())
        && !host.ends_with(':')
        && host.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':' | b'[' | b']')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_origin_has_no_path_no_wildcard_and_no_upper_case() {
        for good in ["https://crm.acme.example", "http://crm.localhost:8081", "http://[::1]:80"] {
            assert!(Origin::new(good).is_ok(), "{good}");
        }
        for bad in
            ["https://crm.acme.example/", "https://*.acme.example", "null", "https://Crm", "ws://a", ""]
        {
            assert!(Origin::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a11_the_key_of_a_user_is_injective(a in "[ -~]{1,9}", b in "[ -~]{1,9}", c in "[ -~]{1,9}", d in "[ -~]{1,9}") {
            let user = |i: &str, s: &str| -> Option<User> {
                Some(User { tenant: TenantId::single(), issuer: Issuer::new(i).ok()?, subject: Subject::new(s).ok()? })
            };
            if let (Some(x), Some(y)) = (user(&a, &b), user(&c, &d)) {
                prop_assert_eq!(x == y, x.key() == y.key());
            }
        }
    }
}
