//! From a request's bearer token to a caller, before any handler runs.

use crate::problem::Problem;
use axum::RequestPartsExt as _;
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deputy_core::{Effect, SourceName};
use deputy_hub::{Caller, Denied, Door, Hub};
use http::request::Parts;
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
    let (mut parts, body) = request.into_parts();
    match admitted(&guard.hub, &guard.door, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The server that `/s/{server}/mcp` leads to. One that does not exist looks like one whose token is missing (invariant 7).
pub(crate) async fn server_named(parts: &mut Parts) -> Result<SourceName, Problem> {
    let written = parts.uri.path().strip_prefix("/s/").and_then(|rest| rest.strip_suffix("/mcp"));
    let name = match written.filter(|written| !written.contains('%')) {
        Some(plain) => plain.to_owned(),
        None => parts.extract::<Path<String>>().await.map_err(|_| Problem::not_found())?.0,
    };
    SourceName::new(name).map_err(|_| Problem::not_found())
}

/// Who brings this request to a door: a token for one server opens no other.
///
/// # Errors
/// Nobody whom the door lets in.
pub(crate) async fn admitted(hub: &Hub, door: &Door, parts: &Parts) -> Result<Caller, Problem> {
    if let Some(LetIn { caller, .. }) = parts.extensions.get::<LetIn>().filter(|let_in| let_in.door == *door)
    {
        return Ok(caller.clone());
    }
    let Some(token) = bearer(&parts.headers) else {
        hub.count_refused(door.name(), "token_missing");
        return Err(unauthenticated(hub, door));
    };
    match hub.authenticate(door, token).await {
        Ok(caller) => Ok(caller),
        Err(Denied::Refused) => Err(unauthenticated(hub, door)),
        Err(Denied::Unavailable) => Err(Problem::unavailable()),
    }
}

fn unauthenticated(hub: &Hub, door: &Door) -> Problem {
    let path = match door {
        Door::Api => "/api".to_owned(),
        Door::Server(server) => format!("/s/{server}/mcp"),
        Door::Mcp | Door::Tickets(_) => "/mcp".to_owned(),
    };
    let metadata = format!("{}/.well-known/oauth-protected-resource{path}", hub.public_url());
    match hub.authorization() {
        // What destroys is asked for when it is needed, and not before.
        Some(_) if *door != Door::Api => {
            let scope = deputy_hub::sign_in::scopes_up_to(Effect::Write).join(" ");
            Problem::unauthenticated_asking(&metadata, &scope)
        }
        _ => Problem::unauthenticated(&metadata),
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
