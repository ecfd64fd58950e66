//! The hub's own access tokens: each stands for an agent's permission, and is worth what that is worth now.

use crate::access::Access;
use crate::ports::{AccessGrant, Login};
use crate::sign_in::farthest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Effect, GrantId, Timestamp};
use deputy_identity::TokenError;
use deputy_identity::claims::{Audiences, Verified};
use deputy_identity::mint::{IssuedAccess, OwnKeys};
use serde_json::Value;
use std::sync::Arc;

/// Checks the hub's own tokens.
pub(crate) struct OwnTokens {
    keys: OwnKeys,
    access: Arc<Access>,
    /// How a token's claims say whose it is.
    mark: Vec<u8>,
}

/// A token of the hub's own, and the permission that it stands for.
pub(crate) struct Stands {
    pub(crate) verified: Verified<IssuedAccess>,
    pub(crate) grant: Arc<AccessGrant>,
    pub(crate) login: Arc<Login>,
}

impl OwnTokens {
    /// With the hub's own keys.
    #[must_use]
    pub(crate) fn new(keys: OwnKeys, access: Arc<Access>) -> Self {
        let mark = format!("\"iss\":{}", serde_json::json!(keys.issuer())).into_bytes();
        Self { keys, access, mark }
    }

    /// Whether a token seems to be one, without a look at its signature: then nobody else is asked about it.
    pub(crate) fn seems_own(&self, token: &str) -> bool {
        let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        payload.is_some_and(|bytes| bytes.windows(self.mark.len()).any(|part| part == self.mark))
    }

    /// Checks it, and finds the permission.
    ///
    /// # Errors
    /// Not good, or `Ok(None)`: what it stood for has ended.
    pub(crate) fn check(
        &self,
        token: &str,
        audiences: &Audiences,
        now: Timestamp,
    ) -> Result<Option<Stands>, TokenError> {
        let verified = self.keys.verify(token, audiences, now)?;
        let id = verified.extra.get("grant").and_then(Value::as_str).and_then(|id| GrantId::new(id).ok());
        let Some((grant, login)) = id.and_then(|id| self.access.grant(&id)) else { return Ok(None) };
        // INVARIANT: the token says the same as the permission that it stands for.
        if grant.client != verified.client || grant.resource != verified.audience {
            return Ok(None);
        }
        let grant = narrowed(grant, farthest(&verified.scopes));
        Ok(Some(Stands { verified, grant, login }))
    }
}

/// A token may reach less far than its permission, never farther. Without a scope it reaches nothing but what reads.
fn narrowed(grant: Arc<AccessGrant>, scopes: Option<Effect>) -> Arc<AccessGrant> {
    let most = scopes.unwrap_or(Effect::Read).min(grant.most);
    if most == grant.most {
        return grant;
    }
    Arc::new(AccessGrant { most, ..(*grant).clone() })
}
