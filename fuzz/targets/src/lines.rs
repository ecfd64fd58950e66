//! Words: identifiers, origins, digests, lengths of time, classes.

use crate::text;
use deputy_audit::erasure;
use deputy_core::{
    ApprovalId, CallId, Class, Digest, DocumentId, Issuer, Origin, PublicName, Reason, SourceName, Subject,
    TenantId, ToolName, time,
};
use std::fmt::Display;
use std::str::FromStr;

/// What is taken for a word is written as it was read, and has none of the characters that separate words from each other.
pub(crate) fn words(data: &[u8]) {
    let Some(text) = text(data) else { return };
    same::<TenantId>(text, "/@: \n_.");
    same::<SourceName>(text, "/@: \n_.");
    same::<CallId>(text, "/@: \n.");
    same::<ApprovalId>(text, "/@: \n.");
    same::<DocumentId>(text, "/@: \n.");
    same::<ToolName>(text, "@: \n");
    if text.parse::<ToolName>().is_ok_and(|name| name.is_method()) {
        // A method's name, and no path that climbs.
        assert!(
            !text.contains(['.', '-'])
                && !text.starts_with('/')
                && !text.ends_with('/')
                && !text.contains("//")
        );
    }
    same::<PublicName>(text, "/@: \n.");
    same::<Issuer>(text, " \n\t\0");
    same::<Subject>(text, "\n\t\0");
    same::<Origin>(text, "@ \n?#*\\");
    same::<Digest>(text, " \n");
    if let Some(reason) = Reason::from_code(text) {
        assert_eq!(reason.code(), text);
    }
    assert!(time::length(text).is_none() || text.starts_with(|c: char| c.is_ascii_digit()));
    if let Ok(class) = Class::from_words(text.split(' ')) {
        assert_eq!(Class::from_words(class.words()).as_ref(), Ok(&class));
    }
    if let Ok(ranges) = erasure::ranges(text) {
        assert!(ranges.iter().all(|range| range.start() <= range.end()));
    }
}

fn same<T: FromStr + Display>(text: &str, never: &str) {
    if let Ok(word) = text.parse::<T>() {
        assert_eq!(word.to_string(), text);
        assert!(!text.contains(|c| never.contains(c)), "{text:?}");
    }
}
