//! What providers push, checked: logout tokens and security events, with the keys fetched anew where they are needed.

use super::{Authenticator, Denied};
use deputy_identity::claims::Verified;
use deputy_identity::provider::Provider;
use deputy_identity::revocation::{
    LogoutExpectations, LogoutToken, SecurityEvent, SecurityEventExpectations,
};
use deputy_identity::{Attempt, TokenError};
use std::sync::Arc;

impl Authenticator {
    /// Whose token it says that it is; nothing of it was checked.
    pub(crate) fn claimed(&self, token: &str) -> Option<Arc<Provider>> {
        self.verifier.claimed(token).map(Arc::clone)
    }

    /// Checks a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6).
    ///
    /// # Errors
    /// The reason, also counted for the log.
    pub(crate) async fn verify_logout(
        self: &Arc<Self>,
        token: &str,
        expectations: &LogoutExpectations,
    ) -> Result<Verified<LogoutToken>, TokenError> {
        let now = || self.clock.now();
        let check = |attempt| self.verifier.logout_token(token, expectations, attempt, now());
        self.with_keys(check).await.inspect_err(|error| self.count_pushed("backchannel_logout", error))
    }

    /// Checks a security event token (RFC 8417).
    ///
    /// # Errors
    /// The reason, also counted for the log.
    pub(crate) async fn verify_event(
        self: &Arc<Self>,
        token: &str,
        expectations: &SecurityEventExpectations,
    ) -> Result<Verified<SecurityEvent>, TokenError> {
        let now = || self.clock.now();
        let check = |attempt| self.verifier.security_event(token, expectations, attempt, now());
        self.with_keys(check).await.inspect_err(|error| self.count_pushed("ssf", error))
    }

    /// Tries, fetches keys if that may help, and tries once more.
    pub(super) async fn with_keys<T>(
        self: &Arc<Self>,
        check: impl Fn(Attempt) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        match check(Attempt::First) {
            Err(TokenError::KeysNeeded(name)) => {
                self.fetch(&name).await;
                check(Attempt::AfterRefresh)
            }
            done => done,
        }
    }

    fn count_pushed(&self, door: &'static str, error: &TokenError) {
        self.journal.count_refused(&self.tenant, door, error.code());
    }
}

impl From<&TokenError> for Denied {
    fn from(error: &TokenError) -> Self {
        if error.is_unavailable() { Self::Unavailable } else { Self::Refused }
    }
}
