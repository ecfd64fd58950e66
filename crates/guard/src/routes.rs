//! The table of the guard's addresses.

use crate::entrance::{Entrance, entrance};
use crate::guard::Guard;
use crate::proxy::Proxy;
use crate::settings::RESOURCE_PATH;
use crate::{layer, token, well_known};
use axum::extract::{Request, State};
use axum::routing::{any, get, post};
use axum::{Json, Router, middleware};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;

/// How much a form may bring.
const FORM_BYTES: usize = 64 * 1024;
/// How long the token endpoint may take, a slow client's body included.
const QUICK: Duration = Duration::from_secs(30);

impl Guard {
    /// Metadata, keys, token endpoint: what a server written in Rust adds to its own routes beside [`crate::layer`].
    pub fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/.well-known/oauth-protected-resource", get(resource))
            .route(&format!("/.well-known/oauth-protected-resource{RESOURCE_PATH}"), get(resource))
            .route("/.well-known/oauth-authorization-server", get(server))
            .route("/.well-known/jwks.json", get(keys))
            .route("/oauth/token", post(redeem))
            .route("/healthz", get(|| async { "ok\n" }))
            .with_state(Arc::clone(self))
    }
}

/// Everything that a guard in front of a server answers, under its public address and the one it listens on.
pub fn router(guard: &Arc<Guard>, proxy: Arc<Proxy>, listen: &str) -> Router {
    let door = Router::new().route(RESOURCE_PATH, any(pass)).with_state(proxy).layer(layer(guard));
    let before = Entrance::new(&guard.settings.public_url, listen);
    guard.routes().merge(door).layer(middleware::from_fn_with_state(before, entrance))
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> axum::response::Response {
    proxy.answer(request).await
}

async fn resource(State(guard): State<Arc<Guard>>) -> Json<serde_json::Value> {
    Json(well_known::protected_resource(&guard))
}

async fn server(State(guard): State<Arc<Guard>>) -> Json<serde_json::Value> {
    Json(well_known::authorization_server(&guard))
}

async fn keys(State(guard): State<Arc<Guard>>) -> Json<serde_json::Value> {
    Json(well_known::keys(&guard))
}

async fn redeem(
    State(guard): State<Arc<Guard>>,
    headers: HeaderMap,
    body: Request,
) -> axum::response::Response {
    let answering = async move {
        match axum::body::to_bytes(body.into_body(), FORM_BYTES).await {
            Ok(body) => token::token(guard, headers, body).await,
            Err(_) => crate::bearer::said(
                http::StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request",
                "the form is too long",
            ),
        }
    };
    match tokio::time::timeout(QUICK, answering).await {
        Ok(answer) => answer,
        Err(_) => crate::bearer::said(
            http::StatusCode::REQUEST_TIMEOUT,
            "invalid_request",
            "the form came too slowly",
        ),
    }
}
