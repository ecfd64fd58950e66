//! Who was shut out, and from when on what they show is good again (C4 of the identity reference).

use crate::caller::Caller;
use crate::ports::{Login, Revocation, Revoked};
use crate::revocations::SHARED_SIGNALS;
use deputy_core::{
    Client, DocumentId, Facts as _, GrantId, Issuer, Reason, Subject, TenantId, Timestamp, User,
};
use deputy_identity::claims::Claims;
use std::collections::HashMap;

/// What is in force, by target.
#[derive(Clone, Default)]
pub(crate) struct RevokedNow(HashMap<(TenantId, Revoked), Mark>);

/// What one revocation says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// What was issued before this moment is worth nothing; `None`: nothing is.
    before: Option<Timestamp>,
    by: String,
    at: Timestamp,
}

impl Mark {
    fn of(revocation: &Revocation) -> Self {
        Self { before: revocation.before, by: revocation.by.clone(), at: revocation.at }
    }

    /// What both together say: whom one shut out stays so, and by whoever weighs more; the later of two moments counts.
    fn with(&self, other: Self) -> Self {
        let at = self.at.max(other.at);
        match (self.before, other.before) {
            (None, Some(_)) => self.clone(),
            (None, None) if self.by != SHARED_SIGNALS => Self { at, ..self.clone() },
            (_, None) => Self { at, ..other },
            (Some(earlier), Some(later)) if earlier > later => Self { at, ..self.clone() },
            (Some(_), Some(_)) => Self { at, ..other },
        }
    }

    /// Whether it ends what the provider issued then.
    fn ends_issued(&self, at: Option<Timestamp>) -> bool {
        is_before(at, self.before)
    }

    /// Whether it ends what the hub itself did then: its own clock counts, which the provider's may be ahead of.
    fn ends_done(&self, at: Option<Timestamp>) -> bool {
        is_before(at, self.before.map(|before| before.min(self.at)))
    }
}

/// What a tab stands on.
pub(crate) struct OfTab<'a> {
    /// Whose it is.
    pub(crate) user: &'a User,
    /// The provider's session that its ticket was given in.
    pub(crate) session: Option<&'a str>,
    /// When its ticket was issued.
    pub(crate) issued_at: Option<Timestamp>,
    /// Which.
    pub(crate) document: Option<&'a DocumentId>,
}

impl RevokedNow {
    pub(super) fn put(&mut self, revocation: &Revocation) {
        let mark = Mark::of(revocation);
        let own = (revocation.tenant.clone(), revocation.target.clone());
        let mark = self.0.get(&own).map_or_else(|| mark.clone(), |earlier| earlier.with(mark.clone()));
        self.0.insert(own, mark);
    }

    pub(super) fn replace(&mut self, revocation: &Revocation) {
        self.0.insert((revocation.tenant.clone(), revocation.target.clone()), Mark::of(revocation));
    }

    pub(super) fn of(&self, tenant: &TenantId, target: &Revoked) -> Option<Revocation> {
        let Mark { before, by, at } = self.0.get(&(tenant.clone(), target.clone()))?.clone();
        Some(Revocation { tenant: tenant.clone(), target: target.clone(), before, by, at })
    }

    pub(super) fn forget(&mut self, gone: &[(TenantId, Revoked)]) {
        for key in gone {
            self.0.remove(key);
        }
    }

    pub(super) fn ends(&self, caller: &Caller) -> Option<Reason> {
        if self.0.is_empty() {
            return None;
        }
        let standing = caller.standing_on();
        let by_hub = standing.grant.is_some();
        let ends = |mark: &Mark, at| if by_hub { mark.ends_done(at) } else { mark.ends_issued(at) };
        let session = standing.session.as_deref();
        let person = self.of_person(caller.user(), session, |mark| ends(mark, standing.issued_at));
        if person || self.of_claims(caller.user(), |mark| ends(mark, standing.told_at)) {
            return Some(Reason::SessionEnded);
        }
        let tenant = &caller.user().tenant;
        // A permission that was given after an agent was revoked is good, however long its person is signed in.
        let since = standing.grant.as_ref().map_or(standing.issued_at, |grant| Some(grant.given_at));
        let agent = self.of_agent(tenant, caller.client(), since);
        let grant = standing.grant.as_ref().is_some_and(|grant| self.of_grant(tenant, &grant.id));
        (agent || grant).then_some(Reason::GrantExpired)
    }

    pub(super) fn ends_token(&self, claims: &Claims) -> bool {
        let ends = |mark: &Mark| mark.ends_issued(claims.issued_at);
        !self.0.is_empty() && (self.ends_fresh(claims) || self.of_claims(&claims.user, ends))
    }

    /// The same for a token that the provider gave just now: what it says of its person is so.
    pub(super) fn ends_fresh(&self, claims: &Claims) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let ends = |mark: &Mark| mark.ends_issued(claims.issued_at);
        self.of_person(&claims.user, claims.session.as_deref(), ends)
            || claims
                .client
                .as_ref()
                .is_some_and(|client| self.of_agent(&claims.user.tenant, client, claims.issued_at))
    }

    pub(super) fn ends_tab(&self, tab: &OfTab<'_>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let closed = tab.document.is_some_and(|document| {
            let target = Revoked::Tab { document: document.clone() };
            self.0.contains_key(&(tab.user.tenant.clone(), target))
        });
        closed || self.of_person(tab.user, tab.session, |mark| mark.ends_done(tab.issued_at))
    }

    /// Whether this login at the hub has ended: then it is not taken up again.
    pub(super) fn ends_login(&self, login: &Login) -> bool {
        let session = login.provider_session.as_deref();
        !self.0.is_empty()
            && self.of_person(&login.user, session, |mark| mark.ends_done(Some(login.began_at)))
    }

    fn of_person(&self, user: &User, session: Option<&str>, ends: impl Fn(&Mark) -> bool) -> bool {
        let tenant = &user.tenant;
        let has = |target| self.0.get(&(tenant.clone(), target)).is_some_and(&ends);
        let (issuer, subject): (Issuer, Subject) = (user.issuer.clone(), user.subject.clone());
        if has(Revoked::User { issuer: issuer.clone(), subject: subject.clone() }) {
            return true;
        }
        match session {
            Some(session) => {
                let target = Revoked::Session { issuer, session: session.to_owned() };
                self.0.contains_key(&(tenant.clone(), target))
            }
            None => has(Revoked::OutsideSessions { issuer, subject }),
        }
    }

    fn of_claims(&self, user: &User, ends: impl Fn(&Mark) -> bool) -> bool {
        let (issuer, subject) = (user.issuer.clone(), user.subject.clone());
        self.0.get(&(user.tenant.clone(), Revoked::Claims { issuer, subject })).is_some_and(ends)
    }

    fn of_agent(&self, tenant: &TenantId, client: &Client, issued_at: Option<Timestamp>) -> bool {
        let target = Revoked::Agent { client: client.clone() };
        self.0.get(&(tenant.clone(), target)).is_some_and(|mark| mark.ends_issued(issued_at))
    }

    fn of_grant(&self, tenant: &TenantId, id: &GrantId) -> bool {
        self.0.contains_key(&(tenant.clone(), Revoked::Grant { id: id.clone() }))
    }
}

/// What nobody knows the age of is older than everything.
fn is_before(issued_at: Option<Timestamp>, before: Option<Timestamp>) -> bool {
    before.is_none_or(|before| issued_at.is_none_or(|at| at < before))
}
