//! What the provider gave the hub for a person: kept sealed, opened at the moment of use (D11).

use crate::ports::Login;
use deputy_core::{Digest, Secret, Timestamp, User};
use deputy_identity::seal::{SealError, Sealer};
use deputy_identity::token_response::TokenResponse;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

const PURPOSE: &str = "subject-tokens";

/// A person's tokens at their provider. Not printed, not cloned; wiped on drop.
pub struct Held(Kept);

#[derive(Serialize, Deserialize)]
struct Kept {
    id_token: Option<(String, Timestamp)>,
    access_token: Option<(String, Timestamp)>,
    refresh_token: Option<String>,
}

impl Drop for Held {
    fn drop(&mut self) {
        for (token, _) in [&mut self.0.id_token, &mut self.0.access_token].into_iter().flatten() {
            token.zeroize();
        }
        self.0.refresh_token.zeroize();
    }
}

impl Held {
    /// What an answer brought; what it did not bring anew is taken over from before.
    #[must_use]
    pub fn of(
        answer: &TokenResponse,
        id_token_ends: Option<Timestamp>,
        now: Timestamp,
        before: Option<&Self>,
    ) -> Self {
        let text = |secret: &Secret<String>| secret.expose().clone();
        let earlier =
            |pick: fn(&Kept) -> &Option<(String, Timestamp)>| before.and_then(|own| pick(&own.0).clone());
        let id_token = answer.id_token.as_ref().map(text).zip(id_token_ends);
        let access_ends = answer.expires_in.map(|span| now.plus(span));
        let access_token = Some((text(&answer.access_token), access_ends.unwrap_or(now)));
        let refresh = answer.refresh_token.as_ref().map(text);
        Self(Kept {
            id_token: id_token.or_else(|| earlier(|kept| &kept.id_token)),
            access_token,
            refresh_token: refresh.or_else(|| before.and_then(|own| own.0.refresh_token.clone())),
        })
    }

    /// The ID token, while it lasts.
    #[must_use]
    pub fn id_token(&self, now: Timestamp) -> Option<Secret<String>> {
        self.0.id_token.as_ref().filter(|(_, ends)| *ends > now).map(|(token, _)| Secret::new(token.clone()))
    }

    /// The access token, while it lasts.
    #[must_use]
    pub fn access_token(&self, now: Timestamp) -> Option<Secret<String>> {
        let token = self.0.access_token.as_ref().filter(|(_, ends)| *ends > now);
        token.map(|(token, _)| Secret::new(token.clone()))
    }

    /// When the ID token ends.
    #[must_use]
    pub fn id_token_ends(&self) -> Option<Timestamp> {
        self.0.id_token.as_ref().map(|(_, ends)| *ends)
    }

    /// When the access token ends.
    #[must_use]
    pub fn access_token_ends(&self) -> Option<Timestamp> {
        self.0.access_token.as_ref().map(|(_, ends)| *ends)
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<Secret<String>> {
        self.0.refresh_token.clone().map(Secret::new)
    }

    /// Sealed for this login alone: it opens in no other row, and not after the login ended.
    ///
    /// # Errors
    /// The library has no randomness to give.
    pub(crate) fn seal(
        &self,
        sealer: &Sealer,
        (user, login): (&User, &Digest),
        until: Timestamp,
    ) -> Result<String, SealError> {
        let text = Secret::new(serde_json::to_vec(&self.0).map_err(|_| SealError::Sealing)?);
        sealer.seal(PURPOSE, &[user.key().as_bytes(), login.as_bytes()], text.expose(), until)
    }

    /// What a login holds.
    ///
    /// # Errors
    /// It was not sealed for this login, or that has ended.
    pub(crate) fn open(sealer: &Sealer, login: &Login, now: Timestamp) -> Result<Self, SealError> {
        let binding: [&[u8]; 2] = [&login.user.key().into_bytes(), login.id.as_bytes()];
        let opened = Secret::new(sealer.open(PURPOSE, &binding, &login.held, now)?);
        serde_json::from_slice(opened.expose()).map(Self).map_err(|_| SealError::Invalid)
    }
}
