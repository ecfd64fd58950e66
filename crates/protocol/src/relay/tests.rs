use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn object(text: &str) -> Object {
    serde_json::from_str(text).expect("object")
}

#[test]
fn what_is_not_touched_stays_the_text_that_was_sent() {
    let text = r#"{"b":1.0,"a":{"x" : [1e400, 12345678901234567890123]},"z":"\u00e9","a2":null}"#;
    let mut passed = object(text);
    passed.set("b", raw(&2));
    passed.set("new", raw(&"n"));
    assert_eq!(passed.remove("a2").expect("there").get(), "null");
    let expected = r#"{"b":2,"a":{"x" : [1e400, 12345678901234567890123]},"z":"\u00e9","new":"n"}"#;
    assert_eq!(passed.to_raw().get(), expected);
}

#[test]
fn what_is_no_object_is_refused() {
    for text in ["[]", "1", "null", "\"x\""] {
        assert!(Object::parse(&RawValue::from_string(text.to_owned()).expect("json")).is_err(), "{text}");
    }
}

/// Any JSON value, not too deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_object_comes_out_as_it_went_in(members in prop::collection::vec((".{0,6}", json()), 0..12)) {
        let text = Value::Object(members.into_iter().collect()).to_string();
        let passed = object(&text).to_raw();
        prop_assert_eq!(passed.get(), text);
    }

    #[test]
    fn setting_and_removing_a_new_member_changes_nothing(members in prop::collection::vec(("[a-z]{0,6}", json()), 0..12)) {
        let text = Value::Object(members.into_iter().collect()).to_string();
        let mut passed = object(&text);
        passed.set("NEW", raw(&1));
        passed.remove("NEW");
        let passed = passed.to_raw();
        prop_assert_eq!(passed.get(), text);
    }
}

proptest::proptest! {
    #[test]
    fn members_looked_up_alone_are_those_of_the_whole_object(
        names in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "\\u0061", "c", ""]), 0..6),
        values in proptest::collection::vec(proptest::sample::select(vec!["1", "null", "[1, 2]", "{\"a\":{}}", "\"x\""]), 6),
    ) {
        let members: Vec<String> = names.iter().zip(&values).map(|(name, value)| format!("\"{name}\" : {value}")).collect();
        let text = RawValue::from_string(format!("{{{}}}", members.join(","))).expect("json");
        let whole = Object::parse(&text).expect("an object");
        let [a, b] = super::members(&text, ["a", "b"]).expect("an object");
        proptest::prop_assert_eq!(a.map(RawValue::get), whole.get("a").map(RawValue::get));
        proptest::prop_assert_eq!(b.map(RawValue::get), whole.get("b").map(RawValue::get));
    }
}

#[test]
fn members_are_looked_up_in_objects_alone() {
    for text in ["[1]", "null", "\"a\"", "1"] {
        assert!(
            super::members(&RawValue::from_string(text.to_owned()).expect("json"), ["a"]).is_err(),
            "{text}"
        );
    }
}
