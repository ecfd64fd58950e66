//! `/api/approvals…`: a signed-in person sees and decides what agents ask of them, and what others decided alone.

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{ApprovalId, Arguments, Client, Digest};
use deputy_hub::approvals::standing::StandingWish;
use deputy_hub::approvals::{DecisionError, May, Say, Seen, Word};
use deputy_hub::ports::{ApprovalRecord, Pattern, StoreError};
use deputy_hub::{Caller, Hub};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// What a card shows: facts of the hub first; `agent` is the agent's own word.
#[derive(Serialize)]
struct Card {
    id: ApprovalId,
    /// Seconds since 1970.
    created_at: u64,
    /// Seconds since 1970.
    expires_at: u64,
    source: String,
    tool: String,
    title: String,
    class: Vec<String>,
    definition: Digest,
    arguments: Box<RawValue>,
    client: Client,
    /// Whose agent asks: the identity provider's name for the person.
    requester: String,
    agent: Option<String>,
    policies: Vec<deputy_core::PolicyId>,
    /// How many different people have to say yes, and how many have.
    quorum: u32,
    yes: usize,
    /// Those that came together, and are used together.
    batch: Option<String>,
    /// `decide`, `in_place_of` or `break_glass`.
    may: &'static str,
    /// In whose place.
    in_place_of: Option<String>,
    /// The question whose arguments a person changed into these.
    replaces: Option<ApprovalId>,
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    decision: Yes,
    digest: Digest,
    reason: Option<String>,
    /// The hash of the card that was shown.
    card: Option<Digest>,
    /// The tool's name, typed by the person, where it destroys.
    confirm: Option<String>,
    #[serde(default)]
    break_glass: bool,
    /// Other arguments to approve instead.
    arguments: Option<serde_json::Value>,
    standing: Option<Standing>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Yes {
    Approve,
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    for_seconds: u64,
    uses: u32,
    arguments: Option<Pattern>,
}

#[derive(Deserialize)]
struct Named {
    id: ApprovalId,
    #[serde(flatten)]
    decision: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisions {
    decisions: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    finding: String,
}

/// `GET /api/approvals`.
pub(crate) async fn list(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    match hub.approvals().pending(&person).await {
        Ok(seen) => {
            let cards: Vec<Card> = seen.into_iter().filter_map(card).collect();
            Json(json!({ "approvals": cards })).into_response()
        }
        Err(error) => unwritable(&error),
    }
}

/// `POST /api/approvals/{id}`: one decision.
pub(crate) async fn decide(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(id): Path<String>,
    body: bytes::Bytes,
) -> Response {
    let Ok(id) = ApprovalId::new(id) else { return Problem::not_found().into_response() };
    let word = match read::<Decision>(&body).and_then(|decision| word(id, decision)) {
        Ok(word) => word,
        Err(error) => return Problem::bad_request(&error).into_response(),
    };
    match hub.approvals().decide(&person, vec![word]).await {
        Ok(states) => Json(json!({ "state": states.first() })).into_response(),
        Err(error) => refused(error),
    }
}

/// `POST /api/approvals`: several decisions that count together, or not at all (APR-07).
pub(crate) async fn decide_all(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    body: bytes::Bytes,
) -> Response {
    let words = read::<Decisions>(&body).and_then(|all| {
        let one = |Named { id, decision }| {
            let decision = Decision::deserialize(serde_json::Value::Object(decision));
            word(id, decision.map_err(|error| error.to_string())?)
        };
        all.decisions.into_iter().map(one).collect::<Result<Vec<_>, _>>()
    });
    let words = match words {
        Ok(words) => words,
        Err(error) => return Problem::bad_request(&error).into_response(),
    };
    match hub.approvals().decide(&person, words).await {
        Ok(states) => Json(json!({ "states": states })).into_response(),
        Err(error) => refused(error),
    }
}

/// `GET /api/reviews`: what others approved alone in an emergency, and nobody has looked at.
pub(crate) async fn reviews(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    match hub.approvals().unreviewed(&person).await {
        Ok(records) => {
            let shown: Vec<_> = records
                .into_iter()
                .map(|record| {
                    let by = record.decided_by.as_ref().map(|user| user.subject.clone());
                    json!({ "id": record.id, "requester": record.requester.subject, "source": record.source,
                        "tool": record.tool, "class": record.class, "arguments": record.arguments,
                        "broken_by": by, "reason": record.decided_reason })
                })
                .collect();
            Json(json!({ "reviews": shown })).into_response()
        }
        Err(error) => unwritable(&error),
    }
}

/// `POST /api/reviews/{id}`.
pub(crate) async fn review(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(id): Path<String>,
    body: bytes::Bytes,
) -> Response {
    let Ok(id) = ApprovalId::new(id) else { return Problem::not_found().into_response() };
    let said = match read::<Finding>(&body) {
        Ok(said) => said,
        Err(error) => return Problem::bad_request(&error).into_response(),
    };
    match hub.approvals().review(&person, &id, &said.finding).await {
        Ok(()) => Json(json!({ "reviewed": true })).into_response(),
        Err(error) => refused(error),
    }
}

/// A body, every member once.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, String> {
    let value = deputy_core::canonical::parse_strict(body).map_err(|error| error.to_string())?;
    T::deserialize(value).map_err(|error| error.to_string())
}

fn word(id: ApprovalId, decision: Decision) -> Result<Word, String> {
    let arguments = decision.arguments.map(|value| {
        let raw = serde_json::value::to_raw_value(&value).map_err(|error| error.to_string())?;
        Arguments::parse(&raw).map_err(|error| error.to_string())
    });
    Ok(Word {
        id,
        digest: decision.digest,
        say: match decision.decision {
            Yes::Approve => Say::Approve,
            Yes::Refuse => Say::Refuse,
        },
        reason: decision.reason,
        card: decision.card,
        confirm: decision.confirm,
        break_glass: decision.break_glass,
        arguments: arguments.transpose()?,
        standing: decision.standing.map(|wish| StandingWish {
            within: Duration::from_secs(wish.for_seconds),
            uses: wish.uses,
            pattern: wish.arguments,
        }),
    })
}

fn card(seen: Seen) -> Option<Card> {
    let ApprovalRecord { rule, cast, .. } = &seen.record;
    let (quorum, yes) = (rule.quorum, cast.iter().filter(|cast| cast.yes).count());
    let (may, in_place_of) = match seen.may {
        May::Decide => ("decide", None),
        May::InPlaceOf(giver) => ("in_place_of", Some(giver.subject.to_string())),
        May::BreakGlass => ("break_glass", None),
    };
    let record = seen.record;
    Some(Card {
        id: record.id,
        created_at: record.created_at.seconds(),
        expires_at: record.expires_at.seconds(),
        source: record.source.to_string(),
        tool: record.tool,
        title: record.title,
        class: record.class,
        definition: record.definition,
        arguments: RawValue::from_string(record.arguments).ok()?,
        client: record.client,
        requester: record.requester.subject.to_string(),
        agent: record.agent_name,
        policies: record.policies,
        quorum,
        yes,
        batch: record.batch,
        may,
        in_place_of,
        replaces: record.replaces,
        digest: record.digest,
    })
}

/// What is nobody's to know is not there (invariant 7).
pub(super) fn refused(error: DecisionError) -> Response {
    let words = error.to_string();
    match error {
        DecisionError::Unknown => Problem::not_found().into_response(),
        DecisionError::Stale => Problem::conflict("approval_stale", &words).into_response(),
        DecisionError::Confirm(_) => Problem::conflict("confirmation_required", &words).into_response(),
        DecisionError::Reason => Problem::conflict("reason_required", &words).into_response(),
        DecisionError::Unfit(_) => Problem::bad_request(&words).into_response(),
        DecisionError::Store(error) => unwritable(&error),
    }
}

pub(super) fn unwritable(error: &StoreError) -> Response {
    tracing::error!(%error, "approvals cannot be read or written");
    Problem::audit_unavailable().into_response()
}
