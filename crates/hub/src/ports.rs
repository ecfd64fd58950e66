//! What the hub needs from outside, as traits. Ring 3 implements them; tests implement them otherwise.

mod pins;

pub use pins::{
    MOST_WAITING, ManifestSource, Pin, PinDecision, PinScope, Pinned, PinnedBy, Pins, WaitingDefinition,
    naming,
};

use async_trait::async_trait;
use deputy_core::{
    ApprovalId, CallId, Client, Digest, Event, Origin, PolicyId, SourceName, TenantId, Timestamp, User,
};
use deputy_identity::keys::Fetched;
use deputy_identity::provider::Provider;
use deputy_protocol::tab::{CloseCode, HubFrame};
use serde::{Deserialize, Serialize};
use std::future::Future;

/// The time. One implementation reads the machine's clock; tests hold theirs in the hand.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Why a table did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written: full, read-only, locked, closed.
    #[error("the store cannot be written: {0}")]
    Unavailable(String),
    /// What is stored does not read back.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

/// Resolves when every line handed over together is on disk, with the number of the first one.
pub type Appended = std::pin::Pin<Box<dyn Future<Output = Result<u64, StoreError>> + Send>>;

/// The audit log. Lines handed over together commit together.
pub trait AuditLog: Send + Sync {
    /// Queues lines of one tenant now, in this order; the future tells when they are durable (commit returned under
    /// `synchronous=FULL`). Dropping the future does not take the lines back.
    fn append(&self, events: Vec<Event>) -> Appended;
    /// Why lines cannot be written now: set by a failed commit, cleared by one that works (the log tries by itself).
    /// A log that never fails keeps this one.
    fn fault(&self) -> Option<String> {
        None
    }
}

/// A ticket as it is kept: by the hash of its text, never the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRecord {
    /// SHA-256 of the ticket's text.
    pub hash: Digest,
    /// Whose tab it opens.
    pub user: User,
    /// Of which app.
    pub app: SourceName,
    /// From which origin.
    pub origin: Origin,
    /// When the user's session in the app ends.
    pub session_expires_at: Timestamp,
    /// When the ticket itself ends; at most 60 s after it was made (P2).
    pub expires_at: Timestamp,
}

/// Single-use tickets.
#[async_trait]
pub trait Tickets: Send + Sync {
    /// Keeps a ticket and appends its audit line, in one transaction. Drops tickets that ended before `now`.
    async fn put_ticket(&self, ticket: TicketRecord, now: Timestamp, event: Event) -> Result<(), StoreError>;
    /// Takes a ticket out; whoever comes second gets `None`. Returns it even if it has expired (the caller checks).
    async fn take_ticket(&self, hash: &Digest) -> Result<Option<TicketRecord>, StoreError>;
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody decided yet.
    Pending,
    /// A person said yes.
    Approved,
    /// A person said no.
    Refused,
    /// Used up by the one call it was for.
    Spent,
    /// Nobody decided, or nobody used it, in time.
    Expired,
}

/// A question to a person, bound to exactly one call (APR-01).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// Its id.
    pub id: ApprovalId,
    /// [`deputy_core::Call::digest`] of what was asked.
    pub digest: Digest,
    /// Who asked.
    pub requester: User,
    /// Through which client.
    pub client: Client,
    /// What the agent calls itself.
    pub agent_name: Option<String>,
    /// The source.
    pub source: SourceName,
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
    /// When it was asked.
    pub created_at: Timestamp,
    /// Until when it can be decided (APR-04).
    pub expires_at: Timestamp,
    /// Once approved, until when it can be used (APR-04).
    pub execution_expires_at: Option<Timestamp>,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who decided.
    pub decided_by: Option<User>,
    /// What they said.
    pub decided_reason: Option<String>,
}

/// A decision by an authenticated person (APR-03).
#[derive(Debug, Clone)]
pub struct Decision {
    /// About which question.
    pub id: ApprovalId,
    /// The digest that the person saw; another one is refused.
    pub digest: Digest,
    /// Who.
    pub by: User,
    /// Yes or no: [`ApprovalState::Approved`] or [`ApprovalState::Refused`].
    pub state: ApprovalState,
    /// Why, in their words.
    pub reason: Option<String>,
    /// If yes: until when it can be used.
    pub execution_expires_at: Timestamp,
    /// When.
    pub at: Timestamp,
}

/// Approvals. Each change is one conditional UPDATE (APR-02) and commits with its audit line.
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
    /// Decides if it is pending, not expired at `at`, of the same tenant, and the digest is the same; appends `event`
    /// only then. `false`: somebody else was first, or it does not fit.
    async fn decide(&self, decision: Decision, event: Event) -> Result<bool, StoreError>;
    /// Spends if it is approved, not past its execution expiry at `now`, and digest and requester are the same; appends
    /// `event` only then. `false`: it cannot be spent (any more).
    async fn spend(
        &self,
        id: &ApprovalId,
        digest: &Digest,
        requester: &User,
        now: Timestamp,
        event: Event,
    ) -> Result<bool, StoreError>;
    /// Marks what ran out at `now` as expired and appends a line each, made by the store from the record
    /// (`approval_expired`). Returns their ids.
    async fn expire(&self, now: Timestamp) -> Result<Vec<ApprovalId>, StoreError>;
}

/// Calls whose intent has no outcome yet: what a start-up must close with `outcome_unknown` (SCH-06).
#[async_trait]
pub trait OpenCalls: Send + Sync {
    /// The intents without an outcome, as they were logged before this process started.
    async fn open_calls(&self) -> Result<Vec<(CallId, Event)>, StoreError>;
}

/// Why a key set could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// Network, DNS, TLS, time-out, status.
    #[error("`{url}` cannot be fetched: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        why: String,
    },
    /// It answered with something that is not what it should be.
    #[error("`{url}` answered with something unusable: {why}")]
    Unusable {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
}

/// Fetches an identity provider's keys (list B of the identity reference).
#[async_trait]
pub trait KeySource: Send + Sync {
    /// Discovery if needed, then the key set.
    async fn fetch(&self, provider: &Provider) -> Result<Fetched, FetchError>;
}

/// The hub's end of one tab's socket. The socket itself lives in `server`.
pub trait TabLink: Send + Sync {
    /// Queues a frame; `false` if the socket is gone or its queue is full.
    fn send(&self, id: &str, frame: HubFrame) -> bool;
    /// Closes the socket with a code and a reason for people.
    fn close(&self, code: CloseCode, reason: &str);
}
