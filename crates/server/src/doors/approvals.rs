//! `GET /api/approvals`, `POST /api/approvals/{id}`: a signed-in person sees and decides what their agents ask.

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{ApprovalId, Client, Digest};
use deputy_hub::approvals::{DecisionError, Say};
use deputy_hub::ports::ApprovalRecord;
use deputy_hub::{Caller, Hub};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;

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
    agent: Option<String>,
    policies: Vec<deputy_core::PolicyId>,
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    decision: Word,
    digest: Digest,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Approve,
    Refuse,
}

pub(crate) async fn list(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    match hub.approvals().pending(&person).await {
        Ok(records) => {
            let cards: Vec<Card> = records.into_iter().filter_map(card).collect();
            Json(json!({ "approvals": cards })).into_response()
        }
        Err(error) => unwritable(&error),
    }
}

pub(crate) async fn decide(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(id): Path<String>,
    body: bytes::Bytes,
) -> Response {
    let Ok(id) = ApprovalId::new(id) else { return Problem::not_found().into_response() };
    let decision = deputy_core::canonical::parse_strict(&body)
        .map_err(|error| error.to_string())
        .and_then(|value| Decision::deserialize(value).map_err(|error| error.to_string()));
    let decision = match decision {
        Ok(decision) => decision,
        Err(error) => return Problem::bad_request(&error).into_response(),
    };
    let say = match decision.decision {
        Word::Approve => Say::Approve,
        Word::Refuse => Say::Refuse,
    };
    match hub.approvals().decide(&person, &id, decision.digest, say, decision.reason).await {
        Ok(state) => Json(json!({ "state": state })).into_response(),
        Err(DecisionError::Unknown) => Problem::not_found().into_response(),
        Err(error @ DecisionError::Stale) => {
            Problem::conflict("approval_stale", &error.to_string()).into_response()
        }
        Err(DecisionError::Store(error)) => unwritable(&error),
    }
}

fn card(record: ApprovalRecord) -> Option<Card> {
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
        agent: record.agent_name,
        policies: record.policies,
        digest: record.digest,
    })
}

fn unwritable(error: &deputy_hub::ports::StoreError) -> Response {
    tracing::error!(%error, "approvals cannot be read or written");
    Problem::audit_unavailable().into_response()
}
