//! `audit`: durable lines per second from 256 callers that each wait for their line.

use super::{Setting, disk};
use crate::numbers::{Samples, per_second};
use crate::report::Row;
use crate::{Result, random};
use deputy_core::{
    Agent, AgentType, CallId, Class, Client, Digest, DocumentId, Event, EventKind, Outcome, PolicyId,
    TenantId, Timestamp, User, Verification,
};
use deputy_hub::Supervisor;
use deputy_hub::ports::AuditLog as _;
use deputy_store::{Place, Settings, SqliteStore};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long lines are written, in each of the rounds.
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
const SYNCS: usize = 300;
/// Lines per second from 256 callers.
const GOAL: f64 = 20_000.0;

pub(super) async fn run(setting: &Setting) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for lines in [Lines::Calls, Lines::Intents] {
        for callers in [1, 16, 256] {
            rows.push(of(setting, lines, callers).await?);
        }
    }
    Ok(rows)
}

/// What a caller writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// An intent, then the outcome of the same call, as the hub does.
    Calls,
    /// Intents whose outcome never comes, so that the table of open calls grows with every line.
    Intents,
}

impl Lines {
    const fn name(self) -> &'static str {
        match self {
            Self::Calls => "intent, outcome",
            Self::Intents => "intents alone",
        }
    }
}

async fn of(setting: &Setting, lines: Lines, callers: usize) -> Result<Row> {
    std::fs::create_dir_all(&setting.folder)?;
    let folder = tempfile::tempdir_in(&setting.folder)?;
    let supervisor = Supervisor::default();
    let store = SqliteStore::open(Place::new(folder.path()), Settings::default(), &supervisor).await?;
    let (mut samples, mut took) = (Samples::default(), Duration::ZERO);
    let mut syncs = Vec::new();
    for _ in 0..ROUNDS {
        syncs.push(disk::sync(&setting.folder, SYNCS)?.p50_us());
        let (began, more) = (Instant::now(), round(&store, lines, callers).await?);
        took += began.elapsed();
        samples.take(more);
    }
    drop(store);
    supervisor.shut_down().await;
    syncs.sort_by(f64::total_cmp);
    let rate = per_second(samples.len(), took);
    let row = Row::of("audit")
        .with("class", lines.name())
        .with("conns", callers)
        .number("lines_per_s", rate)
        .percentiles(&samples.sorted())
        .number("sync_us", syncs.get(ROUNDS / 2).copied().unwrap_or(0.0));
    Ok(if callers == 256 {
        row.goal("lines_per_s at least 20,000", (rate >= GOAL).into())
    } else {
        row.goal("none", true.into())
    })
}

async fn round(store: &SqliteStore, lines: Lines, callers: usize) -> Result<Samples> {
    let mut tasks = JoinSet::new();
    let until = Instant::now() + ROUND;
    for caller in 0..callers {
        let (store, event) = (store.clone(), Arc::new(intent(caller)?));
        tasks.spawn(async move {
            let mut samples = Samples::default();
            while Instant::now() < until {
                let mut event = Event::clone(&event);
                event.call = CallId::fresh().ok();
                let outcome = (lines == Lines::Calls).then(|| outcome(&event));
                for event in [Some(event), outcome].into_iter().flatten() {
                    let began = Instant::now();
                    store.append(vec![event]).await?;
                    samples.add(began.elapsed());
                }
            }
            Ok::<_, crate::Error>(samples)
        });
    }
    let mut all = Samples::default();
    while let Some(done) = tasks.join_next().await {
        all.take(done??);
    }
    Ok(all)
}

/// The line that the hub writes before a call.
fn intent(caller: usize) -> Result<Event> {
    let mut event = Event::new(Timestamp::from_seconds(1_795_428_000), TenantId::single(), EventKind::Intent);
    event.user = Some(User {
        tenant: TenantId::single(),
        issuer: "https://idp.acme.example".parse()?,
        subject: format!("user-{caller}").parse()?,
    });
    event.agent = Some(Agent {
        agent_type: AgentType::BrowserAgent,
        name: Some("Desk".to_owned()),
        origin: None,
        verification: Verification::None,
    });
    event.client = Some(Client("desk-agent".to_owned()));
    event.source = Some("crm".parse()?);
    event.tool = Some("update_contact".parse()?);
    event.class = Some(Class::UNKNOWN);
    event.definition = Some(Digest::of_bytes(b"definition"));
    event.arguments = Some(Digest::of_bytes(&caller.to_be_bytes()));
    event.tab = Some(random(DocumentId::fresh())?);
    event.lane = Some("session".to_owned());
    event.policies = vec![PolicyId("sales-may-update-contacts".to_owned())];
    event.policy_version = Some(Digest::of_bytes(b"policies"));
    Ok(event)
}

/// The line that the hub writes after it.
fn outcome(intent: &Event) -> Event {
    let mut event = intent.clone();
    event.kind = EventKind::Outcome;
    event.outcome = Some(Outcome::Succeeded);
    event
}
