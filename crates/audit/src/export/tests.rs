//! What leaves the log says the same as the log, and the documentation says what leaves it.

use super::*;
use crate::Record;
use deputy_core::{
    Agent, ApprovalId, CallId, Class, Client, Digest, DocumentId, EventKind, Issuer, Outcome, PolicyId,
    Reason, SourceName, Subject, TenantId, Timestamp, ToolName, User,
};

const PAGE: &str = include_str!("../../../../docs/reference/audit-events.md");
const ORIGIN: &str = "deputy/default@0123456789abcdef";

fn line(kind: EventKind, seq: u64) -> Line {
    let event = Event {
        user: Some(User {
            tenant: TenantId::single(),
            issuer: Issuer::new("https://id.acme.example").expect("issuer"),
            subject: Subject::new("alice-4711").expect("subject"),
        }),
        agent: Some(Agent {
            name: Some("Some Agent".into()),
            origin: Some("https://agent.example".into()),
            ..Agent::default()
        }),
        client: Some(Client("some-client".into())),
        call: Some(CallId::new("call_0123456789abcdef").expect("call")),
        source: Some(SourceName::new("crm").expect("source")),
        tool: Some(ToolName::new("add_note").expect("tool")),
        class: Some(Class::UNKNOWN),
        definition: Some(Digest::of_bytes(b"definition")),
        arguments: Some(Digest::of_bytes(b"arguments")),
        tab: Some(DocumentId::new("doc_canary0123456789").expect("tab")),
        approval: Some(ApprovalId::new("apr_0123456789abcdef").expect("approval")),
        lane: Some("session".into()),
        outcome: Some(Outcome::Succeeded),
        reason: Some(Reason::Busy),
        policies: vec![PolicyId("own-tools".into())],
        policy_version: Some(Digest::of_bytes(b"policy")),
        ..Event::new(Timestamp::from_millis(1_795_303_770_123), TenantId::single(), kind)
    }
    .with_detail("elapsed_ms", 12);
    let record = Record::of(&event, seq, [9; 32]).expect("record");
    Line::of(seq, &record.bytes, record.personal.as_ref().map(|personal| personal.bytes.as_slice()))
        .expect("line")
}

fn erased(kind: EventKind, seq: u64) -> Line {
    let record = Record::of(&line(kind, seq).event, seq, [9; 32]).expect("record");
    Line::of(seq, &record.bytes, None).expect("line")
}

fn parsed(text: &str) -> Value {
    assert!(!text.contains('\n'));
    serde_json::from_str(text).expect("JSON")
}

fn chain() -> Chain {
    Chain { uid: format!("{ORIGIN}/ocsf/0"), previous: None }
}

#[test]
fn aud_08_every_kind_and_every_member_is_documented() {
    for kind in EventKind::ALL {
        assert!(PAGE.contains(&format!("\n| `{}` |", kind.code())), "{} is not on the page", kind.code());
    }
    let mut whole = line(EventKind::Outcome, 3);
    whole.erased = true;
    let object = parsed(&jsonl(ORIGIN, &whole).expect("line"));
    for name in object.as_object().expect("object").keys() {
        assert!(PAGE.contains(&format!("\n| `{name}` |")), "{name} is not on the page");
    }
}

#[test]
fn aud_08_a_json_line_has_number_record_hash_and_what_the_event_says() {
    let line = line(EventKind::Outcome, 3);
    let object = parsed(&jsonl(ORIGIN, &line).expect("line"));
    assert_eq!((&object["v"], &object["seq"], &object["log"]), (&json!(1), &json!(3), &json!(ORIGIN)));
    assert_eq!(object["leaf"], line.leaf.to_string());
    assert_eq!(object["time"], "2026-11-21T23:29:30.123Z");
    assert_eq!(object["user"]["subject"], "alice-4711");
    let erased = parsed(&jsonl(ORIGIN, &erased(EventKind::Outcome, 3)).expect("line"));
    assert_eq!((&erased["erased"], &erased["user"]), (&json!(true), &Value::Null));
    assert_eq!(erased["leaf"], object["leaf"], "erasing changes no hash");
}

#[test]
fn aud_08_every_kind_has_an_ocsf_event_with_what_its_class_requires() {
    for (seq, kind) in EventKind::ALL.iter().enumerate() {
        for line in [line(*kind, seq as u64), erased(*kind, seq as u64)] {
            let event = parsed(&ocsf::event(ORIGIN, "key", &line, &mut chain()).expect("event"));
            let (class, activity) = (event["class_uid"].as_u64(), event["activity_id"].as_u64());
            let (class, activity) = (class.expect("class"), activity.expect("activity"));
            assert_eq!(event["type_uid"], class * 100 + activity);
            assert_eq!(event["category_uid"], class / 1000);
            assert_eq!(event["metadata"]["version"], "1.9.0");
            assert_eq!(event["metadata"]["product"]["name"], "Deputy");
            assert_eq!(event["metadata"]["profiles"][0], "record_integrity");
            let required: &[&str] = match class {
                6003 => &["actor", "api", "src_endpoint", "ai_agent"],
                6002 => &["app"],
                3002 => &["user", "service"],
                3004 => &["entity"],
                other => panic!("class {other}"),
            };
            for name in ["severity_id", "time", "status_id"].iter().chain(required) {
                assert!(!event[*name].is_null(), "{} lacks {name}", kind.code());
            }
        }
    }
}

#[test]
fn aud_08_ocsf_events_are_chained_by_fingerprints_that_anybody_can_recompute() {
    let mut chain = chain();
    let mut before: Option<Value> = None;
    for seq in 0..4 {
        let event = ocsf::event(ORIGIN, "key", &line(EventKind::Outcome, seq), &mut chain).expect("event");
        let event = parsed(&event);
        let mut stripped = event.clone();
        let attestation = stripped["attestation"].as_object_mut().expect("attestation");
        let fingerprint = attestation.remove("fingerprint").expect("fingerprint");
        let recomputed = Digest::of_json(&stripped).expect("digest").to_string();
        assert_eq!(fingerprint["value"], recomputed["sha256:".len()..]);
        assert_eq!(fingerprint["algorithm_id"], 3);
        match &before {
            None => assert_eq!(event["attestation"]["prev_event"], Value::Null),
            Some(before) => {
                let link = &event["attestation"]["prev_event"];
                assert_eq!(link["fingerprint"], before["attestation"]["fingerprint"]);
                assert_eq!(link["uid"], before["metadata"]["uid"]);
                assert_eq!(link["type_uid"], before["type_uid"]);
            }
        }
        before = Some(event);
    }
}

#[test]
fn aud_08_a_chain_goes_on_where_it_was_left() {
    let export = |lines: std::ops::Range<u64>, chain: &mut Chain| -> Vec<String> {
        lines
            .map(|seq| ocsf::event(ORIGIN, "key", &line(EventKind::Intent, seq), chain).expect("event"))
            .collect()
    };
    let mut whole = chain();
    let at_once = export(0..6, &mut whole);
    let mut first = chain();
    let mut in_two = export(0..3, &mut first);
    let kept = serde_json::to_string(&first).expect("text");
    let mut second: Chain = serde_json::from_str(&kept).expect("chain");
    in_two.extend(export(3..6, &mut second));
    assert_eq!(at_once, in_two);
}
