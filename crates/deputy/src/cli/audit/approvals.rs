//! `deputy audit approvals`: how much people are asked, how often they say yes and how fast, by the policy that asks
//! (APR-09). Counted from the log alone, so that anybody who has it can.

use super::Log;
use super::moment;
use crate::cli::terminal::{Terminal, harmless};
use crate::cli::{Failure, now};
use clap::Args;
use deputy_core::{ApprovalId, Event, EventKind, PolicyId, Timestamp};
use deputy_store::Filter;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Lines read at once.
const PAGE: usize = 1000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only questions from this moment on: `2026-11-21`, `2026-11-21T14:00:00Z`, or a length of time ago such as `7d`
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<moment::Moment>,
    #[command(flatten)]
    log: Log,
}

/// What came of the questions of one policy.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    asked: usize,
    approved: usize,
    refused: usize,
    expired: usize,
    /// How long people thought, where they decided.
    thought: Vec<Duration>,
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let (reader, tenant) = arguments.log.open().await?;
    let from = arguments.since.map(|moment| moment.from(now()));
    let mut events = Vec::new();
    for kind in [EventKind::ApprovalRequested, EventKind::ApprovalDecided, EventKind::ApprovalExpired] {
        let mut filter = Filter { kind: Some(kind), from, limit: PAGE, ..Filter::default() };
        loop {
            let page = reader.list(&tenant, &filter).await?;
            let last = page.last().filter(|_| page.len() == PAGE).map(|line| line.seq);
            events.extend(page.into_iter().map(|line| line.event));
            match last {
                Some(seq) => filter.before = Some(seq),
                None => break,
            }
        }
    }
    let tallies = tally(&events);
    if tallies.is_empty() {
        return terminal.line("nobody was asked");
    }
    terminal.line(&format!(
        "{:<32} {:>7} {:>9} {:>8} {:>8} {:>6} {:>9}",
        "policy", "asked", "approved", "refused", "expired", "yes", "median"
    ))?;
    for (policy, tally) in tallies {
        terminal.line(&tally.line(&policy))?;
    }
    Ok(())
}

/// A question that several policies asked counts for each of them.
fn tally(events: &[Event]) -> BTreeMap<PolicyId, Tally> {
    let mut tallies: BTreeMap<PolicyId, Tally> = BTreeMap::new();
    let mut asked: HashMap<&ApprovalId, (Timestamp, &[PolicyId])> = HashMap::new();
    let of_kind = |kind| events.iter().filter(move |event| event.kind == kind);
    for event in of_kind(EventKind::ApprovalRequested) {
        let Some(id) = &event.approval else { continue };
        asked.insert(id, (event.at, &event.policies));
        for policy in &event.policies {
            tallies.entry(policy.clone()).or_default().asked += 1;
        }
    }
    for event in of_kind(EventKind::ApprovalDecided).chain(of_kind(EventKind::ApprovalExpired)) {
        let Some((at, policies)) = event.approval.as_ref().and_then(|id| asked.get(id)) else { continue };
        let state = event.detail.get("state").and_then(serde_json::Value::as_str);
        for policy in *policies {
            let tally = tallies.entry(policy.clone()).or_default();
            match (event.kind, state) {
                (EventKind::ApprovalExpired, _) => tally.expired += 1,
                (_, Some("approved")) => tally.approved += 1,
                (_, Some("refused")) => tally.refused += 1,
                _ => continue,
            }
            if event.kind == EventKind::ApprovalDecided {
                tally.thought.push(event.at.since(*at));
            }
        }
    }
    tallies.values_mut().for_each(|tally| tally.thought.sort());
    tallies
}

impl Tally {
    fn median(&self) -> Option<Duration> {
        self.thought.get(self.thought.len() / 2).copied()
    }

    fn line(&self, policy: &PolicyId) -> String {
        let decided = self.approved + self.refused;
        let yes = (decided > 0).then(|| format!("{} %", self.approved * 100 / decided)).unwrap_or_default();
        let median = self.median().map(|time| format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100));
        format!(
            "{:<32} {:>7} {:>9} {:>8} {:>8} {:>6} {:>9}",
            harmless(&policy.0),
            self.asked,
            self.approved,
            self.refused,
            self.expired,
            yes,
            median.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::TenantId;

    fn event(kind: EventKind, id: u32, at: u64, state: Option<&str>) -> Event {
        let mut event = Event::new(Timestamp::from_seconds(at), TenantId::single(), kind);
        event.approval = ApprovalId::new(format!("apr_{id:032}")).ok();
        if kind == EventKind::ApprovalRequested {
            event.policies = vec![PolicyId("asks".to_owned())];
        }
        match state {
            Some(state) => event.with_detail("state", state),
            None => event,
        }
    }

    #[test]
    fn apr_09_rate_and_median_are_told_by_the_policy_that_asked() {
        use EventKind::{ApprovalDecided, ApprovalExpired, ApprovalRequested};
        let events = [
            event(ApprovalRequested, 1, 10, None),
            event(ApprovalRequested, 2, 10, None),
            event(ApprovalRequested, 3, 10, None),
            event(ApprovalRequested, 4, 10, None),
            event(ApprovalDecided, 1, 12, Some("approved")),
            event(ApprovalDecided, 1, 13, Some("spent")),
            event(ApprovalDecided, 2, 14, Some("counted")),
            event(ApprovalDecided, 2, 15, Some("approved")),
            event(ApprovalDecided, 3, 30, Some("refused")),
            event(ApprovalExpired, 4, 99, None),
            event(ApprovalDecided, 9, 99, Some("approved")),
        ];
        let tallies = tally(&events);
        let tally = &tallies[&PolicyId("asks".to_owned())];
        assert_eq!((tally.asked, tally.approved, tally.refused, tally.expired), (4, 2, 1, 1));
        assert_eq!(tally.median(), Some(Duration::from_secs(5)));
        assert!(tally.line(&PolicyId("asks".to_owned())).contains("66 %"));
    }
}
