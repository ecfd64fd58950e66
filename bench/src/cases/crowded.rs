//! `crowded`: whether a call costs more in a hub with ten thousand idle tabs than in one with ten. Two hubs stand side by
//! side and take turns, so that whatever else the machine does disturbs both alike.

use super::Setting;
use crate::Result;
use crate::issuer::Algorithm;
use crate::load::{self, Agent, Era, Load, Run};
use crate::numbers::Samples;
use crate::report::Row;
use crate::tab::Tabs;
use crate::world::{READ, World};
use std::sync::Arc;
use std::time::Duration;

/// How many tabs each hub has.
const SIZES: [usize; 2] = [10, 10_000];
/// Tabs that calls go to, in both.
const CALLED: usize = 10;
/// Rounds; the first is not counted.
const ROUNDS: usize = 10;
/// Calls of one turn: a hundred a second, so that no tab says more than it may.
const TURN: Load = Load { conns: 4, calls: 500, pace: Duration::from_millis(40) };
/// How long both are left alone, before and after, to see what they do by themselves: two heartbeats of every tab.
const IDLE: Duration = Duration::from_secs(30);
/// How much a call may cost more among the most tabs, and still be called flat.
const FLAT: f64 = 1.25;

struct Hub {
    world: Arc<World>,
    tabs: Tabs,
    agents: Vec<Agent>,
    idle: Vec<Duration>,
    samples: Samples,
    cpu: Vec<f64>,
}

impl Hub {
    async fn with(setting: &Setting, tabs: usize) -> Result<Self> {
        let mut world = World::new(&setting.program, &setting.folder).await?;
        world.start().await?;
        let world = Arc::new(world);
        let people: Vec<String> = (0..tabs).map(|at| format!("person-{at}")).collect();
        let mut open = Tabs::default();
        open.open(&world, &people).await?;
        let called: Vec<String> = people.into_iter().take(CALLED).collect();
        let agents = load::agents(&world, &called, Algorithm::Es256, Era::Modern).await?;
        Ok(Self { world, tabs: open, agents, idle: Vec::new(), samples: Samples::default(), cpu: Vec::new() })
    }

    /// Processor time by itself, as a share of one processor.
    fn idles(&self) -> f64 {
        self.idle.iter().map(Duration::as_secs_f64).sum::<f64>()
            / (IDLE.as_secs_f64() * self.idle.len().max(1) as f64)
    }
}

pub(super) async fn run(setting: &Setting) -> Result<Vec<Row>> {
    let mut hubs = Vec::new();
    for size in SIZES {
        hubs.push(Hub::with(setting, size).await?);
    }
    leave_alone(&mut hubs).await?;
    let mut turns = Vec::new();
    for round in 0..=ROUNDS {
        for hub in &mut hubs {
            let run = load::run(&hub.world, &hub.agents, READ, TURN).await?;
            if round > 0 {
                turns.push((run.took, run.cpu, run.samples.len()));
                hub.samples.take(run.samples);
            }
        }
    }
    leave_alone(&mut hubs).await?;
    for (at, (took, cpu, calls)) in turns.into_iter().enumerate() {
        if let Some(hub) = hubs.get_mut(at % SIZES.len()) {
            let own = cpu.saturating_sub(took.mul_f64(hub.idles()));
            hub.cpu.push(Run::per_call(own, calls));
        }
    }
    let mut first = None;
    let mut rows = Vec::new();
    for (hub, size) in hubs.iter_mut().zip(SIZES) {
        if hub.tabs.len() != size {
            return crate::fail(format!("{} of {size} tabs are left", hub.tabs.len()));
        }
        let mut cpu = hub.cpu.clone();
        cpu.sort_by(f64::total_cmp);
        let median = cpu.get(cpu.len() / 2).copied().unwrap_or_default();
        let times = median / *first.get_or_insert(median);
        let row = Row::of("crowded")
            .with("tabs", size)
            .number("idle_cpu_percent", hub.idles() * 100.0)
            .percentiles(&std::mem::take(&mut hub.samples).sorted())
            .number("cpu_us_per_call", median)
            .number("least_cpu_us", cpu.first().copied().unwrap_or_default())
            .with("times", (times * 100.0).round() / 100.0);
        rows.push(row.goal("times at most 1.25", (times <= FLAT).into()));
    }
    Ok(rows)
}

async fn leave_alone(hubs: &mut [Hub]) -> Result<()> {
    let mut before = Vec::new();
    for hub in hubs.iter() {
        before.push(hub.world.cpu()?);
    }
    tokio::time::sleep(IDLE).await;
    for (hub, before) in hubs.iter_mut().zip(before) {
        let after = hub.world.cpu()?;
        hub.idle.push(after.saturating_sub(before));
    }
    Ok(())
}
