//! `search`: the best of 5,000 tools for a query, and how long it takes to make them searchable.

use crate::numbers::Samples;
use crate::report::Row;
use crate::{Result, fail};
use deputy_hub::search::{Index, Searched};
use serde_json::{Value, json};
use std::hint::black_box;

const TOOLS: [usize; 2] = [1_000, 5_000];
const ROUNDS: usize = 2_000;
const BUILDS: usize = 10;
const RESULTS: usize = 8;
/// A search at the 99th percentile, with the most tools.
const GOAL_US: f64 = 5_000.0;

const VERBS: &[&str] =
    &["list", "get", "create", "update", "delete", "search", "export", "archive", "assign", "approve"];
const NOUNS: &[&str] = &[
    "contact",
    "account",
    "invoice",
    "order",
    "ticket",
    "employee",
    "contract",
    "shipment",
    "warehouse",
    "meeting",
    "document",
    "campaign",
    "budget",
    "project",
    "milestone",
    "branch",
    "pipeline",
    "incident",
    "certificate",
    "payment",
    "refund",
    "subscription",
    "webhook",
    "report",
    "dashboard",
];
const QUERIES: &[&str] = &[
    "create an invoice for a customer",
    "s17__update_contact",
    "who is on call for this incident",
    "del",
    "find all overdue orders of the last month and export them as a report",
    "zzz nothing like it",
    "approve payment refund subscription contract budget project milestone",
];

struct Tool {
    name: String,
    description: String,
    schema: Value,
}

pub(super) fn run() -> Result<Vec<Row>> {
    TOOLS.into_iter().map(of).collect()
}

fn of(count: usize) -> Result<Row> {
    let tools = tools(count);
    let (mut builds, mut searches) = (Samples::default(), Samples::default());
    let mut index = build(&tools);
    for _ in 0..BUILDS {
        index = builds.time(|| build(black_box(&tools)));
    }
    for query in QUERIES.iter().cycle().take(ROUNDS) {
        let found = searches.time(|| index.search(black_box(query), RESULTS));
        if found.len() > RESULTS {
            return fail("more results than were asked for");
        }
    }
    let (builds, searches) = (builds.sorted(), searches.sorted());
    let met = searches.p99_us() <= GOAL_US;
    Ok(Row::of("search")
        .with("tools", count)
        .percentiles(&searches)
        .number("build_us", builds.p50_us())
        .goal("p99_us at most 5000", met.into()))
}

fn build(tools: &[Tool]) -> Index<usize> {
    Index::of(tools.iter().enumerate().map(|(id, tool)| Searched {
        id,
        name: &tool.name,
        title: None,
        description: &tool.description,
        schema: Some(&tool.schema),
    }))
}

/// Every tool has a sentence or two and six parameters, as tools of real servers do.
fn tools(count: usize) -> Vec<Tool> {
    let pick = |list: &[&'static str], at: usize| list.get(at % list.len()).copied().unwrap_or_default();
    (0..count)
        .map(|at| {
            let (verb, noun) = (pick(VERBS, at), pick(NOUNS, at / VERBS.len()));
            let (other, source) = (pick(NOUNS, at / 7 + 3), at / (VERBS.len() * NOUNS.len()));
            let text = |words: &str| json!({"type": "string", "description": words});
            Tool {
                name: format!("s{source}__{verb}_{noun}"),
                description: format!(
                    "Will {verb} one {noun} or more, with the {other} that belongs to it. Needs the right to {verb} in \
                     area {at}; answers with the {noun} as it is afterwards, its history and its owner."
                ),
                schema: json!({
                    "type": "object",
                    "properties": {
                        format!("{noun}_id"): text(&format!("Which {noun}.")),
                        format!("{other}_id"): text(&format!("The {other} it belongs to.")),
                        "status": {"type": "string", "enum": ["open", "closed", "archived"]},
                        "limit": {"type": "integer", "description": "How many at most."},
                        "created_after": text("Only what was made after this moment."),
                        "fields": {"type": "array", "items": text("A member to answer with.")},
                    },
                    "required": [format!("{noun}_id")],
                }),
            }
        })
        .collect()
}
