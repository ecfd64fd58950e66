//! Pins: conditional, with their lines, each user's and tenant's alone.

use super::*;
use crate::{AcceptedTool, PinReader, leave_accepted};
use deputy_core::{Definition, Origin};
use deputy_hub::ports::{
    MOST_WAITING, PinDecision, PinScope, Pinned, PinnedBy, Pins as _, WaitingDefinition,
};

fn origin() -> Origin {
    Origin::new("https://crm.acme.example").expect("origin")
}

fn tool(name: &str, description: &str) -> Pinned {
    let value = serde_json::json!({"name": name, "description": description, "kind": "imperative"});
    let definition: Definition = serde_json::from_value(value).expect("definition");
    let hash = definition.hash(&origin()).expect("hash");
    Pinned { definition, hash }
}

fn crm() -> SourceName {
    SourceName::new("crm").expect("source")
}

fn scope(user: &User) -> PinScope {
    PinScope { user: user.clone(), source: crm(), origin: origin() }
}

fn elsewhere(name: &str) -> User {
    User { tenant: TenantId::new("north").expect("tenant"), ..user(name) }
}

fn said(kind: EventKind, user: &User) -> Event {
    let mut event = Event::new(Timestamp::from_millis(7), user.tenant.clone(), kind);
    event.user = Some(user.clone());
    event
}

impl Process {
    fn first(&self, user: &User, tool: Pinned) -> bool {
        let event = said(EventKind::DefinitionPinned, user);
        !self.run(self.store.pin_first(&scope(user), vec![tool], event)).expect("pins").is_empty()
    }

    fn wait(&self, user: &User, tools: Vec<Pinned>) {
        let event = said(EventKind::DefinitionWaiting, user);
        self.run(self.store.wait(&scope(user), tools, event)).expect("waits");
    }

    fn pins(&self, user: &User) -> Vec<(String, PinnedBy)> {
        let pins = self.run(self.store.pins(&scope(user))).expect("reads");
        pins.into_iter().map(|pin| (pin.tool.to_string(), pin.by)).collect()
    }

    fn waiting(&self, user: &User) -> Vec<WaitingDefinition> {
        self.run(self.store.waiting_definitions(user)).expect("reads")
    }

    fn decide_on(&self, user: &User, tool: &Pinned, accepted: bool) -> bool {
        let decision = PinDecision {
            by: user.clone(),
            source: crm(),
            tool: tool.definition.name.clone(),
            hash: tool.hash,
            accepted,
            at: Timestamp::from_millis(8),
        };
        let event = said(EventKind::DefinitionDecided, user);
        self.run(self.store.decide_definition(decision, event)).expect("decides")
    }

    fn manifest(&self, tools: Vec<Pinned>) -> bool {
        let event = Event::new(Timestamp::from_millis(9), tenant(), EventKind::ManifestLoaded);
        self.run(self.store.put_manifest(&tenant(), &crm(), &origin(), tools, event)).expect("put")
    }

    fn count(&self, kind: EventKind) -> usize {
        self.list(&Filter { kind: Some(kind), ..Filter::default() }).len()
    }
}

#[test]
fn p26_the_first_of_a_name_is_pinned_once_for_its_user_and_tenant_alone() {
    let directory = directory();
    let process = Process::start(&directory);
    let (alice, bob) = (user("alice"), user("bob"));
    assert!(process.first(&alice, tool("list", "one")));
    assert!(!process.first(&alice, tool("list", "two")), "the name has a pin");
    assert!(process.first(&alice, tool("find", "one")));
    assert_eq!(process.count(EventKind::DefinitionPinned), 2, "a line for each that was pinned");
    for other in [&bob, &elsewhere("alice")] {
        assert!(process.pins(other).is_empty());
        assert!(process.first(other, tool("list", "two")));
    }
    assert_eq!(process.pins(&alice).len(), 2);
    process.stop();
    let process = Process::start(&directory);
    assert_eq!(
        process.pins(&alice),
        [("find", PinnedBy::FirstUse), ("list", PinnedBy::FirstUse)].map(|(n, by)| (n.to_owned(), by))
    );
    process.stop();
}

#[test]
fn p26_only_the_user_for_whom_it_waits_decides_and_both_definitions_are_shown_whole() {
    let directory = directory();
    let process = Process::start(&directory);
    let (alice, two) = (user("alice"), tool("list", "two"));
    process.first(&alice, tool("list", "one"));
    for _ in 0..2 {
        process.wait(&alice, vec![two.clone()]);
    }
    assert_eq!(process.count(EventKind::DefinitionWaiting), 1, "said once");
    let waiting = process.waiting(&alice);
    assert_eq!(waiting.iter().map(|one| &one.now).collect::<Vec<_>>(), [&two]);
    assert_eq!(waiting[0].before, [tool("list", "one")]);
    for other in [user("bob"), elsewhere("alice")] {
        assert!(process.waiting(&other).is_empty() && !process.decide_on(&other, &two, true));
    }
    assert!(!process.decide_on(&alice, &tool("list", "three"), true), "nobody saw that one");
    assert!(process.decide_on(&alice, &two, false) && !process.decide_on(&alice, &two, false));
    process.wait(&alice, vec![two.clone()]);
    assert!(process.waiting(&alice).is_empty(), "a no stays a no");
    assert!(process.decide_on(&alice, &two, true) && !process.decide_on(&alice, &two, true));
    assert_eq!(process.count(EventKind::DefinitionDecided), 2);
    assert!(process.pins(&alice).contains(&("list".to_owned(), PinnedBy::Person)));
    process.stop();
}

#[test]
fn p26_a_manifest_takes_the_place_of_the_last_one_and_ends_the_wait_for_what_it_has() {
    let directory = directory();
    let process = Process::start(&directory);
    let alice = user("alice");
    let two = tool("list", "two");
    process.wait(&alice, vec![two.clone(), tool("find", "x")]);
    assert!(process.manifest(vec![tool("list", "one")]));
    assert!(!process.manifest(vec![tool("list", "one")]), "the same is no change");
    assert!(process.manifest(vec![two.clone(), tool("note", "n")]));
    assert_eq!(process.count(EventKind::ManifestLoaded), 2);
    let pins = process.run(process.store.pins(&scope(&alice))).expect("reads");
    assert_eq!(
        pins.iter().filter(|pin| pin.tool.as_str() == "list").map(|pin| pin.hash).collect::<Vec<_>>(),
        [two.hash]
    );
    assert_eq!(process.waiting(&alice).len(), 1);
    assert!(process.pins(&elsewhere("alice")).is_empty(), "another tenant has its own");
    process.run(process.store.keep_manifests_of(&[(tenant(), crm())])).expect("keeps");
    assert_eq!(process.pins(&alice).len(), 2);
    process.run(process.store.keep_manifests_of(&[(elsewhere("x").tenant, crm())])).expect("keeps");
    assert!(process.pins(&alice).is_empty());
    process.stop();
}

#[test]
fn p26_what_an_administrator_accepts_is_taken_up_by_a_hub_that_runs_with_a_line() {
    let directory = directory();
    let process = Process::start(&directory);
    let alice = user("alice");
    let two = tool("list", "two");
    process.first(&alice, tool("list", "one"));
    process.wait(&alice, vec![two.clone()]);
    let listed =
        process.run(async { PinReader::open(&place(&directory)).await.expect("opens").tools().await });
    let listed = listed.expect("reads");
    assert_eq!(listed.len(), 2);
    let waits = listed.iter().find(|one| one.waiting_for == 1).expect("one waits");
    assert_eq!(
        (waits.tool.hash, waits.pinned_for, waits.accepted, waits.manifest),
        (two.hash, 0, false, false)
    );
    let accepted = waits.tool.clone();
    let unknown = AcceptedTool { hash: tool("list", "never seen").hash, ..accepted.clone() };
    for tool in [&accepted, &unknown] {
        let place = place(&directory);
        let leave = leave_accepted(&place, tool, Timestamp::from_millis(5), Duration::ZERO);
        assert!(!process.run(leave).expect("leaves"), "nobody has looked yet");
    }
    let changed = process.run(process.store.take_up_accepted(Timestamp::from_millis(6))).expect("takes up");
    assert_eq!(changed, [(tenant(), crm())]);
    assert!(process.waiting(&alice).is_empty());
    assert_eq!(process.count(EventKind::DefinitionDecided), 1, "what nobody ever registered is not accepted");
    assert!(process.pins(&user("bob")).contains(&("list".to_owned(), PinnedBy::Admin)));
    assert!(process.pins(&elsewhere("alice")).is_empty());
    assert!(
        !process.first(&user("bob"), tool("list", "three")),
        "a change of what is accepted is no first use"
    );
    process.stop();
}

#[test]
fn p18_a_page_that_changes_without_end_leaves_a_bounded_number_of_rows() {
    let directory = directory();
    let process = Process::start(&directory);
    let alice = user("alice");
    for number in 0..MOST_WAITING + 40 {
        process.wait(&alice, vec![tool("list", &number.to_string())]);
    }
    let waiting = process.waiting(&alice);
    assert_eq!((waiting.len(), waiting[0].now.definition.description.as_str()), (MOST_WAITING, "40"));
    let kept = process.on_writer("SELECT count(*) FROM definition").expect("reads");
    assert_eq!(kept, [i64::try_from(MOST_WAITING).expect("small")]);
    process.stop();
}

#[test]
fn aud_06_an_erased_persons_pins_and_the_words_that_only_they_had_are_gone() {
    let directory = directory();
    let process = Process::start(&directory);
    let (alice, bob) = (user("alice"), user("bob"));
    process.first(&alice, tool("list", "both have it"));
    process.first(&bob, tool("list", "both have it"));
    process.wait(&alice, vec![tool("list", "Hello Alice")]);
    process.run(process.store.erase(&alice, Timestamp::from_millis(10))).expect("erases");
    assert!(process.pins(&alice).is_empty() && process.waiting(&alice).is_empty());
    assert_eq!(process.pins(&bob).len(), 1);
    assert_eq!(process.on_writer("SELECT count(*) FROM definition").expect("reads"), [1]);
    process.stop();
}

#[test]
fn invariant_14_a_pin_whose_line_cannot_be_written_is_none() {
    let directory = directory();
    let process = Process::start(&directory);
    let alice = user("alice");
    process.on_writer("ALTER TABLE audit_event RENAME TO gone").expect("renames");
    let event = said(EventKind::DefinitionPinned, &alice);
    let pinned = process.run(process.store.pin_first(&scope(&alice), vec![tool("list", "one")], event));
    assert!(pinned.is_err());
    assert!(process.pins(&alice).is_empty());
    process.crash();
}
