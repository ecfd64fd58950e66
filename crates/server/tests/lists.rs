//! What `/mcp` lists: all tools together in pages of the hub's own, or the two that find the others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::Doors;
use deputy_hub::finding::Listing;
use deputy_server::{Hosts, router};
use deputy_testkit::{FakeUpstream, PUBLIC_URL, World};
use http::Request;
use serde_json::{Value, json};
use std::sync::Arc;

/// How an era asks for a list, with these parameters.
type Asking<'d> = Box<dyn Fn(&'d Doors, &str, Value) -> Request<axum::body::Body> + 'd>;

fn tools(names: impl Iterator<Item = String>) -> Vec<Value> {
    names.map(|name| json!({"name": name, "description": "", "inputSchema": {"type": "object"}})).collect()
}

fn names(listed: &Value) -> Vec<String> {
    let tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{listed}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// Both eras, for this person.
async fn eras<'d>(doors: &'d Doors, subject: &str) -> [Asking<'d>; 2] {
    let session = doors.initialized(subject).await;
    [
        Box::new(|doors, subject, params| doors.modern(subject, &json!(1), "tools/list", params)),
        Box::new(move |doors, subject, params| {
            doors.legacy(subject, &session, &json!(1), "tools/list", &params)
        }),
    ]
}

#[tokio::test]
async fn rule_01_the_tools_of_all_sources_together_are_given_out_in_pages_of_our_own() {
    let files = FakeUpstream::with_tools(&[]);
    files.set_tools(tools((0..2500).map(|n| format!("t{n}"))));
    let doors = Doors::before(&files, "/mcp").await;
    for ask in eras(&doors, "alice").await {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
            let listed = doors.send(ask(&doors, "alice", params)).await.json();
            seen.extend(names(&listed));
            pages += 1;
            match listed["result"]["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        seen.retain(|name| name.starts_with("files__"));
        seen.sort();
        let mut all: Vec<String> = (0..2500).map(|n| format!("files__t{n}")).collect();
        all.sort();
        assert_eq!((seen, pages), (all, 3));
    }
}

#[tokio::test]
async fn rule_01_a_cursor_of_all_tools_is_opaque_and_good_for_its_person_and_its_list_alone() {
    let files = FakeUpstream::with_tools(&[]);
    files.set_tools(tools((0..1500).map(|n| format!("t{n}"))));
    let doors = Doors::before(&files, "/mcp").await;
    let [modern, _] = eras(&doors, "alice").await;
    let first = doors.send(modern(&doors, "alice", json!({}))).await.json();
    let cursor = first["result"]["nextCursor"].as_str().expect("there is more").to_owned();
    let mut changed = cursor.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for (subject, cursor) in
        [("alice", json!("1000")), ("alice", json!(1000)), ("alice", json!(changed)), ("bob", json!(cursor))]
    {
        let refused = doors.send(modern(&doors, subject, json!({"cursor": cursor}))).await.json();
        assert_eq!(refused["error"]["code"], -32602, "{subject} {cursor}");
    }
    let again = doors.send(modern(&doors, "alice", json!({"cursor": cursor}))).await.json();
    assert!(!names(&again).is_empty());
    files.set_tools(tools((0..1500).map(|n| format!("u{n}"))));
    let stale = doors.send(modern(&doors, "alice", json!({"cursor": cursor}))).await.json();
    assert_eq!(stale["error"]["code"], -32602);
}

#[tokio::test]
async fn the_short_list_is_chosen_by_the_operator_and_the_whole_one_by_the_address() {
    let files = FakeUpstream::with_tools(&["list", "note"]);
    let world = World::listing(Listing::Short, "files", Arc::clone(&files)).await;
    let router = router(&world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
    let mut doors = Doors { world: Arc::new(world), router, path: "/mcp".to_owned() };
    let short = ["deputy__find_tools", "deputy__call_tool"];
    for (path, is_short) in
        [("/mcp", true), ("/mcp?tools=search", true), ("/mcp?tools=all", false), ("/mcp?x=1", true)]
    {
        path.clone_into(&mut doors.path);
        for ask in eras(&doors, "alice").await {
            let listed = names(&doors.send(ask(&doors, "alice", json!({}))).await.json());
            assert_eq!(short.iter().all(|name| listed.iter().any(|one| one == name)), is_short, "{path}");
            assert_eq!(listed.iter().any(|name| name == "files__list"), !is_short, "{path} {listed:?}");
        }
    }
    // What is not listed can be called all the same.
    "/mcp".clone_into(&mut doors.path);
    let call =
        doors.modern("alice", &json!(1), "tools/call", json!({"name": "files__list", "arguments": {}}));
    assert_eq!(doors.send(call).await.json()["result"]["content"][0]["text"], "list");
}
