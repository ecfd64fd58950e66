//! Approvals used up: all of a batch, or none (APR-07).

use super::together;
use crate::sqlite::job::Change;
use crate::sqlite::line::Line;
use crate::sqlite::tickets::millis;
use async_trait::async_trait;
use deputy_core::Timestamp;
use deputy_hub::ports::Spending;
use sqlx::SqliteConnection;

pub(super) struct Spend {
    pub(super) spendings: Vec<Spending>,
    pub(super) now: Timestamp,
    pub(super) lines: Vec<Line>,
}

#[async_trait]
impl Change for Spend {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        together::begin(connection).await?;
        for spending in &self.spendings {
            let done = sqlx::query(
                "UPDATE approval SET state = 'spent', spent_at = ?1
                 WHERE tenant = ?2 AND id = ?3 AND digest = ?4 AND requester = ?5
                   AND state = 'approved' AND execution_expires_at > ?1",
            )
            .bind(millis(self.now))
            .bind(spending.requester.tenant.as_str())
            .bind(spending.id.as_str())
            .bind(spending.digest.as_bytes().as_slice())
            .bind(spending.requester.key())
            .execute(&mut *connection)
            .await?;
            if done.rows_affected() != 1 {
                together::undo(connection).await?;
                return Ok((false, Vec::new()));
            }
        }
        together::keep(connection).await?;
        Ok((true, std::mem::take(&mut self.lines)))
    }
}
