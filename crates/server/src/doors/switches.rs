//! `GET` and `POST /api/switches`, `DELETE /api/switches/{id}`: an operator sees, throws and releases switches. Whoever is
//! none gets what an address that does not exist gives (invariant 7).

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{Facts as _, Operator, Switch, SwitchId, SwitchTarget};
use deputy_hub::{Caller, Hub};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer waits to say that the line is written. The switch is in force before.
const RECORDED_WITHIN: Duration = Duration::from_millis(500);
/// Letters of a reason.
const LONGEST_REASON: usize = 500;

#[derive(Serialize)]
struct Shown {
    id: SwitchId,
    target: SwitchTarget,
    by: Operator,
    reason: Option<String>,
    /// Seconds since 1970.
    at: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Throw {
    target: SwitchTarget,
    reason: Option<String>,
}

pub(crate) async fn list(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    if !hub.switches().is_operator(&person) {
        return Problem::not_found().into_response();
    }
    let switches: Vec<Shown> = hub.switches().thrown(&person.user().tenant).into_iter().map(shown).collect();
    Json(json!({ "switches": switches })).into_response()
}

pub(crate) async fn throw(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    body: bytes::Bytes,
) -> Response {
    if !hub.switches().is_operator(&person) {
        return Problem::not_found().into_response();
    }
    let wanted = deputy_core::canonical::parse_strict(&body)
        .map_err(|error| error.to_string())
        .and_then(|value| Throw::deserialize(value).map_err(|error| error.to_string()));
    let Throw { target, reason } = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return Problem::bad_request(&error).into_response(),
    };
    if !hub.switches().knows(&target) {
        let detail = format!("there is no {target} in this hub's configuration: nothing was stopped");
        return Problem::bad_request(&detail).into_response();
    }
    let reason = reason.map(|text| text.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect());
    let id = target.id(&person.user().tenant);
    let recorded = hub.switches().throw_as(&person, target, reason);
    let recorded = tokio::time::timeout(RECORDED_WITHIN, recorded).await.is_ok_and(|said| said.is_ok());
    (StatusCode::CREATED, Json(json!({ "id": id, "recorded": recorded }))).into_response()
}

pub(crate) async fn release(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    if !hub.switches().is_operator(&person) {
        return Problem::not_found().into_response();
    }
    let Ok(id) = SwitchId::new(id) else { return Problem::not_found().into_response() };
    match hub.switches().release_as(&person, &id).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => Problem::not_found().into_response(),
        Err(error) => {
            tracing::error!(%error, "a switch stays thrown: its release cannot be recorded");
            Problem::audit_unavailable().into_response()
        }
    }
}

fn shown(switch: Switch) -> Shown {
    let (id, at) = (switch.id(), switch.at.seconds());
    Shown { id, target: switch.target, by: switch.by, reason: switch.reason, at }
}
