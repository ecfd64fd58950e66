//! `servers`: `tools/call` to an MCP server, directly, through a proxy without any logic, through a hub with everything
//! off, with verification, and with everything on. What is measured has a processor for itself; all take turns.

use super::{Setting, verify};
use crate::Result;
use crate::issuer::Algorithm;
use crate::load::{Era, Run};
use crate::mcp::{self, Client, Way};
use crate::numbers::{Samples, per_second};
use crate::process::{Process, on_own_core, play};
use crate::report::Row;
use crate::world::{READ, WRITE, World};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// Who is called: the case's names, in the order of the table.
pub(super) const NAMES: [&str; 7] =
    ["direct", "proxy", "hub_off", "hub_rs256", "hub_es256", "hub_all_rs256", "hub_all_es256"];
/// Connections at once.
const CONNS: [usize; 4] = [1, 16, 64, 256];
/// Turns of everybody; the first is not counted.
const ROUNDS: usize = 4;
/// Calls in one turn.
const CALLS: usize = 1_200;
/// How many times the proxy's processor time, and its 99th percentile, the hub may take.
const TIMES_PROXY: f64 = 2.0;
/// What everything may cost beyond the hub with everything off and the bare signature check.
const OVER_US: f64 = 20.0;
/// Memory under load.
const RSS_KB: u64 = 40 * 1024;
/// Whose clients call.
const PEOPLE: usize = 64;

/// Everybody who is called in one era.
struct Peers {
    // All end with this.
    echo: Process,
    proxy: Process,
    off: Process,
    verifying: Process,
    world: World,
    ports: [u16; 5],
}

impl Peers {
    async fn start(setting: &Setting, era: Era) -> Result<Self> {
        let (echo, echo_port) = part(&["echo", "10", era_word(era)], false)?;
        let to = echo_port.to_string();
        let (proxy, proxy_port) = part(&["proxy", &to], true)?;
        let (off, off_port) = part(&["hub", "off", &to], true)?;
        let mut world = World::in_front_of(&setting.program, &setting.folder, echo_port).await?;
        let issuer = world.issuer.url.clone();
        let (verifying, verifying_port) = part(&["hub", &issuer, &to], true)?;
        world.start_on_own_core().await?;
        let ports = [echo_port, proxy_port, off_port, verifying_port, world.port];
        Ok(Self { echo, proxy, off, verifying, world, ports })
    }

    fn place(name: &str) -> usize {
        match name {
            "direct" => 0,
            "proxy" => 1,
            "hub_off" => 2,
            "hub_rs256" | "hub_es256" => 3,
            _ => 4,
        }
    }

    fn process(&self, name: &str) -> Result<&Process> {
        match Self::place(name) {
            0 => Ok(&self.echo),
            1 => Ok(&self.proxy),
            2 => Ok(&self.off),
            3 => Ok(&self.verifying),
            _ => self.world.process(),
        }
    }

    async fn clients(&self, name: &str, era: Era) -> Result<Vec<Client>> {
        let port = self.ports.get(Self::place(name)).copied().unwrap_or_default();
        let algorithm = if name.ends_with("es256") { Algorithm::Es256 } else { Algorithm::Rs256 };
        let way = if port == self.ports[0] || port == self.ports[1] { Way::Server } else { Way::Hub };
        let mut clients = Vec::new();
        for at in 0..PEOPLE {
            let token = self.world.server_token(algorithm, &format!("person-{at}"), port)?;
            clients.push(Client::open(port, token, era, way).await?);
        }
        Ok(clients)
    }
}

const fn era_word(era: Era) -> &'static str {
    match era {
        Era::Modern => "modern",
        Era::Legacy => "legacy",
    }
}

/// Starts a part of this program, on the processor of those who are measured or wherever there is room.
pub(super) fn part(words: &[&str], measured: bool) -> Result<(Process, u16)> {
    let own = std::env::current_exe()?;
    let command = if measured { on_own_core(&own) } else { Command::new(own) };
    let (process, said) = play(words, command, 1)?;
    let port = said.first().ok_or("no port")?.parse()?;
    Ok((process, port))
}

/// What was measured of one of them.
#[derive(Default)]
struct Sum {
    samples: Samples,
    took: Duration,
    cpu: Duration,
    rss_kb: u64,
}

/// What goals are about.
struct Measured {
    cpu_us: f64,
    p99_us: f64,
    rss_kb: u64,
}

/// Who was measured at the same load.
type Measures = BTreeMap<&'static str, Measured>;

/// Checks of a bare signature, in turn with everybody.
const SIGNATURES: usize = 400;

pub(super) async fn run(setting: &Setting, names: &[&'static str]) -> Result<Vec<Row>> {
    let (mut rows, mut goals) = (Vec::new(), Vec::new());
    for era in [Era::Modern, Era::Legacy] {
        let peers = Peers::start(setting, era).await?;
        let mut everybody = Vec::new();
        for name in names {
            everybody.push((*name, peers.clients(name, era).await?));
        }
        for class in [READ, WRITE] {
            for conns in CONNS {
                let load = Load { era, class, conns };
                let (mut table, measures, bare) = in_turns(&peers, &everybody, load).await?;
                rows.append(&mut table);
                goals.extend(goal(load, &measures, bare));
            }
        }
    }
    rows.append(&mut goals);
    Ok(rows)
}

#[derive(Clone, Copy)]
struct Load {
    era: Era,
    class: &'static str,
    conns: usize,
}

impl Load {
    fn row(self, case: &str) -> Row {
        Row::of(case)
            .with("era", self.era.name())
            .with("class", if self.class == READ { "read" } else { "write" })
            .with("conns", self.conns)
    }
}

/// Everybody in turn, and the bare check of RS256 and ES256 among them.
async fn in_turns(
    peers: &Peers,
    everybody: &[(&'static str, Vec<Client>)],
    load: Load,
) -> Result<(Vec<Row>, Measures, [f64; 2])> {
    let mut sums: Vec<Sum> = everybody.iter().map(|_| Sum::default()).collect();
    let mut bare = [f64::MAX; 2];
    for round in 0..=ROUNDS {
        for (least, algorithm) in bare.iter_mut().zip([Algorithm::Rs256, Algorithm::Es256]) {
            *least = least.min(verify::bare_us(&peers.world.issuer, algorithm, SIGNATURES)?);
        }
        for ((name, clients), sum) in everybody.iter().zip(&mut sums) {
            let process = peers.process(name)?;
            let calls = CALLS.max(load.conns * 4);
            let Run { samples, took, cpu } =
                mcp::run(process, clients, load.class, load.conns, calls).await?;
            if round > 0 {
                sum.samples.take(samples);
                sum.took += took;
                sum.cpu += cpu;
                sum.rss_kb = sum.rss_kb.max(process.rss_kb()?);
            }
        }
    }
    let (mut rows, mut measures) = (Vec::new(), Measures::new());
    for ((name, _), sum) in everybody.iter().zip(sums) {
        let (count, samples) = (sum.samples.len(), sum.samples.sorted());
        let cpu_us = Run::per_call(sum.cpu, count);
        measures.insert(name, Measured { cpu_us, p99_us: samples.p99_us(), rss_kb: sum.rss_kb });
        let row = load.row(name).number("calls_per_s", per_second(count, sum.took)).percentiles(&samples);
        rows.push(row.number("cpu_us_per_call", cpu_us).with("rss_kb", sum.rss_kb));
    }
    Ok((rows, measures, bare))
}

/// What the numbers of one load say of the goals; nothing if not everybody was measured.
fn goal(load: Load, measures: &Measures, [bare_rs256, bare_es256]: [f64; 2]) -> Option<Row> {
    let (proxy, off) = (measures.get("proxy")?, measures.get("hub_off")?);
    let (rs256, es256) = (measures.get("hub_all_rs256")?, measures.get("hub_all_es256")?);
    let times_proxy = off.cpu_us / proxy.cpu_us;
    let (over_rs256, over_es256) =
        (rs256.cpu_us - off.cpu_us - bare_rs256, es256.cpu_us - off.cpu_us - bare_es256);
    let p99_times_proxy = rs256.p99_us / proxy.p99_us;
    let met = times_proxy <= TIMES_PROXY
        && over_rs256.max(over_es256) <= OVER_US
        && (load.conns != 64 || p99_times_proxy <= TIMES_PROXY)
        && rs256.rss_kb <= RSS_KB;
    let goal = "2 times, 20 us, 2 times at 64, 40 MB";
    let row = load
        .row("servers")
        .number("off_cpu_times_proxy", times_proxy)
        .number("all_rs256_over_off_and_signature_us", over_rs256)
        .number("all_es256_over_off_and_signature_us", over_es256)
        .number("all_p99_times_proxy", p99_times_proxy)
        .with("all_rss_kb", rs256.rss_kb);
    Some(row.goal(goal, met.into()))
}
