//! Lines are canonical, keep persons apart, and give the event back.

use super::*;
use deputy_core::{Agent, Effect, Issuer, Subject, User};
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

fn alice() -> User {
    User {
        tenant: TenantId::single(),
        issuer: Issuer::new("https://id.acme.example").expect("issuer"),
        subject: Subject::new("alice-4711").expect("subject"),
    }
}

fn full() -> Event {
    Event {
        user: Some(alice()),
        agent: Some(Agent {
            name: Some("Canary Agent".into()),
            origin: Some("https://canary.example".into()),
            ..Agent::default()
        }),
        client: Some(Client("canary-client".into())),
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
        ..Event::new(Timestamp::from_millis(1_795_303_770_123), TenantId::single(), EventKind::Outcome)
    }
    .with_detail("elapsed_ms", 12)
    .with_personal("decided_by", "canary-decider")
}

#[test]
fn aud_06_what_names_a_person_is_not_in_the_public_part() {
    let record = Record::of(&full(), 3, [9; 32]).expect("record");
    let public = String::from_utf8(record.bytes.clone()).expect("utf-8");
    let arguments = Digest::of_bytes(b"arguments").to_string();
    for canary in ["alice", "canary", "Canary", "acme", arguments.as_str()] {
        assert!(!public.contains(canary), "{canary} in {public}");
    }
    let personal = record.personal.expect("personal part");
    assert!(public.contains(&format!("\"personal\":\"{}\"", personal.commitment())));
}

#[test]
fn the_public_part_is_canonical_and_says_version_and_number() {
    let record = Record::of(&full(), 41, [9; 32]).expect("record");
    let object = object(&record.bytes).expect("object");
    assert_eq!((&object["v"], &object["seq"]), (&json!(1), &json!(41)));
    assert_eq!(canonical::to_canonical(&object).expect("canonical"), record.bytes);
}

#[test]
fn a_line_about_nobody_has_no_personal_part() {
    let event = Event::new(Timestamp::from_millis(5), TenantId::single(), EventKind::HubStarted);
    let record = Record::of(&event, 0, [9; 32]).expect("record");
    assert_eq!(record.personal, None);
    assert_eq!(
        String::from_utf8(record.bytes).expect("utf-8"),
        r#"{"at":5,"kind":"hub_started","seq":0,"tenant":"default","v":1}"#
    );
}

#[test]
fn aud_06_an_erased_line_still_reads() {
    let record = Record::of(&full(), 3, [9; 32]).expect("record");
    let event = event(&record.bytes, None).expect("event");
    assert_eq!((event.user, event.call), (None, full().call));
    assert_eq!(leaf(&record.bytes), record.leaf);
}

#[test]
fn a_number_that_json_cannot_hold_is_refused() {
    let event = Event::new(Timestamp::from_millis(u64::MAX), TenantId::single(), EventKind::HubStarted);
    assert!(matches!(Record::of(&event, 0, [0; 32]), Err(AuditError::TooLarge(_))));
    assert!(matches!(Record::of(&full(), u64::MAX, [0; 32]), Err(AuditError::TooLarge(_))));
}

fn agents() -> impl Strategy<Value = Agent> {
    (option::of("\\PC{0,20}"), option::of("\\PC{0,20}"), any::<bool>()).prop_map(
        |(name, origin, verified)| Agent {
            agent_type: if verified { AgentType::BrowserAgent } else { AgentType::Unknown },
            name,
            origin,
            verification: if verified { Verification::Verified } else { Verification::None },
        },
    )
}

prop_compose! {
    fn events()(
        at in 0..=LARGEST_EXACT,
        subject in option::of("[a-zA-Z0-9|@.]{1,30}"),
        agent in option::of(agents()),
        client in option::of("\\PC{0,20}"),
        call in option::of("[a-zA-Z0-9_-]{16,40}"),
        tab in option::of("[a-zA-Z0-9_-]{16,40}"),
        egress in option::of(any::<bool>()),
        arguments in option::of(any::<[u8; 32]>()),
        reason in option::of(0..Reason::ALL.len()),
        policies in prop::collection::vec("\\PC{0,12}", 0..3),
        detail in prop::collection::btree_map("(personal\\.)?[a-z]{0,6}", "\\PC{0,12}", 0..4),
    ) -> Event {
        let mut event = Event::new(Timestamp::from_millis(at), TenantId::single(), EventKind::Refusal);
        event.user = subject.map(|s| User { subject: Subject::new(s).expect("subject"), ..alice() });
        event.agent = agent;
        event.client = client.map(Client);
        event.call = call.map(|id| CallId::new(id).expect("call"));
        event.tab = tab.map(|id| DocumentId::new(id).expect("tab"));
        event.class = egress.map(|egress| Class { effect: Effect::Destructive, egress });
        event.arguments = arguments.map(Digest::from_bytes);
        event.reason = reason.map(|index| Reason::ALL[index]);
        event.policies = policies.into_iter().map(PolicyId).collect();
        event.detail = detail.into_iter().map(|(name, value)| (name, json!({ "value": [value, 1, null] }))).collect();
        event
    }
}

proptest! {
    #[test]
    fn both_parts_together_give_the_event_back(event in events(), seq in 0..LARGEST_EXACT, salt in any::<[u8; 32]>()) {
        let record = Record::of(&event, seq, salt).expect("record");
        prop_assert_eq!(record.event().expect("event"), event);
        let again = canonical::to_canonical(&object(&record.bytes).expect("object")).expect("canonical");
        prop_assert_eq!(again, record.bytes);
    }
}

proptest! {
    #[test]
    fn a_part_is_written_as_its_canonical_json_is(event in events()) {
        let (before, after, apart) = split(&event);
        prop_assert_eq!(written(&before, &before.detail).ok(), canonical::to_canonical(&before).ok());
        prop_assert_eq!(written(&after, &BTreeMap::new()).ok(), canonical::to_canonical(&after).ok());
        prop_assert_eq!(written(&apart, &apart.detail).ok(), canonical::to_canonical(&apart).ok());
    }
}

#[test]
fn details_whose_names_are_not_ascii_are_sorted_as_utf16() {
    let event = full().with_detail("\u{e000}", 1).with_detail("\u{1f600}", 2.5);
    let (before, _, _) = split(&event);
    assert_eq!(written(&before, &before.detail).ok(), canonical::to_canonical(&before).ok());
}

#[test]
fn plain_json_of_a_part_without_details_is_canonical_json() {
    let bare = Event { detail: Map::new(), ..full() };
    let odd = Event {
        lane: Some("\u{1}\u{1f}\u{7f}\"\\/\n\t\u{8}\u{c}\r\u{20ac}\u{1f600}".into()),
        client: Some(Client("\u{0}<>&'\u{2028}".into())),
        ..bare.clone()
    };
    let none = Event::new(Timestamp::from_millis(0), TenantId::single(), EventKind::HubStarted);
    for event in [bare, odd, none] {
        let (before, after, apart) = split(&event);
        assert_eq!(written(&before, &before.detail).ok(), canonical::to_canonical(&before).ok());
        assert_eq!(written(&after, &BTreeMap::new()).ok(), canonical::to_canonical(&after).ok());
        assert_eq!(written(&apart, &apart.detail).ok(), canonical::to_canonical(&apart).ok());
    }
}
