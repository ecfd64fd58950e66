//! What the hub needs from outside, as traits. Ring 3 implements them; tests implement them otherwise.

pub mod access;
pub mod approvals;
pub mod consents;
pub mod endpoints;
pub mod spans;
pub mod standing;

pub use access::{
    AccessChange, AccessGrant, AccessKey, AccessRecord, AccessTable, GivenBy, Login, RegisteredClient,
    Revocation, RevocationOrder, RevocationWish, Revoked, Sources,
};
pub use approvals::{
    ApprovalRecord, ApprovalState, Approvals, Ballot, Cast, Delegation, Edit, Review, Spending,
};
pub use consents::{Consent, ConsentKeys, Registration};
pub use endpoints::{EndpointAnswer, Endpoints, ToldBy};
pub use standing::{Pattern, StandingGrant, StandingGrants};
pub use upstream::Upstream;
mod pins;
pub mod upstream;
pub mod vault;

pub use pins::{
    MOST_WAITING, ManifestSource, Pin, PinDecision, PinScope, Pinned, PinnedBy, Pins, WaitingDefinition,
    naming,
};

pub use vault::{
    Kept, KeptSecret, Recorded, Rekey, SealedSecret, SealedSecrets, VaultOrder, VaultOrders, Which,
};

use async_trait::async_trait;
use deputy_core::{
    CallId, Digest, Event, Origin, SourceName, Switch, SwitchTarget, TenantId, Timestamp, User,
};
use deputy_identity::keys::Fetched;
use deputy_identity::provider::Provider;
use deputy_protocol::tab::{CloseCode, HubFrame};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time. One implementation reads the machine's clock; tests hold theirs in the hand.
pub trait Clock: Send + Sync {
    /// Now. It may be set, forward and back; dates go by it: when a token, a session, a question ends.
    fn now(&self) -> Timestamp;
    /// Time that has passed since some moment, on a clock that nobody sets; spans go by it: silence, pace, how long
    /// something is kept.
    fn elapsed(&self) -> Duration {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed()
    }
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
    /// The same of lines that whoever writes them keeps, to try them again if it must.
    fn append_kept(&self, events: &[Event]) -> Appended {
        self.append(events.to_vec())
    }
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
    /// When it was made. `None`: by an older hub.
    #[serde(default)]
    pub issued_at: Option<Timestamp>,
    /// The provider's session, if the user's token named one (`sid`).
    #[serde(default)]
    pub provider_session: Option<String>,
    /// The application's own name for the user's session, if it said one.
    #[serde(default)]
    pub app_session: Option<String>,
}

/// Single-use tickets.
#[async_trait]
pub trait Tickets: Send + Sync {
    /// Keeps a ticket and appends its audit line, in one transaction. Drops tickets that ended before `now`.
    async fn put_ticket(&self, ticket: TicketRecord, now: Timestamp, event: Event) -> Result<(), StoreError>;
    /// Takes a ticket out; whoever comes second gets `None`. Returns it even if it has expired (the caller checks).
    async fn take_ticket(&self, hash: &Digest) -> Result<Option<TicketRecord>, StoreError>;
    /// Drops tickets that ended before `now`, so that a clock that is set back brings none to life again.
    async fn drop_ended_tickets(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// Calls whose intent has no outcome yet: what a start-up must close with `outcome_unknown` (SCH-06).
#[async_trait]
pub trait OpenCalls: Send + Sync {
    /// The intents without an outcome, as they were logged before this process started.
    async fn open_calls(&self) -> Result<Vec<(CallId, Event)>, StoreError>;
}

/// Where reading of past intents goes on: those at `at` or later, after the line `after` among those at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntentsFrom {
    /// Not before this moment.
    pub at: Timestamp,
    /// Only after this line, among those of this moment.
    pub after: Option<u64>,
}

/// The calls that were decided to be performed, as the log has them: what limits are counted from at start.
#[async_trait]
pub trait PastIntents: Send + Sync {
    /// The next intents of a tenant with the numbers of their lines, by moment and number; few enough to hold in memory.
    /// Empty at the end.
    async fn intents(&self, tenant: &TenantId, from: IntentsFrom) -> Result<Vec<(u64, Event)>, StoreError>;
}

/// What somebody on the hub's own machine wants of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchOrder {
    /// Throw it.
    Throw(Switch),
    /// Release it; who and when are those of the release.
    Release(Switch),
}

/// A wish that waits for the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchWish {
    /// Higher than that of every earlier wish.
    pub id: u64,
    /// What is wanted.
    pub order: SwitchOrder,
}

/// Thrown switches. Each change commits with its audit line, and takes the wish that asked for it out.
#[async_trait]
pub trait Switches: Send + Sync {
    /// All of them.
    async fn switches(&self) -> Result<Vec<Switch>, StoreError>;
    /// Keeps one, in the place of an earlier one of the same target.
    async fn throw(&self, switch: Switch, wish: Option<u64>, event: Event) -> Result<(), StoreError>;
    /// Takes one out.
    async fn release(
        &self,
        tenant: &TenantId,
        target: &SwitchTarget,
        wish: Option<u64>,
        event: Event,
    ) -> Result<(), StoreError>;
    /// Changes no switch: takes the wish out, and appends the line if there is one.
    async fn note(&self, wish: Option<u64>, event: Option<Event>) -> Result<(), StoreError>;
    /// What is wished and not done yet, in the order of their ids.
    async fn wishes(&self) -> Result<Vec<SwitchWish>, StoreError>;
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
