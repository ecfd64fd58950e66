//! What crosses the wire, without sockets, so that a message can be understood without being received.

pub mod asking;
pub mod jsonrpc;
pub mod mcp;
pub mod openapi;
pub mod relay;
pub mod schema;
pub mod tab;
pub mod trace;
