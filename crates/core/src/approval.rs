//! What policy wants of an approval: whose it is to give, how many, until when, and what silence means (APR-04, APR-06).

use crate::user::User;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Some of whom may decide: members of any of the groups, or any of the named people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Approvers {
    /// Groups in the person's own token.
    #[serde(default)]
    pub groups: Vec<String>,
    /// People, as the requester's own issuer calls them.
    #[serde(default)]
    pub subjects: Vec<String>,
}

/// What happens when nobody decided in time. No answer is never a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The question stays open, up to [`PAUSED_AT_MOST`]; that it is late is a line of the log.
    Pause,
    /// The groups of [`ApprovalRule::escalate_to`] may decide too, for as long again.
    Escalate,
    /// The question is over.
    #[default]
    Deny,
}

/// How long a question that pauses stays open at most.
pub const PAUSED_AT_MOST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// It is.
    #[default]
    Allowed,
    /// It is not.
    Never,
}

/// What one question to people is subject to. Several policies that ask are merged into the strictest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// How many different people have to say yes.
    pub quorum: u32,
    /// Who may decide: whoever is among *all* of these. Empty: the requester alone.
    #[serde(default)]
    pub approvers: Vec<Approvers>,
    /// Whether the requester's own yes counts where others may decide.
    #[serde(default)]
    pub own: Permission,
    /// How long people may think; the hub's own setting where nothing is said.
    #[serde(default)]
    pub decide_within: Option<Duration>,
    /// How long a yes may be used; the hub's own setting where nothing is said.
    #[serde(default)]
    pub execute_within: Option<Duration>,
    /// What silence means; nothing said is [`OnTimeout::Deny`].
    #[serde(default)]
    pub on_timeout: Option<OnTimeout>,
    /// Groups that may decide too, once the first time is over.
    #[serde(default)]
    pub escalate_to: Vec<String>,
    /// Groups of which one member may say yes alone, with a reason, to be reviewed by somebody else.
    #[serde(default)]
    pub break_glass: Vec<String>,
    /// Whether a yes may stand for later calls too (APR-08).
    #[serde(default)]
    pub standing: Permission,
}

impl Default for ApprovalRule {
    fn default() -> Self {
        Self {
            quorum: 1,
            approvers: Vec::new(),
            own: Permission::Allowed,
            decide_within: None,
            execute_within: None,
            on_timeout: None,
            escalate_to: Vec::new(),
            break_glass: Vec::new(),
            standing: Permission::Allowed,
        }
    }
}

impl ApprovalRule {
    /// Both at once: never looser than either.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let sooner = |a: Option<Duration>, b: Option<Duration>| a.into_iter().chain(b).min();
        let stricter = |a, b| if a == Permission::Never { a } else { b };
        // Whoever may break the glass, or is asked at last, must be named by every policy that asks.
        let common = |a: Vec<String>, b: &[String]| a.into_iter().filter(|group| b.contains(group)).collect();
        self.quorum = self.quorum.max(other.quorum);
        for approvers in other.approvers {
            if !self.approvers.contains(&approvers) {
                self.approvers.push(approvers);
            }
        }
        self.own = stricter(self.own, other.own);
        self.decide_within = sooner(self.decide_within, other.decide_within);
        self.execute_within = sooner(self.execute_within, other.execute_within);
        self.on_timeout = self.on_timeout.max(other.on_timeout);
        self.escalate_to = common(self.escalate_to, &other.escalate_to);
        self.break_glass = common(self.break_glass, &other.break_glass);
        self.standing = stricter(self.standing, other.standing);
        self
    }

    /// Whether this person may decide about a question of `requester`. Groups and names are those of the requester's own
    /// issuer: another one calls its groups as it likes.
    #[must_use]
    pub fn lets(&self, requester: &User, person: &User, groups: &[String]) -> bool {
        if person == requester && self.own == Permission::Never {
            return false;
        }
        if self.approvers.is_empty() {
            return person == requester;
        }
        same_house(requester, person)
            && self.approvers.iter().all(|some| {
                some.subjects.iter().any(|s| s == person.subject.as_str()) || shares(&some.groups, groups)
            })
    }

    /// Whether this person may say yes alone. Never the requester.
    #[must_use]
    pub fn lets_break_glass(&self, requester: &User, person: &User, groups: &[String]) -> bool {
        person != requester && same_house(requester, person) && shares(&self.break_glass, groups)
    }

    /// The same once the first time is over: the people asked at last may decide too, and silence then means no.
    #[must_use]
    pub fn escalated(mut self) -> Self {
        for some in &mut self.approvers {
            some.groups.extend(self.escalate_to.iter().cloned());
        }
        if self.approvers.is_empty() {
            self.approvers.push(Approvers { groups: self.escalate_to.clone(), subjects: Vec::new() });
        }
        self.on_timeout = Some(OnTimeout::Deny);
        self
    }
}

fn same_house(requester: &User, person: &User) -> bool {
    requester.tenant == person.tenant && requester.issuer == person.issuer
}

fn shares(wanted: &[String], has: &[String]) -> bool {
    wanted.iter().any(|group| has.contains(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;
    use crate::user::{Issuer, Subject};
    use proptest::prelude::*;

    fn user(subject: &str) -> User {
        let (issuer, subject) = (Issuer::new("https://idp.example"), Subject::new(subject));
        User {
            tenant: TenantId::single(),
            issuer: issuer.expect("issuer"),
            subject: subject.expect("subject"),
        }
    }

    fn group(name: &str) -> Approvers {
        Approvers { groups: vec![name.to_owned()], subjects: Vec::new() }
    }

    #[test]
    fn apr_06_nobody_named_means_the_requester_and_named_people_mean_them() {
        let (alice, bob) = (user("alice"), user("bob"));
        let own = ApprovalRule::default();
        assert!(own.lets(&alice, &alice, &[]) && !own.lets(&alice, &bob, &["leads".to_owned()]));
        let leads = ApprovalRule { approvers: vec![group("leads")], own: Permission::Never, ..own };
        assert!(leads.lets(&alice, &bob, &["leads".to_owned()]));
        assert!(!leads.lets(&alice, &bob, &["others".to_owned()]));
        assert!(!leads.lets(&alice, &alice, &["leads".to_owned()]), "requester is not approver");
        let foreign = User { issuer: Issuer::new("https://other.example").expect("issuer"), ..bob };
        assert!(!leads.lets(&alice, &foreign, &["leads".to_owned()]), "another issuer's group of that name");
    }

    #[test]
    fn apr_06_glass_is_broken_by_the_named_groups_and_never_by_the_requester() {
        let rule = ApprovalRule { break_glass: vec!["oncall".to_owned()], ..ApprovalRule::default() };
        let oncall = ["oncall".to_owned()];
        assert!(rule.lets_break_glass(&user("alice"), &user("bob"), &oncall));
        assert!(!rule.lets_break_glass(&user("alice"), &user("alice"), &oncall));
        assert!(!ApprovalRule::default().lets_break_glass(&user("alice"), &user("bob"), &oncall));
    }

    fn rules() -> impl Strategy<Value = ApprovalRule> {
        let names = proptest::sample::subsequence(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 0..3);
        (
            1..4_u32,
            proptest::collection::vec(names.clone(), 0..3),
            any::<bool>(),
            proptest::option::of(1..90_u64),
            names,
        )
            .prop_map(|(quorum, approvers, own, decide, break_glass)| ApprovalRule {
                quorum,
                approvers: approvers
                    .into_iter()
                    .map(|groups| Approvers { groups, subjects: Vec::new() })
                    .collect(),
                own: if own { Permission::Allowed } else { Permission::Never },
                decide_within: decide.map(Duration::from_secs),
                break_glass,
                ..ApprovalRule::default()
            })
    }

    proptest! {
        #[test]
        fn apr_06_two_rules_together_let_nobody_decide_whom_either_would_not(
            a in rules(), b in rules(), own in any::<bool>(),
            groups in proptest::sample::subsequence(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 0..4),
        ) {
            let (alice, person) = (user("alice"), user(if own { "alice" } else { "bob" }));
            let both = a.clone().and(b.clone());
            prop_assert!(both.quorum >= a.quorum && both.quorum >= b.quorum);
            let named = !a.approvers.is_empty() && !b.approvers.is_empty();
            if both.lets(&alice, &person, &groups) && named {
                prop_assert!(a.lets(&alice, &person, &groups) && b.lets(&alice, &person, &groups));
            }
            if both.lets_break_glass(&alice, &person, &groups) {
                prop_assert!(a.lets_break_glass(&alice, &person, &groups) && b.lets_break_glass(&alice, &person, &groups));
            }
        }
    }
}
