//! Questions to people. Each change is one conditional UPDATE that commits with its audit line (APR-02).

use super::job::Change;
use super::line::Line;
use super::tickets::{from_text, millis, to_text};
use super::{SqliteStore, unreadable};
use async_trait::async_trait;
use deputy_core::{
    Agent, ApprovalId, Class, Digest, Event, EventKind, Reason, TenantId, Timestamp, ToolName, User,
};
use deputy_hub::ports::{ApprovalRecord, ApprovalState, Approvals, Decision, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[async_trait]
impl Approvals for SqliteStore {
    async fn ask(&self, approval: ApprovalRecord, event: Event) -> Result<(), StoreError> {
        let record = to_text(&approval)?;
        self.change(Ask { approval, record, line: Some(Line::of(&event)?) }).await
    }

    async fn approval(
        &self,
        tenant: &TenantId,
        id: &ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT record, state, decided_by, decided_reason, execution_expires_at
             FROM approval WHERE tenant = ? AND id = ?",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        row.as_ref().map(read).transpose()
    }

    async fn pending(&self, requester: &User, now: Timestamp) -> Result<Vec<ApprovalRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT record, state, decided_by, decided_reason, execution_expires_at
             FROM approval WHERE tenant = ? AND requester = ? AND state = 'pending' AND expires_at > ?
             ORDER BY created_at, id",
        )
        .bind(requester.tenant.as_str())
        .bind(requester.key())
        .bind(millis(now))
        .fetch_all(&self.readers)
        .await
        .map_err(|error| unreadable(&error))?;
        rows.iter().map(read).collect()
    }

    async fn decide(&self, decision: Decision, event: Event) -> Result<bool, StoreError> {
        // A decision is a yes or a no; nothing else may be written through here.
        if !matches!(decision.state, ApprovalState::Approved | ApprovalState::Refused) {
            return Ok(false);
        }
        let by = to_text(&decision.by)?;
        self.change(Decide { decision, by, line: Some(Line::of(&event)?) }).await
    }

    async fn spend(
        &self,
        id: &ApprovalId,
        digest: &Digest,
        requester: &User,
        now: Timestamp,
        event: Event,
    ) -> Result<bool, StoreError> {
        let line = Some(Line::of(&event)?);
        self.change(Spend { id: id.clone(), digest: *digest, requester: requester.clone(), now, line }).await
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<ApprovalId>, StoreError> {
        self.change(Expire { now }).await
    }
}

struct Ask {
    approval: ApprovalRecord,
    record: String,
    line: Option<Line>,
}

#[async_trait]
impl Change for Ask {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        sqlx::query(
            "INSERT INTO approval (tenant, id, requester, digest, created_at, expires_at, record, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')",
        )
        .bind(self.approval.requester.tenant.as_str())
        .bind(self.approval.id.as_str())
        .bind(self.approval.requester.key())
        .bind(self.approval.digest.as_bytes().as_slice())
        .bind(millis(self.approval.created_at))
        .bind(millis(self.approval.expires_at))
        .bind(&self.record)
        .execute(connection)
        .await?;
        Ok(((), self.line.take().into_iter().collect()))
    }
}

struct Decide {
    decision: Decision,
    by: String,
    line: Option<Line>,
}

#[async_trait]
impl Change for Decide {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let decision = &self.decision;
        let (state, usable_until) = match decision.state {
            ApprovalState::Approved => ("approved", Some(millis(decision.execution_expires_at))),
            _ => ("refused", None),
        };
        let done = sqlx::query(
            "UPDATE approval
             SET state = ?, decided_by = ?, decided_at = ?, decided_reason = ?, execution_expires_at = ?
             WHERE tenant = ? AND id = ? AND digest = ? AND state = 'pending' AND expires_at > ?",
        )
        .bind(state)
        .bind(&self.by)
        .bind(millis(decision.at))
        .bind(&decision.reason)
        .bind(usable_until)
        .bind(decision.by.tenant.as_str())
        .bind(decision.id.as_str())
        .bind(decision.digest.as_bytes().as_slice())
        .bind(millis(decision.at))
        .execute(connection)
        .await?;
        Ok(once(done.rows_affected(), &mut self.line))
    }
}

struct Spend {
    id: ApprovalId,
    digest: Digest,
    requester: User,
    now: Timestamp,
    line: Option<Line>,
}

#[async_trait]
impl Change for Spend {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let done = sqlx::query(
            "UPDATE approval SET state = 'spent', spent_at = ?1
             WHERE tenant = ?2 AND id = ?3 AND digest = ?4 AND requester = ?5
               AND state = 'approved' AND execution_expires_at > ?1",
        )
        .bind(millis(self.now))
        .bind(self.requester.tenant.as_str())
        .bind(self.id.as_str())
        .bind(self.digest.as_bytes().as_slice())
        .bind(self.requester.key())
        .execute(connection)
        .await?;
        Ok(once(done.rows_affected(), &mut self.line))
    }
}

struct Expire {
    now: Timestamp,
}

#[async_trait]
impl Change for Expire {
    type Answer = Vec<ApprovalId>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Vec<ApprovalId>, Vec<Line>), sqlx::Error> {
        let mut records: Vec<String> = sqlx::query_scalar(
            "UPDATE approval SET state = 'expired' WHERE state = 'pending' AND expires_at <= ? RETURNING record",
        )
        .bind(millis(self.now))
        .fetch_all(&mut *connection)
        .await?;
        records.extend(
            sqlx::query_scalar::<_, String>(
                "UPDATE approval SET state = 'expired'
                 WHERE state = 'approved' AND execution_expires_at <= ? RETURNING record",
            )
            .bind(millis(self.now))
            .fetch_all(connection)
            .await?,
        );
        let (mut ids, mut lines) = (Vec::new(), Vec::new());
        for record in records {
            let record: ApprovalRecord =
                serde_json::from_str(&record).map_err(|error| sqlx::Error::Decode(error.into()))?;
            let line =
                Line::of(&expired(&record, self.now)).map_err(|error| sqlx::Error::Encode(error.into()))?;
            ids.push(record.id);
            lines.push(line);
        }
        Ok((ids, lines))
    }
}

/// The line goes into the log only if the UPDATE changed its one row.
fn once(rows: u64, line: &mut Option<Line>) -> (bool, Vec<Line>) {
    match rows {
        1 => (true, line.take().into_iter().collect()),
        _ => (false, Vec::new()),
    }
}

/// The line that says that nobody decided, or nobody used the decision.
fn expired(record: &ApprovalRecord, now: Timestamp) -> Event {
    let mut event = Event::new(now, record.requester.tenant.clone(), EventKind::ApprovalExpired);
    event.user = Some(record.requester.clone());
    event.agent = Some(Agent { name: record.agent_name.clone(), ..Agent::default() });
    event.client = Some(record.client.clone());
    event.source = Some(record.source.clone());
    event.tool = ToolName::new(record.tool.clone()).ok();
    event.class = Class::from_words(record.class.iter().map(String::as_str)).ok();
    event.definition = Some(record.definition);
    event.arguments = Some(Digest::of_bytes(record.arguments.as_bytes()));
    event.approval = Some(record.id.clone());
    event.reason = Some(Reason::ApprovalExpired);
    event.policies.clone_from(&record.policies);
    event.policy_version = Some(record.policy_version);
    event
}

/// The question as it was asked, with what happened to it since.
fn read(row: &SqliteRow) -> Result<ApprovalRecord, StoreError> {
    let failed = |error: sqlx::Error| unreadable(&error);
    let mut record: ApprovalRecord = from_text(row.try_get(0).map_err(failed)?)?;
    record.state = match row.try_get(1).map_err(failed)? {
        "pending" => ApprovalState::Pending,
        "approved" => ApprovalState::Approved,
        "refused" => ApprovalState::Refused,
        "spent" => ApprovalState::Spent,
        "expired" => ApprovalState::Expired,
        other => return Err(StoreError::Corrupt(format!("`{other}` is no state of an approval"))),
    };
    let decided_by: Option<&str> = row.try_get(2).map_err(failed)?;
    record.decided_by = decided_by.map(from_text).transpose()?;
    record.decided_reason = row.try_get(3).map_err(failed)?;
    let usable_until: Option<i64> = row.try_get(4).map_err(failed)?;
    record.execution_expires_at =
        usable_until.map(|at| Timestamp::from_millis(u64::try_from(at).unwrap_or(0)));
    Ok(record)
}
