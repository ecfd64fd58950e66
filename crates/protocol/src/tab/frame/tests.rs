use super::super::{CallFrame, HubFrame, ToolReference, Welcome};
use super::*;
use deputy_core::Agent;
use proptest::prelude::*;
use serde_json::value::RawValue;

/// One case of `vectors/tab-frames.json`; JavaScript reads the same file.
#[derive(Deserialize)]
struct Case {
    name: String,
    from: String,
    seq: u64,
    text: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    close: Option<u16>,
    taken: Option<usize>,
    refused: Option<usize>,
    written: Option<bool>,
}

fn cases(from: &str) -> Vec<Case> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Case>,
    }
    let file: File =
        serde_json::from_str(include_str!("../../../../../vectors/tab-frames.json")).expect("vectors");
    file.cases.into_iter().filter(|case| case.from == from).collect()
}

fn kind(frame: &TabFrame) -> &'static str {
    match frame {
        TabFrame::Hello(_) => "hello",
        TabFrame::Tools { .. } => "tools",
        TabFrame::Focus { .. } => "focus",
        TabFrame::Accepted => "accepted",
        TabFrame::Started => "started",
        TabFrame::Progress { .. } => "progress",
        TabFrame::Result(_) => "result",
        TabFrame::Error { .. } => "error",
        TabFrame::Cancelled => "cancelled",
        TabFrame::Pong => "pong",
        TabFrame::Bye { .. } => "bye",
        TabFrame::Unknown => "unknown",
    }
}

#[test]
fn p1_frames_of_a_tab_are_read_or_refused_as_the_vectors_say() {
    for case in cases("tab") {
        let found = TabFrame::parse(&case.text, case.seq);
        let code = found.as_ref().err().map(|error| error.close_code().number());
        assert_eq!(code, case.close, "{}: {found:?}", case.name);
        assert_eq!(found.as_ref().ok().map(|(_, frame)| kind(frame)), case.kind.as_deref(), "{}", case.name);
        if let (Ok((_, TabFrame::Tools { tools, refused })), Some(_)) = (&found, case.taken) {
            assert_eq!((Some(tools.len()), Some(refused.len())), (case.taken, case.refused), "{}", case.name);
        }
    }
}

#[test]
fn p1_frames_of_the_hub_are_written_as_the_vectors_say() {
    for case in cases("hub").into_iter().filter(|case| case.close.is_none() && case.written != Some(false)) {
        let wanted: Value = serde_json::from_str(&case.text).expect("json");
        let frame = hub_frame(&wanted);
        let text = frame.write(wanted["id"].as_str().expect("id"), case.seq).expect("written");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("json"), wanted, "{}", case.name);
    }
}

fn hub_frame(wanted: &Value) -> HubFrame {
    match wanted["type"].as_str() {
        Some("welcome") => HubFrame::Welcome(Box::new(Welcome::deserialize(wanted).expect("welcome"))),
        Some("call") => HubFrame::Call(Box::new(CallFrame {
            tool: ToolReference::deserialize(&wanted["tool"]).expect("tool"),
            arguments: RawValue::from_string(wanted["arguments"].to_string()).expect("arguments"),
            timeout_ms: 60_000,
            agent: Agent::deserialize(&wanted["agent"]).expect("agent"),
            client: "mcp-client".to_owned(),
            class: vec!["write", "egress"],
            assertion: "a.b.c".to_owned(),
        })),
        Some("cancel") => HubFrame::Cancel { reason: "policy_denied".to_owned() },
        Some("ping") => HubFrame::Ping,
        other => panic!("no frame of the hub is called {other:?}"),
    }
}

#[test]
fn p2_a_ticket_is_not_printed() {
    let case = cases("tab").into_iter().find(|case| case.name == "hello").expect("case");
    let (_, frame) = TabFrame::parse(&case.text, case.seq).expect("hello");
    assert!(case.text.contains("tkt_1") && !format!("{frame:?}").contains("tkt_1"));
}

#[test]
fn p18_tools_beyond_the_limit_are_named_and_left_out() {
    let tools: Vec<Value> = (0..300)
        .map(|n| serde_json::json!({"name": format!("t{n}"), "description": "d", "kind": "imperative"}))
        .collect();
    let text = serde_json::json!({"v": 1, "type": "tools", "id": "x", "seq": 1, "tools": tools}).to_string();
    let (_, frame) = TabFrame::parse(&text, 1).expect("tools");
    let TabFrame::Tools { tools, refused } = frame else { panic!("tools") };
    assert_eq!((tools.len(), refused.len()), (256, 44));
    assert!(refused[0].contains("`t256`"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_panic(text in any::<String>(), seq in any::<u64>()) {
        let _ = TabFrame::parse(&text, seq);
    }

    #[test]
    fn a_broken_frame_is_read_or_refused_without_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), with in "\\PC{0,4}") {
        let cases = cases("tab");
        let case = which.get(&cases);
        let mut characters: Vec<char> = case.text.chars().collect();
        if !characters.is_empty() {
            let at = at.index(characters.len());
            characters.splice(at..=at, with.chars());
        }
        let _ = TabFrame::parse(&characters.into_iter().collect::<String>(), case.seq);
    }
}
