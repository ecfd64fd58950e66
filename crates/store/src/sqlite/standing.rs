//! Standing grants: given, used, ended (APR-08).

use super::SqliteStore;
use super::approvals::once;
use super::job::Change;
use super::line::Line;
use super::tickets::{from_text, millis, to_text};
use super::unreadable;
use async_trait::async_trait;
use deputy_core::{Event, GrantId, TenantId, Timestamp, User};
use deputy_hub::ports::{StandingGrant, StandingGrants, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[async_trait]
impl StandingGrants for SqliteStore {
    async fn grant(&self, grant: StandingGrant, event: Event) -> Result<(), StoreError> {
        let record = to_text(&grant)?;
        self.change(Give { grant, record, line: Some(Line::of(&event)?) }).await
    }

    async fn grants(&self, user: &User, now: Timestamp) -> Result<Vec<StandingGrant>, StoreError> {
        let rows = sqlx::query(
            "SELECT record, used FROM standing_grant
             WHERE tenant = ? AND person = ? AND expires_at > ? AND used < uses ORDER BY expires_at, id",
        )
        .bind(user.tenant.as_str())
        .bind(user.key())
        .bind(millis(now))
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        rows.iter().map(read).collect()
    }

    async fn grants_of_tenant(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<StandingGrant>, StoreError> {
        let rows = sqlx::query(
            "SELECT record, used FROM standing_grant
             WHERE tenant = ? AND expires_at > ? AND used < uses ORDER BY expires_at, id LIMIT 1000",
        )
        .bind(tenant.as_str())
        .bind(millis(now))
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        rows.iter().map(read).collect()
    }

    async fn use_grant(
        &self,
        user: &User,
        id: &GrantId,
        now: Timestamp,
        event: Event,
    ) -> Result<bool, StoreError> {
        let (user, id, line) = (user.clone(), id.clone(), Some(Line::of(&event)?));
        self.change(Use { user, id, now, line }).await
    }

    async fn revoke_grant(&self, user: &User, id: &GrantId, event: Event) -> Result<bool, StoreError> {
        let (user, id, line) = (user.clone(), id.clone(), Some(Line::of(&event)?));
        self.change(Revoke { user, id, line }).await
    }
}

fn read(row: &SqliteRow) -> Result<StandingGrant, StoreError> {
    let failed = |error: sqlx::Error| unreadable(&error);
    let mut grant: StandingGrant = from_text(row.try_get(0).map_err(failed)?)?;
    grant.used = row.try_get(1).map_err(failed)?;
    Ok(grant)
}

struct Give {
    grant: StandingGrant,
    record: String,
    line: Option<Line>,
}

#[async_trait]
impl Change for Give {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        sqlx::query(
            "INSERT INTO standing_grant (tenant, id, person, record, expires_at, uses) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(self.grant.user.tenant.as_str())
        .bind(self.grant.id.as_str())
        .bind(self.grant.user.key())
        .bind(&self.record)
        .bind(millis(self.grant.expires_at))
        .bind(self.grant.uses)
        .execute(connection)
        .await?;
        Ok(((), self.line.take().into_iter().collect()))
    }
}

struct Use {
    user: User,
    id: GrantId,
    now: Timestamp,
    line: Option<Line>,
}

#[async_trait]
impl Change for Use {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let done = sqlx::query(
            "UPDATE standing_grant SET used = used + 1
             WHERE tenant = ? AND id = ? AND person = ? AND expires_at > ? AND used < uses",
        )
        .bind(self.user.tenant.as_str())
        .bind(self.id.as_str())
        .bind(self.user.key())
        .bind(millis(self.now))
        .execute(connection)
        .await?;
        Ok(once(done.rows_affected(), &mut self.line))
    }
}

struct Revoke {
    user: User,
    id: GrantId,
    line: Option<Line>,
}

#[async_trait]
impl Change for Revoke {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let done = sqlx::query("DELETE FROM standing_grant WHERE tenant = ? AND id = ? AND person = ?")
            .bind(self.user.tenant.as_str())
            .bind(self.id.as_str())
            .bind(self.user.key())
            .execute(connection)
            .await?;
        Ok(once(done.rows_affected(), &mut self.line))
    }
}
