//! Thrown switches, and wishes of somebody on this machine to throw or release one.

use super::desk::{Desk, Wished};
use super::job::Change;
use super::line::Line;
use super::tickets::{from_text, to_text};
use super::{SqliteStore, unreadable};
use crate::OpenError;
use async_trait::async_trait;
use deputy_core::{Event, EventKind, Operator, Switch, SwitchTarget, TenantId, User};
use deputy_hub::ports::{StoreError, SwitchOrder, SwitchWish, Switches};
use sqlx::{Row as _, SqliteConnection};

#[async_trait]
impl Switches for SqliteStore {
    async fn switches(&self) -> Result<Vec<Switch>, StoreError> {
        let records: Vec<String> = sqlx::query_scalar("SELECT record FROM switch ORDER BY tenant, target")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
        records.iter().map(|record| from_text(record)).collect()
    }

    async fn throw(&self, switch: Switch, wish: Option<u64>, event: Event) -> Result<(), StoreError> {
        let (target, record) = (to_text(&switch.target)?, to_text(&switch)?);
        let kept = Some(Kept { tenant: switch.tenant, target, record: Some(record) });
        self.change(Turn { kept, wish, line: Some(Line::of(&event)?) }).await
    }

    async fn release(
        &self,
        tenant: &TenantId,
        target: &SwitchTarget,
        wish: Option<u64>,
        event: Event,
    ) -> Result<(), StoreError> {
        let kept = Some(Kept { tenant: tenant.clone(), target: to_text(target)?, record: None });
        self.change(Turn { kept, wish, line: Some(Line::of(&event)?) }).await
    }

    async fn note(&self, wish: Option<u64>, event: Option<Event>) -> Result<(), StoreError> {
        let line = event.as_ref().map(Line::of).transpose()?;
        self.change(Turn { kept: None, wish, line }).await
    }

    async fn wishes(&self) -> Result<Vec<SwitchWish>, StoreError> {
        let rows = sqlx::query("SELECT id, record FROM switch_wish ORDER BY id")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| unreadable(&error))?;
        rows.iter()
            .map(|row| {
                let id: i64 = row.try_get(0).map_err(|error| unreadable(&error))?;
                let record: String = row.try_get(1).map_err(|error| unreadable(&error))?;
                Ok(SwitchWish { id: u64::try_from(id).unwrap_or(0), order: from_text(&record)? })
            })
            .collect()
    }
}

impl SqliteStore {
    /// Grants what is wished, where no hub runs that would.
    ///
    /// # Errors
    /// Something could not be read or written; the wishes that were not granted stay.
    pub async fn grant_switches(&self) -> Result<(), StoreError> {
        for wish in self.wishes().await? {
            match wish.order {
                SwitchOrder::Throw(switch) => {
                    let event = switch.event(EventKind::SwitchThrown);
                    self.throw(switch, Some(wish.id), event).await?;
                }
                SwitchOrder::Release(release) => {
                    let thrown = self.switches().await?;
                    let is_meant = |s: &&Switch| s.tenant == release.tenant && s.target == release.target;
                    if thrown.iter().find(is_meant).is_none() {
                        self.note(Some(wish.id), None).await?;
                        continue;
                    }
                    let event = release.event(EventKind::SwitchReleased);
                    self.release(&release.tenant, &release.target, Some(wish.id), event).await?;
                }
            }
        }
        Ok(())
    }
}

/// The wishes and switches of a data directory, beside the hub that may run on it.
pub type SwitchDesk = Desk<SwitchOrder>;

impl Wished for SwitchOrder {
    const PUT: &'static str = "INSERT INTO switch_wish (record) VALUES (?)";
    const IS_OPEN: &'static str = "SELECT EXISTS (SELECT 1 FROM switch_wish WHERE id = ?)";
}

impl SwitchDesk {
    /// The switches that are thrown, and those that are to be.
    ///
    /// # Errors
    /// The database does not read.
    pub async fn thrown(&mut self) -> Result<Vec<Switch>, OpenError> {
        let records: Vec<String> = sqlx::query_scalar("SELECT record FROM switch ORDER BY tenant, target")
            .fetch_all(&mut self.connection)
            .await?;
        records.iter().map(|r| from_text(r).map_err(|error| OpenError::Corrupt(error.to_string()))).collect()
    }
}

/// What becomes of one row: kept so, or gone.
struct Kept {
    tenant: TenantId,
    target: String,
    record: Option<String>,
}

struct Turn {
    kept: Option<Kept>,
    wish: Option<u64>,
    line: Option<Line>,
}

#[async_trait]
impl Change for Turn {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        if let Some(Kept { tenant, target, record }) = &self.kept {
            let turn = match record {
                Some(_) => "INSERT OR REPLACE INTO switch (tenant, target, record) VALUES (?1, ?2, ?3)",
                None => "DELETE FROM switch WHERE tenant = ?1 AND target = ?2 AND ?3 IS NULL",
            };
            sqlx::query(turn)
                .bind(tenant.as_str())
                .bind(target)
                .bind(record)
                .execute(&mut *connection)
                .await?;
        }
        if let Some(wish) = self.wish {
            sqlx::query("DELETE FROM switch_wish WHERE id = ?")
                .bind(i64::try_from(wish).unwrap_or(i64::MAX))
                .execute(&mut *connection)
                .await?;
        }
        Ok(((), self.line.take().into_iter().collect()))
    }
}

/// An erased person's switches stay thrown, but no longer say that it was they who threw them.
pub(super) async fn forget(connection: &mut SqliteConnection, user: &User) -> Result<(), sqlx::Error> {
    let unwritable = |error: StoreError| sqlx::Error::Encode(error.to_string().into());
    let (by, nobody) = (Operator::Person(user.clone()), Operator::Machine);
    sqlx::query(
        "UPDATE switch SET record = json_remove(json_set(record, '$.by', json(?1)), '$.reason')
         WHERE tenant = ?2 AND json_extract(record, '$.by') = json(?3)",
    )
    .bind(to_text(&nobody).map_err(unwritable)?)
    .bind(user.tenant.as_str())
    .bind(to_text(&by).map_err(unwritable)?)
    .execute(connection)
    .await?;
    Ok(())
}
