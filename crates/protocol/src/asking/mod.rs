//! MCP from the client's side: what we send to servers, and what we understand of what they send. No sockets.
//!
//! Payloads are never taken apart further than one level: what is not spliced stays the text that was sent (gateway
//! rule 2).

pub mod answer;
pub mod message;
pub mod needs;
pub mod param_headers;
pub mod request;
pub mod sse;
