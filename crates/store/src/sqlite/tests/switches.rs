//! Switches and wishes outlive the process, commit with their lines, and limits find what was performed.

use super::*;
use crate::SwitchDesk;
use deputy_core::{Operator, Switch, SwitchTarget, ToolName};
use deputy_hub::ports::{IntentsFrom, PastIntents as _, SwitchOrder, Switches as _};

fn switch(target: SwitchTarget) -> Switch {
    let (by, at) = (Operator::Machine, Timestamp::from_millis(1_795_303_800_000));
    Switch { tenant: tenant(), target, by, reason: None, at }
}

fn tool(name: &str) -> SwitchTarget {
    SwitchTarget::Tool {
        source: SourceName::new("crm").expect("source"),
        tool: ToolName::new(name).expect("tool"),
    }
}

fn throw(process: &Process, switch: &Switch, wish: Option<u64>) -> Result<(), StoreError> {
    process.run(process.store.throw(switch.clone(), wish, switch.event(EventKind::SwitchThrown)))
}

#[test]
fn a_switch_is_kept_with_its_line_across_a_crash_and_gone_with_the_line_of_its_release() {
    let directory = directory();
    let process = Process::start(&directory);
    let (one, all) = (switch(tool("note")), switch(SwitchTarget::All));
    throw(&process, &one, None).expect("kept");
    throw(&process, &all, None).expect("kept");
    throw(&process, &all, None).expect("kept in the place of the first");
    process.crash();
    let process = Process::start(&directory);
    assert_eq!(process.run(process.store.switches()).expect("reads"), vec![all, one.clone()]);
    assert_eq!(process.lines(), 3);
    let event = one.event(EventKind::SwitchReleased);
    process.run(process.store.release(&one.tenant, &one.target, None, event)).expect("released");
    assert_eq!(process.run(process.store.switches()).expect("reads").len(), 1);
    let line = process.list(&Filter { limit: 1, ..Filter::default() });
    assert_eq!(line[0].event.kind, EventKind::SwitchReleased);
    assert_eq!(line[0].event.tool, ToolName::new("note").ok());
    process.stop();
}

#[test]
fn a_wish_beside_a_running_store_is_seen_in_order_and_granted_with_the_change_and_no_number_comes_twice() {
    let directory = directory();
    let process = Process::start(&directory);
    let all = switch(SwitchTarget::All);
    let mut desk = process.run(SwitchDesk::open(&place(&directory))).expect("opens");
    let first = process.run(desk.wish(&SwitchOrder::Throw(all.clone()))).expect("left");
    let second = process.run(desk.wish(&SwitchOrder::Release(all.clone()))).expect("left");
    let wishes = process.run(process.store.wishes()).expect("reads");
    assert_eq!(wishes.iter().map(|wish| wish.id).collect::<Vec<_>>(), vec![first, second]);
    assert_eq!(wishes[0].order, SwitchOrder::Throw(all.clone()));
    assert!(!process.run(desk.granted(first, Duration::ZERO)).expect("reads"));
    throw(&process, &all, Some(first)).expect("kept");
    assert!(process.run(desk.granted(first, Duration::ZERO)).expect("reads"));
    process.run(process.store.note(Some(second), None)).expect("taken out");
    assert!(process.run(process.store.wishes()).expect("reads").is_empty());
    let third = process.run(desk.wish(&SwitchOrder::Release(all.clone()))).expect("left");
    assert!(third > second);
    assert_eq!(process.run(desk.thrown()).expect("reads"), vec![all]);
    process.run(desk.close()).expect("closes");
    process.stop();
}

#[test]
fn without_a_hub_the_store_itself_grants_what_is_wished() {
    let directory = directory();
    let process = Process::start(&directory);
    let mut desk = process.run(SwitchDesk::open(&place(&directory))).expect("opens");
    for order in [
        SwitchOrder::Throw(switch(SwitchTarget::All)),
        SwitchOrder::Throw(switch(tool("note"))),
        SwitchOrder::Release(switch(SwitchTarget::All)),
        SwitchOrder::Release(switch(tool("never"))),
    ] {
        process.run(desk.wish(&order)).expect("left");
    }
    process.run(process.store.grant_switches()).expect("granted");
    assert_eq!(process.run(desk.thrown()).expect("reads"), vec![switch(tool("note"))]);
    assert!(process.run(process.store.wishes()).expect("reads").is_empty());
    assert_eq!(process.lines(), 3, "what was not thrown has no line");
    process.run(desk.close()).expect("closes");
    process.stop();
}

#[test]
fn aud_06_an_erased_operator_is_not_named_by_a_switch_that_stays_thrown() {
    let directory = directory();
    let process = Process::start(&directory);
    let olga = Switch {
        by: Operator::Person(user("olga")),
        reason: Some("mine".to_owned()),
        ..switch(tool("note"))
    };
    throw(&process, &olga, None).expect("kept");
    process.run(process.store.erase(&user("olga"), olga.at)).expect("erased");
    assert_eq!(process.run(process.store.switches()).expect("reads"), vec![switch(tool("note"))]);
    process.stop();
}

#[test]
fn past_intents_come_by_moment_and_page_each_once_and_only_those_of_the_tenant_and_the_window() {
    let directory = directory();
    let process = Process::start(&directory);
    let mut events: Vec<Event> = Vec::new();
    for number in 0..1_500 {
        events.push(event(EventKind::Intent, number / 3));
        events.push(event(EventKind::Outcome, number / 3));
    }
    // The clock was set back: the newest line is the oldest moment.
    events.push(event(EventKind::Intent, 0));
    let mut foreign = event(EventKind::Intent, 7);
    foreign.tenant = TenantId::new("other").expect("tenant");
    process.append(events).expect("appended");
    process.append(vec![foreign]).expect("appended");
    let start = event(EventKind::Intent, 100).at;
    let (mut from, mut found) = (IntentsFrom { at: start, after: None }, Vec::new());
    loop {
        let page = process.run(process.store.intents(&tenant(), from)).expect("reads");
        let Some((seq, last)) = page.last() else { break };
        from = IntentsFrom { at: last.at, after: Some(*seq) };
        found.extend(page);
    }
    assert_eq!(found.len(), 1_200);
    assert!(found.iter().all(|(_, event)| event.kind == EventKind::Intent && event.at >= start));
    assert!(found.is_sorted_by_key(|(seq, event)| (event.at, *seq)));
    assert!(found.iter().all(|(_, event)| event.user.is_some() && event.client.is_some()));
    process.stop();
}
