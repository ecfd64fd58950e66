//! The thrown switches, and who was shut out, in memory: asked on each call without any wait.

use super::revoked::{OfTab, RevokedNow};
use crate::caller::Caller;
use crate::ports::{Login, Revocation, Revoked};
use deputy_core::Reason;
use deputy_core::{Facts, SourceKind, SourceName, Switch, SwitchTarget, TenantId, Tool, User};
use deputy_identity::claims::Claims;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone)]
struct Held {
    switch: Switch,
    /// Tells one throw from the next of the same target.
    throw: u64,
}

#[derive(Clone, Default)]
struct Snapshot {
    of: HashMap<TenantId, BTreeMap<SwitchTarget, Held>>,
    throws: u64,
    revoked: Arc<RevokedNow>,
}

/// What is stopped now. Everybody who acts asks here, and can wait here.
pub struct Thrown(watch::Sender<Arc<Snapshot>>);

impl Default for Thrown {
    fn default() -> Self {
        Self(watch::Sender::new(Arc::default()))
    }
}

impl Thrown {
    /// Which switch stops this caller's calls of this tool.
    #[must_use]
    pub fn stops(&self, caller: &impl Facts, tool: &Tool) -> Option<SwitchTarget> {
        self.first(&caller.user().tenant, || {
            let (source, name) = (tool.source.clone(), tool.definition.name.clone());
            let [all, user, agent, whole] = of_source(caller, tool.source_kind, &source);
            [all, user, agent, whole, SwitchTarget::Tool { source, tool: name }]
        })
    }

    /// Whether any switch is thrown in a tenant.
    #[must_use]
    pub fn stops_any(&self, tenant: &TenantId) -> bool {
        self.snapshot().of.get(tenant).is_some_and(|own| !own.is_empty())
    }

    /// Whether everything is stopped that this caller could do with a server.
    #[must_use]
    pub fn stops_server(&self, caller: &impl Facts, server: &SourceName) -> bool {
        self.first(&caller.user().tenant, || of_source(caller, SourceKind::Server, server)).is_some()
    }

    /// Whether a person is stopped: they are not let in at any door.
    #[must_use]
    pub fn stops_user(&self, user: &User) -> bool {
        self.first(&user.tenant, || [of_user(user)]).is_some()
    }

    /// Whether tabs of an app, for a person, are stopped. What stops calls alone leaves tabs where they are.
    #[must_use]
    pub fn stops_tab(&self, user: &User, app: &SourceName) -> bool {
        self.first(&user.tenant, || [of_user(user), SwitchTarget::App { name: app.clone() }]).is_some()
    }

    /// Why this caller may not act any more, if that was taken away since they were let in.
    #[must_use]
    pub fn ends(&self, caller: &Caller) -> Option<Reason> {
        self.snapshot().revoked.ends(caller)
    }

    /// Whether what a token says was taken away since it was issued (C4).
    #[must_use]
    pub fn ends_token(&self, claims: &Claims) -> bool {
        self.snapshot().revoked.ends_token(claims)
    }

    /// The same for a token that its provider gave just now.
    pub(crate) fn ends_fresh(&self, claims: &Claims) -> bool {
        self.snapshot().revoked.ends_fresh(claims)
    }

    /// Whether a login at the hub ended with its person's access.
    pub(crate) fn ends_login(&self, login: &Login) -> bool {
        self.snapshot().revoked.ends_login(login)
    }

    /// Whether a tab was closed for good, or its user shut out.
    pub(crate) fn ends_tab(&self, tab: &OfTab<'_>) -> bool {
        self.snapshot().revoked.ends_tab(tab)
    }

    /// Resolves as soon as this caller's calls of this tool are stopped, or the caller may not act any more.
    pub(crate) async fn until_stopped(&self, caller: &Caller, tool: &Tool) {
        self.until(|| self.stops(caller, tool).is_some() || self.ends(caller).is_some()).await;
    }

    /// Resolves as soon as this caller is stopped as a person, or may not act any more.
    pub(crate) async fn until_person_stopped(&self, caller: &Caller) {
        self.until(|| self.stops_user(caller.user()) || self.ends(caller).is_some()).await;
    }

    /// In force at once.
    pub(crate) fn revoke(&self, revocation: &Revocation) {
        self.0.send_modify(|now| Arc::make_mut(&mut Arc::make_mut(now).revoked).put(revocation));
    }

    /// What is in force for a target.
    pub(crate) fn revoked(&self, tenant: &TenantId, target: &Revoked) -> Option<Revocation> {
        self.snapshot().revoked.of(tenant, target)
    }

    /// Lets in again whom `earlier` shut out, from this moment on: in one step, and only if nothing came between.
    pub(crate) fn readmit(&self, earlier: Option<&Revocation>, from: &Revocation) -> bool {
        self.0.send_if_modified(|now| {
            let is_same = now.revoked.of(&from.tenant, &from.target).as_ref() == earlier;
            if is_same {
                Arc::make_mut(&mut Arc::make_mut(now).revoked).replace(from);
            }
            is_same
        })
    }

    /// Forgets revocations that can concern nothing any more.
    pub(crate) fn forget_revoked(&self, gone: &[(TenantId, Revoked)]) {
        self.0.send_modify(|now| Arc::make_mut(&mut Arc::make_mut(now).revoked).forget(gone));
    }

    async fn until(&self, stopped: impl Fn() -> bool) {
        let mut changes = self.0.subscribe();
        while !stopped() {
            changes.mark_unchanged();
            // Looked at once more after marking: a throw in between is not missed.
            if !stopped() && changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// A tenant's thrown switches, in the order of their targets.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Vec<Switch> {
        let now = self.snapshot();
        now.of.get(tenant).into_iter().flatten().map(|(_, held)| held.switch.clone()).collect()
    }

    /// In force at once. Answers which throw it was.
    pub(super) fn throw(&self, switch: Switch) -> u64 {
        let mut throw = 0;
        self.0.send_modify(|now| {
            let now = Arc::make_mut(now);
            now.throws += 1;
            throw = now.throws;
            now.of
                .entry(switch.tenant.clone())
                .or_default()
                .insert(switch.target.clone(), Held { switch, throw });
        });
        throw
    }

    /// Which throw of this target is in force.
    pub(super) fn throw_of(&self, tenant: &TenantId, target: &SwitchTarget) -> Option<u64> {
        Some(self.snapshot().of.get(tenant)?.get(target)?.throw)
    }

    /// Lets go of this very throw; a later one of the same target stays.
    pub(super) fn release(&self, tenant: &TenantId, target: &SwitchTarget, throw: u64) {
        self.0.send_modify(|now| {
            let now = Arc::make_mut(now);
            let Some(own) = now.of.get_mut(tenant) else { return };
            if own.get(target).is_some_and(|held| held.throw == throw) {
                own.remove(target);
            }
        });
    }

    fn first<const N: usize>(
        &self,
        tenant: &TenantId,
        targets: impl FnOnce() -> [SwitchTarget; N],
    ) -> Option<SwitchTarget> {
        let now = self.snapshot();
        let own = now.of.get(tenant).filter(|own| !own.is_empty())?;
        targets().into_iter().find(|target| own.contains_key(target))
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.borrow())
    }
}

/// What stops all that a caller could do with a source.
fn of_source(caller: &impl Facts, kind: SourceKind, source: &SourceName) -> [SwitchTarget; 4] {
    let name = source.clone();
    let whole = match kind {
        SourceKind::App => SwitchTarget::App { name },
        SourceKind::Server => SwitchTarget::Server { name },
    };
    let agent = SwitchTarget::Agent { client: caller.client().clone() };
    [SwitchTarget::All, of_user(caller.user()), agent, whole]
}

fn of_user(user: &User) -> SwitchTarget {
    SwitchTarget::User { issuer: user.issuer.clone(), subject: user.subject.clone() }
}
