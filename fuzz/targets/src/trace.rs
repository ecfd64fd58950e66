//! Trace context: what any client may write into a header or `_meta`.

use crate::{first_line, text};
use deputy_protocol::relay::raw;
use deputy_protocol::trace::{TraceContext, carried};
use serde_json::{Value, json};

/// `traceparent`, and `tracestate` after it. What is read is written in the one good form and reads the same again; a state
/// is passed on as it came or not at all; and what was not read goes to no server.
pub(crate) fn trace(data: &[u8]) {
    let (parent, state) = first_line(data);
    let (Some(parent), Some(state)) = (text(parent), text(state)) else { return };
    let context = TraceContext::parse(parent, Some(state));
    if let Some(context) = &context {
        let written = context.parent();
        assert!(written.len() == 55 && written.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
        assert_eq!(TraceContext::parse(&written, Some(state)).as_ref(), Some(context));
        if let Some(kept) = context.state() {
            assert!(
                state.contains(kept.as_ref())
                    && kept.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t')
            );
        }
    }
    let sent =
        raw(&json!({"_meta": {"traceparent": parent, "tracestate": state, "baggage": "b=2"}, "name": "t"}));
    let told: Value = serde_json::from_str(carried(sent, context.as_ref()).get()).expect("json");
    let meta = &told["_meta"];
    let expected = context.as_ref().map(TraceContext::parent);
    assert_eq!(meta["traceparent"].as_str(), expected.as_deref());
    assert_eq!(
        meta["tracestate"].as_str(),
        context.as_ref().and_then(TraceContext::state).map(AsRef::as_ref)
    );
    assert_eq!((&meta["baggage"], &told["name"]), (&json!("b=2"), &json!("t")));
}
