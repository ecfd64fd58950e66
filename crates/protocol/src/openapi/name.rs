//! Names of tools and of their arguments: they fit what clients take, depend on nothing but their own operation, and never
//! collide.

use super::select::Named;
use deputy_core::canonical::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a tool or an argument.
const LONGEST: usize = 64;

/// The names of all operations of a document, in order; `None` for one that has the name of another whatever is done.
pub(super) fn of_tools(operations: &[Named<'_>]) -> Vec<Option<String>> {
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    operations.iter().filter_map(|named| named.id).for_each(|id| *ids.entry(id).or_default() += 1);
    let of = |named: &Named<'_>| match named.id {
        // An id that is there twice names nothing by itself.
        Some(id) if ids.get(id).copied() == Some(1) => of_id(id),
        Some(id) => marked(id, &[id.as_bytes(), named.method.text().as_bytes(), named.path.as_bytes()]),
        None => of_path(named, &ids),
    };
    let mut taken = BTreeSet::new();
    operations.iter().map(of).map(|name| taken.insert(name.clone()).then_some(name)).collect()
}

fn of_id(id: &str) -> String {
    if is_plain(id) { id.to_owned() } else { marked(id, &[b"id", id.as_bytes()]) }
}

/// `GET /users/{id}` is `get_users_-id`. Where that could be read in two ways, or is some operation's id, a hash decides.
fn of_path(named: &Named<'_>, ids: &BTreeMap<&str, usize>) -> String {
    let mut name = named.method.member();
    let mut is_clear = true;
    for segment in named.path.split('/').skip(1) {
        let variable = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let word = variable.unwrap_or(segment);
        is_clear &= !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        name.push('_');
        name.push_str(if variable.is_some() { "-" } else { "" });
        name.push_str(word);
    }
    let parts = [named.method.text().as_bytes(), named.path.as_bytes()];
    if is_clear && is_plain(&name) && !ids.contains_key(name.as_str()) { name } else { marked(&name, &parts) }
}

/// What fits of a text, and ten digits of a hash of what it stands for.
fn marked(text: &str, of: &[&[u8]]) -> String {
    let hash = hash(of);
    let mut kept = fitting(text);
    kept.truncate(LONGEST.saturating_sub(hash.len() + 1));
    format!("{}-{hash}", kept.trim_matches(['_', '-']))
}

fn hash(of: &[&[u8]]) -> String {
    Digest::of_parts(of).to_string().chars().skip("sha256:".len()).take(10).collect()
}

/// Other characters as `_`, once for several.
fn fitting(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().take(4 * LONGEST) {
        let c = if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        if c != '_' || !kept.ends_with('_') {
            kept.push(c);
        }
    }
    kept
}

fn is_plain(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Names of arguments: some models' makers take nothing but these characters in a property's name, and at most 64.
#[derive(Default)]
pub(super) struct Arguments(BTreeSet<String>);

impl Arguments {
    /// A name for what is called `wanted` there. If that is taken, `other` tells it apart.
    pub(super) fn name(&mut self, wanted: &str, other: &str) -> String {
        let first = if is_plain(wanted) { wanted.to_owned() } else { self.fit(wanted) };
        if self.0.insert(first.clone()) {
            return first;
        }
        let second = self.fit(&format!("{other}_{wanted}"));
        if self.0.insert(second.clone()) {
            return second;
        }
        // There are as many as there are digits to tell them apart: one of these is free.
        let free = (2_u32..).map(|number| format!("{}_{number}", cut(&second, LONGEST - 11)));
        let third = free.into_iter().find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.insert(third.clone());
        third
    }

    fn fit(&self, text: &str) -> String {
        let kept = fitting(text);
        let kept = kept.trim_matches('_');
        if kept.is_empty() {
            format!("x-{}", hash(&[text.as_bytes()]))
        } else {
            cut(kept, LONGEST).to_owned()
        }
    }
}

/// All characters are ASCII here.
fn cut(text: &str, longest: usize) -> &str {
    text.get(..longest).unwrap_or(text)
}
