//! Everything the hub does: use-cases, the corridor, the ports.
//!
//! Doors (in `deputy-server`) turn what arrives into a [`Wish`] by a [`Caller`] and hand both to [`Corridor::run`]; no
//! other way leads to an effect. See `ARCHITECTURE.md`, "A call's way from the door to the tab".

pub mod access;
pub mod answers;
pub mod approvals;
pub mod assertion;
pub mod authenticate;
pub mod caller;
pub mod catalog;
pub mod continuing;
pub mod corridor;
pub mod definitions;
pub mod events;
pub mod exchange;
pub mod finding;
pub mod intent;
pub mod journal;
pub mod lanes;
pub mod limits;
pub mod meter;
pub mod pins;
pub mod policies;
pub mod ports;
pub mod relay;
pub mod revocations;
pub mod search;
pub mod servers;
pub mod setup;
pub mod sign_in;
pub mod signals;
pub mod supervisor;
pub mod switches;
pub mod tabs;
pub mod taint;
pub mod tickets;
pub mod traces;
pub mod vault;

pub use authenticate::{Denied, Door};
pub use caller::Caller;
pub use catalog::{Listed, TabSummary};
pub use corridor::{Corridor, Target, Wish};
pub use events::{CallEvent, Events, HubPage, Refused, ToolAnswer};
pub use intent::{Durable, Intent, Reach, ReadIntent, Ready};
pub use relay::Relay;
pub use servers::{Right, Server, Servers, Trust};
pub use setup::{App, Hub, ManifestAt, Setup};
pub use supervisor::Supervisor;
pub use vault::{MasterKeyFault, MasterKeys, PersonVault, Vault, VaultFault};
