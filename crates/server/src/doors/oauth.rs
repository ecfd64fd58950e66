//! `/oauth/*`: the authorization server's endpoints (OAuth 2.1, RFC 7009, 7591, 8414).

use super::login::{choose, depart, sent_to};
use crate::cookies::{Cookies, LOGIN};
use crate::pages::{self, Html, Text};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use deputy_core::Effect;
use deputy_hub::Hub;
use deputy_hub::sign_in::{Consent, Step, TokenFault, Vouched};
use deputy_identity::authorization::ErrorCode;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use std::sync::Arc;

/// `GET /.well-known/oauth-authorization-server`.
pub(crate) async fn metadata(State(hub): State<Arc<Hub>>) -> Response {
    match hub.authorization() {
        Some(server) => Json(server.metadata()).into_response(),
        None => Problem::not_found().into_response(),
    }
}

/// `GET /oauth/authorize`.
pub(crate) async fn authorize(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let cookie = Cookies::of(hub.public_url()).read(&headers, LOGIN);
    let step = server.authorize(query.unwrap_or_default().as_bytes(), cookie.as_deref()).await;
    stepped(&hub, step)
}

/// `POST /oauth/consent`: what a person said on the page.
pub(crate) async fn consent(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let cookie = Cookies::of(hub.public_url()).read(&headers, LOGIN);
    let step = server.decide(&body, cookie.as_deref()).await;
    stepped(&hub, step)
}

/// `POST /oauth/token`.
pub(crate) async fn token(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let Ok(shown) = only(&headers) else { return refused(&ErrorCode::InvalidRequest.into()) };
    match server.token(&body, shown).await {
        Ok(answer) => no_store(Json(answer).into_response()),
        Err(fault) => {
            hub.count_refused("token", fault.code.as_str());
            refused(&fault)
        }
    }
}

/// `POST /oauth/revoke`.
pub(crate) async fn revoke(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let Ok(shown) = only(&headers) else { return refused(&ErrorCode::InvalidRequest.into()) };
    match server.revoke(&body, shown).await {
        Ok(()) => no_store(StatusCode::OK.into_response()),
        Err(fault) => refused(&fault),
    }
}

/// `POST /oauth/register`, where the operator allows it.
pub(crate) async fn register(State(hub): State<Arc<Hub>>, body: bytes::Bytes) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    match server.register(&body).await {
        Ok(registered) => no_store((StatusCode::CREATED, Json(registered)).into_response()),
        Err(None) => Problem::not_found().into_response(),
        Err(Some(fault)) => refused(&fault),
    }
}

/// The one `Authorization` header there may be.
fn only(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

/// RFC 6749 section 5.2.
fn refused(fault: &TokenFault) -> Response {
    let status = match fault.code {
        ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = json!({ "error": fault.code.as_str(), "error_description": fault.words });
    no_store((status, Json(body)).into_response())
}

fn no_store(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

fn stepped(hub: &Hub, step: Step) -> Response {
    match step {
        Step::SignIn(departure) => depart(hub, &departure),
        Step::Choose { resume } => match hub.authorization() {
            Some(server) => choose(server, &resume),
            None => Problem::not_found().into_response(),
        },
        Step::Redirect(to) => sent_to(to.as_str()),
        Step::Consent(consent) => asked(&consent),
        Step::Shown { code, words } => {
            let mut body = Html::default();
            body.push(format_args!(
                "<h1>The agent cannot be connected</h1>\n<p>{}</p>\n<p class=\"quiet\">{}</p>",
                Text(&words),
                Text(code.as_str())
            ));
            pages::page(StatusCode::BAD_REQUEST, "The agent cannot be connected", &body, "")
        }
    }
}

/// The consent page: who asks, for whom, how far, for which sources, and for how long.
fn asked(consent: &Consent) -> Response {
    let mut body = Html::default();
    body.push(format_args!(
        "<h1>Let <strong>{}</strong> act for you?</h1>\n<p>You are signed in as <strong>{}</strong> through {}.</p>\n",
        Text(&consent.name),
        Text(&consent.person),
        Text(&consent.provider)
    ));
    match &consent.vouched {
        Vouched::Host(host) => body.push(format_args!(
            "<div class=\"card known\"><p>Published by <strong>{}</strong>.</p><p><code>{}</code></p><p>Its answer goes to <strong>{}</strong>.</p></div>\n",
            Text(host),
            Text(&consent.client),
            Text(&consent.answers_to)
        )),
        Vouched::Nobody => body.push(format_args!(
            "<div class=\"card warn\"><p><strong>Nobody vouches for this name.</strong> The agent registered itself, and could call itself anything. Go on only if you have just begun this yourself.</p><p>Its answer goes to <strong>{}</strong>.</p></div>\n",
            Text(&consent.answers_to)
        )),
    }
    body.push(format_args!(
        "<form method=\"post\" action=\"/oauth/consent\">\n<input type=\"hidden\" name=\"form\" value=\"{}\">\n<fieldset><legend>How far it may go</legend>\n",
        Text(&consent.form)
    ));
    for (effect, words) in [
        (Effect::Read, "Only look: it changes nothing"),
        (Effect::Write, "Look, and change things"),
        (Effect::Destructive, "Look, change, and delete things"),
    ] {
        if effect > consent.wanted {
            continue;
        }
        // What destroys is never the answer of somebody who did not choose it.
        let checked = if effect == consent.wanted.min(Effect::Write) { " checked" } else { "" };
        body.push(format_args!(
            "<label><input type=\"radio\" name=\"most\" value=\"{}\"{checked}> {}</label>\n",
            Text(effect.code()),
            Text(words)
        ));
    }
    // Whatever it may do: the class `egress` is no step of these.
    body.push(format_args!(
        "<p class=\"quiet\">Whatever you choose, it may also send out what it looks for, as a search on the web does. What may leave is your organisation's decision.</p>\n</fieldset>\n<fieldset><legend>Where</legend>\n"
    ));
    match consent.sources.as_slice() {
        [only] => body.push(format_args!(
            "<p>In <strong>{0}</strong> alone.<input type=\"hidden\" name=\"source.{0}\" value=\"on\"></p>\n",
            Text(only.as_str())
        )),
        several => {
            body.push(format_args!(
                "<label><input type=\"checkbox\" name=\"all_sources\" checked> Everywhere, also in what comes later</label>\n"
            ));
            for source in several {
                body.push(format_args!(
                    "<label><input type=\"checkbox\" name=\"source.{0}\"> Only in {0}</label>\n",
                    Text(source.as_str())
                ));
            }
            body.push(format_args!("<p class=\"quiet\">For some alone, take the first mark away.</p>\n"));
        }
    }
    let minutes = consent.lasts.as_secs().div_ceil(60);
    body.push(format_args!(
        "</fieldset>\n<p class=\"quiet\">For {minutes} minutes, renewed while you stay signed in here and it is in use. It never can do more than you can. Every act is written down, and you can end this at any time on this hub's page <code>/login</code>.</p>\n<p class=\"buttons\"><button class=\"yes\" name=\"decision\" value=\"allow\">Allow</button><button name=\"decision\" value=\"refuse\">Refuse</button></p>\n</form>"
    ));
    pages::page(StatusCode::OK, "Let an agent act for you", &body, &consent.sent_on_to)
}
