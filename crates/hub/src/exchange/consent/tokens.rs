//! A person's tokens of one server, as they are sealed.

use super::super::UNSAID;
use super::{UNUSED, access};
use deputy_core::{Secret, Timestamp};
use deputy_identity::exchange::user_oauth::Consented;
use deputy_identity::exchange::{Access, Granted};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// How long before its end an access token is no longer taken out.
const SKEW: std::time::Duration = std::time::Duration::from_secs(30);

/// An access token and what renews it. Not printed, not cloned; wiped on drop.
#[derive(Serialize, Deserialize)]
pub(super) struct Tokens {
    access: String,
    access_ends: Timestamp,
    refresh: Option<String>,
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.access.zeroize();
        self.refresh.zeroize();
    }
}

impl Tokens {
    /// What an answer brought; a refresh token that it did not bring anew is the one from before (RFC 6749 section 6).
    pub(super) fn of(answer: &Consented, now: Timestamp, before: Option<&Self>) -> Self {
        let refresh = answer.refresh_token.as_ref().map(|token| token.expose().clone());
        Self {
            access: answer.access.token.expose().clone(),
            access_ends: now.plus(answer.access.expires_in.unwrap_or(UNSAID)),
            refresh: refresh.or_else(|| before.and_then(|before| before.refresh.clone())),
        }
    }

    pub(super) fn read(bytes: &Secret<Vec<u8>>) -> Option<Self> {
        serde_json::from_slice(bytes.expose()).ok()
    }

    pub(super) fn to_bytes(&self) -> Option<Secret<Vec<u8>>> {
        serde_json::to_vec(self).ok().map(Secret::new)
    }

    /// The access token, while it lasts.
    pub(super) fn access(&self, now: Timestamp) -> Option<Access> {
        let left = (self.access_ends > now).then(|| self.access_ends.since(now))?;
        // One that cannot be renewed is used to its end.
        if self.refresh.is_some() && left <= SKEW {
            return None;
        }
        Some(access(Secret::new(self.access.clone()), Some(left), Granted::AsAsked))
    }

    pub(super) const fn access_ends(&self) -> Option<Timestamp> {
        Some(self.access_ends)
    }

    pub(super) fn refresh(&self) -> Option<Secret<String>> {
        self.refresh.clone().map(Secret::new)
    }

    /// The access token, whether or not it lasts: to give it back.
    pub(super) fn access_token(&self) -> Secret<String> {
        Secret::new(self.access.clone())
    }

    /// Until when it is worth keeping.
    pub(super) fn kept_until(&self, now: Timestamp) -> Timestamp {
        if self.refresh.is_some() { now.plus(UNUSED) } else { self.access_ends }
    }
}
