//! `[audit]`.

use super::{DAY, Meaning};
use crate::publish::Target;
use crate::settings::located::Located;
use crate::settings::{Audit, network, raw, span};
use deputy_audit::arguments::Recording;
use deputy_core::TenantId;
use std::time::Duration;

const HALF_A_YEAR: Duration = Duration::from_secs(180 * 24 * 60 * 60);
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

impl Meaning<'_, '_> {
    pub(super) fn audit(&mut self, audit: Option<&raw::Audit>, tenants: &[TenantId]) -> Option<Audit> {
        let Some(audit) = audit else { return Some(Audit::default()) };
        // The word was checked against the schema.
        let said = audit.arguments.as_ref();
        let known = said.and_then(|said| Recording::WORDS.iter().find(|(word, _)| *word == said.as_str()));
        let keep = match &audit.keep {
            Some(keep) => Some(self.keep(keep)?),
            None => None,
        };
        let publish: Vec<Target> =
            audit.publish.iter().filter_map(|target| self.target(target, tenants)).collect();
        // INVARIANT: no place of the file is dropped on the way.
        (publish.len() == audit.publish.len()).then_some(())?;
        Some(Audit { recording: known.map(|(_, recording)| *recording).unwrap_or_default(), keep, publish })
    }

    /// Half a year is what operators of such systems may be held to (AUD-10); less than that is said in words.
    fn keep(&mut self, keep: &Located<String>) -> Option<Duration> {
        self.located(keep, |text| {
            let (length, shortest) = match text.strip_prefix("only ") {
                Some(length) => (length, DAY),
                None => (text, HALF_A_YEAR),
            };
            let mend = match span::parse(length, DAY..=HALF_A_YEAR) {
                Ok(_) => format!(
                    "write `keep = \"180d\"` or more; if you may keep less than half a year, say so: `keep = \"only {length}\"`"
                ),
                Err(_) => "write a number of days, for example `keep = \"400d\"`; without it lines are kept for ever"
                    .to_owned(),
            };
            span::parse(length, shortest..=LONGEST).map_err(|message| (message, mend))
        })
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
