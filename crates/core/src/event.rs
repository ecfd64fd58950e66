//! What the audit log is told. One [`Event`] is one line.

use crate::agent::{Agent, Client};
use crate::canonical::Digest;
use crate::id::{ApprovalId, CallId, DocumentId, SourceName, TenantId};
use crate::time::Timestamp;
use crate::tool::{Class, ToolName};
use crate::user::User;
use crate::verdict::{PolicyId, Reason};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// What happened. Stable codes; see `docs/reference/audit-events.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind { $($(#[$doc])* #[serde(rename = $code)] $name,)* }

        impl EventKind {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

kinds! {
    /// The hub came up.
    HubStarted = "hub_started";
    /// Somebody was let in at a door.
    SignIn = "sign_in";
    /// Somebody was not let in; coalesced, with a `count`.
    SignInRefused = "sign_in_refused";
    /// A ticket for a tab was handed out.
    TicketIssued = "ticket_issued";
    /// A tab connected.
    TabOpened = "tab_opened";
    /// A tab is gone; `reason` says why.
    TabClosed = "tab_closed";
    /// A tab's tools changed.
    ToolsChanged = "tools_changed";
    /// Definitions that were seen for the first time are pinned for the user whose tab has them (P26).
    DefinitionPinned = "definition_pinned";
    /// Definitions are not offered until a person accepts them.
    DefinitionWaiting = "definition_waiting";
    /// A person or an administrator accepted or refused a definition.
    DefinitionDecided = "definition_decided";
    /// An application's manifest came into force.
    ManifestLoaded = "manifest_loaded";
    /// An application's manifest was not taken; the last good one stays.
    ManifestRejected = "manifest_rejected";
    /// Decided, about to be performed.
    Intent = "intent";
    /// How a call ended.
    Outcome = "outcome";
    /// A call was not performed.
    Refusal = "refusal";
    /// A person was asked.
    ApprovalRequested = "approval_requested";
    /// A person decided.
    ApprovalDecided = "approval_decided";
    /// Nobody decided in time.
    ApprovalExpired = "approval_expired";
    /// Nobody decided in time, and the question pauses or more people are asked.
    ApprovalOverdue = "approval_overdue";
    /// Somebody looked at what one person approved alone in an emergency.
    ApprovalReviewed = "approval_reviewed";
    /// A person was asked more often within an hour than the operator finds good.
    ApprovalAlarm = "approval_alarm";
    /// Somebody may decide in somebody else's place, or may not any more.
    Delegated = "delegated";
    /// A yes stands for later calls too.
    GrantGiven = "grant_given";
    /// A standing yes was used for a call.
    GrantUsed = "grant_used";
    /// A standing yes ended.
    GrantRevoked = "grant_revoked";
    /// A person signed in at the hub itself, through their identity provider.
    LoginBegan = "login_began";
    /// A person's signed-in state at the hub ended; `detail` says why.
    LoginEnded = "login_ended";
    /// A person, or an administrator for everyone, let an agent act for them.
    AccessGranted = "access_granted";
    /// An agent may no longer act for a person; `detail` says why.
    AccessEnded = "access_ended";
    /// A client registered itself (RFC 7591).
    ClientRegistered = "client_registered";
    /// Whoever was signed in as a person, or in one of their sessions, no longer is; `detail` says who said so.
    Revoked = "revoked";
    /// A person who was shut out may come in again.
    Readmitted = "readmitted";
    /// A token for a server was had from the identity provider for a person (D14).
    TokenExchanged = "token_exchanged";
    /// No token for a server was to be had for a person; `detail` says what the provider answered (D14).
    ExchangeRefused = "exchange_refused";
    /// A person let the hub use a server in their name, at its authorization server.
    ServerConnected = "server_connected";
    /// What a person had let the hub do at a server ended; `detail` says why.
    ServerDisconnected = "server_disconnected";
    /// The hub registered itself at a server's authorization server (RFC 7591).
    HubRegistered = "hub_registered";
    /// An identity provider's keys are at another address now (B2).
    KeysMoved = "keys_moved";
    /// A policy set came into force.
    PolicyLoaded = "policy_loaded";
    /// A policy set was not taken; the last good one stays.
    PolicyRejected = "policy_rejected";
    /// An operator stopped something; `detail` says what.
    SwitchThrown = "switch_thrown";
    /// An operator lets it go on.
    SwitchReleased = "switch_released";
    /// What a person left in the log was erased; `lines` says where.
    PersonErased = "person_erased";
    /// The bytes of old lines were taken out; their hashes stay (AUD-10).
    LinesPruned = "lines_pruned";
    /// The log is signed with another key from here on (AUD-11).
    LogKeyRotated = "log_key_rotated";
    /// A secret for a server was put into the vault; never what it is.
    SecretPut = "secret_put";
    /// A secret was taken out of the vault.
    SecretRemoved = "secret_removed";
    /// What a tenant's secrets are sealed under was sealed under another master key.
    VaultKeyRotated = "vault_key_rotated";
}

/// How a performed call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The tool answered.
    Succeeded,
    /// The tool answered that it failed.
    Failed,
    /// A server asked the client something; the next call with its answer goes on.
    InputRequired,
    /// It was cancelled; its code may still run.
    Cancelled,
    /// It surely did not run.
    NotStarted,
    /// It may or may not have run.
    Unknown,
}

impl Outcome {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::InputRequired => "input_required",
            Self::Cancelled => "cancelled",
            Self::NotStarted => "not_started",
            Self::Unknown => "unknown",
        }
    }
}

/// How the name of a detail begins that identifies a person, or could be guessed: it is kept apart and can be erased.
pub const PERSONAL: &str = "personal.";

/// One line of the audit log. What identifies a person is kept apart (see `deputy-audit`), so that it can be erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// In whose log.
    pub tenant: TenantId,
    /// What happened.
    pub kind: EventKind,
    /// The person on whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Through whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// Through which client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Which call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// Which source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// Which tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolName>,
    /// What it does to the world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The pin of its definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
    /// The digest of the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Digest>,
    /// Which tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tab: Option<DocumentId>,
    /// Which approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// By which right: `session`, `exchange`, `key` or `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyId>,
    /// The version (digest) of the policy set that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<Digest>,
    /// Further facts, never secrets. What names a person goes under a name that begins with [`PERSONAL`].
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub detail: Map<String, Value>,
}

impl Event {
    /// A line with nothing but when, where and what.
    #[must_use]
    pub fn new(at: Timestamp, tenant: TenantId, kind: EventKind) -> Self {
        Self {
            at,
            tenant,
            kind,
            user: None,
            agent: None,
            client: None,
            call: None,
            source: None,
            tool: None,
            class: None,
            definition: None,
            arguments: None,
            tab: None,
            approval: None,
            lane: None,
            outcome: None,
            reason: None,
            policies: Vec::new(),
            policy_version: None,
            detail: Map::new(),
        }
    }

    /// The same with one more fact.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// The same with one more fact that identifies a person: it stands under [`PERSONAL`] and `name`.
    #[must_use]
    pub fn with_personal(self, name: &str, value: impl Into<Value>) -> Self {
        self.with_detail(&format!("{PERSONAL}{name}"), value)
    }
}
