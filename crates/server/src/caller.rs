//! From a request's bearer token to a caller, before any handler runs.

use crate::problem::Problem;
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deputy_core::{Effect, SourceName};
use deputy_hub::{Caller, Denied, Door, Hub};
use http::{HeaderMap, header};
use std::sync::Arc;

/// The token of exactly one `Authorization: Bearer` header (RFC 6750 section 2.1). Never from a query (A: no tokens in URLs).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Somebody whom the wiring lets in at one door without a token, put among a request's extensions by a layer of its own:
/// for measuring what the hub costs without verification. No request can bring one. INVARIANT: a [`Caller`] is made from
/// verified claims alone.
#[derive(Clone)]
pub struct LetIn {
    /// Where, and nowhere else.
    pub door: Door,
    /// Who.
    pub caller: Caller,
}

/// What the guard of one door knows.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) hub: Arc<Hub>,
    pub(crate) door: Door,
}

/// Lets nobody through without a caller; the handler finds it among the request's extensions.
pub(crate) async fn require(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    admit(guard, request, next).await
}

/// The same for `/s/{server}/mcp`: a token for one server opens no other, and one that does not exist looks like one whose
/// token is missing (invariant 7). The handler finds the server's name beside the caller.
pub(crate) async fn require_for_server(
    State(hub): State<Arc<Hub>>,
    Path(server): Path<String>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(server) = SourceName::new(server) else { return Problem::not_found().into_response() };
    request.extensions_mut().insert(server.clone());
    admit(Guard { hub, door: Door::Server(server) }, request, next).await
}

async fn admit(guard: Guard, mut request: Request, next: Next) -> Response {
    let Guard { hub, door } = guard;
    if let Some(LetIn { caller, .. }) =
        request.extensions().get::<LetIn>().filter(|let_in| let_in.door == door)
    {
        let caller = caller.clone();
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let path = match &door {
        Door::Api => "/api".to_owned(),
        Door::Server(server) => format!("/s/{server}/mcp"),
        Door::Mcp | Door::Tickets(_) => "/mcp".to_owned(),
    };
    let metadata = format!("{}/.well-known/oauth-protected-resource{path}", hub.public_url());
    let unauthenticated = || match hub.authorization() {
        // What destroys is asked for when it is needed, and not before.
        Some(_) if door != Door::Api => {
            let scope = deputy_hub::sign_in::scopes_up_to(Effect::Write).join(" ");
            Problem::unauthenticated_asking(&metadata, &scope).into_response()
        }
        _ => Problem::unauthenticated(&metadata).into_response(),
    };
    let Some(token) = bearer(request.headers()) else {
        hub.count_refused(door.name(), "token_missing");
        return unauthenticated();
    };
    match hub.authenticate(&door, token).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(Denied::Refused) => unauthenticated(),
        Err(Denied::Unavailable) => Problem::unavailable().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("value"));
        }
        headers
    }

    #[test]
    fn r12_one_bearer_header_is_a_token_and_anything_else_is_none() {
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer abc"])), Some("abc"));
        for bad in [&[][..], &["Basic abc"], &["Bearer"], &["Bearer "], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(bad)), None, "{bad:?}");
        }
    }
}
