//! The two things a page needs from its back end to offer its tools, a ticket for the hub and who is signed in; and what the
//! hub needs from it, word that a session has ended.

use crate::problem::Problem;
use crate::sessions::Session;
use crate::shell::Signed;
use crate::world::World;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;

/// `GET /session`: who is signed in in this browser now, or 204.
pub(crate) async fn session(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    match world.sessions.current(&headers) {
        Some(session) => Json(json!({ "subject": session.person.subject })).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// What the hub answers to a ticket's buyer.
#[derive(Deserialize)]
struct Bought {
    ticket: String,
    end: String,
}

/// `POST /deputy/ticket`: a ticket for the person's tab, bought at the hub with their ID token.
pub(crate) async fn ticket(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Signed(session): Signed,
) -> Result<Json<Value>, Problem> {
    let bought = buy(&world, &session)
        .await
        .map_err(|error| Problem::Upstream(format!("the hub gave no ticket: {error}")))?;
    if !world.sessions.keep_end(&headers, &session.name, &bought.end) {
        session_ended(&world, &bought.end).await;
        return Err(Problem::SignedOut);
    }
    Ok(Json(json!({ "ticket": bought.ticket })))
}

/// Tells the hub that a session has ended here: its tabs close at once, whatever their pages do. If the hub cannot be
/// reached, the next call finds out, for [`session`] knows.
pub(crate) async fn session_ended(world: &World, end: &str) {
    let request = world.client.post(format!("{}/api/tickets/end", world.settings.hub));
    let told =
        request.json(&json!({ "end": end })).send().await.and_then(reqwest::Response::error_for_status);
    if let Err(error) = told {
        let _ = writeln!(std::io::stderr(), "the hub did not hear that a session ended: {error}");
    }
}

async fn buy(world: &World, session: &Session) -> Result<Bought, reqwest::Error> {
    let body = json!({
        "app": "crm",
        "origin": world.settings.public_url,
        "session": session.name,
        "session_expires_at": session.expires_at_unix(),
    });
    let request = world.client.post(format!("{}/api/tickets", world.settings.hub));
    request.bearer_auth(&session.id_token).json(&body).send().await?.error_for_status()?.json().await
}
