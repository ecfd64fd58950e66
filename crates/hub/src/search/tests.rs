//! What is found, and in which order, among tools as an organisation has them.

use super::*;
use proptest::prelude::*;
use serde_json::json;

struct Made {
    name: String,
    title: Option<String>,
    description: String,
    schema: Value,
}

const RESOURCES: &[(&str, &str, &str)] = &[
    ("crm", "contact", "a person at a customer's company"),
    ("crm", "opportunity", "a deal that may be won"),
    ("crm", "campaign", "a marketing campaign"),
    ("billing", "invoice", "an invoice with its lines"),
    ("billing", "refund", "money that goes back to a customer"),
    ("billing", "subscription", "a plan that renews"),
    ("shop", "order", "an order with its items"),
    ("shop", "product", "something that is sold"),
    ("shop", "coupon", "a discount code"),
    ("hr", "employee", "somebody who works here"),
    ("hr", "vacation", "days off and who approved them"),
    ("hr", "payslip", "what somebody was paid in a month"),
    ("git", "branch", "a branch of a repository"),
    ("git", "pull_request", "a change that waits for review"),
    ("git", "release", "a published version"),
    ("desk", "ticket", "a request for support"),
    ("desk", "comment", "what was said on a support request"),
    ("desk", "macro", "a prepared answer"),
    ("ops", "incident", "an outage and who works on it"),
    ("ops", "deployment", "a version that runs somewhere"),
    ("ops", "alert", "a rule that wakes somebody up"),
    ("calendar", "meeting", "an appointment with its guests"),
    ("calendar", "room", "a room that can be booked"),
    ("drive", "file", "a document in a folder"),
    ("drive", "folder", "where files are kept"),
    ("mail", "message", "an e-mail"),
    ("mail", "label", "what sorts e-mails"),
    ("warehouse", "shipment", "a parcel on its way, with its tracking number"),
    ("warehouse", "stock", "how many of a product are left"),
    ("legal", "contract", "a signed agreement"),
    ("it", "laptop", "a computer and who has it"),
    ("it", "license", "the right to use a program"),
    ("travel", "flight", "a booked flight"),
    ("travel", "expense", "a cost that is paid back to somebody"),
];

const VERBS: &[(&str, &str)] = &[
    ("list", "Lists all"),
    ("get", "Shows one"),
    ("create", "Creates"),
    ("update", "Changes"),
    ("delete", "Deletes"),
    ("search", "Searches by text"),
];

fn made() -> Vec<Made> {
    let mut tools: Vec<Made> = Vec::new();
    for (source, resource, what) in RESOURCES {
        for (verb, does) in VERBS {
            tools.push(Made {
                name: format!("{source}__{verb}_{resource}"),
                title: Some(format!("{verb} {}", resource.replace('_', " "))),
                description: format!("{does}: {what}."),
                schema: json!({"type": "object", "properties": {format!("{resource}_id"): {"type": "string"}}}),
            });
        }
    }
    let special = [
        (
            "git__mergePullRequest",
            "Merges a pull request into its base branch.",
            json!({"properties": {"squash": {"description": "One commit out of all."}}}),
        ),
        (
            "ops__page_on_call",
            "Wakes up whoever is on call.",
            json!({"properties": {"body": {"$ref": "#/$defs/Page"}}, "$defs": {"Page": {"properties": {"severity": {"enum": ["catastrophic"]}}}}}),
        ),
        ("finance__convert-currency", "Converts an amount from one currency into another.", json!({})),
        (
            "weather__forecast",
            "The weather of the next days at a place.",
            json!({"properties": {"latitude": {}, "longitude": {}}}),
        ),
    ];
    for (name, description, schema) in special {
        tools.push(Made { name: name.to_owned(), title: None, description: description.to_owned(), schema });
    }
    tools
}

fn index(made: &[Made]) -> Index<String> {
    Index::of(made.iter().map(|tool| Searched {
        id: tool.name.clone(),
        name: &tool.name,
        title: tool.title.as_deref(),
        description: &tool.description,
        schema: Some(&tool.schema),
    }))
}

fn names(index: &Index<String>, query: &str, limit: usize) -> Vec<String> {
    index.search(query, limit).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn what_fits_best_comes_first_among_two_hundred_tools() {
    let made = made();
    assert!(made.len() >= 200, "{}", made.len());
    let index = index(&made);
    for (query, first) in [
        ("create an invoice", "billing__create_invoice"),
        ("please show me all open incidents", "ops__list_incident"),
        ("update contacts", "crm__update_contact"),
        ("merging pull requests", "git__mergePullRequest"),
        ("who is on call?", "ops__page_on_call"),
        ("convert currency", "finance__convert-currency"),
        ("weather forecast for tomorrow", "weather__forecast"),
        ("remove a branch", "git__delete_branch"),
        ("book a room", "calendar__create_room"),
        ("longitude", "weather__forecast"),
        ("catastrophic", "ops__page_on_call"),
        ("squash commits", "git__mergePullRequest"),
        ("track a parcel", "warehouse__search_shipment"),
        ("shipm", "warehouse__get_shipment"),
    ] {
        let found = names(&index, query, 6);
        let wanted_resource = first.rsplit(['_', '-']).next().unwrap_or_default();
        // Where the verb says nothing, any tool of the resource may be first.
        let is_loose = ["book a room", "track a parcel", "shipm"].contains(&query);
        let is_first =
            found.first().is_some_and(|name| name == first || (is_loose && name.contains(wanted_resource)));
        assert!(is_first, "{query}: {found:?}");
    }
}

#[test]
fn an_exact_name_wins_over_everything() {
    let made = made();
    let index = index(&made);
    for tool in &made {
        assert_eq!(names(&index, &tool.name, 1), [tool.name.as_str()]);
        assert_eq!(names(&index, &format!(" {} ", tool.name.to_uppercase()), 1), [tool.name.as_str()]);
    }
    assert_eq!(names(&index, "delete_ticket", 1), ["desk__delete_ticket"]);
}

#[test]
fn the_order_is_the_same_each_time_and_however_the_tools_were_given() {
    let mut made = made();
    let first = names(&index(&made), "list a customer's orders", 50);
    assert_eq!(names(&index(&made), "list a customer's orders", 50), first);
    made.reverse();
    assert_eq!(names(&index(&made), "list a customer's orders", 50), first);
}

#[test]
fn nothing_like_it_is_nothing_and_no_more_comes_than_was_asked_for() {
    let index = index(&made());
    assert!(names(&index, "xylophone", 5).is_empty());
    assert!(names(&index, "", 5).is_empty());
    assert!(names(&index, "invoice", 0).is_empty());
    assert_eq!(names(&index, "list", 3).len(), 3);
    assert_eq!(
        names(&index, "a customer", usize::MAX).len(),
        MOST_RESULTS.min(names(&index, "a customer", 50).len())
    );
    assert!(Index::<u8>::of([]).search("x", 5).is_empty());
}

#[test]
fn a_query_is_read_to_its_bound() {
    let index = index(&made());
    let long = format!("{}invoice", " ".repeat(QUERY_CHARACTERS));
    assert!(names(&index, &long, 5).is_empty());
    let huge = "invoice ".repeat(1_000_000);
    assert_eq!(names(&index, &huge, 5), names(&index, "invoice", 5));
}

#[test]
fn a_hostile_schema_is_read_to_its_bound() {
    let mut schema = json!({"properties": {"deep": {"$ref": "#"}, "again": {"$ref": "#/properties/again"}}});
    for at in 0..2_000 {
        schema["properties"][format!("p{at}")] = json!({"$ref": "#", "description": "x ".repeat(50)});
    }
    let description = "word ".repeat(100_000);
    let one = Searched { id: 1, name: "n", title: None, description: &description, schema: Some(&schema) };
    assert_eq!(Index::of([one]).search("deep", 5).len(), 1);
}

proptest! {
    #[test]
    fn no_query_panics_and_every_score_is_a_number(query in ".{0,300}", limit in 0_usize..100) {
        let made = [
            Made { name: "a__b".to_owned(), title: None, description: query.clone(), schema: json!({}) },
            Made { name: query.clone(), title: Some(query.clone()), description: String::new(), schema: json!({"properties": {query.clone(): {}}}) },
        ];
        let found = index(&made).search(&query, limit);
        prop_assert!(found.len() <= limit.min(MOST_RESULTS));
        prop_assert!(found.iter().all(|(_, score)| score.is_finite() && *score > 0.0));
        prop_assert!(found.windows(2).all(|pair| pair[0].1 >= pair[1].1));
    }
}
