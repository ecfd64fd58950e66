//! Words on questions: counted all together or not at all, and decided by the last that is needed.

use super::{Question, once, together};
use crate::sqlite::job::Change;
use crate::sqlite::line::Line;
use crate::sqlite::tickets::{millis, to_text};
use async_trait::async_trait;
use deputy_hub::ports::{ApprovalState, Ballot, Review, StoreError};
use sqlx::SqliteConnection;

/// One ballot and its texts, made before the transaction begins.
pub(super) struct Vote {
    ballot: Ballot,
    cast: String,
    by: String,
    decided: Option<Line>,
    counted: Option<Line>,
}

impl Vote {
    pub(super) fn of(ballot: Ballot) -> Result<Self, StoreError> {
        Ok(Self {
            cast: to_text(&ballot.cast)?,
            by: to_text(&ballot.cast.by)?,
            decided: Some(Line::of(&ballot.decided)?),
            counted: Some(Line::of(&ballot.counted)?),
            ballot,
        })
    }

    /// Puts the word down. `false`: it does not fit, or it is the second one of this person or place.
    async fn put(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let Ballot { id, digest, cast, .. } = &self.ballot;
        let place = cast.in_place_of.as_ref().unwrap_or(&cast.by).key();
        let put = sqlx::query(
            "INSERT OR IGNORE INTO approval_cast (tenant, id, place, person, yes, \"cast\")
             SELECT tenant, id, ?1, ?2, ?3, ?4 FROM approval
             WHERE tenant = ?5 AND id = ?6 AND digest = ?7 AND state = 'pending' AND expires_at > ?8
               AND (own_counts = 1 OR (requester <> ?1 AND requester <> ?2))",
        )
        .bind(place)
        .bind(cast.by.key())
        .bind(cast.yes)
        .bind(&self.cast)
        .bind(cast.by.tenant.as_str())
        .bind(id.as_str())
        .bind(digest.as_bytes().as_slice())
        .bind(millis(cast.at))
        .execute(connection)
        .await?;
        Ok(put.rows_affected() == 1)
    }

    /// Decides, if the words that are down are enough: any no, a broken glass, or as many yes as the quorum.
    async fn decide(&self, connection: &mut SqliteConnection) -> Result<ApprovalState, sqlx::Error> {
        let Ballot { id, cast, break_glass, execution_expires_at, .. } = &self.ballot;
        let to = if cast.yes { ApprovalState::Approved } else { ApprovalState::Refused };
        let done = sqlx::query(
            "UPDATE approval
             SET state = ?1, decided_by = ?2, decided_at = ?3, decided_reason = ?4, execution_expires_at = ?5,
                 broke_glass = ?6
             WHERE tenant = ?7 AND id = ?8 AND state = 'pending' AND expires_at > ?3
               AND (?9 = 0 OR ?6 = 1 OR quorum <= (SELECT count(*) FROM approval_cast AS c
                    WHERE c.tenant = approval.tenant AND c.id = approval.id AND c.yes = 1))",
        )
        .bind(to.code())
        .bind(&self.by)
        .bind(millis(cast.at))
        .bind(&cast.reason)
        .bind(cast.yes.then(|| millis(*execution_expires_at)))
        .bind(*break_glass && cast.yes)
        .bind(cast.by.tenant.as_str())
        .bind(id.as_str())
        .bind(cast.yes)
        .execute(connection)
        .await?;
        Ok(if done.rows_affected() == 1 { to } else { ApprovalState::Pending })
    }

    fn line(&mut self, state: ApprovalState) -> Option<Line> {
        if state == ApprovalState::Pending { self.counted.take() } else { self.decided.take() }
    }
}

/// Several words that count together.
pub(super) struct Votes {
    pub(super) votes: Vec<Vote>,
}

#[async_trait]
impl Change for Votes {
    type Answer = Option<Vec<ApprovalState>>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Self::Answer, Vec<Line>), sqlx::Error> {
        together::begin(connection).await?;
        let (mut states, mut lines) = (Vec::new(), Vec::new());
        for vote in &mut self.votes {
            if !vote.put(connection).await? {
                together::undo(connection).await?;
                return Ok((None, Vec::new()));
            }
            let state = vote.decide(connection).await?;
            states.push(state);
            lines.extend(vote.line(state));
        }
        together::keep(connection).await?;
        Ok((Some(states), lines))
    }
}

/// Other arguments, approved instead (APR-13).
pub(super) struct Edited {
    pub(super) vote: Vote,
    pub(super) question: Question,
    pub(super) asked: Option<Line>,
}

#[async_trait]
impl Change for Edited {
    type Answer = Option<ApprovalState>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(Self::Answer, Vec<Line>), sqlx::Error> {
        let Ballot { id, digest, cast, .. } = &self.vote.ballot;
        let ended = sqlx::query(
            "UPDATE approval SET state = 'changed', decided_by = ?1, decided_at = ?2, decided_reason = ?3, replaced_by = ?4
             WHERE tenant = ?5 AND id = ?6 AND digest = ?7 AND state = 'pending' AND expires_at > ?2
               AND (own_counts = 1 OR requester <> ?8)",
        )
        .bind(&self.vote.by)
        .bind(millis(cast.at))
        .bind(&cast.reason)
        .bind(self.question.approval.id.as_str())
        .bind(cast.by.tenant.as_str())
        .bind(id.as_str())
        .bind(digest.as_bytes().as_slice())
        .bind(cast.by.key())
        .execute(&mut *connection)
        .await?;
        if ended.rows_affected() != 1 {
            return Ok((None, Vec::new()));
        }
        self.question.insert(connection).await?;
        // From here on the word is about the new question.
        self.vote.ballot.id = self.question.approval.id.clone();
        self.vote.ballot.digest = self.question.approval.digest;
        if !self.vote.put(connection).await? {
            return Err(sqlx::Error::Decode("the first word on a new question does not fit it".into()));
        }
        let state = self.vote.decide(connection).await?;
        let lines = self.asked.take().into_iter().chain(self.vote.line(state)).collect();
        Ok((Some(state), lines))
    }
}

/// What somebody else says of a broken glass.
pub(super) struct Reviewed {
    pub(super) review: Review,
    pub(super) by: String,
    pub(super) line: Option<Line>,
}

#[async_trait]
impl Change for Reviewed {
    type Answer = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(bool, Vec<Line>), sqlx::Error> {
        let done = sqlx::query(
            "UPDATE approval SET reviewed_by = ?1, reviewed_at = ?2, finding = ?3
             WHERE tenant = ?4 AND id = ?5 AND broke_glass = 1 AND reviewed_at IS NULL AND requester <> ?6
               AND NOT EXISTS (SELECT 1 FROM approval_cast AS c
                    WHERE c.tenant = approval.tenant AND c.id = approval.id AND c.person = ?6)",
        )
        .bind(&self.by)
        .bind(millis(self.review.at))
        .bind(&self.review.finding)
        .bind(self.review.by.tenant.as_str())
        .bind(self.review.id.as_str())
        .bind(self.review.by.key())
        .execute(connection)
        .await?;
        Ok(once(done.rows_affected(), &mut self.line))
    }
}
