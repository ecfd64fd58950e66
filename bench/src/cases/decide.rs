//! `decide`: a decision under a hundred policies, and a list of 256 tools.

use crate::numbers::{Samples, Sorted};
use crate::report::Row;
use crate::{Result, fail, random};
use deputy_core::call::Arguments;
use deputy_core::{
    Agent, AgentType, Call, CallId, Class, Client, Definition, Digest, Effect, Facts, SourceKind, TenantId,
    Timestamp, Tool, ToolKind, User, Verification,
};
use deputy_policy::{Engine, PolicySet, Visibility};
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::sync::Arc;

const ROUNDS: usize = 20_000;
/// Parts that are looked at by themselves.
const BLOCKS: usize = 40;
const LISTS: usize = 40;
const TOOLS: usize = 256;
/// A decision at the 99th percentile.
const GOAL_US: f64 = 100.0;
/// 2026-11-23T10:00:00Z, a Monday.
const NOW: Timestamp = Timestamp::from_seconds(1_795_428_000);

#[derive(Clone)]
struct Someone {
    user: User,
    agent: Agent,
    client: Client,
    groups: Vec<String>,
}

impl Facts for Someone {
    fn user(&self) -> &User {
        &self.user
    }
    fn agent(&self) -> &Agent {
        &self.agent
    }
    fn client(&self) -> &Client {
        &self.client
    }
    fn groups(&self) -> &[String] {
        &self.groups
    }
    fn approved(&self, _: &Digest) -> bool {
        false
    }
}

pub(super) fn run() -> Result<Vec<Row>> {
    let set = PolicySet::parse(&[("bench.cedar".to_owned(), policies())])?;
    let count = set.ids().len();
    if count != 100 {
        return fail(format!("{count} policies, not 100"));
    }
    let engine = Engine::new(set);
    let someone = someone()?;
    let row = |class: &str, samples: &Sorted| {
        Row::of("decide").with("class", class).with("policies", count).percentiles(samples)
    };
    let mut rows = Vec::new();
    // Allowed at once, allowed after a person said yes (Cedar is asked twice), and never.
    for (class, tool, effect) in [
        ("allow", "tool_7", Effect::Read),
        ("ask", "tool_8", Effect::Destructive),
        ("deny", "tool_600", Effect::Write),
    ] {
        let (all, blocks) = decisions(&engine, &someone, &call(&someone, tool, effect)?, class)?;
        let typical = blocks.p50_us();
        let row = row(class, &all.sorted()).number("typical_p99_us", typical);
        rows.push(row.goal("typical_p99_us at most 100", (typical <= GOAL_US).into()));
    }
    let lists = lists(&engine, &someone)?.sorted();
    rows.push(row("list of 256", &lists).with("typical_p99_us", "-").goal("none", true.into()));
    Ok(rows)
}

/// How long each took; and the 99th percentile of each block, so that the median of these says what is usual where the
/// machine is taken away now and then.
fn decisions(engine: &Engine, someone: &Someone, call: &Call, wanted: &str) -> Result<(Samples, Sorted)> {
    let (mut all, mut blocks) = (Samples::default(), Samples::default());
    for _ in 0..BLOCKS {
        let mut samples = Samples::default();
        for _ in 0..ROUNDS / BLOCKS {
            let (caller, call) = (someone.clone(), call.clone());
            let verdict = samples.time(|| match engine.decide(caller, call, NOW) {
                Ok(_) => "allow",
                Err(refusal) if refusal.verdict == deputy_core::Verdict::Ask => "ask",
                Err(_) => "deny",
            });
            if verdict != wanted {
                return fail(format!("`{verdict}` where `{wanted}` was due"));
            }
        }
        blocks.add(samples.clone().sorted().p99());
        all.take(samples);
    }
    Ok((all, blocks.sorted()))
}

fn lists(engine: &Engine, someone: &Someone) -> Result<Samples> {
    let tools: Vec<Tool> = (0..TOOLS)
        .map(|at| {
            tool(someone, &format!("tool_{at}"), if at % 2 == 0 { Effect::Read } else { Effect::Write })
        })
        .collect::<Result<_>>()?;
    let mut samples = Samples::default();
    for _ in 0..LISTS {
        let seen = samples.time(|| {
            tools.iter().filter(|tool| engine.visible(someone, tool, NOW) == Visibility::Visible).count()
        });
        if seen == 0 {
            return fail("nothing is visible");
        }
    }
    Ok(samples)
}

/// A hundred: by group, by argument, by time, by class, by agent.
fn policies() -> String {
    let mut text = String::from(
        "@id(\"own-tools-only\") forbid (principal, action, resource) when { resource has owner && resource.owner != principal };\n\
         @id(\"approved\") permit (principal, action, resource) when { context.approved && resource.name != \"tool_600\" };\n\
         @id(\"never-impersonated\") forbid (principal, action, resource) when { context.impersonated && resource.effect != \"read\" };\n\
         @id(\"untrusted-agents-read-only\") forbid (principal, action, resource) when { context.agent.verification == \"invalid\" && resource.effect != \"read\" };\n",
    );
    for at in 0..24 {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "@id(\"group-{at}\") permit (principal in Deputy::Group::\"Sales Region {at}\", action, resource in Deputy::App::\"crm\") when {{ resource.effect == \"read\" && resource.name == \"tool_{at}\" }};\n\
             @id(\"amount-{at}\") permit (principal in Deputy::Group::\"Finance {at}\", action, resource) when {{ resource.name == \"pay_{at}\" && context.arguments.number.hasTag(\"amount\") && context.arguments.number.getTag(\"amount\") <= {at}000 }};\n\
             @id(\"stage-{at}\") forbid (principal, action, resource) when {{ resource.name == \"stage_{at}\" && context.arguments.text.hasTag(\"stage\") && context.arguments.text.getTag(\"stage\") == \"closed-{at}\" }};\n\
             @id(\"until-{at}\") permit (principal, action, resource) when {{ resource.name == \"project_{at}\" && context.now < 18{at:02}000000 && resource.effect == \"write\" && !resource.egress }};"
        );
    }
    text
}

fn someone() -> Result<Someone> {
    let user = User {
        tenant: TenantId::single(),
        issuer: "https://idp.acme.example".parse()?,
        subject: "alice".parse()?,
    };
    let agent = Agent {
        agent_type: AgentType::BrowserAgent,
        name: Some("Desk".to_owned()),
        origin: None,
        verification: Verification::Unverified,
    };
    let groups = (0..8).map(|group| format!("Sales Region {group}")).collect();
    Ok(Someone { user, agent, client: Client("desk-agent".to_owned()), groups })
}

fn tool(someone: &Someone, name: &str, effect: Effect) -> Result<Tool> {
    let definition = Definition {
        name: name.parse()?,
        title: None,
        description: "Works on contacts.".to_owned(),
        input_schema: Some(json!({ "type": "object" })),
        output_schema: None,
        annotations: None,
        kind: ToolKind::Imperative,
    };
    let origin = "https://crm.acme.example".parse()?;
    let hash = definition.hash(&origin)?;
    Ok(Tool {
        source: "crm".parse()?,
        source_kind: SourceKind::App,
        origin,
        definition: Arc::new(definition),
        hash,
        class: Class { effect, egress: false },
        owner: Some(someone.user.clone()),
    })
}

fn call(someone: &Someone, name: &str, effect: Effect) -> Result<Call> {
    let raw = RawValue::from_string(
        r#"{"id":"c-4711","amount":120,"stage":"open","address":{"city":"Sevilla","zip":"41001"},"tags":["key account","spain"]}"#.to_owned(),
    )?;
    Ok(Call {
        id: random(CallId::fresh())?,
        tool: tool(someone, name, effect)?,
        arguments: Arguments::parse(&raw)?,
        deadline: NOW,
        tab: None,
    })
}
