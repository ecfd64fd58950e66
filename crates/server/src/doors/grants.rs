//! `GET /api/grants`, `DELETE /api/grants/{id}`: which agents may act for whom. A person sees and ends their own; an operator
//! everybody's in their organisation.

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{Client, Effect, Facts as _, GrantId, User};
use deputy_hub::ports::{AccessGrant, GivenBy, Sources};
use deputy_hub::{Caller, Hub};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a GrantId,
    user: &'a User,
    client: &'a Client,
    client_name: Option<&'a str>,
    resource: &'a str,
    sources: &'a Sources,
    most: Effect,
    by: GivenBy,
    /// Seconds since 1970.
    given_at: u64,
    /// Seconds since 1970.
    ends_at: u64,
}

pub(crate) async fn list(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    let grants = match hub.switches().is_operator(&person) {
        true => hub.access().grants_in(&person.user().tenant),
        false => hub.access().grants_of(person.user()),
    };
    let grants: Vec<Shown<'_>> = grants.iter().map(|grant| shown(grant)).collect();
    Json(json!({ "grants": grants })).into_response()
}

pub(crate) async fn end(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = GrantId::new(id) else { return Problem::not_found().into_response() };
    let ended = match hub.switches().is_operator(&person) {
        true => hub.end_grant_in(&person.user().tenant, &id, "operator"),
        false => hub.end_grant_of(person.user(), &id, "person"),
    };
    if ended { StatusCode::NO_CONTENT.into_response() } else { Problem::not_found().into_response() }
}

fn shown(grant: &AccessGrant) -> Shown<'_> {
    Shown {
        id: &grant.id,
        user: &grant.user,
        client: &grant.client,
        client_name: grant.client_name.as_deref(),
        resource: &grant.resource,
        sources: &grant.sources,
        most: grant.most,
        by: grant.by,
        given_at: grant.given_at.seconds(),
        ends_at: grant.ends_at.seconds(),
    }
}
