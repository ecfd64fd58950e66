//! From bytes to a value: JSON, or YAML 1.2 as far as it is JSON.

use super::{MAXIMUM_BYTES, OpenApiError};
use deputy_core::canonical::parse_strict;
use serde_json::Value;

/// Levels of a YAML document; `parse_strict` has the same bound for JSON.
const DEPTH: usize = 128;
/// Events that aliases may add to a YAML document, so that a small one does not become a big one.
const REPLAYED: usize = 100_000;
/// Values in a YAML document.
const NODES: usize = 2_000_000;

/// Reads a document. A member twice is an error in both formats, for readers differ on which one holds.
pub(super) fn read(bytes: &[u8]) -> Result<Value, OpenApiError> {
    if bytes.len() > MAXIMUM_BYTES {
        return Err(OpenApiError::TooLong { bytes: bytes.len() });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        return parse_strict(bytes).map_err(|error| OpenApiError::Unreadable(error.to_string()));
    }
    yaml(bytes)
}

fn yaml(bytes: &[u8]) -> Result<Value, OpenApiError> {
    let unreadable = |why: String| OpenApiError::Unreadable(first_line(&why));
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH,
        max_nodes: NODES,
        max_events: NODES * 2,
        max_documents: 1,
        max_total_scalar_bytes: MAXIMUM_BYTES,
    };
    let aliases = serde_saphyr::alias_limits! {
        max_total_replayed_events: REPLAYED,
    };
    // Strict booleans: `no` and `yes` are words in YAML 1.2 (Norway is not false). No snippet: errors do not quote the
    // document.
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: aliases,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| unreadable(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(unreadable("it is not an object".to_owned())) }
}

fn first_line(words: &str) -> String {
    words.lines().next().unwrap_or_default().chars().take(200).collect()
}
