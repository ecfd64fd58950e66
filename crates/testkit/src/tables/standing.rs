//! Standing grants, in memory.

use super::Memory;
use async_trait::async_trait;
use deputy_core::{Event, GrantId, TenantId, Timestamp, User};
use deputy_hub::ports::{StandingGrant, StandingGrants, StoreError};

#[async_trait]
impl StandingGrants for Memory {
    async fn grant(&self, grant: StandingGrant, event: Event) -> Result<(), StoreError> {
        self.write(vec![event])?;
        self.grants.lock().unwrap().push(grant);
        Ok(())
    }

    async fn grants(&self, user: &User, now: Timestamp) -> Result<Vec<StandingGrant>, StoreError> {
        let all = self.grants.lock().unwrap();
        Ok(all.iter().filter(|one| one.user == *user && holds(one, now)).cloned().collect())
    }

    async fn use_grant(
        &self,
        user: &User,
        id: &GrantId,
        now: Timestamp,
        event: Event,
    ) -> Result<bool, StoreError> {
        let mut all = self.grants.lock().unwrap();
        let mine = |one: &&mut StandingGrant| one.id == *id && one.user == *user && holds(one, now);
        let Some(grant) = all.iter_mut().find(mine) else { return Ok(false) };
        self.write(vec![event])?;
        grant.used += 1;
        Ok(true)
    }

    async fn revoke_grant(&self, user: &User, id: &GrantId, event: Event) -> Result<bool, StoreError> {
        let mut all = self.grants.lock().unwrap();
        let found = all.iter().any(|one| one.id == *id && one.user == *user);
        if found {
            self.write(vec![event])?;
            all.retain(|one| one.id != *id);
        }
        Ok(found)
    }

    async fn grants_of_tenant(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<StandingGrant>, StoreError> {
        let all = self.grants.lock().unwrap();
        Ok(all.iter().filter(|one| one.user.tenant == *tenant && holds(one, now)).cloned().collect())
    }
}

fn holds(grant: &StandingGrant, now: Timestamp) -> bool {
    grant.expires_at > now && grant.used < grant.uses
}
