//! `sessions`: what two thousand clients of the legacy era cost a hub with everything on: their sessions, and then each
//! with its stream open.

use super::Setting;
use super::servers::part;
use crate::issuer::Algorithm;
use crate::load::Era;
use crate::mcp::{self, Client, Way};
use crate::report::Row;
use crate::wire::Connection;
use crate::world::{READ, World};
use crate::{Result, fail};

/// How many clients.
const CLIENTS: usize = 2_000;
/// Whose; each has as many.
const PEOPLE: usize = 20;
/// Calls before the first measurement, so that what is there once is there.
const WARM: usize = 10_000;
/// KiB of hub memory per session.
const GOAL_KB: f64 = 10.0;

pub(super) async fn run(setting: &Setting) -> Result<Vec<Row>> {
    let (_echo, echo_port) = part(&["echo", "10", "legacy"], false)?;
    let mut world = World::in_front_of(&setting.program, &setting.folder, echo_port).await?;
    world.start_on_own_core().await?;
    let mut tokens = Vec::new();
    for at in 0..PEOPLE {
        tokens.push(world.server_token(Algorithm::Es256, &format!("person-{at}"), world.port)?);
    }
    let mut warm = Vec::new();
    for token in &tokens {
        warm.push(Client::open(world.port, token.clone(), Era::Legacy, Way::Hub).await?);
    }
    mcp::run(world.process()?, &warm, READ, 64, WARM).await?;
    let base = world.settled().await?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for token in tokens.iter().cycle().take(CLIENTS) {
        clients.push(Client::open(world.port, token.clone(), Era::Legacy, Way::Hub).await?);
    }
    let open = world.settled().await?;
    let mut streams = Vec::with_capacity(CLIENTS);
    for client in &clients {
        let mut connection = Connection::open(world.port).await?;
        let status = connection.begin(&client.stream()).await?;
        if status != 200 {
            return fail(format!("a stream was answered with {status}"));
        }
        streams.push(connection);
    }
    let listening = world.settled().await?;
    let row = |what: &str, rss: u64| {
        let each = per_client(rss.saturating_sub(base));
        Row::of("sessions")
            .with("what", what)
            .with("clients", CLIENTS)
            .with("rss_kb", rss)
            .number("kb_per_client", each)
            .goal("kb_per_client at most 10", (each <= GOAL_KB).into())
    };
    Ok(vec![row("a session", open), row("a session and its stream, on a connection of its own", listening)])
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 KiB")]
fn per_client(kb: u64) -> f64 {
    kb as f64 / CLIENTS as f64
}
