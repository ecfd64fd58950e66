//! A guard's word to the server behind it about who is calling.

use super::{MintError, SigningKey};
use deputy_core::id::random_hex;
use deputy_core::{Client, Issuer, Subject, Timestamp};
use serde_json::json;
use std::time::Duration;

/// Longest life of a [`UserAssertion`].
pub const USER_ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// Who is calling, for one request.
#[derive(Debug, Clone)]
pub struct UserAssertion {
    /// The guard.
    pub issuer: Issuer,
    /// The resource that it stands before.
    pub audience: String,
    /// Who vouches for the person: `idp`.
    pub vouched_by: Issuer,
    /// That issuer's own tenant, where it has several: `idp_tenant`.
    pub provider_tenant: Option<String>,
    /// `sub` as that issuer has it: the person is all three.
    pub subject: Subject,
    /// Through which client.
    pub client: Client,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Now.
    pub issued_at: Timestamp,
    /// At most [`USER_ASSERTION_LIFETIME`] later.
    pub expires_at: Timestamp,
}

impl UserAssertion {
    /// Its `typ`. No door takes it as a bearer (R4).
    pub const MEDIA_TYPE: &'static str = "deputy-user+jwt";

    /// As a compact JWS.
    ///
    /// # Errors
    /// [`MintError::Lifetime`], or the library will not sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, MintError> {
        let lifetime = self.expires_at.since(self.issued_at);
        if lifetime.is_zero() || lifetime > USER_ASSERTION_LIFETIME {
            return Err(MintError::Lifetime);
        }
        let mut claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": self.subject,
            "idp": self.vouched_by,
            "client_id": self.client,
            "scope": self.scopes.join(" "),
            "jti": random_hex().map_err(|_| MintError::Signing)?,
            "iat": self.issued_at.seconds(),
            "exp": self.expires_at.seconds(),
        });
        if let (Some(tenant), Some(members)) = (&self.provider_tenant, claims.as_object_mut()) {
            members.insert("idp_tenant".to_owned(), json!(tenant));
        }
        key.sign(Self::MEDIA_TYPE, &claims)
    }
}
