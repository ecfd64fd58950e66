//! Asking the provider again about people who are signed in: new tokens, their groups, and whether they may still be.

use super::{ASKING, LoginFault, Logins};
use crate::access::AccessError;
use crate::ports::Login;
use crate::sign_in::held::Held;
use deputy_core::Timestamp;
use deputy_identity::login::{self, LoginExpectations, Occasion};
use std::sync::Arc;
use std::time::Duration;

impl Logins {
    /// Asks the provider again about a person: new tokens, their groups as they are now. A provider that refuses ends the
    /// login; one that cannot be reached does not, for its answer will come.
    ///
    /// # Errors
    /// See [`LoginFault`]; [`LoginFault::Refused`] and [`LoginFault::Token`] mean that the login has ended.
    pub(crate) async fn ask_again(&self, login: &Login) -> Result<Arc<Login>, LoginFault> {
        let _alone = self.asking(login).lock().await;
        let current = self.access.login(&login.id).ok_or(AccessError::Ended)?;
        // Somebody else has just asked.
        if current.asked_at > login.asked_at {
            return Ok(current);
        }
        self.renewed(&current).await
    }

    /// Asks the provider what is so of a person since a moment. Where it cannot be asked for good, or does not say, the login
    /// ends: what it said before is not to be relied on.
    ///
    /// # Errors
    /// See [`LoginFault::is_passing`].
    pub(crate) async fn ask_since(&self, login: &Login, since: Timestamp) -> Result<(), LoginFault> {
        let _alone = self.asking(login).lock().await;
        let current = self.access.login(&login.id).ok_or(AccessError::Ended)?;
        let is_told = |login: &Login| login.told_at.is_some_and(|at| at >= since);
        if is_told(&current) {
            return Ok(());
        }
        let renewed = self.renewed(&current).await;
        let is_over = match &renewed {
            Ok(next) => !is_told(next),
            Err(fault) => !fault.is_passing(),
        };
        if is_over {
            self.revocations.end_login(&login.id, "provider");
        }
        renewed.map(drop)
    }

    fn asking(&self, login: &Login) -> &tokio::sync::Mutex<()> {
        let [first, others @ ..] = &self.asking;
        let place = login.id.as_bytes().first().map_or(0, |byte| usize::from(*byte) % ASKING);
        place.checked_sub(1).and_then(|place| others.get(place)).unwrap_or(first)
    }

    async fn renewed(&self, login: &Login) -> Result<Arc<Login>, LoginFault> {
        let now = self.clock.now();
        let held = self.held(login).ok_or(LoginFault::NotBegun)?;
        let Some(refresh_token) = held.refresh_token() else {
            return Err(LoginFault::Internal("the provider gave no refresh token"));
        };
        let (name, own) = self.chosen(Some(&login.provider))?;
        let answered = self.redeem(name, login::refresh(&refresh_token, &[], None)).await;
        let ended = |error: LoginFault| {
            if matches!(error, LoginFault::Refused(_) | LoginFault::Token) {
                self.revocations.end_login(&login.id, "provider");
            }
            error
        };
        let answer = answered.map_err(ended)?;
        let (mut next, mut ends) = (login.clone(), None);
        next.asked_at = now;
        if let Some(id_token) = &answer.id_token {
            let expectations = LoginExpectations {
                provider: &login.provider,
                client: &own.id,
                occasion: Occasion::Renewal { user: &login.user },
                access_token: Some(&answer.access_token),
                max_age: None,
                acr_values: &[],
            };
            let verified = self.verified(id_token, &expectations).await.map_err(ended)?;
            ends = Some(verified.claims.claims().expires_at);
            next.groups.clone_from(&verified.claims.claims().groups);
            next.told_at = Some(now);
        }
        let held = Held::of(&answer, ends, now, Some(&held));
        next.held = held
            .seal(&self.sealer, (&login.user, &login.id), login.ends_at)
            .map_err(|_| LoginFault::Internal("nothing can be sealed"))?;
        Ok(self.access.refresh(next).await?)
    }

    /// Asks about everybody when it is time, until the hub stops (C5: a window that the operator names).
    pub(crate) async fn keep_asking(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            let now = self.clock.now();
            for login in self.access.logins_due(now, self.setup.ask_again) {
                match self.ask_again(&login).await {
                    Ok(_) | Err(LoginFault::Internal(_)) => {}
                    Err(error) => {
                        tracing::info!(provider = %login.provider, %error, "a login was not renewed")
                    }
                }
                self.access.asked(&login.id, now);
            }
        }
    }
}
