//! Canonical JSON of the parts of a line, written once and directly: their members are few and known, and each line has three.

use super::{After, Apart, Before, NamedAgent, Person, PlainAgent};
use crate::AuditError;
use deputy_core::canonical::{self, Digest};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes that most parts fit into, with what is added to them later.
const ROOM: usize = 704;

/// Canonical JSON of a part. The parts name their members in canonical order and have no number above 2^53; only `detail`
/// holds values of any shape.
pub(super) fn written<T: Part + Serialize>(
    part: &T,
    detail: &BTreeMap<&str, &Value>,
) -> Result<Vec<u8>, AuditError> {
    if detail.keys().any(|name| !name.is_ascii()) {
        // Those are in another order where they are sorted as UTF-16.
        return Ok(canonical::to_canonical(part)?);
    }
    let mut object = Object { detail: of_detail(detail)?, ..Object::open(Vec::with_capacity(ROOM)) };
    part.members(&mut object);
    Ok(object.close())
}

/// Empty if there is none.
fn of_detail(detail: &BTreeMap<&str, &Value>) -> Result<Vec<u8>, AuditError> {
    let mut out = Vec::new();
    for (name, value) in detail {
        out.push(if out.is_empty() { b'{' } else { b',' });
        canonical::write_text(&mut out, name);
        out.push(b':');
        out.extend_from_slice(&canonical::value_to_canonical(value)?);
    }
    if !out.is_empty() {
        out.push(b'}');
    }
    Ok(out)
}

/// What writes its members in canonical order.
pub(super) trait Part {
    fn members(&self, object: &mut Object);
}

/// An object that is being written.
pub(super) struct Object {
    out: Vec<u8>,
    is_empty: bool,
    /// Canonical JSON of the part's details; empty if it has none.
    detail: Vec<u8>,
}

impl Object {
    fn open(mut out: Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true, detail: Vec::new() }
    }

    fn close(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    /// Names in lines need no escapes.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        &mut self.out
    }

    fn raw(&mut self, name: &str, value: &str) {
        self.name(name).extend_from_slice(value.as_bytes());
    }

    fn text(&mut self, name: &str, value: &str) {
        canonical::write_text(self.name(name), value);
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn detail(&mut self) {
        let detail = std::mem::take(&mut self.detail);
        if !detail.is_empty() {
            self.name("detail").extend_from_slice(&detail);
        }
    }

    fn digest(&mut self, name: &str, value: Option<&Digest>) {
        if let Some(value) = value {
            let out = self.name(name);
            value.with_text(|text| {
                out.push(b'"');
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            });
        }
    }

    fn part(&mut self, name: &str, part: Option<&impl Part>) {
        if let Some(part) = part {
            self.name(name);
            let mut within = Self::open(std::mem::take(&mut self.out));
            part.members(&mut within);
            self.out = within.close();
        }
    }
}

impl Part for Before<'_> {
    fn members(&self, object: &mut Object) {
        let Self {
            agent,
            approval,
            at,
            call,
            class,
            definition,
            detail: _,
            kind,
            lane,
            outcome,
            personal,
            policies,
            policy_version,
            reason,
        } = self;
        object.part("agent", agent.as_ref());
        object.maybe("approval", approval.as_ref().map(|approval| approval.as_str()));
        object.raw("at", &at.millis().to_string());
        object.maybe("call", call.as_ref().map(|call| call.as_str()));
        object.part("class", class.as_ref());
        object.digest("definition", definition.as_ref());
        object.detail();
        object.text("kind", kind.code());
        object.maybe("lane", lane.as_deref());
        object.maybe("outcome", outcome.map(|outcome| outcome.code()));
        object.digest("personal", personal.as_ref());
        if !policies.is_empty() {
            let out = object.name("policies");
            for (place, policy) in policies.iter().enumerate() {
                out.push(if place == 0 { b'[' } else { b',' });
                canonical::write_text(out, &policy.0);
            }
            out.push(b']');
        }
        object.digest("policy_version", policy_version.as_ref());
        object.maybe("reason", reason.map(|reason| reason.code()));
    }
}

impl Part for After<'_> {
    fn members(&self, object: &mut Object) {
        let Self { source, tenant, tool, v } = self;
        object.maybe("source", source.as_ref().map(|source| source.as_str()));
        object.text("tenant", tenant.as_str());
        object.maybe("tool", tool.as_ref().map(|tool| tool.as_str()));
        object.raw("v", &v.to_string());
    }
}

impl Part for Apart<'_> {
    fn members(&self, object: &mut Object) {
        let Self { agent, arguments, client, detail: _, tab, user } = self;
        object.part("agent", agent.as_ref());
        object.digest("arguments", arguments.as_ref());
        object.maybe("client", client.as_ref().map(|client| client.0.as_str()));
        object.detail();
        object.maybe("tab", tab.as_ref().map(|tab| tab.as_str()));
        object.part("user", user.as_ref());
    }
}

impl Part for Person<'_> {
    fn members(&self, object: &mut Object) {
        let Self { issuer, subject, tenant } = self;
        object.text("issuer", issuer.as_str());
        object.text("subject", subject.as_str());
        object.text("tenant", tenant.as_str());
    }
}

impl Part for PlainAgent {
    fn members(&self, object: &mut Object) {
        let Self { agent_type, verification } = self;
        object.text("type", agent_type.code());
        object.text("verification", verification.code());
    }
}

impl Part for NamedAgent<'_> {
    fn members(&self, object: &mut Object) {
        let Self { name, origin } = self;
        object.maybe("name", name.as_deref());
        object.maybe("origin", origin.as_deref());
    }
}

impl Part for deputy_core::Class {
    fn members(&self, object: &mut Object) {
        let Self { effect, egress } = self;
        object.text("effect", effect.code());
        object.raw("egress", if *egress { "true" } else { "false" });
    }
}
