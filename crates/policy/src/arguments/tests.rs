use super::*;
use crate::Engine;
use crate::fixture::{engine, rule, verdict};
use deputy_core::Verdict::{Allow, Deny};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::LazyLock;

fn permits(when: &str, arguments: &Value) -> bool {
    verdict(&engine(&rule("a", "permit", when)), json!({"arguments": arguments})).0 == Allow
}

fn forbid_lets_pass(when: &str, arguments: &Value) -> bool {
    let policies = rule("yes", "permit", "true") + &rule("no", "forbid", when);
    verdict(&engine(&policies), json!({"arguments": arguments})).0 == Allow
}

const SMALL: &str =
    "context.arguments.number.hasTag(\"amount\") && context.arguments.number.getTag(\"amount\") <= 100";
const LARGE: &str =
    "context.arguments.number.hasTag(\"amount\") && context.arguments.number.getTag(\"amount\") > 100";
const LARGE_DECIMAL: &str = "context.arguments.decimal.hasTag(\"amount\") && \
     context.arguments.decimal.getTag(\"amount\").greaterThan(decimal(\"100.0\"))";

#[test]
fn a_rule_on_a_number_reads_the_number() {
    for good in [json!(100), json!(-5), json!(100.0), json!(1e2)] {
        assert!(permits(SMALL, &json!({"amount": good})), "{good}");
    }
    for bad in [json!(101), json!(99.5), json!("5"), json!(true), json!(null), json!([5]), json!({"x": 5})] {
        assert!(!permits(SMALL, &json!({"amount": bad})), "{bad}");
    }
    assert!(!permits(SMALL, &json!({})));
}

#[test]
fn r14_a_number_that_fits_no_type_denies_where_it_is_read_and_only_there() {
    for odd in [json!(1e300), json!(-1e19), json!(u64::MAX), json!(9_007_199_254_740_993_i64)] {
        assert!(!forbid_lets_pass(LARGE, &json!({"amount": odd})), "{odd}");
        assert!(!forbid_lets_pass(LARGE_DECIMAL, &json!({"amount": odd})), "{odd}");
        assert!(forbid_lets_pass(LARGE, &json!({"amount": 1, "other": odd})), "{odd}");
    }
    assert!(!forbid_lets_pass(LARGE_DECIMAL, &json!({"amount": 0.123_456})));
}

#[test]
fn r14_equality_with_an_unfit_number_denies_too() {
    let equal =
        "context.arguments.number.hasTag(\"account\") && context.arguments.number.getTag(\"account\") == 7";
    assert!(!forbid_lets_pass(equal, &json!({"account": 1e300})));
    assert!(!forbid_lets_pass(equal, &json!({"account": "7"})));
    assert!(!forbid_lets_pass(equal, &json!({"account": 7.0})));
    assert!(forbid_lets_pass(equal, &json!({"account": 8})));
}

#[test]
fn r14_a_value_of_another_type_does_not_slip_past_a_forbid() {
    for trick in [json!("5000"), json!(5000.5), json!([5000]), json!({"value": 5000}), json!(true)] {
        assert!(!forbid_lets_pass(LARGE, &json!({"amount": trick})), "{trick}");
    }
    assert!(forbid_lets_pass(LARGE, &json!({"amount": 50})));
    assert!(forbid_lets_pass(LARGE, &json!({"amount": null})));
    assert!(forbid_lets_pass(LARGE, &json!({})));
}

#[test]
fn decimals_hold_whole_numbers_and_up_to_four_digits() {
    for (amount, passes) in
        [(json!(99), true), (json!(99.9999), true), (json!(100.5), false), (json!(101), false)]
    {
        assert_eq!(forbid_lets_pass(LARGE_DECIMAL, &json!({"amount": amount})), passes, "{amount}");
    }
}

#[test]
fn kind_tells_a_union_apart_before_it_is_read() {
    let either = "context.arguments.kind.hasTag(\"id\") && (if context.arguments.kind.getTag(\"id\") == \"text\" \
         then context.arguments.text.hasTag(\"id\") && context.arguments.text.getTag(\"id\") like \"C-*\" \
         else context.arguments.number.hasTag(\"id\") && context.arguments.number.getTag(\"id\") < 10)";
    assert!(permits(either, &json!({"id": "C-1"})) && permits(either, &json!({"id": 5})));
    assert!(!permits(either, &json!({"id": "x"})) && !permits(either, &json!({"id": 50})));
}

#[test]
fn a_path_steps_into_objects_and_lists() {
    let text = |path: &str, wanted: &str| {
        format!(
            "context.arguments.text.hasTag(\"{path}\") && context.arguments.text.getTag(\"{path}\") == \"{wanted}\""
        )
    };
    let arguments = json!({"address": {"city": "Bonn"}, "items": [{"name": "a"}, {"name": "b"}]});
    assert!(permits(&text("address.city", "Bonn"), &arguments));
    assert!(permits(&text("items.1.name", "b"), &arguments));
    assert!(!permits(&text("items.01.name", "b"), &arguments));
    let length = "context.arguments.number.hasTag(\"items.length\") && context.arguments.number.getTag(\"items.length\") == 2";
    assert!(permits(length, &arguments));
}

#[test]
fn a_dot_in_a_name_is_not_a_step() {
    let evil = json!({"address.city": "Bonn", "address": {"city": "Rome"}});
    let city = |path: &str, wanted: &str| {
        let when = format!(
            "context.arguments.text.hasTag(\"{path}\") && context.arguments.text.getTag(\"{path}\") == \"{wanted}\""
        );
        permits(&when, &evil)
    };
    assert!(city("address.city", "Rome") && !city("address.city", "Bonn"));
    assert!(city("address~1city", "Bonn"));
}

#[test]
fn a_computed_path_sees_everything_up_to_a_bound_and_beyond_it_denies() {
    let computed = engine(&rule("a", "permit", "!context.arguments.text.hasTag(context.client)"));
    let ask = |arguments: Value| verdict(&computed, json!({"arguments": arguments, "client": "a.b"})).0;
    assert_eq!(ask(json!({"a": {"c": "x"}})), Allow);
    assert_eq!(ask(json!({"a": {"b": "x"}})), Deny);
    let many: serde_json::Map<_, _> = (0..2000).map(|n| (format!("k{n}"), json!(n))).collect();
    assert_eq!(ask(Value::Object(many.clone())), Deny);
    let deep = (0..40).fold(json!(1), |inner, _| json!({ "d": inner }));
    assert_eq!(ask(deep), Deny);
    let literal = engine(&rule("a", "permit", "!context.arguments.text.hasTag(\"k1.x\")"));
    assert_eq!(verdict(&literal, json!({"arguments": many})).0, Allow);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c.~01]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-b.~01]{0,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn looking_up_a_path_and_walking_all_of_them_agree(
        members in prop::collection::btree_map("[a-b.~01]{0,3}", json_value(), 0..4)
    ) {
        let arguments = Value::Object(members.into_iter().collect());
        let walked = Tagged::new(&arguments, &Reads { paths: BTreeSet::new(), every: true }).expect("small");
        let paths: BTreeSet<String> = walked.kind.iter().map(|(path, _)| path.clone()).collect();
        prop_assert_eq!(paths.len(), walked.kind.len(), "two values share a path");
        let looked = Tagged::new(&arguments, &Reads { paths, every: false }).expect("literal");
        let sorted = |tags: &Tags| {
            let mut all: Vec<_> = tags.iter().map(|(path, value)| format!("{path} {value:?}")).collect();
            all.sort();
            all
        };
        prop_assert_eq!(sorted(&walked.kind), sorted(&looked.kind));
        prop_assert_eq!(sorted(&walked.number), sorted(&looked.number));
        prop_assert_eq!(sorted(&walked.decimal), sorted(&looked.decimal));
        prop_assert_eq!(sorted(&walked.text), sorted(&looked.text));
    }

    #[test]
    fn any_number_is_decided_without_a_broken_entity(number in any::<f64>(), whole in any::<i64>()) {
        static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine(&rule("a", "permit", SMALL)));
        for amount in [json!(number), json!(whole)] {
            let small = verdict(&ENGINE, json!({"arguments": {"amount": amount}})).0 == Allow;
            let honest = amount.as_f64().is_some_and(|n| n <= 100.0 && n.fract() == 0.0 && n.abs() <= INTEGER_MAX as f64);
            prop_assert_eq!(small, honest, "{}", amount);
        }
    }
}
