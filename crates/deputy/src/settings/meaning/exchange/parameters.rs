//! `authorization_parameters` of `[[server]]`: what an authorization server wants to be told beyond the standard.

use super::super::Meaning;
use crate::settings::raw;
use deputy_identity::exchange::user_oauth::{RESERVED, may_be_added};

/// Parameters at most.
const MOST_PARAMETERS: usize = 16;
/// Bytes of the value of one, at most.
const VALUE_BYTES: usize = 512;

impl Meaning<'_, '_> {
    /// What is said beyond the standard: nothing that the hub says itself, and not too much of it.
    pub(super) fn authorization_parameters(&mut self, block: &raw::Server) -> Option<Vec<(String, String)>> {
        let written = &block.authorization_parameters;
        let mut whole = true;
        for (at, (name, value)) in written.iter().enumerate() {
            let (message, mend) = if RESERVED.contains(&name.as_str()) {
                (format!("`{name}` in `authorization_parameters` is what the hub itself says"), "remove it")
            } else if !may_be_added(name) {
                (
                    format!("`{name}` is no name of a parameter"),
                    "use `a-z`, `0-9`, `_`, `.` and `-`, 64 at most",
                )
            } else if value.len() > VALUE_BYTES || value.chars().any(char::is_control) {
                (format!("the value of `{name}` is not one line of 512 bytes at most"), "shorten it")
            } else if at >= MOST_PARAMETERS {
                (format!("`{name}` is one parameter too many: 16 at most"), "remove some")
            } else {
                continue;
            };
            self.faults.add(value.span(), message, mend);
            whole = false;
        }
        let all = || written.iter().map(|(name, value)| (name.clone(), value.as_str().to_owned()));
        whole.then(|| all().collect())
    }
}
