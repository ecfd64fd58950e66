//! What a policy wants of the approval that it asks for, as annotations beside its `@id` say it.
//!
//! ```cedar
//! @id("refunds") @approvers("finance leads, controllers") @quorum("2") @decide_within("15m")
//! permit (principal, action, resource == Deputy::Tool::"shop__refund") when { context.approved };
//! ```
//!
//! A word that is not known here is a fault of the set: a rule that nobody reads would be a rule that nobody keeps.

use crate::error::{PolicyError, Position};
use cedar_policy::Policy;
use deputy_core::approval::{ApprovalRule, Approvers, OnTimeout, Permission};
use deputy_core::time::length;
use std::time::Duration;

/// Every annotation that a policy may have.
const KNOWN: &[&str] = &[
    "id",
    "description",
    "approvers",
    "approver_subjects",
    "quorum",
    "self_approval",
    "decide_within",
    "execute_within",
    "on_timeout",
    "escalate_to",
    "break_glass",
    "standing",
];
/// People who may have to say yes to one call.
const QUORUM_MAX: u32 = 16;
/// The longest that people may think, and that a yes may be used.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The rule of one policy; `None` where it has no annotation about approvals.
///
/// # Errors
/// Names the annotation, what is wrong with it, and the mend.
pub(crate) fn rule(policy: &Policy, id: &str, at: &Position) -> Result<Option<ApprovalRule>, PolicyError> {
    let mut annotations: Vec<(&str, &str)> = policy.annotations().collect();
    annotations.sort_unstable();
    let mut reading = Reading { rule: ApprovalRule::default(), approvers: Approvers::default(), own: None };
    let mut any = false;
    for (name, value) in annotations {
        let wrong = |(problem, mend): (String, &str)| PolicyError::Annotation {
            at: at.clone(),
            policy: id.to_owned(),
            problem,
            mend: mend.to_owned(),
        };
        if matches!(name, "id" | "description") {
            continue;
        }
        any = true;
        reading.take(name, value).map_err(wrong)?;
    }
    if !any {
        return Ok(None);
    }
    let rule = reading.finish().map_err(|(problem, mend)| PolicyError::Annotation {
        at: at.clone(),
        policy: id.to_owned(),
        problem,
        mend: mend.to_owned(),
    })?;
    Ok(Some(rule))
}

type Wrong = (String, &'static str);

struct Reading {
    rule: ApprovalRule,
    approvers: Approvers,
    own: Option<Permission>,
}

impl Reading {
    fn take(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        match name {
            "approvers" => self.approvers.groups = names(name, value)?,
            "approver_subjects" => self.approvers.subjects = names(name, value)?,
            "escalate_to" => self.rule.escalate_to = names(name, value)?,
            "break_glass" => self.rule.break_glass = names(name, value)?,
            "quorum" => self.rule.quorum = quorum(value)?,
            "decide_within" => self.rule.decide_within = Some(time(name, value)?),
            "execute_within" => self.rule.execute_within = Some(time(name, value)?),
            "self_approval" => self.own = Some(permission(name, value, "on", "off")?),
            "standing" => self.rule.standing = permission(name, value, "allowed", "never")?,
            "on_timeout" => {
                self.rule.on_timeout = Some(match value {
                    "deny" => OnTimeout::Deny,
                    "pause" => OnTimeout::Pause,
                    "escalate" => OnTimeout::Escalate,
                    _ => return Err((said(name, value), "write `deny`, `pause` or `escalate`")),
                });
            }
            _ => {
                let known = KNOWN.join("`, `");
                return Err((
                    format!("`@{name}` is no annotation (they are `{known}`)"),
                    "correct or remove it",
                ));
            }
        }
        Ok(())
    }

    /// What only shows in the whole.
    fn finish(mut self) -> Result<ApprovalRule, Wrong> {
        let named = !self.approvers.groups.is_empty() || !self.approvers.subjects.is_empty();
        let others = named || !self.rule.escalate_to.is_empty();
        if named {
            self.rule.own = self.own.unwrap_or(Permission::Never);
        } else if self.own == Some(Permission::Never) && !others {
            return Err((
                "`@self_approval(\"off\")` without `@approvers`: nobody could approve".to_owned(),
                "name who may, as in `@approvers(\"leads\")`",
            ));
        }
        if self.rule.quorum > 1 && !named {
            return Err((
                "`@quorum` without `@approvers`: only the requester could approve, once".to_owned(),
                "name who may, as in `@approvers(\"leads\")`",
            ));
        }
        // How many people a group has is the identity provider's to know; named people can be counted (APR-06).
        self.approvers.subjects.sort();
        self.approvers.subjects.dedup();
        let people = self.approvers.subjects.len();
        let countable = self.approvers.groups.is_empty() && named;
        if countable && usize::try_from(self.rule.quorum).unwrap_or(usize::MAX) >= people {
            return Err((
                format!("`@quorum` {} of {people} named people leaves nobody to spare", self.rule.quorum),
                "name more people than have to say yes",
            ));
        }
        let escalates = self.rule.on_timeout == Some(OnTimeout::Escalate);
        if escalates == self.rule.escalate_to.is_empty() {
            return Err((
                "`@on_timeout(\"escalate\")` and `@escalate_to` belong together".to_owned(),
                "write both, or neither",
            ));
        }
        if named {
            self.rule.approvers.push(self.approvers);
        }
        Ok(self.rule)
    }
}

fn said(name: &str, value: &str) -> String {
    format!("`@{name}` cannot be `{}`", value.chars().take(80).collect::<String>())
}

fn names(name: &str, value: &str) -> Result<Vec<String>, Wrong> {
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err((said(name, value), "write names, separated by commas"));
    }
    Ok(names)
}

fn quorum(value: &str) -> Result<u32, Wrong> {
    let number = value.parse().ok().filter(|number| (1..=QUORUM_MAX).contains(number));
    number.ok_or_else(|| (said("quorum", value), "write a number from 1 to 16"))
}

fn time(name: &str, value: &str) -> Result<Duration, Wrong> {
    let time = length(value).filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time));
    time.ok_or_else(|| (said(name, value), "write a length of time from 1s to 7d, such as `15m`"))
}

fn permission(name: &str, value: &str, yes: &str, no: &str) -> Result<Permission, Wrong> {
    match value {
        value if value == yes => Ok(Permission::Allowed),
        value if value == no => Ok(Permission::Never),
        _ => Err((
            said(name, value),
            if yes == "on" { "write `on` or `off`" } else { "write `allowed` or `never`" },
        )),
    }
}

#[cfg(test)]
mod tests;
