//! The line of a sign-in: one for a token's first use at a door.

use super::{Authenticator, Denied, Door};
use crate::ports::AccessGrant;
use deputy_core::{Client, Digest, EventKind, SourceName, Timestamp, User};
use serde_json::Value;
use std::sync::PoisonError;

/// Sign-ins that were written down, so that a token's first use makes a line and its thousandth does not.
const REMEMBERED_SIGN_INS: usize = 10_000;

/// What the line of a sign-in says.
pub(super) struct SignedIn<'a> {
    pub(super) user: &'a User,
    pub(super) client: Option<&'a Client>,
    pub(super) acting: [(&'static str, Option<&'a Value>); 2],
    pub(super) token_id: Option<Digest>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) expires_at: Timestamp,
    pub(super) grant: Option<&'a AccessGrant>,
}

impl Authenticator {
    /// The first use of a token at a door is a line of its own; without the line nobody is let in.
    pub(super) async fn record(&self, door: &Door, signed_in: &SignedIn<'_>) -> Result<(), Denied> {
        let mark = self.mark(door, signed_in);
        if self.is_known(&mark) {
            return Ok(());
        }
        let mut event =
            self.journal.event(EventKind::SignIn, signed_in.user).with_detail("door", door.name());
        event.client = signed_in.client.cloned();
        for (name, value) in signed_in.acting {
            if let Some(value) = value {
                event = event.with_personal(name, value.clone());
            }
        }
        if let Some(grant) = signed_in.grant {
            event = event.with_detail("grant", grant.id.as_str());
        }
        if let Some(token) = signed_in.token_id {
            event = event.with_personal("token", token.to_string());
        }
        if let Err(error) = self.journal.append(vec![event]).await {
            tracing::error!(%error, "a sign-in is refused: its line cannot be written");
            return Err(Denied::Unavailable);
        }
        // INVARIANT: remembered only once its line is on disk. Two at once write two lines, which harms nobody.
        self.remember(mark, signed_in.expires_at);
        Ok(())
    }

    fn mark(&self, door: &Door, claims: &SignedIn<'_>) -> Digest {
        let client = claims.client.map_or("", |client| client.0.as_str());
        let times = [claims.issued_at.map_or(0, Timestamp::millis), claims.expires_at.millis()];
        let token = claims.token_id.map(|id| id.to_string()).unwrap_or_default();
        Digest::of_parts(&[
            door.name().as_bytes(),
            door.source().map_or("", SourceName::as_str).as_bytes(),
            claims.user.key().as_bytes(),
            client.as_bytes(),
            &times.map(u64::to_be_bytes).concat(),
            token.as_bytes(),
        ])
    }

    fn is_known(&self, mark: &Digest) -> bool {
        self.signed_in.lock().unwrap_or_else(PoisonError::into_inner).contains_key(mark)
    }

    /// A full memory forgets what has expired, then everything: then some lines are written twice, none is left out.
    fn remember(&self, mark: Digest, expires_at: Timestamp) {
        let mut seen = self.signed_in.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED_SIGN_INS {
            let now = self.clock.now();
            seen.retain(|_, until| *until > now);
            if seen.len() >= REMEMBERED_SIGN_INS {
                seen.clear();
            }
        }
        seen.insert(mark, expires_at);
    }
}
