//! `tab`: `tools/call` into a tab through the whole hub, beside the tab's own time.

use super::{Setting, disk};
use crate::issuer::Algorithm;
use crate::load::{self, Agent, Era, Load, Run};
use crate::numbers::{Samples, per_second};
use crate::report::Row;
use crate::tab::{self, Socket, Tabs};
use crate::world::{READ, WRITE, World};
use crate::{Result, fail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;

/// One tab each. So many, because a tab says at most 50 frames a second (P18), which are 16 calls.
const PEOPLE: usize = 512;
/// Rounds in which the hub and the bare tab take turns.
const ROUNDS: usize = 8;
const CALLS_PER_ROUND: usize = 250;
const SYNCS_PER_ROUND: usize = 40;
/// Calls of the runs with many connections.
const CALLS: usize = 6_000;
/// What the hub may add at the median.
const GOAL_US: f64 = 1_500.0;

pub(super) async fn run(setting: &Setting) -> Result<Vec<Row>> {
    let mut world = World::new(&setting.program, &setting.folder).await?;
    world.start().await?;
    let world = Arc::new(world);
    let people: Vec<String> = (0..PEOPLE).map(|at| format!("person-{at}")).collect();
    let mut tabs = Tabs::default();
    tabs.open(&world, &people).await?;
    let mut bare = Bare::open().await?;
    let (mut single, mut many) = (Vec::new(), Vec::new());
    for era in [Era::Modern, Era::Legacy] {
        let agents = load::agents(&world, &people, Algorithm::Rs256, era).await?;
        for tool in [READ, WRITE] {
            single.push(in_turns(setting, &world, &agents, era, tool, &mut bare).await?);
            for conns in [16, 64, 256] {
                let run =
                    load::run(&world, &agents, tool, Load { conns, calls: CALLS, pace: Duration::ZERO })
                        .await?;
                many.push(row(&world, era, tool, conns, run)?);
            }
        }
    }
    if tabs.len() != PEOPLE {
        return fail("a tab was lost");
    }
    single.append(&mut many);
    Ok(single)
}

/// One connection: hub, bare tab and disk take turns.
async fn in_turns(
    setting: &Setting,
    world: &World,
    agents: &[Agent],
    era: Era,
    tool: &'static str,
    bare: &mut Bare,
) -> Result<Row> {
    let mut all = Run { samples: Samples::default(), took: Duration::ZERO, cpu: Duration::ZERO };
    let (mut alone, mut syncs) = (Samples::default(), Vec::new());
    for round in 0..=ROUNDS {
        let mut own = agents.to_vec();
        own.rotate_left(round * CALLS_PER_ROUND % agents.len().max(1));
        let load = Load { conns: 1, calls: CALLS_PER_ROUND, pace: Duration::ZERO };
        let run = load::run(world, &own, tool, load).await?;
        let turn = bare.round(CALLS_PER_ROUND).await?;
        syncs.push(disk::sync(&setting.folder, SYNCS_PER_ROUND)?.p50_us());
        // The first round warms up.
        if round > 0 {
            all.samples.take(run.samples);
            (all.took, all.cpu) = (all.took + run.took, all.cpu + run.cpu);
            alone.take(turn);
        }
    }
    syncs.sort_by(f64::total_cmp);
    let (alone, sync) = (alone.sorted().p50_us(), syncs.get(syncs.len() / 2).copied().unwrap_or(0.0));
    let hub = all.samples.clone().sorted().p50_us();
    let adds = hub - alone;
    Ok(row(world, era, tool, 1, all)?
        .number("tab_us", alone)
        .number("sync_us", sync)
        .number("adds_us", adds)
        .goal("adds_us at most 1500", (adds <= GOAL_US).into()))
}

fn row(world: &World, era: Era, tool: &str, conns: usize, run: Run) -> Result<Row> {
    let (rate, cpu) = (per_second(run.samples.len(), run.took), run.cpu_us_per_call());
    Ok(Row::of("tab")
        .with("era", era.name())
        .with("class", if tool == READ { "read" } else { "write" })
        .with("conns", conns)
        .number("calls_per_s", rate)
        .percentiles(&run.samples.sorted())
        .number("cpu_us_per_call", cpu)
        .with("rss_kb", world.rss_kb()?))
}

/// A tab without a hub: the same frames over a socket of the same kind.
struct Bare {
    hub: Socket,
    frame: String,
    // Ends the tab with this.
    _tab: JoinSet<()>,
}

impl Bare {
    async fn open() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let accept = async {
            let stream = listener.accept().await?.0;
            stream.set_nodelay(true)?;
            Ok::<_, crate::Error>(accept_async_with_config(stream, Some(tab::small())).await?)
        };
        let (hub, socket) = tokio::join!(accept, tab::socket(port, None));
        let socket = socket?;
        let mut tab = JoinSet::new();
        tab.spawn(async move {
            let _ = tab::answer(socket, 0, None).await;
        });
        let frame = json!({
            "v": 1, "type": "call", "id": "call_00000000000000000000000000000000", "seq": 1,
            "tool": { "name": WRITE, "hash": format!("sha256:{}", "0".repeat(64)) },
            "arguments": { "id": "c-0-0", "email": "maria@lopez.example", "stage": "customer" }, "timeoutMs": 60_000,
            "agent": { "type": "unknown", "name": "bench", "verification": "none" }, "client": "desk-agent",
            "class": ["write"], "assertion": "x".repeat(700),
        });
        Ok(Self { hub: hub?, frame: frame.to_string(), _tab: tab })
    }

    async fn round(&mut self, calls: usize) -> Result<Samples> {
        let mut samples = Samples::default();
        for _ in 0..calls {
            let began = Instant::now();
            self.hub.send(Message::text(self.frame.clone())).await?;
            loop {
                match self.hub.next().await {
                    Some(Ok(Message::Text(text))) if text.contains("\"result\"") => break,
                    Some(Ok(_)) => {}
                    _ => return fail("the bare tab is gone"),
                }
            }
            samples.add(began.elapsed());
        }
        Ok(samples)
    }
}
