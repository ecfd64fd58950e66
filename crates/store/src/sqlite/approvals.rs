//! Questions to people. Every change is one conditional statement, so that of any number of racing ones exactly one has
//! an effect (APR-02), and commits with its audit line.

mod delegations;
mod expiry;
mod reading;
mod spend;
mod together;
mod vote;

use super::SqliteStore;
use super::job::Change;
use super::line::Line;
use super::tickets::{millis, to_text};
use async_trait::async_trait;
use deputy_core::{ApprovalId, Digest, Event, TenantId, Timestamp, User};
use deputy_hub::ports::{
    ApprovalRecord, ApprovalState, Approvals, Ballot, Delegation, Edit, Review, Spending, StoreError,
};
use sqlx::SqliteConnection;
use vote::Vote;

#[async_trait]
impl Approvals for SqliteStore {
    async fn ask(&self, approval: ApprovalRecord, event: Event) -> Result<(), StoreError> {
        self.change(Ask { question: Question::of(approval)?, line: Some(Line::of(&event)?) }).await
    }

    async fn approval(
        &self,
        tenant: &TenantId,
        id: &ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        reading::one(&self.readers, tenant, id).await
    }

    async fn pending(&self, requester: &User, now: Timestamp) -> Result<Vec<ApprovalRecord>, StoreError> {
        reading::pending(&self.readers, requester, now).await
    }

    async fn pending_for_others(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<ApprovalRecord>, StoreError> {
        reading::pending_for_others(&self.readers, tenant, now).await
    }

    async fn latest(
        &self,
        requester: &User,
        call_digest: &Digest,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        reading::latest(&self.readers, requester, call_digest).await
    }

    async fn vote(&self, ballots: Vec<Ballot>) -> Result<Option<Vec<ApprovalState>>, StoreError> {
        let votes: Vec<Vote> = ballots.into_iter().map(Vote::of).collect::<Result<_, _>>()?;
        self.change(vote::Votes { votes }).await
    }

    async fn edit(&self, edit: Edit) -> Result<Option<ApprovalState>, StoreError> {
        let Edit { ballot, record, asked } = edit;
        let vote = Vote::of(ballot)?;
        self.change(vote::Edited { vote, question: Question::of(record)?, asked: Some(Line::of(&asked)?) })
            .await
    }

    async fn spend(&self, spendings: Vec<Spending>, now: Timestamp) -> Result<bool, StoreError> {
        let events: Vec<Event> = spendings.iter().map(|spending| spending.event.clone()).collect();
        self.change(spend::Spend { lines: Line::all(&events)?, spendings, now }).await
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<ApprovalId>, StoreError> {
        self.change(expiry::Expire { now }).await
    }

    async fn unreviewed(&self, tenant: &TenantId) -> Result<Vec<ApprovalRecord>, StoreError> {
        reading::unreviewed(&self.readers, tenant).await
    }

    async fn review(&self, review: Review, event: Event) -> Result<bool, StoreError> {
        let by = to_text(&review.by)?;
        self.change(vote::Reviewed { review, by, line: Some(Line::of(&event)?) }).await
    }

    async fn delegate(&self, delegation: Delegation, event: Event) -> Result<(), StoreError> {
        let record = to_text(&delegation)?;
        self.change(delegations::Give { delegation, record, line: Some(Line::of(&event)?) }).await
    }

    async fn undelegate(&self, giver: &User, receiver: &User, event: Event) -> Result<bool, StoreError> {
        let (giver, receiver, line) = (giver.clone(), receiver.clone(), Some(Line::of(&event)?));
        self.change(delegations::Take { giver, receiver, line }).await
    }

    async fn delegations(&self, person: &User, now: Timestamp) -> Result<Vec<Delegation>, StoreError> {
        delegations::of(&self.readers, person, now).await
    }
}

/// A question and its texts, made before the transaction begins.
pub(super) struct Question {
    approval: ApprovalRecord,
    record: String,
    rule: String,
}

impl Question {
    fn of(approval: ApprovalRecord) -> Result<Self, StoreError> {
        Ok(Self { record: to_text(&approval)?, rule: to_text(&approval.rule)?, approval })
    }

    async fn insert(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let Self { approval, record, rule } = self;
        let own_counts = approval.rule.own == deputy_core::approval::Permission::Allowed;
        let others = !approval.rule.approvers.is_empty() || !approval.rule.break_glass.is_empty();
        sqlx::query(
            "INSERT INTO approval (tenant, id, requester, digest, call_digest, created_at, expires_at, record, rule,
                                   quorum, own_counts, others_decide, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
        )
        .bind(approval.requester.tenant.as_str())
        .bind(approval.id.as_str())
        .bind(approval.requester.key())
        .bind(approval.digest.as_bytes().as_slice())
        .bind(approval.call_digest.as_bytes().as_slice())
        .bind(millis(approval.created_at))
        .bind(millis(approval.expires_at))
        .bind(record)
        .bind(rule)
        .bind(approval.rule.quorum)
        .bind(own_counts)
        .bind(others)
        .execute(connection)
        .await?;
        Ok(())
    }
}

struct Ask {
    question: Question,
    line: Option<Line>,
}

#[async_trait]
impl Change for Ask {
    type Answer = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<((), Vec<Line>), sqlx::Error> {
        self.question.insert(connection).await?;
        Ok(((), self.line.take().into_iter().collect()))
    }
}

/// The line goes into the log only if the statement changed its one row.
pub(super) fn once(rows: u64, line: &mut Option<Line>) -> (bool, Vec<Line>) {
    match rows {
        1 => (true, line.take().into_iter().collect()),
        _ => (false, Vec::new()),
    }
}
