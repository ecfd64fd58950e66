//! Logins, grants and clients in memory, found by id and by person.

use super::GRANTS_PER_USER;
use crate::ports::{
    AccessGrant, AccessKey, AccessRecord, Consent, Login, RegisteredClient, Registration, Revocation, Revoked,
};
use deputy_core::{Client, Digest, GrantId, SourceName, TenantId, Timestamp, User};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// A login that is gone, with the permissions that lived of it.
pub(crate) type Gone = (Arc<Login>, Vec<Arc<AccessGrant>>);

#[derive(Default)]
pub(crate) struct State {
    logins: HashMap<Digest, Arc<Login>>,
    grants: HashMap<GrantId, Arc<AccessGrant>>,
    clients: HashMap<Client, Arc<RegisteredClient>>,
    logins_of: HashMap<User, HashSet<Digest>>,
    grants_of: HashMap<User, HashSet<GrantId>>,
    /// When a provider was asked last, whatever it answered.
    asked: HashMap<Digest, Timestamp>,
    pub(super) consents: HashMap<User, HashMap<SourceName, Arc<Consent>>>,
    pub(super) registrations: HashMap<SourceName, Arc<Registration>>,
}

impl State {
    pub(crate) fn put(&mut self, row: AccessRecord) {
        match row {
            AccessRecord::Login(login) => self.put_login(Arc::new(login)),
            AccessRecord::Grant(grant) => self.put_grant(Arc::new(grant)),
            AccessRecord::Client(client) => drop(self.clients.insert(client.id.clone(), Arc::new(client))),
            AccessRecord::Revocation(_) => {}
            AccessRecord::Consent(consent) => self.put_consent(Arc::new(consent)),
            AccessRecord::Registration(one) => {
                self.registrations.insert(one.server.clone(), Arc::new(one));
            }
        }
    }

    pub(crate) fn put_login(&mut self, login: Arc<Login>) {
        self.logins_of.entry(login.user.clone()).or_default().insert(login.id);
        self.logins.insert(login.id, login);
    }

    pub(crate) fn put_grant(&mut self, grant: Arc<AccessGrant>) {
        self.grants_of.entry(grant.user.clone()).or_default().insert(grant.id.clone());
        self.grants.insert(grant.id.clone(), grant);
    }

    pub(crate) fn login(&self, id: &Digest) -> Option<Arc<Login>> {
        self.logins.get(id).cloned()
    }

    pub(crate) fn grant(&self, id: &GrantId) -> Option<Arc<AccessGrant>> {
        self.grants.get(id).cloned()
    }

    pub(crate) fn client(&self, id: &Client) -> Option<Arc<RegisteredClient>> {
        self.clients.get(id).cloned()
    }

    /// Who is signed in in one of a provider's sessions.
    pub(crate) fn logins_in<'a>(
        &'a self,
        tenant: &'a TenantId,
        session: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Login>> {
        let own = self.logins.values().filter(move |login| login.user.tenant == *tenant);
        own.filter(move |login| login.provider_session.as_deref() == Some(session))
    }

    pub(crate) fn logins_of<'a>(&'a self, user: &User) -> impl Iterator<Item = Arc<Login>> + 'a {
        self.logins_of.get(user).into_iter().flatten().filter_map(|id| self.login(id))
    }

    pub(crate) fn grants_of<'a>(&'a self, user: &User) -> impl Iterator<Item = Arc<AccessGrant>> + 'a {
        self.grants_of.get(user).into_iter().flatten().filter_map(|id| self.grant(id))
    }

    pub(crate) fn grants(&self) -> impl Iterator<Item = Arc<AccessGrant>> {
        self.grants.values().cloned()
    }

    pub(crate) fn acts(&self, client: &Client) -> bool {
        self.grants.values().any(|grant| grant.client == *client)
    }

    pub(crate) fn logins(&self) -> impl Iterator<Item = Arc<Login>> {
        self.logins.values().cloned()
    }

    pub(crate) fn was_asked(&self, id: &Digest, now: Timestamp, within: Duration) -> bool {
        self.asked.get(id).is_some_and(|at| now.since(*at) < within)
    }

    pub(crate) fn note_asked(&mut self, id: Digest, now: Timestamp) {
        if self.logins.contains_key(&id) {
            self.asked.insert(id, now);
        }
    }

    pub(crate) fn logins_count(&self) -> usize {
        self.logins.len()
    }

    pub(crate) fn grants_count(&self) -> usize {
        self.grants.len()
    }

    pub(crate) fn registered(&self) -> impl Iterator<Item = &Arc<RegisteredClient>> {
        self.clients.values()
    }

    pub(crate) fn take_client(&mut self, id: &Client) {
        self.clients.remove(id);
    }

    pub(crate) fn clients_count(&self) -> usize {
        self.clients.len()
    }

    /// Which permissions a new one takes the place of: that of the same agent in the same login for the same address, and
    /// the oldest if the person would have too many.
    pub(crate) fn replaced_by(&self, grant: &AccessGrant) -> Vec<Arc<AccessGrant>> {
        let mut own: Vec<_> = self.grants_of(&grant.user).collect();
        own.sort_by_key(|one| one.given_at);
        let same = |one: &AccessGrant| {
            one.client == grant.client && one.resource == grant.resource && one.login == grant.login
        };
        let (mut replaced, others): (Vec<_>, Vec<_>) = own.into_iter().partition(|one| same(one));
        let too_many = (others.len() + 1).saturating_sub(GRANTS_PER_USER);
        replaced.extend(others.into_iter().take(too_many));
        replaced
    }

    pub(crate) fn remove(&mut self, key: &AccessKey) {
        if key.kind == "grant"
            && let Ok(id) = GrantId::new(key.id.as_str())
        {
            self.take_grant(&id);
        }
    }

    pub(crate) fn take_grant(&mut self, id: &GrantId) -> Option<Arc<AccessGrant>> {
        let grant = self.grants.remove(id)?;
        if let Some(own) = self.grants_of.get_mut(&grant.user) {
            own.remove(id);
            if own.is_empty() {
                self.grants_of.remove(&grant.user);
            }
        }
        Some(grant)
    }

    pub(crate) fn take_login(&mut self, id: &Digest) -> Option<Gone> {
        let login = self.logins.remove(id)?;
        self.asked.remove(id);
        if let Some(own) = self.logins_of.get_mut(&login.user) {
            own.remove(id);
            if own.is_empty() {
                self.logins_of.remove(&login.user);
            }
        }
        let lived: Vec<GrantId> = self
            .grants_of(&login.user)
            .filter(|grant| grant.login == *id)
            .map(|grant| grant.id.clone())
            .collect();
        let grants = lived.iter().filter_map(|id| self.take_grant(id)).collect();
        Some((login, grants))
    }

    /// Takes out what a revocation ends.
    pub(crate) fn take_revoked(&mut self, revocation: &Revocation) -> (Vec<Gone>, Vec<Arc<AccessGrant>>) {
        let tenant = &revocation.tenant;
        // What began at the very moment is of before it.
        let is_of_before = |at: Timestamp| revocation.before.is_none_or(|before| at <= before);
        let logins = |fits: &dyn Fn(&Login) -> bool| -> Vec<Digest> {
            let own = self.logins.values().filter(|login| login.user.tenant == *tenant && fits(login));
            own.map(|login| login.id).collect()
        };
        let grants = |fits: &dyn Fn(&AccessGrant) -> bool| -> Vec<GrantId> {
            let own = self.grants.values().filter(|grant| grant.user.tenant == *tenant && fits(grant));
            own.map(|grant| grant.id.clone()).collect()
        };
        let (logins, grants) = match &revocation.target {
            Revoked::User { issuer, subject } => {
                let user = User { tenant: tenant.clone(), issuer: issuer.clone(), subject: subject.clone() };
                let own = self.logins_of(&user).filter(|login| is_of_before(login.authenticated_at));
                (own.map(|login| login.id).collect(), Vec::new())
            }
            Revoked::Session { issuer, session } => {
                let of = |login: &Login| {
                    login.user.issuer == *issuer && login.provider_session.as_ref() == Some(session)
                };
                (logins(&of), Vec::new())
            }
            Revoked::OutsideSessions { issuer, subject } => {
                let user = User { tenant: tenant.clone(), issuer: issuer.clone(), subject: subject.clone() };
                let of = |login: &Arc<Login>| {
                    login.provider_session.is_none() && is_of_before(login.authenticated_at)
                };
                (self.logins_of(&user).filter(of).map(|login| login.id).collect(), Vec::new())
            }
            Revoked::Agent { client } => {
                (Vec::new(), grants(&|grant| grant.client == *client && is_of_before(grant.given_at)))
            }
            Revoked::Grant { id } => (Vec::new(), grants(&|grant| grant.id == *id)),
            Revoked::Claims { .. } | Revoked::Tab { .. } => (Vec::new(), Vec::new()),
        };
        let logins = logins.iter().filter_map(|id| self.take_login(id)).collect();
        let grants = grants.iter().filter_map(|id| self.take_grant(id)).collect();
        (logins, grants)
    }

    /// Takes out what has ended by itself, and says which rows that were.
    pub(crate) fn take_ended(&mut self, now: Timestamp) -> Vec<AccessKey> {
        let logins: Vec<Digest> =
            self.logins.values().filter(|login| login.ends_at <= now).map(|login| login.id).collect();
        let mut keys = Vec::new();
        for (login, grants) in logins.iter().filter_map(|id| self.take_login(id)).collect::<Vec<_>>() {
            keys.push(login.key());
            keys.extend(grants.iter().map(|grant| grant.key()));
        }
        let grants: Vec<GrantId> =
            self.grants.values().filter(|grant| grant.ends_at <= now).map(|grant| grant.id.clone()).collect();
        keys.extend(grants.iter().filter_map(|id| self.take_grant(id)).map(|grant| grant.key()));
        keys.extend(self.take_ended_consents(now));
        keys
    }
}
