//! `GET /healthz`, `GET /readyz`: for whoever restarts and routes. They tell nothing else.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use deputy_hub::Hub;
use deputy_identity::keys::RingHealth;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;

/// The process lives. It also says whether the log takes lines; with 200 either way, because starting a hub anew makes no
/// room on its disk, and one that lives still takes rights away.
pub(crate) async fn live(State(hub): State<Arc<Hub>>) -> Response {
    let (status, audit) = match hub.log_fault() {
        None => ("ok", "ok"),
        Some(_) => ("impaired", "the log cannot be written: calls are refused"),
    };
    Json(json!({ "status": status, "audit": audit })).into_response()
}

/// A call could be served: the keys of every identity provider are known, and the log takes lines.
pub(crate) async fn ready(State(hub): State<Arc<Hub>>) -> Response {
    let (status, word) = readiness(&hub);
    (status, Json(json!({ "status": word }))).into_response()
}

/// Whether the hub can serve, in a word.
pub(crate) fn readiness(hub: &Hub) -> (StatusCode, &'static str) {
    let known = |health| matches!(health, RingHealth::Fresh | RingHealth::Stale { .. });
    let ready = hub.authenticator().health().into_iter().all(|(_, health)| known(health));
    match (hub.log_fault(), ready) {
        (Some(_), _) => (StatusCode::SERVICE_UNAVAILABLE, "the log cannot be written"),
        (None, false) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for keys"),
        (None, true) => (StatusCode::OK, "ready"),
    }
}
