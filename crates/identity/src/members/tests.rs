//! A7: the borrowing reader against the plain one.

use super::*;
use deputy_core::canonical::parse_strict;
use proptest::prelude::*;

fn plainly(bytes: &[u8]) -> Option<Map<String, Value>> {
    parse_strict(bytes).ok().and_then(|value| value.as_object().cloned())
}

fn borrowing(bytes: &[u8]) -> Option<Map<String, Value>> {
    Members::parse(bytes).map(|members| members.to_map())
}

/// Objects and near misses: members twice, escapes, numbers of every kind, nesting.
fn texts() -> impl Strategy<Value = String> {
    let name = prop_oneof!["[ab]", Just("\\u0061".to_owned()), "[a-z]{0,6}", "\\PC{0,3}"];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e999".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "\"[a-c\\\\n\"]{0,4}\"",
        "\\PC{0,3}",
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        let members = prop::collection::vec((name.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            members.prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

#[test]
fn a7_a_name_twice_is_found_among_few_and_among_many() {
    for count in [1, FEW - 1, FEW, FEW + 1, 500] {
        let members: Vec<String> = (0..count).map(|at| format!("\"m{at}\":{at}")).collect();
        let once = format!("{{{}}}", members.join(","));
        assert_eq!(Members::parse(once.as_bytes()).map(|members| members.0.len()), Some(count));
        let twice = format!("{{{},\"\\u006d0\":1}}", members.join(","));
        assert!(Members::parse(twice.as_bytes()).is_none(), "{count}");
    }
}

#[test]
fn a7_nesting_ends_where_the_plain_reader_ends_it() {
    for depth in [1, 126, 127, 128, 5000] {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(borrowing(text.as_bytes()), plainly(text.as_bytes()), "{depth}");
    }
}

proptest! {
    #[test]
    fn a7_the_borrowing_reader_agrees_with_the_plain_one(text in texts()) {
        prop_assert_eq!(borrowing(text.as_bytes()), plainly(text.as_bytes()));
    }

    #[test]
    fn a7_the_borrowing_reader_agrees_with_the_plain_one_about_objects(text in texts(), name in "[a-b]", end in "[ x]?") {
        let text = format!("{{\"a\":{text},\"{name}\":{text}}}{end}");
        prop_assert_eq!(borrowing(text.as_bytes()), plainly(text.as_bytes()));
    }

    #[test]
    fn a7_the_borrowing_reader_agrees_with_the_plain_one_about_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(borrowing(&bytes), plainly(&bytes));
    }
}
