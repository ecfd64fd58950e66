//! Why one decision came out as it did: which policies were satisfied, which nearly, and what they lacked.
//!
//! Each policy is taken apart into its scope and the parts of its conditions that `&&` joins, and each part is asked
//! alone, in order, up to the first one that fails: what stands behind it may rely on it.

use crate::answer::errors_of;
use crate::engine::Decided;
use crate::set::{Parsed, PolicySet};
use crate::test::word;
use crate::world::{Given, World};
use cedar_policy::{Authorizer, Decision, Effect, Policy, Request};
use deputy_core::{Call, Digest, Facts, PolicyId, Timestamp, Verdict};
use serde_json::{Value, json};
use std::fmt;

/// One decision, explained. `Display` gives the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was decided.
    pub verdict: Verdict,
    /// The policies that decided.
    pub decided_by: Vec<PolicyId>,
    /// What went wrong in deciding.
    pub errors: Vec<String>,
    /// Every policy, in the order of the files.
    pub policies: Vec<Finding>,
    /// The version of the set.
    pub version: Digest,
}

/// How one policy took part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub id: PolicyId,
    /// Where it stands, `file:line:column`.
    pub at: String,
    /// Whether it forbids; else it permits.
    pub forbids: bool,
    /// How far it came.
    pub outcome: Outcome,
}

/// How far a policy came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every part of it is true.
    Satisfied,
    /// Every part would be true if a person approved.
    SatisfiedOnceApproved,
    /// Its scope fits and this part of its conditions is the first that is not true.
    Missing(String),
    /// This part errored, which denies the call.
    Failed(String, String),
    /// It does not speak of this principal, action and resource.
    OutOfScope,
}

/// Explains what the set says to this call.
#[must_use]
pub fn explain<C: Facts>(set: &PolicySet, caller: &C, call: &Call, now: Timestamp) -> Explanation {
    let decided = Decided::of(set, caller, call, now);
    let parsed = set.parsed();
    let given = Given::Arguments(call.arguments.value());
    let policies = World::whole(parsed, caller, &call.tool, &given, now)
        .map(|world| findings(set, &world))
        .unwrap_or_default();
    Explanation {
        verdict: decided.verdict,
        decided_by: decided.answer.policies,
        errors: decided.answer.errors,
        policies,
        version: set.version(),
    }
}

fn findings(set: &PolicySet, world: &World) -> Vec<Finding> {
    let Parsed { cedar, ids, .. } = set.parsed();
    ids.iter()
        .filter_map(|id| {
            let policy = cedar.policy(&cedar_policy::PolicyId::new(&id.0))?;
            let at = set.position(id).map(ToString::to_string).unwrap_or_default();
            let forbids = policy.effect() == Effect::Forbid;
            Some(Finding { id: id.clone(), at, forbids, outcome: outcome(policy, world) })
        })
        .collect()
}

fn outcome(policy: &Policy, world: &World) -> Outcome {
    match follow(policy, world, false) {
        Outcome::Missing(part) => match follow(policy, world, true) {
            Outcome::Satisfied => Outcome::SatisfiedOnceApproved,
            _ => Outcome::Missing(part),
        },
        other => other,
    }
}

fn follow(policy: &Policy, world: &World, approved: bool) -> Outcome {
    let broken = |what: &str| Outcome::Failed("the policy".to_owned(), what.to_owned());
    let Ok(request) = world.request(approved) else { return broken("the request cannot be built") };
    let Ok(json) = policy.to_json() else { return broken("it cannot be taken apart") };
    match holds(&scope_of(&json), world, &request) {
        Ok(true) => {}
        Ok(false) => return Outcome::OutOfScope,
        Err(error) => return Outcome::Failed("the scope".to_owned(), error),
    }
    for part in parts_of(&json) {
        match holds(&part, world, &request) {
            Ok(true) => {}
            Ok(false) => return Outcome::Missing(text_of(&part)),
            Err(error) => return Outcome::Failed(text_of(&part), error),
        }
    }
    Outcome::Satisfied
}

/// The policy as a `permit` without conditions.
fn scope_of(policy: &Value) -> Value {
    let of = |name: &str| policy.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "effect": "permit", "principal": of("principal"), "action": of("action"), "resource": of("resource"),
        "conditions": [],
    })
}

/// Each part of the conditions as a `permit` of its own.
fn parts_of(policy: &Value) -> Vec<Value> {
    let mut parts = Vec::new();
    for condition in policy.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let (kind, body) = (condition.get("kind"), condition.get("body"));
        match (kind.and_then(Value::as_str), body) {
            (Some("when"), Some(body)) => conjuncts(body, &mut parts),
            // `unless { a && b }` does not come apart: it is true as soon as one of them is not.
            (Some(kind), Some(body)) => parts.push(alone(kind, body)),
            _ => {}
        }
    }
    parts
}

fn conjuncts(body: &Value, parts: &mut Vec<Value>) {
    match body.get("&&").map(|and| (and.get("left"), and.get("right"))) {
        Some((Some(left), Some(right))) => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        _ => parts.push(alone("when", body)),
    }
}

fn alone(kind: &str, body: &Value) -> Value {
    json!({
        "effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"},
        "conditions": [{"kind": kind, "body": body}],
    })
}

fn holds(policy: &Value, world: &World, request: &Request) -> Result<bool, String> {
    let set = single(policy)?;
    let response = Authorizer::new().is_authorized(request, &set, &world.entities);
    match errors_of(&response).into_iter().next() {
        Some((_, words)) => Err(words.to_owned()),
        None => Ok(response.decision() == Decision::Allow),
    }
}

fn single(policy: &Value) -> Result<cedar_policy::PolicySet, String> {
    let policy = Policy::from_json(None, policy.clone()).map_err(|error| error.to_string())?;
    cedar_policy::PolicySet::from_policies([policy]).map_err(|error| error.to_string())
}

/// The part in Cedar's notation, on one line. Cedar writes `unless { a }` as `!(a)`.
fn text_of(part: &Value) -> String {
    let text =
        Policy::from_json(None, part.clone()).ok().and_then(|policy| policy.to_cedar()).unwrap_or_default();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = line.split_once("when { ").and_then(|(_, body)| body.strip_suffix(" };"));
    body.unwrap_or(&line).to_owned()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "verdict: {}", word(self.verdict))?;
        match self.decided_by.as_slice() {
            [] if self.errors.is_empty() => {
                writeln!(f, "decided by: no policy allows it, and what none allows is denied")?
            }
            [] => {}
            ids => {
                let ids: Vec<_> = ids.iter().map(|id| id.0.as_str()).collect();
                writeln!(f, "decided by: {}", ids.join(", "))?;
            }
        }
        for error in &self.errors {
            writeln!(f, "error: {error}")?;
        }
        for finding in &self.policies {
            writeln!(f, "{finding}")?;
        }
        write!(f, "policy version: {}", self.version)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = if self.forbids { "forbid" } else { "permit" };
        write!(f, "  {effect} `{}` ({}): ", self.id.0, self.at)?;
        match &self.outcome {
            Outcome::Satisfied => f.write_str("satisfied"),
            Outcome::SatisfiedOnceApproved => f.write_str("satisfied once a person approves this call"),
            Outcome::Missing(part) => write!(f, "not satisfied, for want of `{part}`"),
            Outcome::Failed(part, error) => write!(f, "failed at `{part}`: {error}"),
            Outcome::OutOfScope => f.write_str("does not speak of this call"),
        }
    }
}

#[cfg(test)]
mod tests;
