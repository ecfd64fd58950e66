//! What people let the hub do at servers: found in memory, written through like everything else here.

use super::state::State;
use super::{Access, AccessError};
use crate::ports::{
    AccessChange, AccessKey, AccessRecord, Consent, Login, Registration, Revocation, Revoked,
};
use deputy_core::{Event, EventKind, SourceName, Timestamp, User};
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

/// Consents at once.
const MOST_CONSENTS: usize = 200_000;
/// Consents that ended and whose tokens are still to be given back; more are forgotten here, and end by themselves there.
const MOST_ENDED: usize = 1024;
/// Who takes rights away for good, and not only until the next sign-in.
const OPERATOR: &str = "operator";

impl State {
    pub(super) fn put_consent(&mut self, consent: Arc<Consent>) {
        self.consents.entry(consent.user.clone()).or_default().insert(consent.server.clone(), consent);
    }

    fn consent(&self, user: &User, server: &SourceName) -> Option<Arc<Consent>> {
        self.consents.get(user)?.get(server).cloned()
    }

    fn take_consent(&mut self, user: &User, server: &SourceName) -> Option<Arc<Consent>> {
        let own = self.consents.get_mut(user)?;
        let consent = own.remove(server);
        if own.is_empty() {
            self.consents.remove(user);
        }
        consent
    }

    fn take_consents(&mut self, goes: impl Fn(&Consent) -> bool) -> Vec<Arc<Consent>> {
        let all = self.consents.values().flat_map(|own| own.values());
        let gone: Vec<Arc<Consent>> = all.filter(|consent| goes(consent)).cloned().collect();
        for consent in &gone {
            self.take_consent(&consent.user, &consent.server);
        }
        gone
    }

    pub(super) fn take_ended_consents(&mut self, now: Timestamp) -> Vec<AccessKey> {
        let gone = self.take_consents(|consent| consent.ends_at <= now);
        let mut keys: Vec<AccessKey> =
            gone.iter().map(|consent| Consent::key_of(&consent.user, &consent.server)).collect();
        self.registrations.retain(|_, one| {
            let lasts = one.ends_at.is_none_or(|at| at > now);
            if !lasts {
                keys.push(one.key());
            }
            lasts
        });
        keys
    }
}

/// Whether a revocation takes a consent away. A session that ended does not: the person consented for longer than that. Who
/// was shut out, or from whom an operator took everything, has no consent any more.
pub(super) fn ends(revocation: &Revocation, consent: &Consent) -> bool {
    let Revoked::User { issuer, subject } = &revocation.target else { return false };
    let is_theirs = consent.user.tenant == revocation.tenant
        && consent.user.issuer == *issuer
        && consent.user.subject == *subject;
    let is_for_good = revocation.before.is_none() || revocation.by == OPERATOR;
    is_theirs && is_for_good && revocation.before.is_none_or(|before| consent.given_at <= before)
}

impl Access {
    /// What a person let the hub do at a server, if they did and it has not ended.
    #[must_use]
    pub fn consent(&self, user: &User, server: &SourceName) -> Option<Arc<Consent>> {
        let now = self.clock.now();
        self.state().consent(user, server).filter(|consent| consent.ends_at > now)
    }

    /// All that a person let the hub do, by server.
    #[must_use]
    pub fn consents_of(&self, user: &User) -> Vec<Arc<Consent>> {
        let now = self.clock.now();
        let state = self.state();
        let own = state.consents.get(user).into_iter().flat_map(|own| own.values());
        let mut own: Vec<_> = own.filter(|consent| consent.ends_at > now).cloned().collect();
        own.sort_by(|one, other| one.server.cmp(&other.server));
        own
    }

    /// A person consented, in a browser in which they are signed in: written, then in force. Gives what it takes the place of.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub(crate) async fn consented(
        &self,
        consent: Consent,
        login: &Login,
        event: Event,
    ) -> Result<Option<Arc<Consent>>, AccessError> {
        let _alone = self.writing.lock().await;
        if self.state().consents.len() >= MOST_CONSENTS {
            return Err(AccessError::Full("connections"));
        }
        if self.login(&login.id).is_none() {
            return Err(AccessError::Ended);
        }
        let put = vec![AccessRecord::Consent(consent.clone())];
        let change = AccessChange { put, events: vec![event], ..AccessChange::default() };
        self.table.change_access(change).await?;
        let key = Consent::key_of(&consent.user, &consent.server);
        let kept = {
            let mut state = self.state();
            let is_in = state.login(&login.id).is_some();
            is_in.then(|| {
                let before = state.consent(&consent.user, &consent.server);
                state.put_consent(Arc::new(consent));
                before
            })
        };
        // Signed out or shut out while it was written: not in force, and nothing is kept.
        let Some(before) = kept else {
            let gone = AccessChange { remove: vec![key], ..AccessChange::default() };
            self.table.change_access(gone).await?;
            return Err(AccessError::Ended);
        };
        Ok(before)
    }

    /// The tokens were renewed: written before they are used, so that a rotated refresh token is not lost. Only whoever has
    /// the newest gets here.
    ///
    /// # Errors
    /// [`AccessError::Ended`] if it was taken away meanwhile.
    pub(crate) async fn renew_consent(&self, consent: Consent) -> Result<Arc<Consent>, AccessError> {
        let _alone = self.writing.lock().await;
        let is_next = |current: &Consent| current.version.saturating_add(1) == consent.version;
        let current = self.state().consent(&consent.user, &consent.server);
        if !current.is_some_and(|current| is_next(&current)) {
            return Err(AccessError::Ended);
        }
        let put = vec![AccessRecord::Consent(consent.clone())];
        self.table.change_access(AccessChange { put, ..AccessChange::default() }).await?;
        let consent = Arc::new(consent);
        let mut state = self.state();
        if state.consent(&consent.user, &consent.server).is_none() {
            // Taken away while it was written; what took it away removes the row after us.
            return Err(AccessError::Ended);
        }
        state.put_consent(Arc::clone(&consent));
        Ok(consent)
    }

    /// A consent ends. `false`: there is none.
    pub(crate) fn end_consent(self: &Arc<Self>, user: &User, server: &SourceName, why: &str) -> bool {
        let Some(consent) = self.state().take_consent(user, server) else { return false };
        self.consents_gone(&[consent], why);
        true
    }

    /// Whatever a revocation takes away.
    pub(super) fn end_revoked_consents(self: &Arc<Self>, revocation: &Revocation) {
        let gone = self.state().take_consents(|consent| ends(revocation, consent));
        self.consents_gone(&gone, &revocation.by);
    }

    fn consents_gone(self: &Arc<Self>, gone: &[Arc<Consent>], why: &str) {
        if gone.is_empty() {
            return;
        }
        let events = gone.iter().map(|consent| {
            let mut event = self.journal.event(EventKind::ServerDisconnected, &consent.user);
            event.source = Some(consent.server.clone());
            event
                .with_detail("why", why)
                .with_detail("authorization_server", consent.issuer.as_str())
                .with_detail("scopes", consent.scopes.clone())
        });
        let keys = gone.iter().map(|consent| Consent::key_of(&consent.user, &consent.server));
        self.remove_later(keys.collect(), events.collect());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for consent in gone {
            let told = ended.as_ref().is_some_and(|ended| ended.try_send(Arc::clone(consent)).is_ok());
            if !told {
                tracing::warn!(server = %consent.server, "tokens are not given back: there are too many at once");
            }
        }
    }

    /// What ends from now on, for whoever gives the tokens back.
    pub(crate) fn ended_consents(&self) -> mpsc::Receiver<Arc<Consent>> {
        let (sender, receiver) = mpsc::channel(MOST_ENDED);
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// The hub's own registration for a server.
    pub(crate) fn registration(&self, server: &SourceName) -> Option<Arc<Registration>> {
        let now = self.clock.now();
        let one = self.state().registrations.get(server).cloned();
        one.filter(|one| one.ends_at.is_none_or(|at| at > now))
    }

    /// The hub registered itself: written, then in force.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) async fn registered(
        &self,
        registration: Registration,
        event: Event,
    ) -> Result<(), AccessError> {
        self.write(vec![AccessRecord::Registration(registration.clone())], event).await?;
        self.state().put(AccessRecord::Registration(registration));
        Ok(())
    }
}
