//! What servers over HTTP are told of a trace: `traceparent` and `tracestate` (W3C Trace Context).

use deputy_protocol::trace::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// Adds them. A header of this name that is there already is somebody's argument, and stays.
pub(crate) fn tell(headers: &mut HeaderMap, trace: Option<&TraceContext>) {
    let Some(trace) = trace.filter(|_| !headers.contains_key(PARENT) && !headers.contains_key(STATE)) else {
        return;
    };
    // Both are visible ASCII: they were read as such.
    let Ok(parent) = HeaderValue::try_from(trace.parent()) else { return };
    headers.insert(PARENT, parent);
    if let Some(state) = trace.state().and_then(|state| HeaderValue::from_str(state).ok()) {
        headers.insert(STATE, state);
    }
}
