//! The words of Deputy, so that every crate means the same thing by them.
//!
//! Ring 0: no IO, no clock. Time comes as an argument; identifiers may draw their own randomness.

pub mod address;
pub mod agent;
pub mod approval;
pub mod call;
pub mod canonical;
pub mod event;
pub mod facts;
pub mod id;
pub mod secret;
pub mod switch;
pub mod text;
pub mod time;
pub mod tool;
pub mod user;
pub mod verdict;

pub use agent::{Agent, AgentType, Client, Verification};
pub use approval::ApprovalRule;
pub use call::{Arguments, Call, Deadline};
pub use canonical::{Digest, JsonError};
pub use event::{Event, EventKind, Outcome};
pub use facts::Facts;
pub use id::{ApprovalId, CallId, DocumentId, GrantId, HeaderName, IdError, SourceName, TenantId};
pub use secret::Secret;
pub use switch::{Operator, Switch, SwitchId, SwitchTarget};
pub use time::Timestamp;
pub use tool::{Class, Definition, DefinitionHash, Effect, PublicName, SourceKind, Tool, ToolKind, ToolName};
pub use user::{Issuer, Origin, Subject, User};
pub use verdict::{PolicyId, Reason, Verdict};
