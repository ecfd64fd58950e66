//! The kill switch: thrown at once, recorded as soon as the log can be written; released only once that is recorded.
//!
//! What is thrown stands in memory ([`Thrown`]) and in a table. The table is read when the hub starts, and every quarter of
//! a second for what somebody on this machine wants (`deputy stop`, `deputy resume`).

pub(crate) mod revoked;
mod thrown;

pub use thrown::Thrown;

use crate::caller::Caller;
use crate::ports::{Clock, StoreError, SwitchOrder, SwitchWish, Switches as Table};
use crate::supervisor::Supervisor;
use crate::tabs::Tabs;
use deputy_core::{EventKind, Facts as _, Operator, SourceName, Switch, SwitchId, SwitchTarget, TenantId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the table is looked at for wishes.
pub const LOOK: Duration = Duration::from_millis(250);

/// What the switches work upon.
pub(crate) struct Parts {
    pub(crate) table: Arc<dyn Table>,
    pub(crate) thrown: Arc<Thrown>,
    pub(crate) tabs: Arc<Tabs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervisor: Supervisor,
    pub(crate) apps: Vec<SourceName>,
    pub(crate) servers: Vec<SourceName>,
    pub(crate) operator_groups: Vec<String>,
}

/// The switches and who may turn them.
pub struct Switches {
    parts: Parts,
    /// One write at a time, so that the table ends as the memory does.
    writing: tokio::sync::Mutex<()>,
    /// Up to which wish everything was taken in.
    taken: AtomicU64,
}

impl Switches {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, writing: tokio::sync::Mutex::default(), taken: AtomicU64::new(0) }
    }

    /// Whether a person may turn switches: by a group of their own token, and not while somebody acts in their place.
    #[must_use]
    pub fn is_operator(&self, person: &Caller) -> bool {
        let groups = &self.parts.operator_groups;
        !person.impersonated() && person.groups().iter().any(|group| groups.contains(group))
    }

    /// Whether a target can exist: a switch for a misspelt app would stop nothing.
    #[must_use]
    pub fn knows(&self, target: &SwitchTarget) -> bool {
        match target {
            SwitchTarget::App { name } => self.parts.apps.contains(name),
            SwitchTarget::Server { name } => self.parts.servers.contains(name),
            SwitchTarget::Tool { source, .. } => {
                self.parts.apps.contains(source) || self.parts.servers.contains(source)
            }
            SwitchTarget::Agent { .. } | SwitchTarget::User { .. } | SwitchTarget::All => true,
        }
    }

    /// A tenant's thrown switches.
    #[must_use]
    pub fn thrown(&self, tenant: &TenantId) -> Vec<Switch> {
        self.parts.thrown.of(tenant)
    }

    /// Throws for a signed-in operator, in their own tenant. The receiver hears when it is recorded.
    pub fn throw_as(
        self: &Arc<Self>,
        person: &Caller,
        target: SwitchTarget,
        reason: Option<String>,
    ) -> oneshot::Receiver<()> {
        let (tenant, by) = (person.user().tenant.clone(), Operator::Person(person.user().clone()));
        self.throw(Switch { tenant, target, by, reason, at: self.parts.clock.now() }, None)
    }

    /// Releases for a signed-in operator, in their own tenant. `false`: it is not thrown.
    ///
    /// # Errors
    /// It cannot be recorded, so it stays thrown.
    pub async fn release_as(&self, person: &Caller, id: &SwitchId) -> Result<bool, StoreError> {
        let tenant = &person.user().tenant;
        let Some(switch) = self.thrown(tenant).into_iter().find(|switch| switch.id() == *id) else {
            return Ok(false);
        };
        let Some(throw) = self.parts.thrown.throw_of(tenant, &switch.target) else { return Ok(false) };
        let by = Operator::Person(person.user().clone());
        let release = Switch { by, reason: None, at: self.parts.clock.now(), ..switch };
        self.release(&release, throw, None).await.map(|()| true)
    }

    /// Takes in what was thrown before this process, and what was wished meanwhile.
    ///
    /// # Errors
    /// The table cannot be read: nobody knows what is stopped, so the hub must not start.
    pub async fn load(self: &Arc<Self>) -> Result<(), StoreError> {
        for switch in self.parts.table.switches().await? {
            self.parts.thrown.throw(switch);
        }
        let wishes = self.parts.table.wishes().await?;
        self.take_in(wishes);
        Ok(())
    }

    /// Looks for wishes until the hub stops. A table that does not read changes nothing.
    pub async fn keep_up(self: Arc<Self>) {
        let mut every = tokio::time::interval(LOOK);
        let mut readable = true;
        loop {
            every.tick().await;
            match self.parts.table.wishes().await {
                Ok(wishes) => {
                    readable = true;
                    self.take_in(wishes);
                }
                Err(error) if std::mem::take(&mut readable) => {
                    tracing::error!(%error, "wishes to stop something cannot be read; it is tried again");
                }
                Err(_) => {}
            }
        }
    }

    fn take_in(self: &Arc<Self>, wishes: Vec<SwitchWish>) {
        for wish in wishes {
            if self.taken.fetch_max(wish.id, Ordering::AcqRel) >= wish.id {
                continue;
            }
            match wish.order {
                SwitchOrder::Throw(switch) => drop(self.throw(switch, Some(wish.id))),
                SwitchOrder::Release(release) => {
                    // Which throw is meant is settled now: one that comes later is not released by it.
                    let throw = self.parts.thrown.throw_of(&release.tenant, &release.target);
                    let own = Arc::clone(self);
                    self.parts.supervisor.start_until_shutdown(async move {
                        let mut pause = Pause::default();
                        while let Err(error) = own.release(&release, throw.unwrap_or(0), Some(wish.id)).await
                        {
                            pause.after(&error).await;
                        }
                    });
                }
            }
        }
    }

    /// INVARIANT (14): in force before anything is written; what cannot be written now is tried until it is.
    fn throw(self: &Arc<Self>, switch: Switch, wish: Option<u64>) -> oneshot::Receiver<()> {
        tracing::warn!(target = switch.target.code(), tenant = %switch.tenant, "a switch is thrown");
        let throw = self.parts.thrown.throw(switch.clone());
        self.parts.tabs.close_stopped();
        self.parts.tabs.everything_changed();
        let (recorded, hears) = oneshot::channel();
        let own = Arc::clone(self);
        self.parts.supervisor.start_until_shutdown(async move {
            let mut pause = Pause::default();
            while let Err(error) = own.record(&switch, throw, wish).await {
                pause.after(&error).await;
            }
            // Whoever threw it may have gone.
            let _ = recorded.send(());
        });
        hears
    }

    async fn record(&self, switch: &Switch, throw: u64, wish: Option<u64>) -> Result<(), StoreError> {
        let _alone = self.writing.lock().await;
        let event = switch.event(EventKind::SwitchThrown);
        if self.parts.thrown.throw_of(&switch.tenant, &switch.target) == Some(throw) {
            return self.parts.table.throw(switch.clone(), wish, event).await;
        }
        // It was released, or thrown again, before its line could be written: the line is owed all the same.
        self.parts.table.note(wish, Some(event)).await
    }

    async fn release(&self, release: &Switch, throw: u64, wish: Option<u64>) -> Result<(), StoreError> {
        let alone = self.writing.lock().await;
        let Switch { tenant, target, .. } = release;
        if self.parts.thrown.throw_of(tenant, target) != Some(throw) {
            return self.parts.table.note(wish, None).await;
        }
        let event = release.event(EventKind::SwitchReleased);
        self.parts.table.release(tenant, target, wish, event).await?;
        self.parts.thrown.release(tenant, target, throw);
        drop(alone);
        tracing::warn!(target = target.code(), %tenant, "a switch is released");
        self.parts.tabs.everything_changed();
        Ok(())
    }
}

/// Between one attempt and the next, ever longer.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    async fn after(&mut self, error: &StoreError) {
        tracing::error!(%error, "a switch could not be recorded yet; what is thrown is in force");
        let wait = Duration::from_millis(200) * 2_u32.pow(self.0.min(5));
        self.0 = self.0.saturating_add(1);
        tokio::time::sleep(wait).await;
    }
}
