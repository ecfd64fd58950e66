//! Clients that register themselves: anybody may, so the places are kept for those whom somebody lets act.

use super::state::State;
use super::{Access, AccessError, MOST_CLIENTS};
use crate::ports::{AccessChange, AccessRecord, RegisteredClient};
use deputy_core::{Client, Event, EventKind, TenantId, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a client has to be let act before its place may be another's.
const TIME_TO_BE_ALLOWED: Duration = Duration::from_secs(600);

impl State {
    /// Who gives way where there is no place left: of those who had time to be let act and were not, the newest. So a
    /// flood of strangers takes its own places, and those who were there before it keep theirs.
    fn gives_way(&self, now: Timestamp) -> Option<Arc<RegisteredClient>> {
        let acting: HashSet<Client> = self.grants().map(|grant| grant.client.clone()).collect();
        let idle = self.registered().filter(|client| {
            now.since(client.registered_at) >= TIME_TO_BE_ALLOWED && !acting.contains(&client.id)
        });
        idle.max_by_key(|client| client.registered_at).cloned()
    }
}

impl Access {
    /// A client registered itself (RFC 7591).
    ///
    /// # Errors
    /// See [`AccessError`].
    pub(crate) async fn register(
        &self,
        client: RegisteredClient,
        tenant: &TenantId,
    ) -> Result<(), AccessError> {
        let _alone = self.writing.lock().await;
        let now = self.clock.now();
        let is_full = self.state().clients_count() >= MOST_CLIENTS;
        let gone = if is_full { self.state().gives_way(now) } else { None };
        if is_full && gone.is_none() {
            return Err(AccessError::Full("registered clients"));
        }
        let mut event = Event::new(now, tenant.clone(), EventKind::ClientRegistered);
        event.client = Some(client.id.clone());
        let remove = gone.iter().map(|gone| AccessRecord::Client(gone.as_ref().clone()).key()).collect();
        let put = vec![AccessRecord::Client(client.clone())];
        let change = AccessChange { put, remove, events: vec![event], ..AccessChange::default() };
        self.table.change_access(change).await?;
        let mut state = self.state();
        if let Some(gone) = gone {
            state.take_client(&gone.id);
        }
        state.put(AccessRecord::Client(client));
        Ok(())
    }
}
