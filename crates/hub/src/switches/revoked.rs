//! Who was shut out, and from when on what they show is good again (C4 of the identity reference).

use crate::caller::Caller;
use crate::ports::{Revocation, Revoked};
use deputy_core::{
    Client, DocumentId, Facts as _, GrantId, Issuer, Reason, Subject, TenantId, Timestamp, User,
};
use deputy_identity::claims::Claims;
use std::collections::HashMap;

/// By target, the moment before which what was issued is worth nothing; `None` is for ever.
#[derive(Clone, Default)]
pub(crate) struct RevokedNow(HashMap<(TenantId, Revoked), Option<Timestamp>>);

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
        let before =
            self.0.entry((revocation.tenant.clone(), revocation.target.clone())).or_insert(revocation.before);
        // What was shut out for ever stays so; the later of two moments counts.
        *before = match (*before, revocation.before) {
            (None, _) | (_, None) => None,
            (Some(earlier), Some(later)) => Some(earlier.max(later)),
        };
    }

    pub(super) fn replace(&mut self, revocation: &Revocation) {
        self.0.insert((revocation.tenant.clone(), revocation.target.clone()), revocation.before);
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
        let person = self.of_person(caller.user(), standing.session.as_deref(), standing.issued_at);
        if person {
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
        if self.0.is_empty() {
            return false;
        }
        self.of_person(&claims.user, claims.session.as_deref(), claims.issued_at)
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
        closed || self.of_person(tab.user, tab.session, tab.issued_at)
    }

    fn of_person(&self, user: &User, session: Option<&str>, issued_at: Option<Timestamp>) -> bool {
        let tenant = &user.tenant;
        let (issuer, subject): (Issuer, Subject) = (user.issuer.clone(), user.subject.clone());
        let person = self.0.get(&(tenant.clone(), Revoked::User { issuer: issuer.clone(), subject }));
        let person = person.is_some_and(|before| is_before(issued_at, *before));
        person
            || session.is_some_and(|session| {
                let target = Revoked::Session { issuer, session: session.to_owned() };
                self.0.contains_key(&(tenant.clone(), target))
            })
    }

    fn of_agent(&self, tenant: &TenantId, client: &Client, issued_at: Option<Timestamp>) -> bool {
        let target = Revoked::Agent { client: client.clone() };
        self.0.get(&(tenant.clone(), target)).is_some_and(|before| is_before(issued_at, *before))
    }

    fn of_grant(&self, tenant: &TenantId, id: &GrantId) -> bool {
        self.0.contains_key(&(tenant.clone(), Revoked::Grant { id: id.clone() }))
    }
}

/// What nobody knows the age of is older than everything.
fn is_before(issued_at: Option<Timestamp>, before: Option<Timestamp>) -> bool {
    before.is_none_or(|before| issued_at.is_none_or(|at| at < before))
}
