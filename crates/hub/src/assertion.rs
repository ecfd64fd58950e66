//! The hub's signed word about one call, for the application's own back end.

use crate::caller::Caller;
use deputy_core::{Call, Facts as _, Issuer, Reason, Timestamp};
use deputy_identity::mint::{CallAssertion, MAX_CALL_ASSERTION_LIFETIME, SigningKey, jwks};
use std::sync::Arc;

/// Signs assertions in the hub's name.
pub struct Assertions {
    key: Arc<SigningKey>,
    issuer: Issuer,
}

impl Assertions {
    /// With this key; `issuer` is the hub's public URL.
    #[must_use]
    pub const fn new(key: Arc<SigningKey>, issuer: Issuer) -> Self {
        Self { key, issuer }
    }

    /// The public keys (RFC 7517), for `/.well-known/jwks.json`.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        jwks([self.key.as_ref()])
    }

    /// About exactly this call.
    pub(crate) fn about(&self, caller: &Caller, call: &Call, now: Timestamp) -> Result<String, Reason> {
        let assertion = CallAssertion {
            issuer: self.issuer.clone(),
            audience: call.tool.origin.clone(),
            user: caller.user().clone(),
            call: call.id.clone(),
            source: call.tool.source.clone(),
            tool: call.tool.definition.name.clone(),
            arguments: *call.arguments.digest(),
            agent: caller.agent().clone(),
            client: caller.client().clone(),
            issued_at: now,
            expires_at: now.plus(MAX_CALL_ASSERTION_LIFETIME),
        };
        assertion.sign(&self.key).map_err(|error| {
            tracing::error!(%error, "a call's assertion could not be signed");
            Reason::Internal
        })
    }
}
