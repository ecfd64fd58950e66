//! The tables of questions to people: asked, voted on, spent. Each change is one conditional statement in one transaction
//! with its audit line (APR-02).

use super::StoreError;
use async_trait::async_trait;
use deputy_core::{
    ApprovalId, ApprovalRule, Client, Digest, Event, Origin, PolicyId, SourceName, TenantId, Timestamp, User,
};
use serde::{Deserialize, Serialize};

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Not enough people decided yet.
    Pending,
    /// Enough people said yes.
    Approved,
    /// A person said no.
    Refused,
    /// A person approved other arguments instead (APR-13).
    Changed,
    /// Used up by the one call it was for.
    Spent,
    /// Nobody decided, or nobody used it, in time.
    Expired,
}

impl ApprovalState {
    /// Every state and its stable word.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Pending, "pending"),
        (Self::Approved, "approved"),
        (Self::Refused, "refused"),
        (Self::Changed, "changed"),
        (Self::Spent, "spent"),
        (Self::Expired, "expired"),
    ];

    /// The stable word for it.
    #[must_use]
    pub fn code(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("pending", |(_, code)| code)
    }
}

/// One person's word on one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cast {
    /// Who said it.
    pub by: User,
    /// In whose place, where it was delegated.
    #[serde(default)]
    pub in_place_of: Option<User>,
    /// Whether it is a yes.
    pub yes: bool,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The hash of the card that they were shown (APR-10).
    pub card: Option<Digest>,
    /// When.
    pub at: Timestamp,
}

/// A question to people, bound to exactly one call (APR-01).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// Its id; the nonce of its digest.
    pub id: ApprovalId,
    /// What people decide about: [`crate::approvals::binding`].
    pub digest: Digest,
    /// [`deputy_core::Call::digest`] of what was asked: what repeats are known by.
    pub call_digest: Digest,
    /// Who asked.
    pub requester: User,
    /// Through which client.
    pub client: Client,
    /// What the agent calls itself.
    pub agent_name: Option<String>,
    /// The source.
    pub source: SourceName,
    /// The origin or server behind it.
    pub origin: Origin,
    /// The tool's own name.
    pub tool: String,
    /// The tool's title or name, for the card.
    pub title: String,
    /// The class, in words.
    pub class: Vec<String>,
    /// The pin of the definition.
    pub definition: Digest,
    /// The arguments, as canonical JSON text, for the card.
    pub arguments: String,
    /// Which policies ask.
    pub policies: Vec<PolicyId>,
    /// The policy set that asked.
    pub policy_version: Digest,
    /// What these policies want of the approval. Once it was escalated, as it is then.
    pub rule: ApprovalRule,
    /// Which batch it belongs to (APR-07).
    pub batch: Option<String>,
    /// The question whose arguments a person changed into these (APR-13).
    pub replaces: Option<ApprovalId>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// Until when it can be decided (APR-04). A question that pauses or escalates gets more.
    pub expires_at: Timestamp,
    /// The time that its digest holds: the first end of `expires_at`.
    pub bound_until: Timestamp,
    /// Once approved, until when it can be used (APR-04).
    pub execution_expires_at: Option<Timestamp>,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who decided last.
    pub decided_by: Option<User>,
    /// What they said.
    pub decided_reason: Option<String>,
    /// Whether one person said yes alone in an emergency.
    #[serde(default)]
    pub broke_glass: bool,
    /// Which question has the arguments that a person approved instead.
    #[serde(default)]
    pub replaced_by: Option<ApprovalId>,
    /// What people said so far.
    #[serde(default)]
    pub cast: Vec<Cast>,
}

/// A word by an authenticated person (APR-03), to be counted.
#[derive(Debug, Clone)]
pub struct Ballot {
    /// About which question.
    pub id: ApprovalId,
    /// The digest that the person saw; another one is refused.
    pub digest: Digest,
    /// What they say.
    pub cast: Cast,
    /// Whether this yes alone is enough, whatever the quorum (APR-06).
    pub break_glass: bool,
    /// If it is the last yes: until when it can be used.
    pub execution_expires_at: Timestamp,
    /// The line where it decides.
    pub decided: Event,
    /// The line where it only counts.
    pub counted: Event,
}

/// Other arguments, approved instead of those that were asked about (APR-13).
#[derive(Debug, Clone)]
pub struct Edit {
    /// The word on the question that goes.
    pub ballot: Ballot,
    /// The question that comes, with the word counted in.
    pub record: ApprovalRecord,
    /// Its own line.
    pub asked: Event,
}

/// One approval to use up.
#[derive(Debug, Clone)]
pub struct Spending {
    /// Which.
    pub id: ApprovalId,
    /// For what.
    pub digest: Digest,
    /// By whom.
    pub requester: User,
    /// The line.
    pub event: Event,
}

/// Somebody may decide in somebody else's place for a while (APR-06).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delegation {
    /// In whose place.
    pub giver: User,
    /// The giver's groups when they gave it: nobody else knows them later.
    pub groups: Vec<String>,
    /// Who decides.
    pub receiver: User,
    /// Until when.
    pub until: Timestamp,
}

/// What somebody else says of a broken glass.
#[derive(Debug, Clone)]
pub struct Review {
    /// Of which question.
    pub id: ApprovalId,
    /// Who says it; neither who broke it nor who asked.
    pub by: User,
    /// What they say.
    pub finding: String,
    /// When.
    pub at: Timestamp,
}

/// Questions to people.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// Keeps a new question with its audit line.
    async fn ask(&self, approval: ApprovalRecord, event: Event) -> Result<(), StoreError>;
    /// One question of one tenant; another tenant's is `None`. Whose it is, the hub checks.
    async fn approval(
        &self,
        tenant: &TenantId,
        id: &ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError>;
    /// The user's questions that are pending at `now`, oldest first.
    async fn pending(&self, requester: &User, now: Timestamp) -> Result<Vec<ApprovalRecord>, StoreError>;
    /// The tenant's questions that others than the requester may decide, pending at `now`, oldest first, 500 at most.
    async fn pending_for_others(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<ApprovalRecord>, StoreError>;
    /// The newest question of this user about exactly this call.
    async fn latest(
        &self,
        requester: &User,
        call_digest: &Digest,
    ) -> Result<Option<ApprovalRecord>, StoreError>;
    /// Counts all of these words, or none of them. A word counts if the question is pending, not over at the word's time,
    /// of the same tenant and digest; neither who says it nor in whose place has had a word on it before; and neither is
    /// the requester where the rule says so. The last yes of the quorum, any no, and a broken glass decide. The states
    /// that came of it, in order; `None`: one of them does not fit.
    async fn vote(&self, ballots: Vec<Ballot>) -> Result<Option<Vec<ApprovalState>>, StoreError>;
    /// Ends a question as changed and keeps the new one with the first word on it. `None`: the word does not fit.
    async fn edit(&self, edit: Edit) -> Result<Option<ApprovalState>, StoreError>;
    /// Uses up all of these, or none (APR-07). One can be used if it is approved, not past its execution expiry at `now`,
    /// and digest and requester are the same. `false`: one of them cannot be used (any more).
    async fn spend(&self, spendings: Vec<Spending>, now: Timestamp) -> Result<bool, StoreError>;
    /// Lets what ran out at `now` end, pause or escalate, as its rule says, with a line each, made by the store from the
    /// record (`approval_expired`, `approval_overdue`). Returns the ids of what changed.
    async fn expire(&self, now: Timestamp) -> Result<Vec<ApprovalId>, StoreError>;
    /// The tenant's approvals by broken glass that nobody has looked at yet, oldest first, 500 at most.
    async fn unreviewed(&self, tenant: &TenantId) -> Result<Vec<ApprovalRecord>, StoreError>;
    /// Notes a review. `false`: there is nothing to review for this person.
    async fn review(&self, review: Review, event: Event) -> Result<bool, StoreError>;
    /// Keeps a delegation with its line; it replaces an earlier one between the same people.
    async fn delegate(&self, delegation: Delegation, event: Event) -> Result<(), StoreError>;
    /// Takes a delegation back. `false`: there is none.
    async fn undelegate(&self, giver: &User, receiver: &User, event: Event) -> Result<bool, StoreError>;
    /// The delegations that this person gave or received and that hold at `now`.
    async fn delegations(&self, person: &User, now: Timestamp) -> Result<Vec<Delegation>, StoreError>;
}
