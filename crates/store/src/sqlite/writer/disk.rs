//! The writer and the disk: what a failed commit leaves behind, and how it is found out that the next one works.

use super::Writer;
use crate::OpenError;
use deputy_hub::ports::StoreError;
use tokio::time::Instant;

impl Writer {
    /// Said before anybody is answered, so that whoever was refused finds the reason.
    pub(super) fn failed(&mut self, error: &StoreError) {
        tracing::error!(%error, "a commit failed; nothing of it was written");
        self.health.failed(&error.to_string());
        // What is in memory may be ahead of the disk, and SQLite may have ended the transaction by itself.
        self.connection = None;
        self.logs.clear();
        self.probe_at = Some(Instant::now() + self.settings.probe_after);
    }

    /// After a failure, finds out by itself whether commits work again: no call may come that would find out, because
    /// whoever routes calls was told that they fail.
    pub(super) async fn probe(&mut self) {
        if self.probe_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.probe_at = None;
        if self.health.fault().is_none() {
            return;
        }
        match self.try_commit().await {
            Ok(()) => self.health.works(),
            Err(error) => {
                self.connection = None;
                self.health.failed(&error.to_string());
                self.probe_at = Some(Instant::now() + self.settings.probe_after);
            }
        }
    }

    /// A commit that changes nothing but is written and synced as any other.
    async fn try_commit(&mut self) -> Result<(), OpenError> {
        let mut connection = self.connected().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        sqlx::query("DELETE FROM write_probe").execute(&mut connection).await?;
        sqlx::query("INSERT INTO write_probe (room) VALUES (zeroblob(65536))")
            .execute(&mut connection)
            .await?;
        sqlx::query("COMMIT").execute(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Folds the write-ahead log into the database.
    pub(super) async fn fold(&mut self) -> Result<(), OpenError> {
        let mut connection = self.connected().await?;
        let busy: i64 =
            sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
        self.connection = Some(connection);
        if busy != 0 {
            tracing::warn!("a reader keeps the write-ahead log from being folded; the next fold does it");
        }
        Ok(())
    }
}
