//! What crosses the wire: tab frames, JSON-RPC bodies, MCP's parameters and headers.

use crate::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deputy_core::canonical::{Digest, parse_strict};
use deputy_core::{Origin, Timestamp};
use deputy_protocol::jsonrpc::{Body, Id, MAXIMUM_BATCH, Message, parse};
use deputy_protocol::mcp::headers::{Header, Routing, decode};
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::version::Revision;
use deputy_protocol::mcp::{era, initialize, listen, older, tools};
use deputy_protocol::tab::{
    Conversation, HubFrame, Limits, TabFrame, ToolResult, VERSION, Welcome, WelcomeUser,
};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// One frame a line. `hello` comes first and once, an id is one, a set of tools keeps its limits, and what closes the socket
/// fits a close frame.
pub(crate) fn tab(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let limits = Limits::default();
    let mut conversation = Conversation::new(limits);
    for (at, line) in text.split('\n').enumerate() {
        let (id, frame) = match conversation.read(line, Timestamp::from_millis(1_000)) {
            Ok(read) => read,
            Err(close) => {
                assert!(close.reason.len() <= 123 && !close.reason.is_empty(), "{close:?}");
                assert!((1000..5000).contains(&close.code.number()));
                return;
            }
        };
        assert!((1..=80).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()), "{id:?}");
        assert_eq!(at == 0, matches!(frame, TabFrame::Hello(_)), "`hello` comes first, and once");
        if at == 0 {
            conversation.write(&welcome(limits), "w").expect("a frame of our own");
        }
        frame_holds(frame, limits);
    }
}

fn frame_holds(frame: TabFrame, limits: Limits) {
    match frame {
        TabFrame::Tools { tools, .. } => {
            let names: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            assert!(tools.len() <= limits.tools && names.len() == tools.len());
            let origin: Origin = "https://crm.example".parse().expect("origin");
            assert!(tools.iter().all(|tool| tool.hash(&origin).is_ok()));
        }
        TabFrame::Result(result) => {
            let written = serde_json::to_value(&result).expect("written");
            assert_eq!(serde_json::from_value::<ToolResult>(written).expect("read again"), result);
        }
        TabFrame::Hello(hello) => {
            assert!(hello.versions.contains(&VERSION));
            assert!(!format!("{hello:?}").contains(hello.ticket.as_str()) || hello.ticket.len() < 16);
        }
        _ => {}
    }
}

fn welcome(limits: Limits) -> HubFrame {
    HubFrame::Welcome(Box::new(Welcome {
        version: VERSION,
        user: WelcomeUser {
            issuer: "https://idp.example".parse().expect("issuer"),
            subject: "alice".parse().expect("subject"),
        },
        app: "crm".parse().expect("name"),
        origin: "https://crm.example".parse().expect("origin"),
        tools_known: false,
        session_expires_at: 0,
        limits,
        heartbeat: deputy_protocol::tab::Heartbeat::default(),
    }))
}

/// A body. A batch is bounded; no member comes twice or in another case; ids stay what they were; and the arguments that are
/// checked are the very bytes that came (R9).
pub(crate) fn jsonrpc(data: &[u8]) {
    match parse(data) {
        Ok(Body::One(message)) => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_slice(data).expect("an object");
            for known in ["jsonrpc", "id", "method", "params", "result", "error"] {
                assert!(members.keys().all(|name| name == known || !name.eq_ignore_ascii_case(known)));
            }
            message_holds(&message, data);
        }
        Ok(Body::Batch(messages)) => {
            assert!((1..=MAXIMUM_BATCH).contains(&messages.len()));
            for message in messages.iter().flatten() {
                message_holds(message, data);
            }
        }
        Err(fault) => assert_eq!(fault.response()["jsonrpc"], "2.0"),
    }
}

fn message_holds(message: &Message<'_>, data: &[u8]) {
    let (method, params) = match message {
        Message::Request(request) => {
            id_holds(&request.id);
            (&request.method, request.params)
        }
        Message::Notification(notification) => (&notification.method, notification.params),
        Message::Response(response) => return id_holds(&response.id),
    };
    assert!(params.is_none_or(|params| is_part_of(params, data)), "params are not the bytes that came");
    // A server may answer with the same: whatever it is, clients of older revisions are told something.
    if let Some(said) = params {
        let _ = (older::list(said), Revision::ALL.map(|revision| older::result(said, revision)));
    }
    let Ok(params) = Params::parse(params) else { return };
    // Both eras may ask anything of any parameters; none may stumble.
    let _ = (initialize::opening(&params), listen::filter(&params));
    for session in [false, true] {
        let era = era::of(method, &params, session, Some("2025-11-25"));
        assert!(!params.is_modern() || era != Ok(era::Era::Legacy), "a modern request is in no session");
    }
    assert!(params.envelope().is_err() || params.is_modern());
    if let Ok(asked) = tools::asked(&params) {
        let raw = params.members().raw("arguments").filter(|raw| raw.get() != "null");
        assert_eq!(asked.arguments.raw().get(), raw.map_or("{}", |raw| raw.get()));
        let value = parse_strict(asked.arguments.raw().get().as_bytes()).expect("checked already");
        assert_eq!(&value, asked.arguments.value());
        assert_eq!(Digest::of_json(&value).as_ref(), Ok(asked.arguments.digest()));
    }
}

fn id_holds(id: &Id) {
    let written = serde_json::to_string(id).expect("written");
    assert_eq!(written.parse::<Id>().as_ref(), Ok(id), "an id does not stay what it was");
}

fn is_part_of(raw: &RawValue, data: &[u8]) -> bool {
    data.as_ptr_range().contains(&raw.get().as_ptr())
}

/// A header a line. What is decoded was plain or is exactly what was encoded, and headers agree with a body only if they say
/// the same.
pub(crate) fn headers(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        let header = Header::of([*line]);
        let plain = std::str::from_utf8(line).ok();
        assert_eq!(header.value().map(ToOwned::to_owned), plain.and_then(decode));
        if let (Some(value), Some(plain)) = (header.value(), plain) {
            assert!(plain.contains("=?base64?") || value == plain.trim_matches([' ', '\t']));
            assert_eq!(decode(&format!("=?base64?{}?=", STANDARD.encode(value))).as_deref(), Some(value));
        }
        assert!(Header::of([*line, *line]).value().is_none(), "a header that is there twice is none");
        if let Some(revision) = plain.and_then(Revision::from_text) {
            assert_eq!(Some(revision.text()), plain);
        }
        let _ = plain.map(Revision::answering);
    }
    let at = |place: usize| lines.get(place).map_or(Header::Absent, |line| Header::of([*line]));
    let routing = Routing { version: at(0), method: at(1), name: at(2) };
    let agrees = routing.check("2026-07-28", "tools/call", Some("crm__list")).is_ok();
    let says = |header: &Header, word: &str| header.value() == Some(word);
    let same = says(&routing.version, "2026-07-28")
        && says(&routing.method, "tools/call")
        && says(&routing.name, "crm__list");
    assert_eq!(agrees, same);
}
