//! Calls of `/mcp` over connections that are kept alive, in both eras.

use crate::issuer::Algorithm;
use crate::numbers::Samples;
use crate::wire::{Answer, Connection};
use crate::world::{READ, World, post};
use crate::{Result, fail};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The revision of MCP that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Each request stands by itself.
    Modern,
    /// Requests within a session.
    Legacy,
}

impl Era {
    /// The revision's date.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Legacy => "2025-11-25",
        }
    }
}

/// How long tabs may take to offer their tools.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody's agent.
#[derive(Clone)]
pub(crate) struct Agent {
    port: u16,
    token: String,
    session: Option<String>,
}

impl Agent {
    /// With a token, and with a session where the era has them.
    pub(crate) async fn new(world: &World, subject: &str, algorithm: Algorithm, era: Era) -> Result<Self> {
        let token = world.agent_token(algorithm, subject)?;
        let mut agent = Self { port: world.port, token, session: None };
        if era == Era::Legacy {
            agent.begin().await?;
        }
        Ok(agent)
    }

    async fn begin(&mut self) -> Result<()> {
        let mut connection = Connection::open(self.port).await?;
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } } });
        let answer = connection.ask(&post(self.port, "/mcp", &self.token, "", &body.to_string())).await?;
        self.session = answer.session;
        let Some(session) = &self.session else {
            return fail(format!("no session: {} {}", answer.status, answer.body));
        };
        let more = format!("mcp-session-id: {session}\r\nmcp-protocol-version: 2025-11-25\r\n");
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        connection.ask(&post(self.port, "/mcp", &self.token, &more, ready)).await?;
        Ok(())
    }

    /// Where its hub listens.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// A `tools/call` as it goes over the wire.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> Vec<u8> {
        let name = format!("crm__{tool}");
        let (headers, meta) = match &self.session {
            Some(session) => {
                (format!("mcp-session-id: {session}\r\nmcp-protocol-version: 2025-11-25\r\n"), String::new())
            }
            None => (
                format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {name}\r\n"),
                MODERN.to_owned(),
            ),
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}{meta}}}}}"#
        );
        post(self.port, "/mcp", &self.token, &headers, &body)
    }
}

/// What every modern request brings, to be put after other members.
pub(crate) const MODERN: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}"#;

/// Whether the tool ran and answered.
pub(crate) fn succeeded(answer: &Answer) -> bool {
    answer.status == 200 && answer.body.contains(r#""isError":false"#)
}

/// Arguments that no other call has.
pub(crate) fn arguments(unique: &str) -> String {
    format!(
        r#"{{"id":"{unique}","email":"maria@lopez.example","stage":"customer","tags":["key account","spain"]}}"#
    )
}

/// Agents of these people, in their order, once each can call: a tab's tools count when their line is on disk.
pub(crate) async fn agents(
    world: &World,
    people: &[String],
    algorithm: Algorithm,
    era: Era,
) -> Result<Vec<Agent>> {
    let mut agents = Vec::with_capacity(people.len());
    let mut connection = Connection::open(world.port).await?;
    let deadline = Instant::now() + PATIENCE;
    for subject in people {
        let agent = Agent::new(world, subject, algorithm, era).await?;
        let call = agent.call(READ, &arguments(&format!("first-{subject}")));
        while !succeeded(&connection.ask(&call).await?) {
            if Instant::now() > deadline {
                return fail(format!("`{subject}` cannot call after {PATIENCE:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        agents.push(agent);
    }
    Ok(agents)
}

/// What one load was like.
pub(crate) struct Run {
    /// How long each call took.
    pub(crate) samples: Samples,
    /// How long all of it took.
    pub(crate) took: Duration,
    /// The hub's processor time meanwhile.
    pub(crate) cpu: Duration,
}

impl Run {
    /// The hub's processor time per call, in microseconds.
    pub(crate) fn cpu_us_per_call(&self) -> f64 {
        Self::per_call(self.cpu, self.samples.len())
    }

    /// So much processor time of so many calls, in microseconds each.
    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls")]
    pub(crate) fn per_call(cpu: Duration, calls: usize) -> f64 {
        cpu.as_secs_f64() * 1e6 / calls.max(1) as f64
    }
}

/// How much is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Connections at once.
    pub(crate) conns: usize,
    /// Calls in all.
    pub(crate) calls: usize,
    /// The time from one call's beginning to the next on a connection, where it is not as soon as possible.
    pub(crate) pace: Duration,
}

/// Calls `tool`, each connection in the name of one agent after the other.
pub(crate) async fn run(world: &World, agents: &[Agent], tool: &'static str, load: Load) -> Result<Run> {
    let (before, began) = (world.cpu()?, Instant::now());
    let mut connections = JoinSet::new();
    let agents: Arc<[Agent]> = agents.into();
    for own in 0..load.conns {
        connections.spawn(drive(Arc::clone(&agents), own, tool, load));
    }
    let mut samples = Samples::default();
    while let Some(done) = connections.join_next().await {
        samples.take(done??);
    }
    Ok(Run { samples, took: began.elapsed(), cpu: world.cpu()?.saturating_sub(before) })
}

async fn drive(agents: Arc<[Agent]>, own: usize, tool: &'static str, load: Load) -> Result<Samples> {
    let Some(first) = agents.first() else { return fail("nobody calls") };
    let mut connection = Connection::open(first.port).await?;
    let mut samples = Samples::default();
    let mut pace = tokio::time::interval(load.pace.max(Duration::from_micros(1)));
    let of_this_one = agents.iter().skip(own).step_by(load.conns).cycle();
    for (agent, turn) in of_this_one.zip(0..load.calls.div_ceil(load.conns)) {
        if !load.pace.is_zero() {
            pace.tick().await;
        }
        let request = agent.call(tool, &arguments(&format!("c-{own}-{turn}")));
        let began = Instant::now();
        let answer = connection.ask(&request).await?;
        samples.add(began.elapsed());
        if !succeeded(&answer) {
            return fail(format!("`{tool}` was answered with {}: {}", answer.status, answer.body));
        }
    }
    Ok(samples)
}
