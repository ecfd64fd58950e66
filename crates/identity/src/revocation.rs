//! What identity providers push when something ended: back-channel logout tokens (OpenID Connect Back-Channel Logout 1.0;
//! C1) and security event tokens (RFC 8417 with the Shared Signals Framework, CAEP and RISC; C2).
//!
//! Each kind has its door. That a `jti` came before is for the caller to know; so is what is closed and purged. A provider
//! speaks only of its own people: whoever it names under another issuer is nobody here.

mod logout;
mod security_event;
mod subject;

pub use logout::{LogoutExpectations, LogoutToken, LogoutType};
pub use security_event::{EventKind, Happened, SecurityEvent, SecurityEventExpectations};
pub use subject::Target;

#[cfg(test)]
mod tests;
