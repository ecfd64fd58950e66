//! `POST /api/tickets`: a ticket for one tab of the user whose token is shown.
//!
//! For an application's back end (which holds the user's token), and for a page that holds its token itself: then the
//! browser's `Origin` must be the wish's, and the answer may be read by that origin alone (CORS, exact).

use crate::caller::bearer;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use deputy_core::{Origin, SourceName, Timestamp};
use deputy_hub::Denied;
use deputy_hub::Hub;
use deputy_hub::tickets::{TicketError, TicketWish};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The app's name in the hub's config.
    app: SourceName,
    /// The page's origin. A browser's own `Origin` must be the same.
    origin: Origin,
    /// When the user's session ends, in seconds since 1970.
    session_expires_at: Option<u64>,
    /// What the application calls the session.
    session: Option<String>,
}

/// Letters of a session's name.
const LONGEST_SESSION: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    /// What came with a ticket of the session.
    end: String,
}

#[derive(Serialize)]
struct Ticket<'a> {
    ticket: &'a str,
    /// Seconds since 1970.
    expires_at: u64,
    /// Seconds since 1970.
    session_expires_at: u64,
    /// For the back end: shown at `/api/tickets/end`, it ends the session. A page that asked by itself gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'a str>,
}

pub(crate) async fn issue(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    let browser = headers.get(header::ORIGIN).cloned();
    let answer = match wish(&headers, &body) {
        Ok((token, wish)) => answer(&hub, token, wish, browser.as_ref()).await,
        Err(problem) => problem.into_response(),
    };
    readable_by(browser.filter(|origin| is_known(&hub, origin)), answer)
}

/// `POST /api/tickets/end`: the application's back end tells that a session there has ended. Whoever shows what came with a
/// ticket needs no token: that may have ended with the session.
pub(crate) async fn end(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    if headers.contains_key(header::ORIGIN) {
        return Problem::forbidden("this is for back ends, not for pages").into_response();
    }
    let wanted = deputy_core::canonical::parse_strict(&body)
        .map_err(|error| error.to_string())
        .and_then(|value| End::deserialize(value).map_err(|error| error.to_string()));
    match wanted {
        Ok(End { end }) if hub.tickets().end_session(&end) => StatusCode::NO_CONTENT.into_response(),
        Ok(_) => Problem::not_found().into_response(),
        Err(error) => Problem::bad_request(&error).into_response(),
    }
}

/// `OPTIONS /api/tickets`: a configured origin may ask, with a bearer token and JSON (Fetch standard, CORS preflight).
pub(crate) async fn preflight(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let browser = headers.get(header::ORIGIN).cloned().filter(|origin| is_known(&hub, origin));
    let mut answer = StatusCode::NO_CONTENT.into_response();
    if browser.is_some() {
        let allow = answer.headers_mut();
        allow.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        let names = HeaderValue::from_static("authorization, content-type");
        allow.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    readable_by(browser, answer)
}

fn wish<'a>(headers: &'a HeaderMap, body: &[u8]) -> Result<(&'a str, Wish), Problem> {
    let token = bearer(headers).ok_or_else(Problem::unauthenticated_tickets)?;
    let value = deputy_core::canonical::parse_strict(body)
        .map_err(|error| Problem::bad_request(&error.to_string()))?;
    let wish = Wish::deserialize(value).map_err(|error| Problem::bad_request(&error.to_string()))?;
    if wish.session.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > LONGEST_SESSION) {
        return Err(Problem::bad_request("`session` is empty or has more than 200 letters"));
    }
    Ok((token, wish))
}

async fn answer(hub: &Hub, token: &str, wish: Wish, browser: Option<&HeaderValue>) -> Response {
    if browser.is_some_and(|origin| origin.as_bytes() != wish.origin.as_str().as_bytes()) {
        return Problem::forbidden("`origin` is not the origin of the page that asks").into_response();
    }
    let wish = TicketWish {
        app: wish.app,
        origin: wish.origin,
        session_expires_at: wish.session_expires_at.map(Timestamp::from_seconds),
        session: wish.session,
    };
    match hub.tickets().issue(token, wish).await {
        Ok(issued) => {
            let ticket = Ticket {
                ticket: issued.text.expose(),
                expires_at: issued.expires_at.seconds(),
                session_expires_at: issued.session_expires_at.seconds(),
                end: browser.is_none().then(|| issued.end.expose().as_str()),
            };
            (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(ticket)).into_response()
        }
        Err(TicketError::Denied(Denied::Refused)) => Problem::unauthenticated_tickets().into_response(),
        Err(TicketError::Denied(Denied::Unavailable)) => Problem::unavailable().into_response(),
        Err(error @ (TicketError::Origin(_) | TicketError::Stopped(_))) => {
            Problem::forbidden(&error.to_string()).into_response()
        }
        Err(error @ TicketError::SessionEnded) => Problem::bad_request(&error.to_string()).into_response(),
        Err(TicketError::Store(error)) => {
            tracing::error!(%error, "a ticket could not be kept");
            Problem::audit_unavailable().into_response()
        }
    }
}

fn is_known(hub: &Hub, origin: &HeaderValue) -> bool {
    origin
        .to_str()
        .ok()
        .and_then(|text| Origin::new(text).ok())
        .is_some_and(|origin| hub.knows_origin(&origin))
}

fn readable_by(origin: Option<HeaderValue>, mut answer: Response) -> Response {
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    answer
}
