//! `/connect/{server}`: a person lets the hub use a server in their name, at the server's own authorization server.

use super::login::{choose, depart, sent_to};
use crate::cookies::{Cookies, LOGIN};
use crate::pages::{self, Html, Text};
use crate::problem::Problem;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use deputy_core::SourceName;
use deputy_hub::Hub;
use deputy_hub::exchange::consent::{ConnectFault, Connecting};
use deputy_hub::ports::Login;
use deputy_hub::sign_in::{AuthorizationServer, LoginFault, Wanted};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// `GET /connect/{server}`: which server, who asks for consent, for what.
pub(crate) async fn page(
    State(hub): State<Arc<Hub>>,
    Path(server): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(authorization) = hub.authorization() else { return Problem::not_found().into_response() };
    let Ok(server) = SourceName::new(server) else { return Problem::not_found().into_response() };
    // Whoever is not signed in is sent to sign in, whether there is such a server or not.
    let Some(login) = login(&hub, &headers) else { return sign_in(&hub, authorization, &server).await };
    if !hub.may_connect(&login, &server) {
        return failed(&ConnectFault::NotFound);
    }
    match hub.exchange().connecting(&login, &server).await {
        Ok(connecting) => asked(&connecting),
        Err(fault) => failed(&fault),
    }
}

/// `POST /connect/{server}`: on to the authorization server.
pub(crate) async fn start(
    State(hub): State<Arc<Hub>>,
    Path(server): Path<String>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Response {
    let (Some(login), Ok(server)) = (login(&hub, &headers), SourceName::new(server)) else {
        return failed(&ConnectFault::NotBegun);
    };
    if !hub.may_connect(&login, &server) {
        return failed(&ConnectFault::NotFound);
    }
    match hub.exchange().depart(&login, &server, &body).await {
        Ok(to) => sent_to(to.as_str()),
        Err(fault) => failed(&fault),
    }
}

/// `GET /connect/callback`: back from an authorization server.
pub(crate) async fn callback(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let login = login(&hub, &headers);
    match hub.connected(login.as_deref(), query.unwrap_or_default().as_bytes()).await {
        Ok(server) => {
            let mut body = Html::default();
            body.push(format_args!(
                "<h1><strong>{}</strong> is connected</h1>\n<p>You can close this page and go back to your agent.</p>\n<p class=\"quiet\">What is connected, and how to end it, is on <a href=\"/login\">your page</a>.</p>",
                Text(server.as_str())
            ));
            pages::page(StatusCode::OK, "Connected", &body, "")
        }
        Err(fault) => failed(&fault),
    }
}

/// `POST /connect/{server}/end`: what was allowed is taken back.
pub(crate) async fn end(
    State(hub): State<Arc<Hub>>,
    Path(server): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (Some(login), Ok(server)) = (login(&hub, &headers), SourceName::new(server)) else {
        return Problem::not_found().into_response();
    };
    if !hub.disconnect(&login.user, &server) {
        return Problem::not_found().into_response();
    }
    sent_to("/login")
}

fn login(hub: &Hub, headers: &HeaderMap) -> Option<Arc<Login>> {
    let cookie = Cookies::of(hub.public_url()).read(headers, LOGIN)?;
    hub.authorization()?.logins().of_cookie(&cookie)
}

async fn sign_in(hub: &Hub, authorization: &AuthorizationServer, server: &SourceName) -> Response {
    let resume = format!("/connect/{server}");
    let wanted = Wanted { resume: resume.clone(), ..Wanted::default() };
    match authorization.logins().begin(wanted).await {
        Ok(departure) => depart(hub, &departure),
        Err(LoginFault::Choose) => choose(authorization, &resume),
        Err(fault) => {
            tracing::warn!(%fault, "nobody can sign in");
            pages::words(StatusCode::SERVICE_UNAVAILABLE, "You are not signed in", fault.words())
        }
    }
}

fn asked(connecting: &Connecting) -> Response {
    let Connecting { server, authorization_server, resource, scopes, person, form, .. } = connecting;
    let mut body = Html::default();
    body.push(format_args!(
        "<h1>Connect <strong>{0}</strong>?</h1>\n<p>You are signed in as <strong>{1}</strong>. Agents that act for you could then use <strong>{0}</strong> with your own rights there, as far as the policies here allow.</p>\n\
         <div class=\"card known\"><p>You are sent on to <strong>{2}</strong>, which asks you itself.</p><p>For <code>{3}</code>.</p>",
        Text(server.as_str()),
        Text(person),
        Text(authorization_server.as_str()),
        Text(resource)
    ));
    if scopes.is_empty() {
        body.push(format_args!("<p>It says itself what for.</p></div>\n"));
    } else {
        body.push(format_args!("<p>Asked for:</p><ul>"));
        for scope in scopes {
            body.push(format_args!("<li><code>{}</code></li>", Text(scope)));
        }
        body.push(format_args!("</ul></div>\n"));
    }
    if let Some(since) = connecting.since {
        body.push(format_args!(
            "<p class=\"quiet\">It is connected since {}; going on connects it anew.</p>\n",
            Text(&since.to_string())
        ));
    }
    body.push(format_args!(
        "<form method=\"post\" action=\"/connect/{}\">\n<input type=\"hidden\" name=\"form\" value=\"{}\">\n<p class=\"buttons\"><button class=\"yes\">Go on</button></p>\n</form>\n\
         <p class=\"quiet\">Go on only if you, or an agent of yours, wanted this just now. What you allow is kept sealed, no agent sees it, and you can end it at any time on <a href=\"/login\">your page</a>.</p>",
        Text(server.as_str()),
        Text(form)
    ));
    pages::page(StatusCode::OK, "Connect a server", &body, &connecting.sent_on_to)
}

fn failed(fault: &ConnectFault) -> Response {
    let status = match fault {
        ConnectFault::NotFound => return Problem::not_found().into_response(),
        ConnectFault::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    tracing::warn!(%fault, "a server was not connected");
    pages::words(status, "The server is not connected", fault.words())
}
