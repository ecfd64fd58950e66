//! `tabs`: what idle tabs cost. Whether calls cost more when there are many is another case, `crowded`.

use super::Setting;
use crate::issuer::Algorithm;
use crate::load::{self, Agent, Era, Load};
use crate::report::Row;
use crate::tab::Tabs;
use crate::wire::Connection;
use crate::world::{READ, World};
use crate::{Result, fail};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many tabs, one after the other in the same hub.
const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// Calls of one measurement: a hundred a second, so that no tab says more than it may.
const LOAD: Load = Load { conns: 4, calls: 1_200, pace: Duration::from_millis(40) };
/// Tabs that calls go to: the same few, however many there are.
const CALLED: usize = 10;
/// Calls before the first measurement, so that what is there once is there: above all the pages that SQLite keeps in memory,
/// which ten thousand tabs' lines would fill as well.
const WARM: Load = Load { conns: CALLED, calls: 5_000, pace: Duration::from_millis(70) };
/// How long the hub is left alone, to see what it does by itself: two heartbeats of every tab.
const IDLE: Duration = Duration::from_secs(30);
/// KiB of hub memory per idle tab.
const GOAL_KB: f64 = 10.0;

pub(super) async fn run(setting: &Setting) -> Result<Vec<Row>> {
    let mut world = World::new(&setting.program, &setting.folder).await?;
    world.start().await?;
    let world = Arc::new(world);
    let (mut tabs, mut open) = (Tabs::default(), 0);
    let (mut rows, mut base) = (Vec::new(), None);
    for size in SIZES {
        tabs.open(&world, &people(open..size)).await?;
        open = size;
        if base.is_none() {
            let agents = load::agents(&world, &people(0..CALLED), Algorithm::Es256, Era::Modern).await?;
            load::run(&world, &agents, READ, WARM).await?;
        }
        let rss = world.settled().await?;
        let base = *base.get_or_insert(rss);
        let idle = idle_cpu(&world).await?;
        let agents = load::agents(&world, &people(0..CALLED), Algorithm::Es256, Era::Modern).await?;
        let mut run = load::run(&world, &agents, READ, LOAD).await?;
        run.cpu = run.cpu.saturating_sub(run.took.mul_f64(idle));
        let (cpu, samples) = (run.cpu_us_per_call(), run.samples.sorted());
        let row = Row::of("tabs")
            .with("tabs", size)
            .with("rss_kb", rss)
            .number("idle_cpu_percent", idle * 100.0)
            .percentiles(&samples)
            .number("cpu_us_per_call", cpu);
        rows.push(match per_tab(rss, base, size) {
            Some(each) => {
                let row = row.number("kb_per_tab", each);
                match SIZES.last() == Some(&size) {
                    true => row.goal("kb_per_tab at most 10", (each <= GOAL_KB).into()),
                    false => row.goal("none", true.into()),
                }
            }
            None => row.with("kb_per_tab", "-").goal("none", true.into()),
        });
        if tabs.len() != size {
            return fail(format!("{} of {size} tabs are left", tabs.len()));
        }
    }
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 KiB")]
fn per_tab(rss: u64, base: u64, size: usize) -> Option<f64> {
    let more = size.checked_sub(SIZES.first().copied()?).filter(|more| *more > 0)?;
    Some(rss.saturating_sub(base) as f64 / more as f64)
}

/// One tab each: nothing is shared but what all share.
fn people(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|at| format!("person-{at}")).collect()
}

/// The share of one processor that a hub takes which nobody calls.
async fn idle_cpu(world: &World) -> Result<f64> {
    let before = world.cpu()?;
    tokio::time::sleep(IDLE).await;
    Ok(world.cpu()?.saturating_sub(before).as_secs_f64() / IDLE.as_secs_f64())
}

/// Fault: so many tabs come, a call is answered, all go, and come again without more memory.
pub(super) async fn crowd(setting: &Setting, count: usize) -> Result<()> {
    let mut world = World::new(&setting.program, &setting.folder).await?;
    world.start().await?;
    let world = Arc::new(world);
    let everybody = people(0..count);
    let begin = world.rss_kb()?;
    let mut peaks = Vec::new();
    for round in 1..=2 {
        let mut tabs = Tabs::default();
        tabs.open(&world, &everybody).await?;
        let agents = load::agents(&world, &people(0..16), Algorithm::Es256, Era::Modern).await?;
        load::run(&world, &agents, READ, Load { calls: 160, ..LOAD }).await?;
        if tabs.len() != count {
            return fail(format!("{} of {count} tabs are left:\n{}", tabs.len(), world.last_words()));
        }
        let peak = world.settled().await?;
        println!("ok   round {round}: {count} tabs are connected and calls are answered, {peak} KiB");
        drop(tabs);
        gone(&world, &everybody).await?;
        println!(
            "ok   round {round}: all tabs are gone, {} KiB, {begin} KiB before they came",
            world.settled().await?
        );
        peaks.push(peak);
    }
    match peaks.as_slice() {
        [first, second] if second - begin.min(*second) > (first - begin.min(*first)) * 5 / 4 => {
            fail(format!("{first} KiB the first time and {second} KiB the second: memory does not come back"))
        }
        _ => Ok(()),
    }
}

/// Waits until the hub lists no tool any more for the last who came.
async fn gone(world: &World, people: &[String]) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    for subject in people.iter().rev().step_by(people.len().div_ceil(20).max(1)) {
        let agent = Agent::new(world, subject, Algorithm::Es256, Era::Modern).await?;
        let mut connection = Connection::open(world.port).await?;
        let request = agent.call(READ, &load::arguments("gone"));
        while load::succeeded(&connection.ask(&request).await?) {
            if Instant::now() > deadline {
                return fail("a tab that left is still called");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}
