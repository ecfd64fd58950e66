//! Policy sets coming into force: a good one at once, a bad one never (hot reload keeps the last good set).

use crate::journal::Journal;
use crate::ports::Clock;
use crate::tabs::Tabs;
use deputy_core::{Event, EventKind, TenantId};
use deputy_policy::{Engine, PolicyError, PolicySet};
use std::sync::Arc;

/// Swaps policy sets.
pub struct Policies {
    engine: Arc<Engine>,
    journal: Arc<Journal>,
    tabs: Arc<Tabs>,
    clock: Arc<dyn Clock>,
    tenants: Vec<TenantId>,
}

impl Policies {
    /// Over this engine.
    #[must_use]
    pub const fn new(
        engine: Arc<Engine>,
        journal: Arc<Journal>,
        tabs: Arc<Tabs>,
        clock: Arc<dyn Clock>,
        tenants: Vec<TenantId>,
    ) -> Self {
        Self { engine, journal, tabs, clock, tenants }
    }

    /// Takes files that changed. A set that parses is in force at once (it may take rights away, and that never waits
    /// for the log; if the log cannot be written, calls are refused anyway). A set that does not parse changes nothing.
    ///
    /// # Errors
    /// What is wrong with the new set; the last good one stays.
    pub async fn reload(&self, files: &[(String, String)]) -> Result<(), PolicyError> {
        let set = match PolicySet::parse(files) {
            Ok(set) => set,
            Err(error) => {
                tracing::error!(%error, "the new policy is not taken; the last good one stays in force");
                self.record(EventKind::PolicyRejected, Some(error.to_string())).await;
                return Err(error);
            }
        };
        if set.version() == self.engine.version() {
            return Ok(());
        }
        self.engine.replace(set);
        self.tabs.everything_changed();
        self.record_loaded().await;
        Ok(())
    }

    /// Files that could not even be read.
    pub async fn unreadable(&self, error: String) {
        tracing::error!(error, "the policy cannot be read; the last good one stays in force");
        self.record(EventKind::PolicyRejected, Some(error)).await;
    }

    /// The line that says which set is in force.
    pub async fn record_loaded(&self) {
        self.record(EventKind::PolicyLoaded, None).await;
    }

    /// One line in the log of each tenant.
    async fn record(&self, kind: EventKind, error: Option<String>) {
        for tenant in &self.tenants {
            let mut event = Event::new(self.clock.now(), tenant.clone(), kind);
            event.policy_version = Some(self.engine.version());
            match &error {
                Some(error) => event = event.with_detail("error", error.clone()),
                None => event.policies = self.engine.set().ids(),
            }
            if let Err(error) = self.journal.append(vec![event]).await {
                tracing::error!(%error, "a change of policy could not be recorded");
            }
        }
    }
}
