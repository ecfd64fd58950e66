use super::super::{CallFrame, Heartbeat, ToolReference, Welcome, WelcomeUser};
use super::*;
use deputy_core::{Agent, Digest, Issuer, Origin, SourceName, Subject, ToolName};
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn hello() -> String {
    let doc = "doc_0123456789abcdef";
    json!({"v": 1, "type": "hello", "id": "h1", "seq": 1, "versions": [1], "ticket": "t", "docId": doc})
        .to_string()
}

fn frame(kind: &str, seq: u64) -> String {
    json!({"v": 1, "type": kind, "id": "x1", "seq": seq}).to_string()
}

fn welcome() -> HubFrame {
    HubFrame::Welcome(Box::new(Welcome {
        version: 1,
        user: WelcomeUser {
            issuer: Issuer::new("https://idp.acme.example").expect("issuer"),
            subject: Subject::new("alice").expect("subject"),
        },
        app: SourceName::new("crm").expect("source"),
        origin: Origin::new("https://crm.acme.example").expect("origin"),
        tools_known: false,
        session_expires_at: 1_800_000_000_000,
        limits: Limits::default(),
        heartbeat: Heartbeat::default(),
    }))
}

fn greeted() -> Conversation {
    let mut conversation = Conversation::new(Limits::default());
    conversation.read(&hello(), at(0)).expect("hello");
    conversation.write(&welcome(), "h1").expect("welcome");
    conversation
}

fn code(result: Result<(String, TabFrame), Close>) -> CloseCode {
    result.expect_err("refused").code
}

#[test]
fn p3_the_first_frame_is_hello_and_a_second_one_is_refused() {
    let mut early = Conversation::new(Limits::default());
    assert_eq!(code(early.read(&frame("pong", 1), at(0))), CloseCode::BadFrame);
    let mut twice = greeted();
    assert_eq!(code(twice.read(&hello().replace("\"seq\":1", "\"seq\":2"), at(1))), CloseCode::BadFrame);
}

#[test]
fn p3_nothing_is_read_between_hello_and_welcome() {
    let mut conversation = Conversation::new(Limits::default());
    conversation.read(&hello(), at(0)).expect("hello");
    assert_eq!(code(conversation.read(&frame("pong", 2), at(1))), CloseCode::BadFrame);
}

#[test]
fn p3_hello_has_at_most_16_384_bytes_and_later_frames_may_be_larger() {
    let padded = |bytes: usize, text: &str| format!("{text}{}", " ".repeat(bytes - text.len()));
    let mut conversation = Conversation::new(Limits::default());
    assert_eq!(code(conversation.read(&padded(HELLO_BYTES + 1, &hello()), at(0))), CloseCode::TooBig);
    let mut conversation = Conversation::new(Limits::default());
    conversation.read(&padded(HELLO_BYTES, &hello()), at(0)).expect("hello");
    conversation.write(&welcome(), "h1").expect("welcome");
    conversation.read(&padded(100_000, &frame("pong", 2)), at(0)).expect("pong");
}

#[test]
fn p17_a_frame_larger_than_the_limit_is_refused_before_it_is_parsed() {
    let mut conversation = greeted();
    conversation.limits.frame_bytes = 100;
    assert_eq!(code(conversation.read(&"[".repeat(101), at(1))), CloseCode::TooBig);
}

#[test]
fn p1_a_version_that_nobody_speaks_is_refused_with_its_own_code() {
    let mut conversation = Conversation::new(Limits::default());
    let other = hello().replace("\"versions\":[1]", "\"versions\":[2,3]");
    assert_eq!(code(conversation.read(&other, at(0))), CloseCode::Version);
}

#[test]
fn p1_sequence_numbers_count_unknown_frames_too() {
    let mut conversation = greeted();
    assert_eq!(conversation.read(&frame("later", 2), at(1)).expect("ignored").1, TabFrame::Unknown);
    conversation.read(&frame("pong", 3), at(2)).expect("pong");
    assert_eq!(code(conversation.read(&frame("pong", 3), at(3))), CloseCode::BadFrame);
}

#[test]
fn p18_a_burst_of_a_hundred_then_fifty_a_second() {
    let mut conversation = greeted();
    for seq in 2..=100 {
        conversation.read(&frame("pong", seq), at(0)).expect("within the burst");
    }
    let mut late = conversation.clone();
    assert_eq!(code(conversation.read(&frame("pong", 101), at(19))), CloseCode::RateLimited);
    late.read(&frame("pong", 101), at(20)).expect("one frame is free again after 20 ms");
    for seq in 102..=151 {
        late.read(&frame("pong", seq), at(1_020)).expect("fifty more after a second");
    }
    assert_eq!(code(late.read(&frame("pong", 152), at(1_020))), CloseCode::RateLimited);
}

#[test]
fn p18_a_clock_set_back_gives_no_frames() {
    let mut conversation = greeted();
    for seq in 2..=101 {
        conversation.read(&frame("pong", seq), at(5_000)).expect("within the burst");
    }
    assert_eq!(code(conversation.clone().read(&frame("pong", 102), at(0))), CloseCode::RateLimited);
    let _ = conversation.read(&frame("pong", 102), at(0));
    assert_eq!(code(conversation.read(&frame("pong", 102), at(5_000))), CloseCode::RateLimited);
}

#[test]
fn outgoing_frames_are_numbered_and_arguments_keep_their_bytes() {
    let mut conversation = greeted();
    let arguments = r#"{ "b": 1.0, "a":1e2 }"#;
    let call = HubFrame::Call(Box::new(CallFrame {
        tool: ToolReference { name: ToolName::new("x").expect("name"), hash: Digest::of_bytes(b"x") },
        arguments: serde_json::value::RawValue::from_string(arguments.to_owned()).expect("json"),
        timeout_ms: 60_000,
        agent: Agent::default(),
        client: "client".to_owned(),
        class: vec!["read"],
        assertion: "a.b.c".to_owned(),
    }));
    let text = conversation.write(&call, "call_0123456789abcdef").expect("written");
    assert!(text.contains(arguments));
    let value: Value = serde_json::from_str(&text).expect("json");
    assert_eq!(
        (&value["seq"], &value["type"], &value["timeoutMs"]),
        (&json!(2), &json!("call"), &json!(60_000))
    );
    let ping: Value =
        serde_json::from_str(&conversation.write(&HubFrame::Ping, "p1").expect("ping")).expect("json");
    assert_eq!(ping, json!({"v": 1, "type": "ping", "id": "p1", "seq": 3}));
}

#[test]
fn words_fit_into_a_close_frame() {
    let close = Close::new(CloseCode::BadFrame, &"ä".repeat(100));
    assert!(close.reason.len() <= 123 && close.reason.chars().all(|c| c == 'ä'));
}

proptest! {
    #[test]
    fn a_hostile_tab_cannot_make_it_panic(texts in proptest::collection::vec(any::<String>(), 0..20), times in any::<[u64; 20]>()) {
        let mut conversation = greeted();
        for (text, time) in texts.iter().zip(times) {
            let _ = conversation.read(text, Timestamp::from_millis(time));
        }
    }
}
