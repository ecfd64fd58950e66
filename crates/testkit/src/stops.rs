//! The tables of switches and limits, in memory.

use crate::Memory;
use async_trait::async_trait;
use deputy_core::{Event, EventKind, Switch, SwitchTarget, TenantId};
use deputy_hub::ports::{IntentsFrom, PastIntents, StoreError, SwitchOrder, SwitchWish, Switches};
use std::sync::atomic::Ordering;

impl Memory {
    /// Leaves a wish as `deputy stop` does.
    pub fn wish(&self, order: SwitchOrder) {
        let mut wishes = self.wishes.lock().unwrap();
        // Numbers are never used twice.
        let id = 1 + self.wished.fetch_add(1, Ordering::SeqCst);
        wishes.push(SwitchWish { id, order });
    }

    /// Whether nothing is wished any more.
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.wishes.lock().unwrap().is_empty()
    }

    /// The switches that a restart would find.
    #[must_use]
    pub fn kept_switches(&self) -> Vec<Switch> {
        self.switches.lock().unwrap().values().cloned().collect()
    }

    fn granted(&self, wish: Option<u64>) {
        self.wishes.lock().unwrap().retain(|left| Some(left.id) != wish);
    }
}

#[async_trait]
impl Switches for Memory {
    async fn switches(&self) -> Result<Vec<Switch>, StoreError> {
        self.read()?;
        Ok(self.kept_switches())
    }

    async fn throw(&self, switch: Switch, wish: Option<u64>, event: Event) -> Result<(), StoreError> {
        self.write(vec![event])?;
        let key = (switch.tenant.clone(), switch.target.clone());
        self.switches.lock().unwrap().insert(key, switch);
        self.granted(wish);
        Ok(())
    }

    async fn release(
        &self,
        tenant: &TenantId,
        target: &SwitchTarget,
        wish: Option<u64>,
        event: Event,
    ) -> Result<(), StoreError> {
        self.write(vec![event])?;
        self.switches.lock().unwrap().remove(&(tenant.clone(), target.clone()));
        self.granted(wish);
        Ok(())
    }

    async fn note(&self, wish: Option<u64>, event: Option<Event>) -> Result<(), StoreError> {
        self.write(event.into_iter().collect())?;
        self.granted(wish);
        Ok(())
    }

    async fn wishes(&self) -> Result<Vec<SwitchWish>, StoreError> {
        self.read()?;
        Ok(self.wishes.lock().unwrap().clone())
    }
}

#[async_trait]
impl PastIntents for Memory {
    async fn intents(&self, tenant: &TenantId, from: IntentsFrom) -> Result<Vec<(u64, Event)>, StoreError> {
        self.read()?;
        let mut found: Vec<(u64, Event)> = (0_u64..).zip(self.events()).collect();
        let after = |at: u64| from.after.is_none_or(|after| at > after);
        found.retain(|(seq, event)| {
            let late = event.at > from.at || (event.at == from.at && after(*seq));
            event.kind == EventKind::Intent && event.tenant == *tenant && late
        });
        found.sort_by_key(|(seq, event)| (event.at, *seq));
        found.truncate(7);
        Ok(found)
    }
}
