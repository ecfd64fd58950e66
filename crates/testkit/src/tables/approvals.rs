//! Questions to people, in memory: the naive way, against which the tables are compared.

use super::Memory;
use async_trait::async_trait;
use deputy_core::approval::{ApprovalRule, OnTimeout, PAUSED_AT_MOST, Permission};
use deputy_core::{ApprovalId, Digest, Event, EventKind, TenantId, Timestamp, User};
use deputy_hub::ports::{
    ApprovalRecord, ApprovalState, Approvals, Ballot, Delegation, Edit, Review, Spending, StoreError,
};

#[async_trait]
impl Approvals for Memory {
    async fn ask(&self, approval: ApprovalRecord, event: Event) -> Result<(), StoreError> {
        self.write(vec![event])?;
        self.approvals.lock().unwrap().insert(approval.id.clone(), approval);
        Ok(())
    }

    async fn approval(
        &self,
        tenant: &TenantId,
        id: &ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        Ok(self.select(|one| one.requester.tenant == *tenant && one.id == *id).pop())
    }

    async fn pending(&self, requester: &User, now: Timestamp) -> Result<Vec<ApprovalRecord>, StoreError> {
        Ok(self.select(|one| one.requester == *requester && is_open(one, now)))
    }

    async fn pending_for_others(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Vec<ApprovalRecord>, StoreError> {
        let others =
            |one: &ApprovalRecord| !one.rule.approvers.is_empty() || !one.rule.break_glass.is_empty();
        Ok(self.select(|one| one.requester.tenant == *tenant && is_open(one, now) && others(one)))
    }

    async fn latest(
        &self,
        requester: &User,
        call_digest: &Digest,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        Ok(self.select(|one| one.requester == *requester && one.call_digest == *call_digest).pop())
    }

    async fn vote(&self, ballots: Vec<Ballot>) -> Result<Option<Vec<ApprovalState>>, StoreError> {
        let mut all = self.approvals.lock().unwrap();
        let mut changed = all.clone();
        let (mut states, mut lines) = (Vec::new(), Vec::new());
        for ballot in ballots {
            let Some(record) = changed.get_mut(&ballot.id) else { return Ok(None) };
            let Some(state) = count(record, &ballot) else { return Ok(None) };
            states.push(state);
            lines.push(if state == ApprovalState::Pending { ballot.counted } else { ballot.decided });
        }
        self.write(lines)?;
        *all = changed;
        Ok(Some(states))
    }

    async fn edit(&self, edit: Edit) -> Result<Option<ApprovalState>, StoreError> {
        let Edit { mut ballot, mut record, asked } = edit;
        let mut all = self.approvals.lock().unwrap();
        let Some(old) = all.get_mut(&ballot.id).filter(|old| fits(old, &ballot)) else { return Ok(None) };
        (ballot.id, ballot.digest) = (record.id.clone(), record.digest);
        let Some(state) = count(&mut record, &ballot) else { return Ok(None) };
        let line = if state == ApprovalState::Pending { ballot.counted } else { ballot.decided };
        self.write(vec![asked, line])?;
        old.state = ApprovalState::Changed;
        old.replaced_by = Some(record.id.clone());
        all.insert(record.id.clone(), record);
        Ok(Some(state))
    }

    async fn spend(&self, spendings: Vec<Spending>, now: Timestamp) -> Result<bool, StoreError> {
        let mut all = self.approvals.lock().unwrap();
        let mut changed = all.clone();
        for one in &spendings {
            let usable = |record: &&mut ApprovalRecord| {
                record.state == ApprovalState::Approved
                    && record.execution_expires_at.is_some_and(|at| at > now)
                    && record.digest == one.digest
                    && record.requester == one.requester
            };
            let Some(record) = changed.get_mut(&one.id).filter(usable) else { return Ok(false) };
            record.state = ApprovalState::Spent;
        }
        self.write(spendings.into_iter().map(|one| one.event).collect())?;
        *all = changed;
        Ok(true)
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<ApprovalId>, StoreError> {
        let mut ended = Vec::new();
        for approval in self.approvals.lock().unwrap().values_mut() {
            let over = match approval.state {
                ApprovalState::Pending => approval.expires_at <= now,
                ApprovalState::Approved => approval.execution_expires_at.is_some_and(|at| at <= now),
                _ => false,
            };
            if over {
                let kind = run_out(approval, now);
                let mut event = Event::new(now, approval.requester.tenant.clone(), kind);
                event.user = Some(approval.requester.clone());
                event.approval = Some(approval.id.clone());
                self.write(vec![event])?;
                ended.push(approval.id.clone());
            }
        }
        Ok(ended)
    }

    async fn unreviewed(&self, tenant: &TenantId) -> Result<Vec<ApprovalRecord>, StoreError> {
        let reviewed = self.reviewed.lock().unwrap().clone();
        Ok(self
            .select(|one| one.requester.tenant == *tenant && one.broke_glass && !reviewed.contains(&one.id)))
    }

    async fn review(&self, review: Review, event: Event) -> Result<bool, StoreError> {
        let took_part =
            |one: &ApprovalRecord| one.requester == review.by || one.cast.iter().any(|c| c.by == review.by);
        let open = self.unreviewed(&review.by.tenant).await?;
        let fits = open.iter().any(|one| one.id == review.id && !took_part(one));
        if fits {
            self.write(vec![event])?;
            self.reviewed.lock().unwrap().push(review.id);
        }
        Ok(fits)
    }

    async fn delegate(&self, delegation: Delegation, event: Event) -> Result<(), StoreError> {
        self.write(vec![event])?;
        let mut all = self.delegations.lock().unwrap();
        all.retain(|one| (&one.giver, &one.receiver) != (&delegation.giver, &delegation.receiver));
        all.push(delegation);
        Ok(())
    }

    async fn undelegate(&self, giver: &User, receiver: &User, event: Event) -> Result<bool, StoreError> {
        let mut all = self.delegations.lock().unwrap();
        let found = all.iter().any(|one| one.giver == *giver && one.receiver == *receiver);
        if found {
            self.write(vec![event])?;
            all.retain(|one| one.giver != *giver || one.receiver != *receiver);
        }
        Ok(found)
    }

    async fn delegations(&self, person: &User, now: Timestamp) -> Result<Vec<Delegation>, StoreError> {
        let all = self.delegations.lock().unwrap();
        let of = |one: &&Delegation| (one.giver == *person || one.receiver == *person) && one.until > now;
        Ok(all.iter().filter(of).cloned().collect())
    }
}

impl Memory {
    fn select(&self, wanted: impl Fn(&ApprovalRecord) -> bool) -> Vec<ApprovalRecord> {
        let all = self.approvals.lock().unwrap();
        let mut found: Vec<_> = all.values().filter(|one| wanted(one)).cloned().collect();
        found.sort_by_key(|one| one.created_at);
        found
    }
}

fn is_open(record: &ApprovalRecord, now: Timestamp) -> bool {
    record.state == ApprovalState::Pending && record.expires_at > now
}

fn fits(record: &ApprovalRecord, ballot: &Ballot) -> bool {
    let cast = &ballot.cast;
    let place = cast.in_place_of.as_ref().unwrap_or(&cast.by);
    let own = |who: &User| record.rule.own == Permission::Never && *who == record.requester;
    let again = record
        .cast
        .iter()
        .any(|known| known.by == cast.by || known.in_place_of.as_ref().unwrap_or(&known.by) == place);
    is_open(record, cast.at)
        && record.digest == ballot.digest
        && record.requester.tenant == cast.by.tenant
        && !own(&cast.by)
        && !own(place)
        && !again
}

fn count(record: &mut ApprovalRecord, ballot: &Ballot) -> Option<ApprovalState> {
    if !fits(record, ballot) {
        return None;
    }
    let cast = &ballot.cast;
    record.cast.push(cast.clone());
    let yes = record.cast.iter().filter(|cast| cast.yes).count();
    let enough = !cast.yes || ballot.break_glass || yes >= record.rule.quorum as usize;
    if enough {
        record.state = if cast.yes { ApprovalState::Approved } else { ApprovalState::Refused };
        record.decided_by = Some(cast.by.clone());
        record.decided_reason.clone_from(&cast.reason);
        record.execution_expires_at = cast.yes.then_some(ballot.execution_expires_at);
        record.broke_glass = ballot.break_glass && cast.yes;
    }
    Some(record.state)
}

fn run_out(record: &mut ApprovalRecord, now: Timestamp) -> EventKind {
    let more = (record.state == ApprovalState::Pending).then_some(record.rule.on_timeout).flatten();
    match more {
        Some(OnTimeout::Pause) => {
            record.rule = ApprovalRule { on_timeout: Some(OnTimeout::Deny), ..record.rule.clone() };
            record.expires_at = record.created_at.plus(PAUSED_AT_MOST);
            EventKind::ApprovalOverdue
        }
        Some(OnTimeout::Escalate) => {
            record.rule = record.rule.clone().escalated();
            record.expires_at = now.plus(record.bound_until.since(record.created_at));
            EventKind::ApprovalOverdue
        }
        _ => {
            record.state = ApprovalState::Expired;
            EventKind::ApprovalExpired
        }
    }
}
