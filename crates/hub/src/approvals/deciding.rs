//! What signed-in people see and say (APR-02, APR-03, APR-06, APR-07, APR-10, APR-13).

use super::standing::{self, StandingWish};
use super::{Approvals, binding, canonical};
use crate::caller::Caller;
use crate::ports::{ApprovalRecord, ApprovalState, Ballot, Cast, Delegation, Edit, StoreError};
use deputy_core::call::Named;
use deputy_core::{ApprovalId, Arguments, Digest, Event, EventKind, Facts as _, Timestamp, User};

/// Words that count together at most.
pub const WORDS: usize = 50;
/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Yes.
    Approve,
    /// No.
    Refuse,
}

/// By which right a person may decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum May {
    /// Their own.
    Decide,
    /// Somebody's who delegated it.
    InPlaceOf(User),
    /// In an emergency, alone, with a reason, to be reviewed.
    BreakGlass,
}

/// A question as one person sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The question.
    pub record: ApprovalRecord,
    /// What they may do about it.
    pub may: May,
}

/// What a person says about one question.
#[derive(Debug, Clone)]
pub struct Word {
    /// Which.
    pub id: ApprovalId,
    /// The digest that they saw.
    pub digest: Digest,
    /// Yes or no.
    pub say: Say,
    /// Why; the agent is told.
    pub reason: Option<String>,
    /// The hash of the card that they were shown (APR-10).
    pub card: Option<Digest>,
    /// What they typed to confirm what cannot be undone: the tool's name (APR-10).
    pub confirm: Option<String>,
    /// Whether they say yes alone, in an emergency (APR-06).
    pub break_glass: bool,
    /// Other arguments that they approve instead (APR-13).
    pub arguments: Option<Arguments>,
    /// Whether the yes holds for later calls too (APR-08).
    pub standing: Option<StandingWish>,
}

impl Word {
    /// A plain yes or no.
    #[must_use]
    pub const fn plain(id: ApprovalId, digest: Digest, say: Say) -> Self {
        Self {
            id,
            digest,
            say,
            reason: None,
            card: None,
            confirm: None,
            break_glass: false,
            arguments: None,
            standing: None,
        }
    }
}

/// Why a word was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecisionError {
    /// No such question for this person, or it is over.
    #[error("there is no such pending approval of yours")]
    Unknown,
    /// The person saw something else.
    #[error("the digest is not that of the pending approval")]
    Stale,
    /// What cannot be undone is confirmed by typing the tool's name.
    #[error("this cannot be undone: confirm it with the tool's name, `{0}`")]
    Confirm(String),
    /// A yes alone needs a reason.
    #[error("say why: a yes in an emergency needs a reason of at least 10 characters")]
    Reason,
    /// The word cannot be what it wants to be.
    #[error("{0}")]
    Unfit(String),
    /// The table does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Approvals {
    /// What a signed-in person is asked now: their own agents' questions, and those that policy lets them decide.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn pending(&self, person: &Caller) -> Result<Vec<Seen>, StoreError> {
        let (user, now) = (person.user(), self.clock.now());
        let delegations = self.received(user, now).await?;
        let mut records = self.table.pending(user, now).await?;
        let others = self.table.pending_for_others(&user.tenant, now).await?;
        records.extend(others.into_iter().filter(|record| record.requester != *user));
        for delegation in delegations.iter().filter(|one| one.giver.tenant == user.tenant) {
            let of_giver = self.table.pending(&delegation.giver, now).await?;
            let known: Vec<ApprovalId> = records.iter().map(|record| record.id.clone()).collect();
            records.extend(of_giver.into_iter().filter(|record| !known.contains(&record.id)));
        }
        records.sort_by_key(|record| record.created_at);
        let seen = |record: ApprovalRecord| Some(Seen { may: may(&record, person, &delegations)?, record });
        Ok(records.into_iter().filter_map(seen).collect())
    }

    /// Takes a signed-in person's words (APR-03): all of them count, or none (APR-07).
    ///
    /// # Errors
    /// The first that does not fit, and why; then nothing counts.
    pub async fn decide(
        &self,
        person: &Caller,
        words: Vec<Word>,
    ) -> Result<Vec<ApprovalState>, DecisionError> {
        if words.is_empty() || words.len() > WORDS {
            return Err(DecisionError::Unfit(format!("say between 1 and {WORDS} words at once")));
        }
        let now = self.clock.now();
        let delegations = self.received(person.user(), now).await?;
        let (mut ballots, mut grants) = (Vec::new(), Vec::new());
        let alone = words.len() == 1;
        for mut word in words {
            let record = self.table.approval(&person.user().tenant, &word.id).await?;
            let record = record.ok_or(DecisionError::Unknown)?;
            // Whoever may decide may break the glass too, where the rule names them.
            let may = match word.break_glass {
                true => may_break_glass(&record, person).then_some(May::BreakGlass),
                false => may(&record, person, &delegations),
            };
            let may = may.ok_or(DecisionError::Unknown)?;
            check(&record, &word, &may)?;
            let arguments = word.arguments.take();
            if let Some(wish) = word.standing.take() {
                grants.push(standing::plan(&wish, &record, &word, person.user(), now)?);
            }
            let ballot = self.ballot(person, &record, word, may, now);
            if let Some(arguments) = arguments {
                if !alone {
                    let words = "arguments are changed one question at a time";
                    return Err(DecisionError::Unfit(words.to_owned()));
                }
                return self.edit(person, &record, ballot, &arguments, now).await;
            }
            ballots.push(ballot);
        }
        let states = self.table.vote(ballots).await?.ok_or(DecisionError::Unknown)?;
        self.decided.send_modify(|count| *count += 1);
        for grant in grants {
            self.standing.give(grant).await?;
        }
        Ok(states)
    }

    fn ballot(
        &self,
        person: &Caller,
        record: &ApprovalRecord,
        word: Word,
        may: May,
        now: Timestamp,
    ) -> Ballot {
        let yes = word.say == Say::Approve;
        let reason = word.reason.map(|text| clean(&text));
        let in_place_of = match may {
            May::InPlaceOf(giver) => Some(giver),
            May::Decide | May::BreakGlass => None,
        };
        let break_glass = may_break(&word.say, word.break_glass);
        let line = |state: &str| {
            let mut event =
                self.about(person, record, EventKind::ApprovalDecided).with_detail("state", state);
            if let Some(card) = word.card {
                event = event.with_detail("card", card.to_string());
            }
            if let Some(giver) = &in_place_of {
                event = event.with_personal("in_place_of", giver.key());
            }
            if break_glass {
                event = event.with_detail("broke_glass", true);
                event = event.with_personal("reason", reason.clone().unwrap_or_default());
            }
            event
        };
        let within = record.rule.execute_within.unwrap_or(self.limits.execute_within);
        Ballot {
            id: word.id,
            digest: word.digest,
            break_glass,
            execution_expires_at: now.plus(within),
            decided: line(if yes { "approved" } else { "refused" }),
            counted: line("counted"),
            cast: Cast { by: person.user().clone(), in_place_of, yes, reason, card: word.card, at: now },
        }
    }

    /// APR-13: other arguments are another question, with the first word on it; the agent is told.
    async fn edit(
        &self,
        person: &Caller,
        old: &ApprovalRecord,
        mut ballot: Ballot,
        arguments: &Arguments,
        now: Timestamp,
    ) -> Result<Vec<ApprovalState>, DecisionError> {
        let named = Named {
            requester: &old.requester,
            client: &old.client.0,
            source: old.source.as_str(),
            origin: old.origin.as_str(),
            tool: &old.tool,
            definition: &old.definition,
        };
        let call_digest = named.with(arguments.digest());
        if call_digest == old.call_digest {
            return Err(DecisionError::Unfit("these are the arguments that were asked about".to_owned()));
        }
        let id = ApprovalId::fresh().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let record = ApprovalRecord {
            digest: binding(&call_digest, &old.policy_version, &id, old.expires_at),
            call_digest,
            arguments: canonical(arguments.value())?,
            replaces: Some(old.id.clone()),
            created_at: now,
            bound_until: old.expires_at,
            cast: Vec::new(),
            id: id.clone(),
            ..old.clone()
        };
        let mut asked = self.about(person, &record, EventKind::ApprovalRequested);
        asked.user = Some(old.requester.clone());
        let asked = asked.with_detail("replaces", old.id.as_str());
        for line in [&mut ballot.decided, &mut ballot.counted] {
            line.approval = Some(id.clone());
        }
        let state = self.table.edit(Edit { ballot, record, asked }).await?;
        self.decided.send_modify(|count| *count += 1);
        Ok(vec![state.ok_or(DecisionError::Unknown)?])
    }

    async fn received(&self, user: &User, now: Timestamp) -> Result<Vec<Delegation>, StoreError> {
        let mut delegations = self.table.delegations(user, now).await?;
        delegations.retain(|one| one.receiver == *user);
        Ok(delegations)
    }

    pub(super) fn about(&self, person: &Caller, record: &ApprovalRecord, kind: EventKind) -> Event {
        let mut event = self.journal.event(kind, person.user());
        event.client = Some(person.client().clone());
        event.approval = Some(record.id.clone());
        event.source = Some(record.source.clone());
        event.policies.clone_from(&record.policies);
        event.policy_version = Some(record.policy_version);
        event
    }
}

/// By which right this person may decide this question, if by any. The client that asked is never the one that answers.
fn may(record: &ApprovalRecord, person: &Caller, received: &[Delegation]) -> Option<May> {
    let (user, requester) = (person.user(), &record.requester);
    if record.client == *person.client() || user.tenant != requester.tenant {
        return None;
    }
    if record.rule.lets(requester, user, person.groups()) {
        return Some(May::Decide);
    }
    // Whoever asked decides for nobody else about it where their own word would not count.
    let own = user == requester && record.rule.own == deputy_core::approval::Permission::Never;
    let given = received.iter().find(|one| !own && record.rule.lets(requester, &one.giver, &one.groups));
    if let Some(delegation) = given {
        return Some(May::InPlaceOf(delegation.giver.clone()));
    }
    may_break_glass(record, person).then_some(May::BreakGlass)
}

fn may_break_glass(record: &ApprovalRecord, person: &Caller) -> bool {
    let (user, requester) = (person.user(), &record.requester);
    record.client != *person.client()
        && user.tenant == requester.tenant
        && record.rule.lets_break_glass(requester, user, person.groups())
}

const fn may_break(say: &Say, wished: bool) -> bool {
    matches!(say, Say::Approve) && wished
}

fn check(record: &ApprovalRecord, word: &Word, may: &May) -> Result<(), DecisionError> {
    if record.digest != word.digest {
        return Err(DecisionError::Stale);
    }
    if word.say == Say::Refuse {
        return match may {
            May::BreakGlass => Err(DecisionError::Unknown),
            _ => Ok(()),
        };
    }
    let irreversible = record.class.iter().any(|word| word == "destructive");
    if irreversible && word.confirm.as_deref() != Some(record.tool.as_str()) {
        return Err(DecisionError::Confirm(record.tool.clone()));
    }
    if *may == May::BreakGlass && !word.break_glass {
        return Err(DecisionError::Unknown);
    }
    let said = word.reason.as_deref().unwrap_or_default().trim().chars().count();
    if word.break_glass && said < 10 {
        return Err(DecisionError::Reason);
    }
    if word.break_glass && (word.arguments.is_some() || word.standing.is_some()) {
        return Err(DecisionError::Unfit("a yes in an emergency is for exactly this call".to_owned()));
    }
    Ok(())
}

pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}
