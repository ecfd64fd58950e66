//! Identifiers: short strings that were checked once and cannot be mixed up afterwards.

use serde::{Deserialize, Serialize};

/// Why a string is not the identifier it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {what}: {rule}")]
pub struct IdError {
    /// What it was meant to be.
    pub what: &'static str,
    /// The culprit, shortened to 80 characters.
    pub value: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl IdError {
    pub(crate) fn new(what: &'static str, value: &str, rule: &'static str) -> Self {
        Self { what, value: value.chars().take(80).collect(), rule }
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks and wraps.
            ///
            /// # Errors
            /// Names the value and the rule it breaks.
            pub fn new(value: impl Into<String>) -> Result<Self, $crate::id::IdError> {
                let value = value.into();
                let check: fn(&str) -> bool = $check;
                if check(&value) { Ok(Self(value.into())) } else { Err($crate::id::IdError::new($what, &value, $rule)) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::id::IdError;
            fn try_from(value: String) -> Result<Self, Self::Error> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::IdError;
            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Self::new(value)
            }
        }
    };
}
pub(crate) use identifier;

fn slug(value: &str) -> bool {
    (1..=32).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-')
}

fn token(value: &str) -> bool {
    (16..=80).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn header(value: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=64).contains(&value.len()) && value.bytes().all(letter)
}

identifier!(
    /// An organisation: the outermost wall.
    TenantId, "tenant name", "use 1 to 32 of a-z, 0-9 and -, not at either end", slug
);
identifier!(
    /// The configured name of an app or a server: the first half of a public tool name.
    SourceName, "source name", "use 1 to 32 of a-z, 0-9 and -, not at either end", slug
);
identifier!(
    /// The name of an HTTP header (RFC 9110 section 5.1), in lower case.
    HeaderName, "header name", "use 1 to 64 of a-z, 0-9 and !#$%&'*+-.^_`|~", header
);
identifier!(
    /// One call, made by the hub, unique for ever.
    CallId, "call id", "use 16 to 80 of A-Z, a-z, 0-9, - and _", token
);
identifier!(
    /// One question to a person.
    ApprovalId, "approval id", "use 16 to 80 of A-Z, a-z, 0-9, - and _", token
);
identifier!(
    /// One yes that stands for later calls.
    GrantId, "grant id", "use 16 to 80 of A-Z, a-z, 0-9, - and _", token
);
identifier!(
    /// One document load of a tab (`docId`, P20): made in the page's memory, never stored.
    DocumentId, "document id", "use 16 to 80 of A-Z, a-z, 0-9, - and _", token
);

impl TenantId {
    /// The tenant of a hub that serves one organisation.
    #[must_use]
    pub fn single() -> Self {
        Self("default".into())
    }
}

/// 128 random bits as 32 hexadecimal digits.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn random_hex() -> Result<String, getrandom::Error> {
    Ok(hex::encode(random_bytes::<16>()?))
}

/// So many random bytes.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

impl CallId {
    /// A new id.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("call_{}", random_hex()?).into()))
    }
}

impl ApprovalId {
    /// A new id.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("apr_{}", random_hex()?).into()))
    }
}

impl GrantId {
    /// A new id.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("grant_{}", random_hex()?).into()))
    }
}

impl DocumentId {
    /// A new id, for tests and for simulated tabs.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("doc_{}", random_hex()?).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_name_cannot_contain_the_separator_of_public_names() {
        assert!(SourceName::new("crm__x").is_err());
        assert!(SourceName::new("crm").is_ok());
    }

    #[test]
    fn an_error_names_the_culprit_and_the_rule() {
        let error = TenantId::new("Acme Corp").expect_err("has a space");
        assert_eq!(
            error.to_string(),
            "`Acme Corp` is not a tenant name: use 1 to 32 of a-z, 0-9 and -, not at either end"
        );
    }

    #[test]
    fn a_header_name_is_a_token_in_lower_case() {
        for good in ["authorization", "x-api-key", "private_token"] {
            assert!(HeaderName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Authorization", "x api key", "x:y", "x\ny", "é", &"x".repeat(65)] {
            assert!(HeaderName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fresh_ids_are_valid_and_differ() {
        let (a, b) = (CallId::fresh().expect("random"), CallId::fresh().expect("random"));
        assert_ne!(a, b);
        assert!(CallId::new(a.as_str()).is_ok());
    }
}
