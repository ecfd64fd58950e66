//! `tracestate`: what other systems keep beside a trace (W3C Trace Context section 3.3). Nobody here reads it.

/// Entries that it may have.
const ENTRIES: usize = 32;
/// Bytes that are passed on: four times what everybody has to pass on.
const BYTES: usize = 2048;

/// The text, if it is well formed.
pub(super) fn checked(text: &str) -> Option<&str> {
    let text = text.trim_matches([' ', '\t']);
    let mut entries =
        text.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|entry| !entry.is_empty());
    let fits = !text.is_empty() && text.len() <= BYTES && entries.clone().count() <= ENTRIES;
    (fits && entries.clone().next().is_some() && entries.all(is_entry)).then_some(text)
}

fn is_entry(entry: &str) -> bool {
    let Some((key, value)) = entry.split_once('=') else { return false };
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins = key.bytes().next().is_some_and(is_plain);
    let is_key =
        begins && key.len() <= 256 && key.bytes().all(|byte| is_plain(byte) || b"_-*/@".contains(&byte));
    let is_value = (1..=256).contains(&value.len())
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    is_key && is_value
}
