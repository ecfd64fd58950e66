use super::*;
use crate::fixture::{engine, question, rule, verdict};
use deputy_core::Verdict::{Allow, Ask, Deny};
use serde_json::json;

mod oracle;
mod visibility;

#[test]
fn no_rule_is_a_deny_and_a_forbid_wins() {
    let empty = Engine::new(PolicySet::parse(&[]).expect("empty"));
    assert_eq!(verdict(&empty, json!({})), (Deny, vec![]));
    let both =
        engine(&(rule("yes", "permit", "true") + &rule("no", "forbid", "resource.name == \"get_customer\"")));
    assert_eq!(verdict(&both, json!({})), (Deny, vec!["no".to_owned()]));
}

#[test]
fn asking_is_what_an_approval_would_change() {
    let policies = engine(&rule("approved", "permit", "context.approved"));
    let question = question(json!({}));
    let refusal =
        policies.decide(question.caller.clone(), question.call.clone(), question.now).expect_err("asks");
    assert_eq!((refusal.verdict, refusal.reason), (Ask, Reason::ApprovalRequired));
    assert_eq!(refusal.policies.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(), ["approved"]);
    assert_eq!(refusal.version, policies.version());
    let approved = crate::fixture::question(json!({"approved": true}));
    let authorized = policies.decide(approved.caller, approved.call, approved.now).expect("allowed");
    assert!(authorized.approved());
    assert_eq!(authorized.version(), &policies.version());
}

#[test]
fn an_approval_that_was_not_needed_is_not_said_to_have_been_used() {
    let policies = engine(&rule("yes", "permit", "true"));
    let question = question(json!({"approved": true}));
    assert!(!policies.decide(question.caller, question.call, question.now).expect("allowed").approved());
}

#[test]
fn an_approval_does_not_help_where_a_forbid_stands() {
    let policies = engine(&(rule("approved", "permit", "context.approved") + &rule("no", "forbid", "true")));
    assert_eq!(verdict(&policies, json!({"approved": true})), (Deny, vec!["no".to_owned()]));
}

#[test]
fn apr_01_the_approval_asked_for_is_that_of_exactly_this_call() {
    struct Approved(crate::test::Person, Digest);
    impl Facts for Approved {
        fn user(&self) -> &deputy_core::User {
            self.0.user()
        }
        fn agent(&self) -> &deputy_core::Agent {
            self.0.agent()
        }
        fn client(&self) -> &deputy_core::Client {
            self.0.client()
        }
        fn groups(&self) -> &[String] {
            self.0.groups()
        }
        fn approved(&self, call: &Digest) -> bool {
            *call == self.1
        }
    }
    let policies = engine(&rule("approved", "permit", "context.approved"));
    let (one, other) = (question(json!({"arguments": {"a": 1}})), question(json!({"arguments": {"a": 2}})));
    let digest = one.call.digest(one.caller.user(), &one.caller.client().0);
    assert!(policies.decide(Approved(one.caller.clone(), digest), one.call, one.now).is_ok());
    let Err(refusal) = policies.decide(Approved(other.caller, digest), other.call, other.now) else {
        panic!("another call is not approved")
    };
    assert_eq!(refusal.verdict, Ask);
}

#[test]
fn r14_a_policy_that_errors_denies_even_where_cedar_allows() {
    let overflow = "9223372036854775807 + context.now > 0";
    for effect in ["forbid", "permit"] {
        let policies = engine(&(rule("yes", "permit", "true") + &rule("broken", effect, overflow)));
        let question = question(json!({"approved": true}));
        let refusal = policies.decide(question.caller, question.call, question.now).expect_err("errs");
        assert_eq!((refusal.verdict, refusal.reason), (Deny, Reason::PolicyDenied));
        assert_eq!(refusal.errors, ["policy `broken` failed: a number overflows"]);
        assert_eq!(refusal.policies.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(), ["broken"]);
    }
}

#[test]
fn r14_a_policy_that_errors_only_with_an_approval_denies_and_does_not_ask() {
    let policies = engine(
        &(rule("approved", "permit", "context.approved")
            + &rule("broken", "forbid", "context.approved && 9223372036854775807 + context.now > 0")),
    );
    assert_eq!(verdict(&policies, json!({})).0, Deny);
}

#[test]
fn errors_hold_no_argument_values() {
    let number = "context.arguments.number.hasTag(\"n\") && context.arguments.number.getTag(\"n\")";
    let text = "context.arguments.text.hasTag(\"s\") && context.arguments.text.getTag(\"s\") == \"x\"";
    let mixed = "context.arguments.number.hasTag(\"s\") && context.arguments.number.getTag(\"s\") == 1";
    let policies = engine(
        &(rule("a", "permit", &format!("{number} + 9223372036854775807 > 0"))
            + &rule("b", "permit", &format!("({text}) || ({mixed})"))),
    );
    let question = question(json!({"arguments": {"s": "hunter2", "n": 4711}}));
    let refusal = policies.decide(question.caller, question.call, question.now).expect_err("errs");
    assert_eq!(refusal.errors.len(), 2);
    let errors = refusal.errors.concat();
    assert!(!errors.contains("hunter2") && !errors.contains("4711"), "{errors}");
}

#[test]
fn hot_reload_keeps_the_last_good_set() {
    let live = engine(&rule("yes", "permit", "true"));
    let before = live.version();
    let reload = |text: &str| -> Result<(), crate::PolicyError> {
        live.replace(PolicySet::parse(&[("t.cedar".to_owned(), text.to_owned())])?);
        Ok(())
    };
    assert!(reload("@id(\"x\") permit (principal, action").is_err());
    assert!(reload("permit (principal, action, resource);").is_err());
    assert_eq!(live.version(), before);
    assert_eq!(verdict(&live, json!({})).0, Allow);
    reload(&rule("no", "forbid", "true")).expect("good");
    assert_ne!(live.version(), before);
    assert_eq!(verdict(&live, json!({})).0, Deny);
}

#[test]
fn time_reaches_a_policy_in_seconds() {
    let policies = engine(&rule("until", "permit", "context.now < 1700000000"));
    assert_eq!(verdict(&policies, json!({"now": 1_699_999_999})).0, Allow);
    assert_eq!(verdict(&policies, json!({"now": 1_700_000_000})).0, Deny);
}

#[test]
fn after_untrusted_output_policy_can_ask_and_who_cannot_tell_counts_as_tainted() {
    let policies = engine(
        &(rule("write", "permit", "!context.untrusted") + &rule("approved", "permit", "context.approved")),
    );
    assert_eq!(verdict(&policies, json!({})).0, Allow);
    assert_eq!(verdict(&policies, json!({"untrusted": true})).0, Ask);
    assert_eq!(verdict(&policies, json!({"untrusted": true, "approved": true})).0, Allow);
    struct Forgetful(crate::test::Person);
    impl Facts for Forgetful {
        fn user(&self) -> &deputy_core::User {
            self.0.user()
        }
        fn agent(&self) -> &deputy_core::Agent {
            self.0.agent()
        }
        fn client(&self) -> &deputy_core::Client {
            self.0.client()
        }
        fn groups(&self) -> &[String] {
            self.0.groups()
        }
        fn approved(&self, _call: &Digest) -> bool {
            false
        }
    }
    let question = question(json!({}));
    let refusal =
        policies.decide(Forgetful(question.caller), question.call, question.now).err().expect("asks");
    assert_eq!(refusal.verdict, Ask);
}
