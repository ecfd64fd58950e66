//! Who decides in whose place for a while, and who looks at what one person approved alone (APR-06).

use super::Approvals;
use super::deciding::{DecisionError, clean};
use crate::caller::Caller;
use crate::ports::{ApprovalRecord, Delegation, Review, StoreError};
use deputy_core::{ApprovalId, Event, EventKind, Facts as _, Subject, User};
use std::time::Duration;

/// The longest that somebody else may decide in one's place.
pub const DELEGATED_AT_MOST: Duration = Duration::from_secs(30 * 24 * 3600);

impl Approvals {
    /// What others said yes to alone, and nobody has looked at, as far as this person may.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn unreviewed(&self, person: &Caller) -> Result<Vec<ApprovalRecord>, StoreError> {
        let mut records = self.table.unreviewed(&person.user().tenant).await?;
        records.retain(|record| may_review(record, person));
        Ok(records)
    }

    /// Notes what this person says of it.
    ///
    /// # Errors
    /// It is not theirs to review, there is no finding, or it cannot be written.
    pub async fn review(&self, person: &Caller, id: &ApprovalId, finding: &str) -> Result<(), DecisionError> {
        let record = self.table.approval(&person.user().tenant, id).await?;
        let record = record.filter(|record| may_review(record, person)).ok_or(DecisionError::Unknown)?;
        let finding = clean(finding);
        if finding.trim().len() < 3 {
            return Err(DecisionError::Unfit("say what you found".to_owned()));
        }
        let event = self.about(person, &record, EventKind::ApprovalReviewed);
        let event = event.with_personal("finding", finding.clone());
        let review = Review { id: id.clone(), by: person.user().clone(), finding, at: self.clock.now() };
        if self.table.review(review, event).await? { Ok(()) } else { Err(DecisionError::Unknown) }
    }

    /// From now on, for a while, somebody else may decide in this person's place too.
    ///
    /// # Errors
    /// It is too long, to themselves, or cannot be written.
    pub async fn delegate(
        &self,
        person: &Caller,
        to: Subject,
        within: Duration,
    ) -> Result<Delegation, DecisionError> {
        let receiver = User { subject: to, ..person.user().clone() };
        if receiver == *person.user() || within.is_zero() || within > DELEGATED_AT_MOST {
            return Err(DecisionError::Unfit("delegate to somebody else, for at most 30 days".to_owned()));
        }
        let until = self.clock.now().plus(within);
        let event = self.delegated(person.user(), &receiver, "given").with_detail("until", until.to_string());
        let delegation =
            Delegation { giver: person.user().clone(), groups: person.groups().to_vec(), receiver, until };
        self.table.delegate(delegation.clone(), event).await?;
        Ok(delegation)
    }

    /// Takes it back.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub async fn undelegate(&self, person: &Caller, to: Subject) -> Result<(), DecisionError> {
        let receiver = User { subject: to, ..person.user().clone() };
        let event = self.delegated(person.user(), &receiver, "taken_back");
        if self.table.undelegate(person.user(), &receiver, event).await? {
            Ok(())
        } else {
            Err(DecisionError::Unknown)
        }
    }

    /// What this person gave and received.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn delegations(&self, person: &Caller) -> Result<Vec<Delegation>, StoreError> {
        self.table.delegations(person.user(), self.clock.now()).await
    }

    fn delegated(&self, giver: &User, receiver: &User, state: &str) -> Event {
        let event = self.journal.event(EventKind::Delegated, giver).with_detail("state", state);
        event.with_personal("to", receiver.key())
    }
}

/// Whoever may decide such questions, or break the glass, may look at what was broken; never who broke it or asked.
fn may_review(record: &ApprovalRecord, person: &Caller) -> bool {
    let (user, requester) = (person.user(), &record.requester);
    let took_part = user == requester || record.cast.iter().any(|cast| cast.by == *user);
    !took_part
        && (record.rule.lets(requester, user, person.groups())
            || record.rule.lets_break_glass(requester, user, person.groups()))
}
