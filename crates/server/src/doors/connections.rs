//! `GET /api/connections`, `DELETE /api/connections/{server}`: what a person lets the hub do at servers in their name, and how they
//! end it. Everybody sees and ends their own alone; an operator takes everything from somebody by a revocation.

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{Facts as _, Issuer, SourceName};
use deputy_hub::{Caller, Hub};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Serialize)]
struct Shown<'a> {
    server: &'a SourceName,
    authorization_server: &'a Issuer,
    resource: &'a str,
    scopes: &'a [String],
    /// Seconds since 1970.
    connected_at: u64,
    /// Seconds since 1970; later if it is used meanwhile.
    ends_at: u64,
}

pub(crate) async fn list(State(hub): State<Arc<Hub>>, Extension(person): Extension<Caller>) -> Response {
    let own = hub.access().consents_of(person.user());
    let shown: Vec<Shown<'_>> = own
        .iter()
        .map(|consent| Shown {
            server: &consent.server,
            authorization_server: &consent.issuer,
            resource: &consent.resource,
            scopes: &consent.scopes,
            connected_at: consent.given_at.seconds(),
            ends_at: consent.ends_at.seconds(),
        })
        .collect();
    Json(json!({ "connections": shown })).into_response()
}

pub(crate) async fn end(
    State(hub): State<Arc<Hub>>,
    Extension(person): Extension<Caller>,
    Path(server): Path<String>,
) -> Response {
    let ended = SourceName::new(server).is_ok_and(|server| hub.disconnect(person.user(), &server));
    if ended { StatusCode::NO_CONTENT.into_response() } else { Problem::not_found().into_response() }
}
