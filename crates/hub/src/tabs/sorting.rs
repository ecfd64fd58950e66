//! Tabs whose definitions are sorted anew, because something that counts has changed.

use super::{Tab, Tabs};
use crate::pins::{Judged, Moment};
use deputy_core::{SourceName, TenantId, User};
use std::sync::{Arc, PoisonError};

impl Tabs {
    /// Sorts the definitions of this user's tabs again.
    pub(crate) async fn sort_of(&self, user: &User) {
        for tab in self.of(user) {
            self.sort(&tab).await;
        }
    }

    /// Sorts the definitions of an app's tabs again.
    pub(crate) async fn sort_app(&self, tenant: &TenantId, app: &SourceName) {
        let own = |tab: &Arc<Tab>| tab.user.tenant == *tenant && tab.app.name == *app;
        for tab in self.all().into_iter().filter(own) {
            self.sort(&tab).await;
        }
    }

    /// Sorts again what could not be sorted.
    pub(crate) async fn sort_unsorted(&self) {
        let unsorted = std::mem::take(&mut *self.unsorted.lock().unwrap_or_else(PoisonError::into_inner));
        for tab in unsorted.iter().filter_map(std::sync::Weak::upgrade) {
            self.sort(&tab).await;
        }
    }

    async fn sort(&self, tab: &Arc<Tab>) {
        let _alone = tab.sorting.lock().await;
        let registered = tab.registered();
        if registered.is_empty() {
            return;
        }
        let judged = match self.pins.judge(tab, registered.clone(), Moment::Again).await {
            Ok(judged) => judged,
            Err(error) => {
                tracing::error!(%error, "a tab's tools are held back: their pins cannot be read or written");
                self.unsorted.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(tab));
                Judged::none(tab, registered)
            }
        };
        if tab.set_tools(judged) {
            self.bump(&tab.user);
        }
    }
}
