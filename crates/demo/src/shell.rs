//! What is around every answer: security headers, the check of where a write comes from, the signed-in person, files.

use crate::assertion;
use crate::problem::Problem;
use crate::sessions::Session;
use crate::world::World;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The session of the request, its agent's assertion checked where it brings one.
pub(crate) struct Signed(pub(crate) Session);

impl FromRequestParts<Arc<World>> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, Problem> {
        let session = world.sessions.current(&parts.headers).ok_or(Problem::SignedOut)?;
        assertion::check(world, &parts.headers, &session).await?;
        Ok(Self(session))
    }
}

/// Refuses writes from foreign pages, and puts the security headers on every answer.
pub(crate) async fn guard(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let writes = !request.method().is_safe();
    let origin = request.headers().get(header::ORIGIN).map(HeaderValue::as_bytes);
    let mut response = if writes && origin != Some(world.settings.public_url.as_bytes()) {
        Problem::ForeignOrigin.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(&world)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Scripts from here and the SDK from the hub; connections to the same two; nothing inline.
fn content_security_policy(world: &World) -> String {
    let hub = &world.settings.hub;
    let socket = hub.replacen("http", "ws", 1);
    let issuer = &world.settings.issuer;
    let own = &world.settings.public_url;
    format!(
        "default-src 'none'; script-src 'self' {hub}; connect-src 'self' {hub} {socket}; style-src 'self'; \
         img-src 'self'; form-action {own} {issuer}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// `GET /assets/{name}`.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "crm.css" => ("text/css; charset=utf-8", include_str!("assets/crm.css")),
        "crm.js" => ("text/javascript; charset=utf-8", include_str!("assets/crm.js")),
        "deputy.js" => ("text/javascript; charset=utf-8", include_str!("assets/deputy.js")),
        "crm.svg" => ("image/svg+xml", include_str!("assets/crm.svg")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
