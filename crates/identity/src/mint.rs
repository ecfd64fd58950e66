//! Tokens that Deputy issues. Each kind has its own `typ` and names its audience. Assertions live for seconds and are a
//! bearer token nowhere (R4); access tokens live for minutes and open what they were issued for.

mod access_token;
mod key;
mod user_assertion;

pub use access_token::{AccessToken, IssuedAccess, MAX_ACCESS_TOKEN_LIFETIME, Minted, OwnKeys};
pub use key::SigningKey;
pub use user_assertion::{USER_ASSERTION_LIFETIME, UserAssertion};

use deputy_core::{Agent, CallId, Client, Digest, Issuer, Origin, SourceName, Timestamp, ToolName, User};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest life of a [`CallAssertion`].
pub const MAX_CALL_ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// Why nothing was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The library has no randomness, or will not sign.
    #[error("key generation or signing failed")]
    Signing,
    /// Not a private key that signs ES256, EdDSA or RS256 (RSA of 2048 to 8192 bits).
    #[error("the signing key is not PKCS#8 (`BEGIN PRIVATE KEY`) or a private JWK for ES256, EdDSA or RS256")]
    NotAKey,
    /// It would live longer than its kind may, or is over before it begins.
    #[error("what is issued would not live as long as its kind may")]
    Lifetime,
    /// An extra claim has the name of one that the kind defines itself.
    #[error("claim `{0}` is the token's own")]
    Reserved(String),
}

impl MintError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signing => "mint_failed",
            Self::NotAKey => "mint_key",
            Self::Lifetime => "mint_lifetime",
            Self::Reserved(_) => "mint_claim",
        }
    }
}

/// The public JWK Set of these keys, for `/.well-known/jwks.json`.
#[must_use]
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Value {
    let keys: Vec<_> = keys.into_iter().map(SigningKey::public_jwk).collect();
    json!({ "keys": keys })
}

/// What the hub says of one call to the application whose tab performs it, so that the application's back end can
/// check it against its own session.
#[derive(Debug, Clone)]
pub struct CallAssertion {
    /// The hub's `public_url`.
    pub issuer: Issuer,
    /// The application's origin.
    pub audience: Origin,
    /// For whom.
    pub user: User,
    /// Which call; also the `jti`.
    pub call: CallId,
    /// The application's name in the hub's config.
    pub source: SourceName,
    /// Which tool.
    pub tool: ToolName,
    /// Digest of the arguments' canonical form.
    pub arguments: Digest,
    /// Through which agent.
    pub agent: Agent,
    /// Through which client.
    pub client: Client,
    /// Now.
    pub issued_at: Timestamp,
    /// At most [`MAX_CALL_ASSERTION_LIFETIME`] later.
    pub expires_at: Timestamp,
}

impl CallAssertion {
    /// Its `typ`. No door takes it as a bearer (R4).
    pub const MEDIA_TYPE: &'static str = "deputy-call+jwt";

    /// As a compact JWS.
    ///
    /// # Errors
    /// [`MintError::Lifetime`], or the library will not sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, MintError> {
        let lifetime = self.expires_at.since(self.issued_at);
        if lifetime.is_zero() || lifetime > MAX_CALL_ASSERTION_LIFETIME {
            return Err(MintError::Lifetime);
        }
        key.sign(Self::MEDIA_TYPE, &self.claims())
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": self.user.subject,
            "tenant": self.user.tenant,
            "idp": self.user.issuer,
            "jti": self.call,
            "iat": self.issued_at.seconds(),
            "exp": self.expires_at.seconds(),
            "source": self.source,
            "tool": self.tool,
            "args": self.arguments,
            "agent": self.agent,
            "client_id": self.client,
        })
    }
}

#[cfg(test)]
mod tests;
