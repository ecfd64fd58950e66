//! A yes that stands: for this user, client, tool, definition and these arguments, for so long and so often (APR-08).

use super::deciding::{DecisionError, Say, Word};
use crate::caller::{By, Caller};
use crate::journal::Journal;
use crate::ports::{ApprovalRecord, Clock, Pattern, StandingGrant, StandingGrants as Table, StoreError};
use deputy_core::approval::Permission;
use deputy_core::{Digest, Event, EventKind, Facts as _, GrantId, Timestamp, User};
use deputy_policy::Refusal;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest that a yes may stand.
pub const STANDS_AT_MOST: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most often that it may be used.
pub const USES_AT_MOST: u32 = 1000;

/// For how long, how often, and for what a yes should stand.
#[derive(Debug, Clone)]
pub struct StandingWish {
    /// For how long.
    pub within: Duration,
    /// How often.
    pub uses: u32,
    /// With which arguments; exactly those of the question where nothing is said.
    pub pattern: Option<Pattern>,
}

/// Standing grants.
pub struct Standings {
    table: Arc<dyn Table>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    /// Taken back, whatever the table says: an act that takes rights away never waits for the log (invariant 14).
    ended: Mutex<HashSet<GrantId>>,
    /// Taken back, and not written yet.
    unwritten: Mutex<Vec<(User, GrantId, Event)>>,
}

impl Standings {
    /// Kept in `table`.
    #[must_use]
    pub fn new(table: Arc<dyn Table>, journal: Arc<Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { table, journal, clock, ended: Mutex::default(), unwritten: Mutex::default() }
    }

    /// The grant that covers this call, if one does.
    pub(crate) async fn covering(
        &self,
        refusal: &Refusal<Caller>,
    ) -> Result<Option<StandingGrant>, StoreError> {
        let (caller, call) = (&refusal.caller, &refusal.call);
        // INVARIANT: never for what cannot be undone, whatever a grant says.
        if refusal.rule.standing == Permission::Never || !may_stand(call.tool.class.effect.code()) {
            return Ok(None);
        }
        let covers = |grant: &StandingGrant| {
            grant.client == *caller.client()
                && grant.source == call.tool.source
                && grant.tool == call.tool.definition.name.as_str()
                && grant.definition == call.tool.hash
                && grant.rule == refusal.rule
                && grant.pattern.covers(call.arguments.value())
                && !self.has_ended(&grant.id)
        };
        let grants = self.table.grants(caller.user(), self.clock.now()).await?;
        Ok(grants.into_iter().find(covers))
    }

    /// Uses it for this call: the caller with the approval, or `None` if somebody was faster.
    pub(crate) async fn spend(
        &self,
        grant: &StandingGrant,
        caller: &Caller,
        event: Event,
    ) -> Result<bool, StoreError> {
        if self.has_ended(&grant.id) {
            return Ok(false);
        }
        let event = event.with_detail("grant", grant.id.as_str());
        self.table.use_grant(caller.user(), &grant.id, self.clock.now(), event).await
    }

    /// The caller as the grant lets them call; nothing is used up yet.
    pub(crate) fn lend(grant: &StandingGrant, caller: Caller, call: Digest) -> Caller {
        caller.with_approval(call, By::Grant { id: grant.id.clone(), until: grant.expires_at })
    }

    pub(super) async fn give(&self, grant: StandingGrant) -> Result<(), StoreError> {
        let mut event = self.journal.event(EventKind::GrantGiven, &grant.given_by);
        event.client = Some(grant.client.clone());
        event.source = Some(grant.source.clone());
        event.definition = Some(grant.definition);
        let event = event
            .with_detail("grant", grant.id.as_str())
            .with_detail("uses", grant.uses)
            .with_detail("until", grant.expires_at.to_string())
            .with_personal("label", grant.label())
            .with_personal("for", grant.user.key());
        self.table.grant(grant, event).await
    }

    /// What stands for this person.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn list(&self, person: &Caller) -> Result<Vec<StandingGrant>, StoreError> {
        let mut grants = self.table.grants(person.user(), self.clock.now()).await?;
        grants.retain(|grant| !self.has_ended(&grant.id));
        Ok(grants)
    }

    /// Ends one, at once. `false`: there is none of this person's.
    ///
    /// # Errors
    /// It holds no more, but that is not written down yet.
    pub async fn revoke(&self, person: &Caller, id: &GrantId) -> Result<bool, StoreError> {
        let known = self.table.grants(person.user(), self.clock.now()).await?;
        if !known.iter().any(|grant| grant.id == *id) {
            return Ok(false);
        }
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        let mut event = self.journal.event(EventKind::GrantRevoked, person.user());
        event.client = Some(person.client().clone());
        let event = event.with_detail("grant", id.as_str());
        let written = self.table.revoke_grant(person.user(), id, event.clone()).await;
        if written.is_err() {
            let taken_back = (person.user().clone(), id.clone(), event);
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push(taken_back);
        }
        written
    }

    /// Tries again to write what was taken back while the table could not be written: after a restart it would stand again.
    pub(crate) async fn insist(&self) {
        let unwritten = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        for (user, id, event) in unwritten {
            if let Err(error) = self.table.revoke_grant(&user, &id, event.clone()).await {
                tracing::warn!(%error, grant = %id, "a grant that was taken back still cannot be written");
                self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((user, id, event));
            }
        }
    }

    /// Whether it was taken back in this process.
    pub(crate) fn has_ended(&self, id: &GrantId) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

fn may_stand(effect: &str) -> bool {
    effect != "destructive"
}

/// The grant that a yes with this wish gives.
pub(super) fn plan(
    wish: &StandingWish,
    record: &ApprovalRecord,
    word: &Word,
    by: &User,
    now: Timestamp,
) -> Result<StandingGrant, DecisionError> {
    let unfit = |why: &str| Err(DecisionError::Unfit(format!("no standing grant: {why}")));
    if word.say != Say::Approve {
        return unfit("a no does not stand");
    }
    if record.class.iter().any(|word| !may_stand(word)) {
        return unfit("what cannot be undone is asked about each time");
    }
    if record.rule.standing == Permission::Never || record.rule.quorum > 1 {
        return unfit("policy wants people to be asked each time");
    }
    if wish.within.is_zero() || wish.within > STANDS_AT_MOST || wish.uses == 0 || wish.uses > USES_AT_MOST {
        return unfit("let it stand for at most 30 days and 1,000 uses");
    }
    let arguments: serde_json::Value =
        serde_json::from_str(&record.arguments).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let exactly = || Pattern::exactly(arguments.as_object().unwrap_or(&serde_json::Map::new()));
    let pattern = wish.pattern.clone().unwrap_or_else(exactly);
    if word.arguments.is_some() || !pattern.covers(&arguments) {
        return unfit("the pattern does not cover the call that was asked about");
    }
    let id = GrantId::fresh().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(StandingGrant {
        id,
        user: record.requester.clone(),
        client: record.client.clone(),
        source: record.source.clone(),
        tool: record.tool.clone(),
        definition: record.definition,
        pattern,
        rule: record.rule.clone(),
        given_by: by.clone(),
        created_at: now,
        expires_at: now.plus(wish.within),
        uses: wish.uses,
        used: 0,
    })
}
