//! The two things a page needs from its back end to offer its tools: a ticket for the hub, and who is signed in.

use crate::problem::Problem;
use crate::sessions::Session;
use crate::shell::Signed;
use crate::world::World;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /session`: who is signed in in this browser now, or 204.
pub(crate) async fn session(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    match world.sessions.current(&headers) {
        Some(session) => Json(json!({ "subject": session.person.subject })).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// `POST /deputy/ticket`: a ticket for the person's tab, bought at the hub with their ID token.
pub(crate) async fn ticket(
    State(world): State<Arc<World>>,
    Signed(session): Signed,
) -> Result<Json<Value>, Problem> {
    let failed =
        |error: &dyn std::fmt::Display| Problem::Upstream(format!("the hub gave no ticket: {error}"));
    let answer = buy(&world, &session).await.map_err(|error| failed(&error))?;
    match answer.get("ticket") {
        Some(ticket) => Ok(Json(json!({ "ticket": ticket }))),
        None => Err(failed(&"its answer has none")),
    }
}

async fn buy(world: &World, session: &Session) -> Result<Value, reqwest::Error> {
    let body = json!({
        "app": "crm",
        "origin": world.settings.public_url,
        "session_expires_at": session.expires_at_unix(),
    });
    let request = world.client.post(format!("{}/api/tickets", world.settings.hub));
    request.bearer_auth(&session.id_token).json(&body).send().await?.error_for_status()?.json().await
}
