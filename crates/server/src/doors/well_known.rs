//! What is public: how to sign in (RFC 9728), and the keys of what the hub signs (RFC 7517).

use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use deputy_core::{Effect, SourceName};
use deputy_hub::exchange::Exchange;
use deputy_hub::{Door, Hub, sign_in};
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use std::sync::Arc;

/// `/.well-known/oauth-protected-resource[/mcp]`.
pub(crate) async fn mcp(State(hub): State<Arc<Hub>>) -> Response {
    resource(&hub, &Door::Mcp, "/mcp", "Deputy")
}

/// `/.well-known/oauth-protected-resource/s/{server}/mcp`: the same whether there is such a server or not (invariant 7).
pub(crate) async fn server(State(hub): State<Arc<Hub>>, Path(server): Path<String>) -> Response {
    match SourceName::new(server) {
        Ok(server) => {
            let (path, name) = (format!("/s/{server}/mcp"), format!("{server} through Deputy"));
            resource(&hub, &Door::Server(server), &path, &name)
        }
        Err(_) => Problem::not_found().into_response(),
    }
}

/// `/.well-known/oauth-protected-resource/api`.
pub(crate) async fn api(State(hub): State<Arc<Hub>>) -> Response {
    resource(&hub, &Door::Api, "/api", "Deputy API")
}

/// `/.well-known/jwks.json`: an application's back end, or its page, checks assertions with it.
pub(crate) async fn jwks(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let mut answer = Json(hub.jwks()).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    // The origin was let through by `layers::Entrance`, which knows the apps.
    if let Some(origin) = headers.get(header::ORIGIN) {
        answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    answer
}

/// `/oauth/client.json`: the hub's own client document, for authorization servers that read such (CIMD).
pub(crate) async fn client(State(hub): State<Arc<Hub>>) -> Response {
    let mut answer = Json(Exchange::client_document(hub.public_url())).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}

/// `resource` is exactly the address that a person types, since clients compare it (mcp reference section 6).
fn resource(hub: &Hub, door: &Door, path: &str, name: &str) -> Response {
    let mut metadata = json!({
        "resource": format!("{}{path}", hub.public_url()),
        "authorization_servers": hub.authorization_servers(door),
        "bearer_methods_supported": ["header"],
        "resource_name": name,
    });
    let scopes = hub.authorization().filter(|_| matches!(door, Door::Mcp | Door::Server(_)));
    if let (Some(_), Some(members)) = (scopes, metadata.as_object_mut()) {
        members.insert("scopes_supported".to_owned(), json!(sign_in::SCOPES.map(Effect::code)));
    }
    Json(metadata).into_response()
}
