//! `GET /api/definitions`, `POST /api/definitions/{hash}`: a signed-in person sees which changed definitions wait for them,
//! old and new in full, and accepts or refuses them for their own agents.

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{Definition, Digest, SourceName, ToolName};
use deputy_hub::definitions::{DefinitionError, Word};
use deputy_hub::ports::{Pinned, WaitingDefinition};
use deputy_hub::{Caller, Hub};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

#[derive(Serialize)]
struct Shown {
    hash: Digest,
    definition: Definition,
}

#[derive(Serialize)]
struct Card {
    source: SourceName,
    tool: ToolName,
    origin: String,
    /// Seconds since 1970.
    since: u64,
    now: Shown,
    before: Vec<Shown>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    decision: Said,
    source: SourceName,
    tool: ToolName,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Accept,
    Refuse,
}

pub(crate) async fn list(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    match hub.definitions().waiting(&person).await {
        Ok(waiting) => {
            let cards: Vec<Card> = waiting.into_iter().map(card).collect();
            Json(json!({ "definitions": cards })).into_response()
        }
        Err(error) => unwritable(&error),
    }
}

pub(crate) async fn decide(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(hash): Path<String>,
    body: bytes::Bytes,
) -> Response {
    let Ok(hash) = hash.parse::<Digest>() else { return Problem::not_found().into_response() };
    let read = deputy_core::canonical::parse_strict(&body)
        .map_err(|error| error.to_string())
        .and_then(|value| Decision::deserialize(value).map_err(|error| error.to_string()));
    let Decision { decision, source, tool } = match read {
        Ok(decision) => decision,
        Err(error) => return Problem::bad_request(&error).into_response(),
    };
    let (word, state) = match decision {
        Said::Accept => (Word::Accept, "accepted"),
        Said::Refuse => (Word::Refuse, "refused"),
    };
    match hub.definitions().decide(&person, source, tool, hash, word).await {
        Ok(()) => Json(json!({ "state": state })).into_response(),
        Err(DefinitionError::Unknown) => Problem::not_found().into_response(),
        Err(DefinitionError::Store(error)) => unwritable(&error),
    }
}

fn card(waiting: WaitingDefinition) -> Card {
    let shown = |Pinned { definition, hash }| Shown { hash, definition };
    Card {
        source: waiting.source,
        tool: waiting.now.definition.name.clone(),
        origin: waiting.origin.to_string(),
        since: waiting.since.seconds(),
        now: shown(waiting.now),
        before: waiting.before.into_iter().map(shown).collect(),
    }
}

fn unwritable(error: &deputy_hub::ports::StoreError) -> Response {
    tracing::error!(%error, "definitions cannot be read or written");
    Problem::audit_unavailable().into_response()
}
