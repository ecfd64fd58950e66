//! `lists`: the list of a server's 500 tools, whole, through the hub and through a proxy without any logic.

use super::Setting;
use super::servers::part;
use crate::issuer::Algorithm;
use crate::load::{Era, Run};
use crate::mcp::{self, Client, Listed, Way};
use crate::report::Row;
use crate::world::World;
use crate::{Result, fail};

const TOOLS: usize = 500;
/// Turns; the first is not counted.
const ROUNDS: usize = 6;
const LISTS: usize = 40;
/// How many times the proxy's time a list may take.
const GOAL: f64 = 2.0;

pub(super) async fn run(setting: &Setting) -> Result<Vec<Row>> {
    let (_echo, echo_port) = part(&["echo", &TOOLS.to_string(), "modern"], false)?;
    let to = echo_port.to_string();
    let (proxy, proxy_port) = part(&["proxy", &to], true)?;
    let mut world = World::in_front_of(&setting.program, &setting.folder, echo_port).await?;
    let issuer = world.issuer.url.clone();
    let (off, off_port) = part(&["hub", "off", &to], true)?;
    let (verifying, verifying_port) = part(&["hub", &issuer, &to], true)?;
    world.start_on_own_core().await?;
    let everybody = [
        ("proxy", &proxy, proxy_port),
        ("hub_off", &off, off_port),
        ("hub_es256", &verifying, verifying_port),
        ("hub_all_es256", world.process()?, world.port),
    ];
    let mut sums: Vec<Listed> = everybody.iter().map(|_| Listed::default()).collect();
    for round in 0..=ROUNDS {
        for ((_, process, port), sum) in everybody.iter().zip(&mut sums) {
            let token = world.server_token(Algorithm::Es256, "person-0", *port)?;
            let client = Client::open(*port, token, Era::Modern, Way::Server).await?;
            let listed = mcp::lists(process, &client, LISTS).await?;
            if listed.tools != TOOLS {
                return fail(format!("{} tools, not {TOOLS}", listed.tools));
            }
            if round > 0 {
                sum.add(listed);
            }
        }
    }
    let mut least = None;
    let rows = everybody.iter().zip(sums).map(|((name, ..), sum)| {
        let (count, samples) = (sum.samples.len(), sum.samples.sorted());
        let times = samples.p50_us() / *least.get_or_insert(samples.p50_us());
        let row = Row::of("lists")
            .with("through", *name)
            .with("tools", sum.tools)
            .with("bytes", sum.bytes)
            .with("pages", sum.pages)
            .percentiles(&samples)
            .number("cpu_us_per_list", Run::per_call(sum.cpu, count))
            .number("times_proxy", times);
        match *name {
            "proxy" => row.goal("none", true.into()),
            _ => row.goal("times_proxy at most 2", (times <= GOAL).into()),
        }
    });
    Ok(rows.collect())
}
