//! `GET /healthz`, `GET /readyz`: for whoever restarts and routes. They tell nothing else.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use deputy_hub::Hub;
use deputy_identity::keys::RingHealth;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;

/// The process lives.
pub(crate) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Somebody could sign in: the keys of every identity provider are known.
pub(crate) async fn ready(State(hub): State<Arc<Hub>>) -> Response {
    let known = |health| matches!(health, RingHealth::Fresh | RingHealth::Stale { .. });
    let ready = hub.authenticator().health().into_iter().all(|(_, health)| known(health));
    let (status, word) =
        if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "waiting for keys") };
    (status, Json(json!({ "status": word }))).into_response()
}
