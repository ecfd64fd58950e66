//! Questions whose time is over: they end, pause or escalate, as their rule says. Silence never approves (APR-04).

use crate::sqlite::job::Change;
use crate::sqlite::line::Line;
use crate::sqlite::tickets::millis;
use async_trait::async_trait;
use deputy_core::approval::{ApprovalRule, OnTimeout, PAUSED_AT_MOST};
use deputy_core::{Agent, ApprovalId, Class, Digest, Event, EventKind, Reason, Timestamp, ToolName};
use deputy_hub::ports::ApprovalRecord;
use sqlx::{Row as _, SqliteConnection};

pub(super) struct Expire {
    pub(super) now: Timestamp,
}

#[async_trait]
impl Change for Expire {
    type Answer = Vec<ApprovalId>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Vec<ApprovalId>, Vec<Line>), sqlx::Error> {
        let rows = sqlx::query(
            "SELECT record, rule, expires_at FROM approval WHERE state = 'pending' AND expires_at <= ?1
             UNION ALL
             SELECT record, NULL, 0 FROM approval WHERE state = 'approved' AND execution_expires_at <= ?1",
        )
        .bind(millis(self.now))
        .fetch_all(&mut *connection)
        .await?;
        let (mut ids, mut lines) = (Vec::new(), Vec::new());
        for row in rows {
            let record: ApprovalRecord = decoded(row.try_get(0)?)?;
            let rule: Option<ApprovalRule> = row.try_get::<Option<&str>, _>(1)?.map(decoded).transpose()?;
            let event = match rule.as_ref().and_then(|rule| Some((rule, rule.on_timeout?))) {
                Some((_, OnTimeout::Pause)) => self.prolong(connection, &record, Overdue::Paused).await?,
                Some((rule, OnTimeout::Escalate)) => {
                    self.prolong(connection, &record, Overdue::Escalated(rule)).await?
                }
                _ => self.end(connection, &record).await?,
            };
            lines.push(Line::of(&event).map_err(|error| sqlx::Error::Encode(error.into()))?);
            ids.push(record.id);
        }
        Ok((ids, lines))
    }
}

/// Why a question gets more time.
enum Overdue<'a> {
    Paused,
    Escalated(&'a ApprovalRule),
}

impl Expire {
    async fn end(
        &self,
        connection: &mut SqliteConnection,
        record: &ApprovalRecord,
    ) -> Result<Event, sqlx::Error> {
        sqlx::query("UPDATE approval SET state = 'expired' WHERE tenant = ? AND id = ?")
            .bind(record.requester.tenant.as_str())
            .bind(record.id.as_str())
            .execute(connection)
            .await?;
        Ok(about(record, EventKind::ApprovalExpired, self.now))
    }

    /// More time once: from now on silence means no.
    async fn prolong(
        &self,
        connection: &mut SqliteConnection,
        record: &ApprovalRecord,
        why: Overdue<'_>,
    ) -> Result<Event, sqlx::Error> {
        let (rule, until, word, to) = match why {
            Overdue::Paused => {
                let rule = ApprovalRule { on_timeout: Some(OnTimeout::Deny), ..record.rule.clone() };
                (rule, record.created_at.plus(PAUSED_AT_MOST), "paused", Vec::new())
            }
            Overdue::Escalated(rule) => {
                let as_long_again = record.bound_until.since(record.created_at);
                let to = rule.escalate_to.clone();
                (rule.clone().escalated(), self.now.plus(as_long_again), "escalated", to)
            }
        };
        let text = serde_json::to_string(&rule).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(
            "UPDATE approval SET rule = ?, expires_at = ?, others_decide = ? WHERE tenant = ? AND id = ?",
        )
        .bind(text)
        .bind(millis(until))
        .bind(!rule.approvers.is_empty() || !rule.break_glass.is_empty())
        .bind(record.requester.tenant.as_str())
        .bind(record.id.as_str())
        .execute(connection)
        .await?;
        let event = about(record, EventKind::ApprovalOverdue, self.now).with_detail("state", word);
        Ok(if to.is_empty() { event } else { event.with_detail("to", to) })
    }
}

fn decoded<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The line about a question that nobody decided, or whose decision nobody used.
fn about(record: &ApprovalRecord, kind: EventKind, now: Timestamp) -> Event {
    let mut event = Event::new(now, record.requester.tenant.clone(), kind);
    event.user = Some(record.requester.clone());
    event.agent = Some(Agent { name: record.agent_name.clone(), ..Agent::default() });
    event.client = Some(record.client.clone());
    event.source = Some(record.source.clone());
    event.tool = ToolName::new(record.tool.clone()).ok();
    event.class = Class::from_words(record.class.iter().map(String::as_str)).ok();
    event.definition = Some(record.definition);
    event.arguments = Some(Digest::of_bytes(record.arguments.as_bytes()));
    event.approval = Some(record.id.clone());
    if kind == EventKind::ApprovalExpired {
        event.reason = Some(Reason::ApprovalExpired);
    }
    event.policies.clone_from(&record.policies);
    event.policy_version = Some(record.policy_version);
    event
}
