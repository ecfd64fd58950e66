//! `/api/standing-grants…`, `/api/delegations…`: what a signed-in person has let others do for a while.

use super::approvals::{read, refused, unwritable};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{GrantId, Subject};
use deputy_hub::{Caller, Hub};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delegated {
    /// The other person, as the identity provider calls them.
    to: Subject,
    for_seconds: u64,
}

/// `GET /api/standing-grants`: each with the words for its true scope (APR-08).
pub(crate) async fn grants(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    match hub.approvals().standing().list(&person).await {
        Ok(grants) => {
            let shown: Vec<_> = grants.iter().map(|grant| {
                json!({ "id": grant.id, "label": grant.label(), "client": grant.client, "source": grant.source,
                        "tool": grant.tool, "definition": grant.definition, "arguments": grant.pattern,
                        "given_by": grant.given_by.subject, "expires_at": grant.expires_at.seconds(),
                        "uses": grant.uses, "used": grant.used })
            }).collect();
            Json(json!({ "standing_grants": shown })).into_response()
        }
        Err(error) => unwritable(&error),
    }
}

/// `DELETE /api/standing-grants/{id}`: ends one at once.
pub(crate) async fn revoke(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = GrantId::new(id) else { return Problem::not_found().into_response() };
    match hub.approvals().standing().revoke(&person, &id).await {
        Ok(true) => Json(json!({ "revoked": true })).into_response(),
        Ok(false) => Problem::not_found().into_response(),
        Err(error) => unwritable(&error),
    }
}

/// `GET /api/delegations`: given and received.
pub(crate) async fn delegations(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
) -> Response {
    match hub.approvals().delegations(&person).await {
        Ok(all) => {
            let shown: Vec<_> = all.iter().map(|one| {
                json!({ "from": one.giver.subject, "to": one.receiver.subject, "until": one.until.seconds() })
            }).collect();
            Json(json!({ "delegations": shown })).into_response()
        }
        Err(error) => unwritable(&error),
    }
}

/// `POST /api/delegations`: somebody else decides in this person's place for a while, too.
pub(crate) async fn delegate(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    body: bytes::Bytes,
) -> Response {
    let said = match read::<Delegated>(&body) {
        Ok(said) => said,
        Err(error) => return Problem::bad_request(&error).into_response(),
    };
    match hub.approvals().delegate(&person, said.to, Duration::from_secs(said.for_seconds)).await {
        Ok(given) => {
            Json(json!({ "to": given.receiver.subject, "until": given.until.seconds() })).into_response()
        }
        Err(error) => refused(error),
    }
}

/// `DELETE /api/delegations/{to}`.
pub(crate) async fn undelegate(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(to): Path<String>,
) -> Response {
    let Ok(to) = Subject::new(to) else { return Problem::not_found().into_response() };
    match hub.approvals().undelegate(&person, to).await {
        Ok(()) => Json(json!({ "taken_back": true })).into_response(),
        Err(error) => refused(error),
    }
}
