//! What is public: how to sign in (RFC 9728), and the keys of what the hub signs (RFC 7517).

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::SourceName;
use deputy_hub::Hub;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use std::sync::Arc;

/// `/.well-known/oauth-protected-resource[/mcp]`.
pub(crate) async fn mcp(State(hub): State<Arc<Hub>>) -> Response {
    resource(&hub, "/mcp", "Deputy")
}

/// `/.well-known/oauth-protected-resource/s/{server}/mcp`: the same whether there is such a server or not (invariant 7).
pub(crate) async fn server(State(hub): State<Arc<Hub>>, Path(server): Path<String>) -> Response {
    match SourceName::new(server) {
        Ok(server) => resource(&hub, &format!("/s/{server}/mcp"), &format!("{server} through Deputy")),
        Err(_) => Problem::not_found().into_response(),
    }
}

/// `/.well-known/oauth-protected-resource/api`.
pub(crate) async fn api(State(hub): State<Arc<Hub>>) -> Response {
    resource(&hub, "/api", "Deputy API")
}

/// `/.well-known/jwks.json`: an application's back end, or its page, checks assertions with it.
pub(crate) async fn jwks(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let mut answer = Json(hub.jwks()).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    // The origin was let through by `layers::entrance`, which knows the apps.
    if let Some(origin) = headers.get(header::ORIGIN) {
        answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    answer
}

/// `resource` is exactly the address that a person types, since clients compare it (mcp reference section 6).
fn resource(hub: &Hub, path: &str, name: &str) -> Response {
    Json(json!({
        "resource": format!("{}{path}", hub.public_url()),
        "authorization_servers": hub.issuers(),
        "bearer_methods_supported": ["header"],
        "resource_name": name,
    }))
    .into_response()
}
