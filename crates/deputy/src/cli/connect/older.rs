//! Whether what stands where an entry belongs is the hub under an older address, or a server of somebody else's.

use serde_json::Value;

/// Where an address of a hub leads.
#[derive(PartialEq, Eq)]
enum Place<'a> {
    /// To everything: it ends in `/mcp`.
    All,
    /// To one server: it ends in `/s/{server}/mcp`.
    Server(&'a str),
}

/// Whether a server that a file has is what we would write, or was: nothing else is in it, and only addresses of hubs
/// differ. Anything more is somebody's own, and may be nowhere else.
pub(super) fn is_ours(found: &Value, ours: &Value) -> bool {
    match (found, ours) {
        (Value::Object(found), Value::Object(ours)) => {
            found.iter().all(|(key, value)| ours.get(key).is_some_and(|ours| is_ours(value, ours)))
        }
        (Value::Array(found), Value::Array(ours)) => {
            found.len() == ours.len() && found.iter().zip(ours).all(|(found, ours)| is_ours(found, ours))
        }
        (Value::String(found), Value::String(ours)) => found == ours || is_address_of_the_same(found, ours),
        (found, ours) => found == ours,
    }
}

/// Whether both are addresses of a hub, and lead to the same there.
pub(super) fn is_address_of_the_same(found: &str, ours: &str) -> bool {
    place(ours).is_some_and(|ours| place(found) == Some(ours))
}

/// What is said of a server that is left as it is.
pub(super) fn taken(name: &str) -> String {
    format!(
        "`{name}` is there already and says something else than what would be written (with another `--name` both have room)"
    )
}

fn place(address: &str) -> Option<Place<'_>> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    match segments.as_slice() {
        [.., "s", server, "mcp"] => Some(Place::Server(server)),
        [.., "mcp"] => Some(Place::All),
        _ => None,
    }
}
