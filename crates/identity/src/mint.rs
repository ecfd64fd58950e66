//! Tokens that Deputy issues. Each kind has its own `typ`, names its audience, and lives for seconds; none of them is
//! a bearer token anywhere (R4).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{
    Agent, CallId, Client, Digest, Issuer, Origin, Secret, SourceName, Timestamp, ToolName, User,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest life of a [`CallAssertion`].
pub const MAX_CALL_ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// Why nothing was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The library has no randomness, or will not sign.
    #[error("key generation or signing failed")]
    Signing,
    /// The bytes are not a PKCS#8 key on P-256.
    #[error("the signing key is not PKCS#8 of an ES256 key")]
    NotAKey,
    /// It would live longer than its kind may, or is over before it begins.
    #[error("the assertion would not live between 1 and 60 seconds")]
    Lifetime,
}

/// An ES256 key with which Deputy signs. Its id is its RFC 7638 thumbprint.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
    jwk: Value,
}

impl SigningKey {
    /// Draws a new key: PKCS#8, for the vault or a file only the hub reads.
    ///
    /// # Errors
    /// [`MintError::Signing`].
    pub fn generate() -> Result<Secret<Vec<u8>>, MintError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(Secret::new(document.map_err(|_| MintError::Signing)?.as_ref().to_vec()))
    }

    /// Loads what [`SigningKey::generate`] drew.
    ///
    /// # Errors
    /// [`MintError::NotAKey`].
    pub fn from_pkcs8(pkcs8: &Secret<Vec<u8>>) -> Result<Self, MintError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose())
            .map_err(|_| MintError::NotAKey)?;
        let point = pair.public_key().as_ref();
        let coordinate = |range| point.get(range).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let (Some(x), Some(y)) = (coordinate(1..33), coordinate(33..65)) else {
            return Err(MintError::NotAKey);
        };
        let required = json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y });
        let thumbprint = Digest::of_json(&required).map_err(|_| MintError::NotAKey)?;
        let id = URL_SAFE_NO_PAD.encode(thumbprint.as_bytes());
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": id });
        Ok(Self { pair, id, jwk })
    }

    /// Its `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half as a JWK.
    #[must_use]
    pub const fn public_jwk(&self) -> &Value {
        &self.jwk
    }

    fn sign<T: Serialize>(&self, media_type: &str, claims: &T) -> Result<String, MintError> {
        let encode = |value: Vec<u8>| URL_SAFE_NO_PAD.encode(value);
        let header = json!({ "alg": "ES256", "typ": media_type, "kid": self.id }).to_string();
        let claims = serde_json::to_vec(claims).map_err(|_| MintError::Signing)?;
        let signed = format!("{}.{}", encode(header.into_bytes()), encode(claims));
        let signature =
            self.pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| MintError::Signing)?;
        Ok(format!("{signed}.{}", encode(signature.as_ref().to_vec())))
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
