//! What a door expects of a token, and the claims that met it.

mod check;
pub(crate) mod read;

use crate::members::{Json, Members};
use crate::provider::ProviderName;
use deputy_core::{Client, Digest, Timestamp, User};
use serde_json::Value;

pub(crate) use check::check;

/// What a token is for (A10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// An OAuth access token (RFC 9068).
    AccessToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// An identity assertion for an authorization server ([`crate::id_jag`]). No door takes it as a bearer.
    IdJag,
}

/// The audiences of a door: never none (A9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audiences(Vec<String>);

/// A door without an audience would take everybody's tokens (A9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no audience is configured, or an empty one")]
pub struct NoAudience;

impl Audiences {
    /// Just this one.
    ///
    /// # Errors
    /// It is empty.
    pub fn one(audience: impl Into<String>) -> Result<Self, NoAudience> {
        Self::new(vec![audience.into()])
    }

    /// Any of these.
    ///
    /// # Errors
    /// There is none, or an empty one.
    pub fn new(audiences: Vec<String>) -> Result<Self, NoAudience> {
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(NoAudience);
        }
        Ok(Self(audiences))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether one of them is exactly `audience`.
    #[must_use]
    pub fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|own| own == audience)
    }
}

/// Whose tokens a door takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepts {
    /// Every configured provider's.
    AnyProvider,
    /// This provider's alone.
    Only(ProviderName),
}

/// What one door expects of a token. Issuer, algorithms, tenant and times are the provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// Whom the token must be for.
    pub audiences: Audiences,
    /// What it must be.
    pub kind: TokenKind,
    /// Whose it may be.
    pub accepts: Accepts,
}

impl Expectations {
    /// Access tokens of any configured provider.
    #[must_use]
    pub const fn access_token(audiences: Audiences) -> Self {
        Self { audiences, kind: TokenKind::AccessToken, accepts: Accepts::AnyProvider }
    }

    /// ID tokens of one provider.
    #[must_use]
    pub const fn id_token(audiences: Audiences, provider: ProviderName) -> Self {
        Self { audiences, kind: TokenKind::IdToken, accepts: Accepts::Only(provider) }
    }
}

/// Where in the claims a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// A claim's name, or a JSON pointer (RFC 6901) if it starts with `/`: `groups`, `/realm_access/roles`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
        match text.strip_prefix('/') {
            Some(pointer) => Self(pointer.split('/').map(unescape).collect()),
            None => Self(vec![text.to_owned()]),
        }
    }

    /// The value there.
    pub(crate) fn find<'m, 'a>(&self, claims: &'m Members<'a>) -> Option<&'m Json<'a>> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
    }

    /// Whether the token says that the value is not in it but somewhere else (OpenID Connect Core 5.6.2), as Entra ID
    /// does for people in more than 200 groups.
    pub(crate) fn is_elsewhere(&self, claims: &Members<'_>) -> bool {
        let Some(first) = self.0.first() else { return false };
        let named = claims.get("_claim_names").and_then(Json::as_object);
        named.is_some_and(|names| names.contains_key(first))
            || (first == "groups" && claims.contains_key("hasgroups"))
    }
}

/// Claims of a token whose signature, issuer, audience, kind and lifetime were checked: [`crate::Verifier`] makes them
/// and nobody else. The private field is the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<C>(C);

impl<C> Verified<C> {
    pub(crate) const fn new(claims: C) -> Self {
        Self(claims)
    }

    /// The claims, for reading.
    #[must_use]
    pub const fn claims(&self) -> &C {
        &self.0
    }
}

impl<C> std::ops::Deref for Verified<C> {
    type Target = C;
    fn deref(&self) -> &C {
        &self.0
    }
}

/// What a token says. Worth nothing outside [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Who: the provider's tenant, the issuer, the `sub` (A11).
    pub user: User,
    /// The provider's own tenant (organisation, domain, directory) that they are in, if it has any (A12).
    pub provider_tenant: Option<String>,
    /// The provider that vouches.
    pub provider: ProviderName,
    /// What kind of token said so.
    pub kind: TokenKind,
    /// The client: `client_id`, else `azp`, else `cid`, else `appid`, else the audience of an ID token.
    pub client: Option<Client>,
    /// `scope` (RFC 9068 section 2.2.3), else `scp`.
    pub scopes: Vec<String>,
    /// From the claim that the provider's settings name.
    pub groups: Vec<String>,
    /// `exp`: a session based on the token ends at the latest here (A8).
    pub expires_at: Timestamp,
    /// `iat`; required in ID tokens and in `at+jwt`.
    pub issued_at: Option<Timestamp>,
    /// `sid`: the provider's session.
    pub session: Option<String>,
    /// `act` (RFC 8693 section 4.1): who acts for the user (A16).
    pub act: Option<Value>,
    /// `impersonator`: an administrator in the user's place (A16).
    pub impersonator: Option<Value>,
    /// Hash of the `jti`, for the audit log (A13).
    pub token_id: Option<Digest>,
}

impl Claims {
    /// Whether the token grants a scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }
}
