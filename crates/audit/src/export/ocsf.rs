//! A line as an OCSF 1.9.0 event with the profiles `record_integrity` and, for calls, `ai_operation`.
//!
//! OCSF's chain is not the log's tree: its `fingerprint` covers the OCSF form of an event, and `prev_event` links one
//! event to the one before it in the same export. Both stand in `attestation`; the log's own number, name and record hash
//! stand in `metadata.sequence`, `metadata.log_name` and `unmapped.leaf`, so that either can be checked.
//!
//! An event whose person was erased has another OCSF form than before, and so another fingerprint: a chain is what was
//! handed out when it was handed out.

use super::{Line, text};
use crate::AuditError;
use deputy_core::{Class, Digest, Effect, Event, EventKind, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The version of the schema.
pub const VERSION: &str = "1.9.0";

const ENTITY: Kind = Kind { category: 3, class: 3004 };
const AUTHENTICATION: Kind = Kind { category: 3, class: 3002 };
const LIFECYCLE: Kind = Kind { category: 6, class: 6002 };
const API: Kind = Kind { category: 6, class: 6003 };

/// Where an export stands in its chain: its name, and the event that the next one points back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// `attestation.chain_uid`.
    pub uid: String,
    /// The event before the next one; `None` before the first.
    pub previous: Option<Previous>,
}

/// An event that was exported, as the next one refers to it (`prev_event`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// `metadata.uid`.
    pub uid: String,
    /// `type_uid`.
    pub type_uid: u64,
    /// `attestation.fingerprint.value`: SHA-256 in hexadecimal.
    pub fingerprint: String,
}

#[derive(Clone, Copy)]
struct Kind {
    category: u64,
    class: u64,
}

/// The next event of a chain, as one JSON object without line breaks. `origin` is the log's name, `authority` its public
/// key.
///
/// # Errors
/// A number that JSON cannot hold exactly.
pub fn event(origin: &str, authority: &str, line: &Line, chain: &mut Chain) -> Result<String, AuditError> {
    let mut object = Value::Object(body(origin, line));
    let mut attestation = json!({ "authority_uid": authority, "chain_uid": chain.uid });
    if let Some(previous) = &chain.previous {
        put(
            &mut attestation,
            "prev_event",
            json!({
                "uid": previous.uid, "type_uid": previous.type_uid, "fingerprint": sha256(&previous.fingerprint),
            }),
        );
    }
    put(&mut object, "attestation", attestation);
    // The fingerprint covers everything but itself (OCSF 1.9, object `attestation`).
    let fingerprint = hex::encode(Digest::of_json(&object)?.as_bytes());
    if let Some(attestation) = object.get_mut("attestation") {
        put(attestation, "fingerprint", sha256(&fingerprint));
    }
    let type_uid = object.get("type_uid").and_then(Value::as_u64).unwrap_or_default();
    chain.previous = Some(Previous { uid: uid(origin, line), type_uid, fingerprint });
    text(&object)
}

fn sha256(value: &str) -> Value {
    json!({ "algorithm": "SHA-256", "algorithm_id": 3, "value": value })
}

fn uid(origin: &str, line: &Line) -> String {
    format!("{origin}/{}", line.seq)
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn body(origin: &str, line: &Line) -> Map<String, Value> {
    let event = &line.event;
    let (Kind { category, class }, activity, activity_name) = classified(event);
    let (status_id, status) = status(event);
    let mut profiles = vec!["record_integrity"];
    if class == API.class {
        profiles.push("ai_operation");
    }
    let mut object = json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": category,
        "class_uid": class,
        "type_uid": class * 100 + activity,
        "severity_id": if status_id == 2 { 2 } else { 1 },
        "time": event.at,
        "message": event.kind.code(),
        "status": status,
        "status_id": status_id,
        "metadata": {
            "event_code": event.kind.code(),
            "log_name": origin,
            "log_version": "1",
            "product": { "name": "Deputy", "vendor_name": "Deputy" },
            "profiles": profiles,
            "sequence": line.seq,
            "tenant_uid": event.tenant,
            "uid": uid(origin, line),
            "version": VERSION,
        },
        "unmapped": unmapped(line),
    });
    if let Some(call) = &event.call
        && let Some(metadata) = object.get_mut("metadata")
    {
        put(metadata, "correlation_uid", json!(call));
    }
    if let Some(reason) = event.reason {
        put(&mut object, "status_code", json!(reason.code()));
        put(&mut object, "status_detail", json!(reason.words()));
    }
    for (name, value) in of_class(event, class) {
        put(&mut object, name, value);
    }
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// What each class wants beside the base event.
fn of_class(event: &Event, class: u64) -> Vec<(&'static str, Value)> {
    let source = || event.source.as_ref().map_or("deputy", |source| source.as_str());
    if class == API.class {
        let operation = event.tool.as_ref().map_or("unknown", |tool| tool.as_str());
        let mut members = vec![
            ("actor", actor(event)),
            ("api", json!({ "operation": operation, "service": { "name": source() } })),
            ("src_endpoint", json!({ "name": origin_of_agent(event).unwrap_or("unknown") })),
            ("dst_endpoint", json!({ "svc_name": source() })),
        ];
        members.extend(ai_agent(event).map(|agent| ("ai_agent", agent)));
        return members;
    }
    if class == AUTHENTICATION.class {
        return vec![
            ("user", user(event).unwrap_or_else(|| json!({ "name": "unknown" }))),
            ("actor", actor(event)),
            ("service", json!({ "name": source() })),
        ];
    }
    if class == LIFECYCLE.class {
        return vec![("app", json!({ "name": source(), "vendor_name": "unknown" })), ("actor", actor(event))];
    }
    let entity = match (&event.approval, &event.policy_version) {
        (Some(approval), _) => json!({ "uid": approval, "type": "approval" }),
        (None, Some(version)) => json!({ "uid": version, "type": "policy" }),
        (None, None) => json!({ "name": source(), "type": event.kind.code() }),
    };
    vec![("entity", entity), ("actor", actor(event))]
}

/// Which class and activity a line belongs to.
fn classified(event: &Event) -> (Kind, u64, &'static str) {
    match event.kind {
        EventKind::Intent | EventKind::Outcome | EventKind::Refusal => {
            let (activity, name) = match event.class.map(|Class { effect, .. }| effect) {
                Some(Effect::Read) => (2, "Read"),
                Some(Effect::Write) => (3, "Update"),
                Some(Effect::Destructive) => (4, "Delete"),
                None => (0, "Unknown"),
            };
            (API, activity, name)
        }
        EventKind::SignIn | EventKind::SignInRefused => (AUTHENTICATION, 1, "Logon"),
        EventKind::TicketIssued => (AUTHENTICATION, 99, "Ticket Issued"),
        EventKind::HubStarted | EventKind::TabOpened => (LIFECYCLE, 3, "Start"),
        EventKind::TabClosed => (LIFECYCLE, 4, "Stop"),
        EventKind::ApprovalRequested => (ENTITY, 1, "Create"),
        EventKind::ApprovalExpired | EventKind::PersonErased | EventKind::LinesPruned => {
            (ENTITY, 4, "Delete")
        }
        // Whatever else happens changes something that the hub keeps.
        _ => (ENTITY, 3, "Update"),
    }
}

fn status(event: &Event) -> (u64, &'static str) {
    match (event.kind, event.outcome) {
        (_, Some(Outcome::Succeeded)) => (1, "Success"),
        (_, Some(Outcome::Failed | Outcome::NotStarted)) => (2, "Failure"),
        (_, Some(Outcome::Cancelled)) => (99, "Cancelled"),
        (_, Some(Outcome::InputRequired)) => (99, "Input required"),
        (_, Some(Outcome::Unknown)) | (EventKind::Intent, _) => (0, "Unknown"),
        (EventKind::Refusal | EventKind::SignInRefused | EventKind::PolicyRejected, _) => (2, "Failure"),
        _ => (1, "Success"),
    }
}

fn user(event: &Event) -> Option<Value> {
    let user = event.user.as_ref()?;
    Some(json!({ "uid": user.subject, "domain": user.issuer, "org": { "uid": user.tenant } }))
}

fn actor(event: &Event) -> Value {
    let mut actor = json!({ "app_name": event.client.as_ref().map_or("deputy", |client| client.0.as_str()) });
    if let Some(user) = user(event) {
        put(&mut actor, "user", user);
    }
    actor
}

fn origin_of_agent(event: &Event) -> Option<&str> {
    event.agent.as_ref()?.origin.as_deref()
}

/// What is known of the agent. Its client stands for it: names are what agents say of themselves.
fn ai_agent(event: &Event) -> Option<Value> {
    let agent = event.agent.as_ref()?;
    let uid = event.client.as_ref().map_or("unknown", |client| client.0.as_str());
    let mut object = json!({ "uid": uid, "type_id": 0 });
    if let Some(name) = &agent.name {
        put(&mut object, "name", json!(name));
    }
    Some(object)
}

/// What OCSF has no place for, under our own names.
fn unmapped(line: &Line) -> Value {
    let event = &line.event;
    let mut object = json!({ "leaf": line.leaf.to_string() });
    if line.erased {
        put(&mut object, "erased", Value::Bool(true));
    }
    let members = serde_json::to_value(event).unwrap_or_default();
    let here = [
        "agent",
        "approval",
        "arguments",
        "class",
        "definition",
        "detail",
        "lane",
        "outcome",
        "policies",
        "policy_version",
        "tab",
    ];
    for name in here {
        if let Some(value) = members.get(name) {
            put(&mut object, name, value.clone());
        }
    }
    object
}
