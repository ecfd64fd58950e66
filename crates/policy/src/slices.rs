//! Which policies can say anything about a tool of a given name, so that a decision asks those and no others, and looks up
//! the arguments and groups that those speak of and no others.
//!
//! A policy that begins with `resource.name == "x"` is false, and cannot fail, for a tool of another name. Leaving it out
//! changes no answer. What is not understood is asked about every tool.

use crate::reads::Reads;
use cedar_policy::{Policy, PolicySet, PolicySetError};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Attributes that the schema promises, so that reading them never fails.
const ALWAYS_THERE: &[(&str, &[&str])] = &[
    ("resource", &["source", "source_kind", "name", "origin", "effect", "egress", "definition"]),
    ("principal", &["tenant", "issuer", "subject"]),
    ("context", &["client", "impersonated", "approved", "now"]),
];

/// A set, cut by the names of tools.
pub(crate) struct Slices {
    by_name: HashMap<String, Slice>,
    /// For every other name.
    others: Slice,
}

/// The policies that can say anything about a tool, and what they speak of.
pub(crate) struct Slice {
    pub(crate) policies: PolicySet,
    pub(crate) reads: Reads,
    /// The groups that they name; `None`: perhaps all. That somebody is in a group is seen by nothing but its name: no
    /// attribute has a group in it.
    groups: Option<BTreeSet<String>>,
    /// Whether no policy here reads what is one tool's own: its name, its definition, that it is this very tool.
    pub(crate) takes_tools_alike: bool,
    /// Whether a policy here may read what time it is.
    pub(crate) reads_time: bool,
}

impl Slice {
    fn of(chosen: Vec<Policy>) -> Result<Self, Box<PolicySetError>> {
        let (mut reads, mut groups) = (Reads::default(), Some(BTreeSet::new()));
        let (mut takes_tools_alike, mut reads_time) = (true, false);
        for policy in &chosen {
            reads.add(policy);
            let json = policy.to_json().ok();
            takes_tools_alike &= json.as_ref().is_some_and(reads_no_tools_own);
            reads_time |= !json.as_ref().is_some_and(reads_no_time);
            let named = json.as_ref().and_then(groups_in);
            groups = groups.zip(named).map(|(all, more)| &all | &more);
        }
        let policies = PolicySet::from_policies(chosen).map_err(Box::new)?;
        Ok(Self { policies, reads, groups, takes_tools_alike, reads_time })
    }

    /// Whether it may matter that somebody is in this group.
    pub(crate) fn names_group(&self, group: &str) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.contains(group))
    }
}

impl Slices {
    /// # Errors
    /// Two policies with one id.
    pub(crate) fn of(whole: &PolicySet) -> Result<Self, Box<PolicySetError>> {
        let named: Vec<(&Policy, Option<BTreeSet<String>>)> =
            whole.policies().map(|policy| (policy, names(policy))).collect();
        let slice = |name: Option<&str>| {
            let speaks = |names: &Option<BTreeSet<String>>| match (names, name) {
                (None, _) => true,
                (Some(names), Some(name)) => names.contains(name),
                (Some(_), None) => false,
            };
            let chosen = named.iter().filter(|(_, names)| speaks(names)).map(|(policy, _)| (*policy).clone());
            Slice::of(chosen.collect())
        };
        let all: BTreeSet<&String> = named.iter().filter_map(|(_, names)| names.as_ref()).flatten().collect();
        let by_name = all.into_iter().map(|name| Ok((name.clone(), slice(Some(name))?)));
        Ok(Self { by_name: by_name.collect::<Result<_, Box<PolicySetError>>>()?, others: slice(None)? })
    }

    /// The names of tools that some policy is about.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The policies to ask about a tool of this name.
    pub(crate) fn about(&self, name: &str) -> &Slice {
        self.by_name.get(name).unwrap_or(&self.others)
    }
}

/// Attributes of a tool that it shares with others.
const SHARED: &[&str] = &["source", "source_kind", "origin", "effect", "egress", "owner"];

/// Whether a policy reads of the tool only what it shares with others. What is not understood reads everything.
fn reads_no_tools_own(json: &Value) -> bool {
    let Value::Object(members) = json else {
        return json.as_array().is_none_or(|items| items.iter().all(reads_no_tools_own));
    };
    let of_resource = |part: &&Value| part.pointer("/left/Var").is_some_and(|name| name == "resource");
    if let Some(read) = members.get(".").or_else(|| members.get("has")).filter(of_resource) {
        let attribute = read.get("attr").and_then(Value::as_str);
        return members.len() == 1 && attribute.is_some_and(|name| SHARED.contains(&name));
    }
    if let Some(within) = members.get("in").filter(of_resource) {
        let kind = within.pointer("/right/Value/__entity/type").and_then(Value::as_str);
        return members.len() == 1 && matches!(kind, Some("Deputy::App" | "Deputy::Server"));
    }
    let is_resource = members.get("Var").is_some_and(|name| name == "resource");
    let is_a_tool = members.get("type").is_some_and(|kind| kind == "Deputy::Tool");
    !is_resource && !is_a_tool && members.values().all(reads_no_tools_own)
}

/// Whether a policy reads of the context only members that are not the time. What is not understood reads everything.
fn reads_no_time(json: &Value) -> bool {
    let Value::Object(members) = json else {
        return json.as_array().is_none_or(|items| items.iter().all(reads_no_time));
    };
    let of_context = |part: &&Value| part.pointer("/left/Var").is_some_and(|name| name == "context");
    if let Some(read) = members.get(".").or_else(|| members.get("has")).filter(of_context) {
        let attribute = read.get("attr").and_then(Value::as_str);
        return members.len() == 1 && attribute.is_some_and(|name| name != "now");
    }
    let is_context = members.get("Var").is_some_and(|name| name == "context");
    !is_context && members.values().all(reads_no_time)
}

/// The groups that a policy names, wherever. `None`: it cannot be told.
fn groups_in(json: &Value) -> Option<BTreeSet<String>> {
    match json {
        Value::Object(members) if members.get("type").is_some_and(|kind| kind == "Deputy::Group") => {
            Some(BTreeSet::from([members.get("id")?.as_str()?.to_owned()]))
        }
        Value::Object(members) => all_groups(members.values()),
        Value::Array(items) => all_groups(items.iter()),
        _ => Some(BTreeSet::new()),
    }
}

fn all_groups<'a>(mut parts: impl Iterator<Item = &'a Value>) -> Option<BTreeSet<String>> {
    parts.try_fold(BTreeSet::new(), |all, part| Some(&all | &groups_in(part)?))
}

/// The only names of tools that a policy can be satisfied for. `None`: any.
fn names(policy: &Policy) -> Option<BTreeSet<String>> {
    let json = policy.to_json().ok()?;
    if json.pointer("/resource/op").and_then(Value::as_str) == Some("==") {
        let id = json.pointer("/resource/entity/id")?.as_str()?;
        // A source has no `_` in its name.
        return Some(BTreeSet::from([id.split_once("__")?.1.to_owned()]));
    }
    let first = json.pointer("/conditions/0")?;
    if first.get("kind").and_then(Value::as_str) != Some("when") {
        return None;
    }
    named_first(first.get("body")?).ok()?
}

/// Goes through `a && b && …` from the left. `Err`: here is something that may fail, so that nothing after it counts.
fn named_first(body: &Value) -> Result<Option<BTreeSet<String>>, ()> {
    if let Some(both) = body.get("&&") {
        let part = |name: &str| both.get(name).ok_or(());
        return match named_first(part("left")?)? {
            Some(names) => Ok(Some(names)),
            None => named_first(part("right")?),
        };
    }
    match equal_to(body) {
        Some(name) => Ok(Some(BTreeSet::from([name.to_owned()]))),
        None if never_fails(body) => Ok(None),
        None => Err(()),
    }
}

/// `resource.name == "x"`.
fn equal_to(part: &Value) -> Option<&str> {
    let sides = part.get("==")?;
    let name = sides.get("left")?.get(".")?;
    let is_name = name.pointer("/left/Var")? == "resource" && name.get("attr")? == "name";
    sides.pointer("/right/Value").filter(|_| is_name)?.as_str()
}

fn never_fails(part: &Value) -> bool {
    let sides = |name: &str| {
        part.get(name)
            .is_some_and(|sides| ["left", "right"].iter().all(|side| sides.get(side).is_some_and(is_there)))
    };
    let negated = part.pointer("/!/arg").is_some_and(never_fails);
    sides("==") || sides("!=") || negated || is_flag(part)
}

/// A literal, a variable, or an attribute that is always there.
fn is_there(value: &Value) -> bool {
    let literal = value.get("Value").is_some_and(|value| !value.is_object());
    let variable = value.get("Var").is_some_and(|name| name == "principal" || name == "resource");
    literal || variable || is_attribute(value)
}

fn is_attribute(value: &Value) -> bool {
    let (of, name) = (value.pointer("/./left/Var"), value.pointer("/./attr"));
    ALWAYS_THERE.iter().any(|(variable, attributes)| {
        of.is_some_and(|of| of == variable)
            && name.and_then(Value::as_str).is_some_and(|name| attributes.contains(&name))
    })
}

/// An attribute that is a truth value.
fn is_flag(part: &Value) -> bool {
    let flags = ["egress", "impersonated", "approved"];
    is_attribute(part)
        && part.pointer("/./attr").and_then(Value::as_str).is_some_and(|name| flags.contains(&name))
}

#[cfg(test)]
mod tests;
