//! `[[limit]]`.

use super::{DAY, Meaning, SECOND};
use crate::settings::located::Located;
use crate::settings::raw::{self, ClassWord};
use deputy_core::{Class, Effect, IdError, SourceName, ToolName};
use deputy_hub::limits::{AtLeast, Each, Limit};
use std::collections::HashSet;
use std::num::NonZeroU64;

/// The longest window: a month.
const LONGEST_DAYS: u32 = 31;
/// Numbers above it are a slip, or the same as no limit.
const MOST_CALLS: u64 = 1_000_000_000;

impl Meaning<'_, '_> {
    pub(super) fn limits(&mut self, blocks: &[raw::Limit], sources: &[SourceName]) -> Vec<Limit> {
        let mut names = HashSet::new();
        for block in blocks {
            if !names.insert(block.name.as_str()) {
                self.twice(&block.name, "limit", "give each limit its own name: refusals say it");
            }
        }
        blocks.iter().filter_map(|block| self.limit(block, sources)).collect()
    }

    fn limit(&mut self, block: &raw::Limit, sources: &[SourceName]) -> Option<Limit> {
        let name = self.name(&block.name, |name| {
            let slug = SourceName::new(name);
            slug.map(String::from).map_err(|error| IdError { what: "limit name", ..error })
        });
        let calls = self.calls(&block.calls);
        let per = self.duration(Some(&block.per), 60 * SECOND, SECOND..=LONGEST_DAYS * DAY, "per");
        let source = block.source.as_ref().map(|said| self.source(said, sources));
        let tool = block.tool.as_ref().map(|tool| self.name(tool, ToolName::new));
        if let (Some(tool), None) = (&block.tool, &block.source) {
            let mend =
                "name its app or server, as in `source = \"crm\"`: tools of two may have the same name";
            self.faults.add(tool.span(), format!("`{}` is a tool of nobody", **tool), mend);
        }
        let class = block.class.as_ref().map(|words| self.at_least(words));
        let each = block.each.iter().filter_map(|word| match word.0.as_str() {
            "user" => Some(Each::User),
            "agent" => Some(Each::Agent),
            "tool" => Some(Each::Tool),
            // The shape check has named the word.
            _ => None,
        });
        Some(Limit {
            name: name?,
            calls: calls?,
            per: per?,
            each: each.collect(),
            source: said(source)?,
            tool: said(tool)?,
            class: said(class)?,
        })
    }

    fn calls(&mut self, written: &Located<i64>) -> Option<NonZeroU64> {
        let calls =
            u64::try_from(**written).ok().filter(|calls| *calls <= MOST_CALLS).and_then(NonZeroU64::new);
        if calls.is_none() {
            let mend = format!(
                "write 1 to {MOST_CALLS}; to stop something altogether, use a policy or `deputy stop`"
            );
            self.faults.add(written.span(), format!("`calls` cannot be {}", **written), mend);
        }
        calls
    }

    fn source(&mut self, said: &Located<String>, sources: &[SourceName]) -> Option<SourceName> {
        let found = sources.iter().find(|source| source.as_str() == said.as_str()).cloned();
        if found.is_none() {
            self.unknown_name(said, "app or server", sources.iter().map(SourceName::as_str));
        }
        found
    }

    fn at_least(&mut self, words: &Located<Vec<ClassWord>>) -> Option<AtLeast> {
        if words.is_empty() {
            let mend = "write `class = [\"write\"]`, or remove the key";
            self.faults.add(words.span(), "`class` is empty: nothing would be counted", mend);
            return None;
        }
        let classes: Option<Vec<Class>> =
            words.iter().map(|word| Class::from_words([word.0.as_str()]).ok()).collect();
        let classes = classes?;
        let effects = classes.iter().filter(|class| !class.egress).map(|class| class.effect);
        let effect: Option<Effect> = effects.min();
        Some(AtLeast { effect, egress: classes.iter().any(|class| class.egress) })
    }
}

/// Turns what may be left out, and may be wrong, into what may be left out.
fn said<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| value.map(Some))
}
