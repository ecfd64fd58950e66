//! `[audit]`.

use super::Meaning;
use crate::publish::Target;
use crate::settings::located::Located;
use crate::settings::{Audit, network, raw};
use deputy_audit::arguments::Recording;
use deputy_core::TenantId;

impl Meaning<'_, '_> {
    pub(super) fn audit(&mut self, audit: Option<&raw::Audit>, tenants: &[TenantId]) -> Option<Audit> {
        let Some(audit) = audit else { return Some(Audit::default()) };
        // The word was checked against the schema.
        let said = audit.arguments.as_ref();
        let known = said.and_then(|said| Recording::WORDS.iter().find(|(word, _)| *word == said.as_str()));
        let publish: Vec<Target> =
            audit.publish.iter().filter_map(|target| self.target(target, tenants)).collect();
        // INVARIANT: no place of the file is dropped on the way.
        (publish.len() == audit.publish.len()).then_some(())?;
        Some(Audit { recording: known.map(|(_, recording)| *recording).unwrap_or_default(), publish })
    }

    fn target(&mut self, target: &Located<raw::Publish>, tenants: &[TenantId]) -> Option<Target> {
        match (&target.file, &target.webhook) {
            (Some(file), None) if tenants.len() > 1 && !file.contains("{tenant}") => {
                let mend = "put `{tenant}` into the path, for each has its own log";
                self.faults.add(file.span(), "several tenants would write the same file", mend);
                None
            }
            (Some(file), None) => Some(Target::File(self.path(file))),
            (None, Some(webhook)) => self.located(webhook, network::web_address).map(Target::Webhook),
            (file, _) => {
                let said =
                    if file.is_some() { "both `file` and `webhook`" } else { "neither `file` nor `webhook`" };
                let mend = "write `{ file = \"/mnt/vault/{tenant}-{size}.checkpoint\" }` or `{ webhook = \"https://witness.acme.example/c\" }`";
                self.faults.add(target.span(), format!("a place in `publish` has {said}"), mend);
                None
            }
        }
    }
}
