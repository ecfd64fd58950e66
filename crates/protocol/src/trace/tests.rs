use super::*;
use proptest::prelude::*;
use serde_json::json;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn parsed(parent: &str) -> Option<TraceContext> {
    TraceContext::parse(parent, None)
}

fn params(value: &serde_json::Value) -> Box<RawValue> {
    raw(value)
}

#[test]
fn a_good_traceparent_is_read_and_written_again() {
    let context = parsed(PARENT).expect("good");
    assert_eq!(context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.span.to_string(), "00f067aa0ba902b7");
    assert!(context.is_sampled());
    assert_eq!(context.parent(), PARENT);
    assert!(!parsed(&PARENT.replace("-01", "-00")).expect("good").is_sampled());
    // Flags that nobody knows yet go on unchanged as long as nothing else is changed, and not beyond.
    let odd = parsed(&PARENT.replace("-01", "-ff")).expect("good");
    assert_eq!(odd.parent(), PARENT.replace("-01", "-ff"));
    assert_eq!(odd.from_span(odd.span).parent(), PARENT.replace("-01", "-03"));
}

#[test]
fn w3c_a_malformed_traceparent_is_as_good_as_none() {
    for bad in [
        "",
        "00",
        "00-a",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01!",
    ] {
        assert_eq!(parsed(bad), None, "{bad}");
    }
}

#[test]
fn w3c_of_a_later_version_the_known_part_is_read_and_goes_on_as_ours() {
    for later in [PARENT.replacen("00", "01", 1), format!("{}-what-may-be", PARENT.replacen("00", "cc", 1))] {
        assert_eq!(parsed(&later).expect("good").parent(), PARENT, "{later}");
    }
}

#[test]
fn w3c_a_tracestate_goes_on_as_it_came_and_a_malformed_one_does_not() {
    let state = |text: &str| {
        let context = TraceContext::parse(PARENT, Some(text)).expect("good");
        context.state().map(ToString::to_string)
    };
    for good in ["rojo=00f067aa0ba902b7", "rojo=1,congo=t61rcWkgMzE", "t61@sys=a b!, 0k*/_-=x ,,z=1"] {
        assert_eq!(state(good).as_deref(), Some(good));
    }
    let full = vec!["k=v"; 32].join(",");
    assert_eq!(state(&full), Some(full.clone()));
    let (long_key, long_value) = (format!("{}=1", "k".repeat(257)), format!("k={}", "v".repeat(257)));
    let (too_many, too_long) = (format!("{full},k=v"), vec![format!("k={}", "v".repeat(250)); 9].join(","));
    for bad in [
        "",
        ",",
        "novalue",
        "k=",
        "=v",
        "K=v",
        "k=a=b",
        "k=é",
        "k=\u{1}",
        &long_key,
        &long_value,
        &too_many,
        &too_long,
    ] {
        assert_eq!(state(bad), None, "{bad}");
    }
}

#[test]
fn sep_414_meta_is_where_the_context_comes_from() {
    let meta = json!({"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"});
    let context = TraceContext::of_meta(meta.as_object().expect("object")).expect("good");
    assert_eq!((context.parent().as_str(), context.state().map(AsRef::as_ref)), (PARENT, Some("a=1")));
    for bad in
        [json!({}), json!({"traceparent": 1}), json!({"traceparent": "00-a"}), json!({"tracestate": "a=1"})]
    {
        assert_eq!(TraceContext::of_meta(bad.as_object().expect("object")), None);
    }
}

#[test]
fn a_context_takes_its_place_in_meta_and_everything_else_stays_the_text_it_was() {
    let context = TraceContext::parse(PARENT, Some("a=1")).expect("good");
    let sent = r#"{"name":"t","arguments":{ "x" : 1.0 },"_meta":{"traceparent":"00-old","k":[1e400],"baggage":"b=2"}}"#;
    let sent = RawValue::from_string(sent.to_owned()).expect("json");
    let expected = format!(
        r#"{{"name":"t","arguments":{{ "x" : 1.0 }},"_meta":{{"traceparent":"{PARENT}","k":[1e400],"baggage":"b=2","tracestate":"a=1"}}}}"#
    );
    assert_eq!(carried(sent, Some(&context)).get(), expected);
    let bare = params(&json!({"name": "t"}));
    let expected = format!(r#"{{"name":"t","_meta":{{"traceparent":"{PARENT}","tracestate":"a=1"}}}}"#);
    assert_eq!(carried(bare, Some(&context)).get(), expected);
}

#[test]
fn a_context_that_is_there_already_changes_nothing() {
    let context = TraceContext::parse(PARENT, None).expect("good");
    let sent = format!(r#"{{ "_meta" : {{ "traceparent" : "{PARENT}" }} }}"#);
    let sent = RawValue::from_string(sent).expect("json");
    assert_eq!(carried(sent.clone(), Some(&context)).get(), sent.get());
}

#[test]
fn w3c_what_is_malformed_is_never_passed_on() {
    for bad in [
        r#"{"_meta":{"traceparent":"00-a","tracestate":"a=1"}}"#,
        r#"{"_meta":{"tracestate":"a=1"}}"#,
        r#"{"_meta":{"traceparent":7}}"#,
        r#"{"_meta":{"\u0074raceparent":"00-a"}}"#,
    ] {
        let sent = RawValue::from_string(bad.to_owned()).expect("json");
        assert_eq!(carried(sent, None).get(), r#"{"_meta":{}}"#, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_good_context_is_carried_without_loss(trace in 1_u128.., span in 1_u64.., flags in 0_u8..) {
        let parent = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
        prop_assert_eq!(parsed(&parent).expect("good").parent(), parent);
    }

    #[test]
    fn any_text_is_read_without_a_panic(parent in "\\PC{0,80}", state in "\\PC{0,80}") {
        if let Some(context) = TraceContext::parse(&parent, Some(&state)) {
            prop_assert!(context.state().is_none_or(|kept| state.contains(kept.as_ref())));
        }
    }

    #[test]
    fn any_parameters_without_a_context_stay_as_they_are(value in "[ -~]{0,20}", number in any::<i64>()) {
        let text = json!({"uri": value, "_meta": {"k": number}, "z": null}).to_string();
        let sent = RawValue::from_string(text.clone()).expect("json");
        let carried = carried(sent, None);
        prop_assert_eq!(carried.get(), text);
    }
}
