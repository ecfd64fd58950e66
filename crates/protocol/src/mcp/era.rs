//! Which era a message belongs to (gateway rule 21): the body's `_meta`, `initialize`, or the session decide. Never the
//! method header or the version header alone.

use super::meta::{self, Params};
use super::version;
use crate::jsonrpc::{Fault, code};

/// How a message is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// By itself.
    Modern,
    /// It opens a session.
    Opening,
    /// Within its session.
    Legacy,
}

/// Decides.
///
/// # Errors
/// Neither the modern envelope nor a session: told in the words of the era that the version header hints at.
pub fn of(
    method: &str,
    params: &Params<'_>,
    has_session: bool,
    version_header: Option<&str>,
) -> Result<Era, Fault> {
    // With the modern envelope and without what `initialize` is about, it is a method that the modern era has not.
    if method == "initialize" && (params.members().has("protocolVersion") || !params.is_modern()) {
        return Ok(Era::Opening);
    }
    if params.is_modern() {
        return Ok(Era::Modern);
    }
    if has_session {
        return Ok(Era::Legacy);
    }
    if params.is_partly_modern() {
        // It will be told what its envelope misses.
        return Ok(Era::Modern);
    }
    if version_header.is_some_and(|header| version::MODERN_SPOKEN.contains(&header)) {
        let words = format!(
            "`params._meta` must have `{}` and `{}`",
            meta::PROTOCOL_VERSION,
            meta::CLIENT_CAPABILITIES
        );
        return Err(Fault::new(code::INVALID_PARAMS, words));
    }
    Err(Fault::new(code::INVALID_REQUEST, "`Mcp-Session-Id` is missing: send `initialize` first"))
}
