//! MCP servers, as [`deputy_hub::ports::upstream::Upstream`] wants them: over Streamable HTTP ([`HttpUpstream`]) and as
//! processes of ours ([`StdioUpstream`]), of the modern era and of the legacy one.
//!
//! Which era a server is of is found out once per origin or process (reference, section 1). A modern server is asked
//! statelessly. A legacy one is asked within a session that is keyed by principal, capabilities and client; where it asks
//! back, its open call is kept (`parked`), and the hub is answered as a modern server would.
//!
//! What we send is made from zero: no header of a client passes (gateway rule 11).

mod call;
mod health;
mod http;
mod listening;
mod open;
mod parked;
mod reflected;
mod settings;
mod stdio;

pub use http::HttpUpstream;
pub use reflected::Unreflecting;
pub use settings::{Challenge, Credential, HttpSettings, Limits, NoCredential, NoHeaders, StdioSettings};
pub use stdio::StdioUpstream;

#[cfg(test)]
mod tests;
