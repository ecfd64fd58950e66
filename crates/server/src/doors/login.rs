//! `/login`: a person signs in at the hub, sees which agents may act for them, and ends what they like.

use crate::cookies::{Cookies, LOGIN, SIGNING};
use crate::pages::{self, Html, STYLE, Text};
use crate::problem::Problem;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use deputy_core::{Effect, GrantId, Timestamp};
use deputy_hub::Hub;
use deputy_hub::ports::{AccessGrant, Login, Sources};
use deputy_hub::sign_in::{AuthorizationServer, Departure, LoginFault, Wanted};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;

/// How long a browser keeps what it has to bring back from the provider.
const SIGNING_SECONDS: u64 = 600;

/// `GET /login`: who is signed in, and which agents may act for them.
pub(crate) async fn home(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let cookie = Cookies::of(hub.public_url()).read(&headers, LOGIN);
    match cookie.and_then(|cookie| server.logins().of_cookie(&cookie)) {
        Some(login) => own(&hub, &login),
        None => choose(server, "/login"),
    }
}

/// Longest `claims` or `acr_values` that is passed on.
const MOST_BYTES: usize = 4096;

/// `GET /login/start`: to the provider. `max_age`, `acr_values` and `claims` are what a refused token exchange asked for
/// (RFC 9470; OpenID Connect Core section 5.5): they can only make the provider ask for more.
pub(crate) async fn start(State(hub): State<Arc<Hub>>, RawQuery(query): RawQuery) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let said = deputy_identity::form::Parameters::parse(query.unwrap_or_default().as_bytes());
    let said = |name: &str| said.as_ref().ok().and_then(|form| form.one(name)).map(str::to_owned);
    let short = |name: &str| said(name).filter(|text| text.len() <= MOST_BYTES);
    let is_object = |text: &String| serde_json::from_str::<serde_json::Map<_, _>>(text).is_ok();
    let wanted = Wanted {
        provider: said("provider"),
        resume: said("resume").unwrap_or_else(|| "/login".to_owned()),
        anew: false,
        max_age: said("max_age").and_then(|text| text.parse().ok()).map(std::time::Duration::from_secs),
        acr_values: short("acr_values").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        claims: short("claims").filter(is_object),
    };
    let resume = wanted.resume.clone();
    match server.logins().begin(wanted).await {
        Ok(departure) => depart(&hub, &departure),
        Err(LoginFault::Choose | LoginFault::Provider(_)) => choose(server, &resume),
        Err(fault) => failed(&fault),
    }
}

/// Sends a browser to the provider.
pub(crate) fn depart(hub: &Hub, departure: &Departure) -> Response {
    let mut answer = sent_to(departure.to.as_str());
    let cookies = Cookies::of(hub.public_url());
    cookies.set(answer.headers_mut(), SIGNING, departure.cookie.expose(), SIGNING_SECONDS);
    answer
}

/// `GET /login/callback`: back from the provider.
pub(crate) async fn callback(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let cookies = Cookies::of(hub.public_url());
    let cookie = cookies.read(&headers, SIGNING).unwrap_or_default();
    let arrived = server.logins().finish(query.unwrap_or_default().as_bytes(), &cookie).await;
    let mut answer = match &arrived {
        Ok(arrival) => sent_to(&arrival.resume),
        Err(fault) => failed(fault),
    };
    cookies.clear(answer.headers_mut(), SIGNING);
    if let Ok(arrival) = &arrived {
        // Whoever was signed in here before is not any more: a browser is one person's at a time.
        if let Some(before) = cookies.read(&headers, LOGIN) {
            hub.sign_out(&before, "signed_in_anew");
        }
        let seconds = arrival.login.ends_at.since(hub.now()).as_secs();
        cookies.set(answer.headers_mut(), LOGIN, arrival.cookie.expose(), seconds);
    }
    answer
}

/// `POST /login/end`: signs out at the hub; every agent's permission of this login ends with it.
pub(crate) async fn end(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let cookies = Cookies::of(hub.public_url());
    if let Some(cookie) = cookies.read(&headers, LOGIN) {
        hub.sign_out(&cookie, "person");
    }
    let mut answer = Redirect::to("/login").into_response();
    cookies.clear(answer.headers_mut(), LOGIN);
    answer
}

/// `POST /login/grants/{id}/end`: an agent may no longer act.
pub(crate) async fn end_grant(
    State(hub): State<Arc<Hub>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(server) = hub.authorization() else { return Problem::not_found().into_response() };
    let cookie = Cookies::of(hub.public_url()).read(&headers, LOGIN);
    let login = cookie.and_then(|cookie| server.logins().of_cookie(&cookie));
    let (Some(login), Ok(id)) = (login, GrantId::new(id)) else {
        return Problem::not_found().into_response();
    };
    if !hub.end_grant_of(&login.user, &id, "person") {
        return Problem::not_found().into_response();
    }
    Redirect::to("/login").into_response()
}

/// `GET /login/style.css`.
pub(crate) async fn style() -> Response {
    let mut answer = STYLE.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    answer
}

/// The page on which a person chooses how to sign in, and comes back to `resume`.
pub(crate) fn choose(server: &AuthorizationServer, resume: &str) -> Response {
    let mut body = Html::default();
    body.push(format_args!(
        "<h1>Sign in</h1>\n<p>Agents act through this hub as the person who is signed in: with your permissions, and no key of their own.</p>\n"
    ));
    let query = |provider: &str| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("provider", provider).append_pair("resume", resume).finish()
    };
    for provider in server.logins().providers() {
        let query = query(provider.as_str());
        body.push(format_args!(
            "<p><a class=\"button yes\" href=\"/login/start?{}\">Sign in with {}</a></p>\n",
            Text(&query),
            Text(provider.as_str())
        ));
    }
    pages::page(StatusCode::OK, "Sign in", &body, "")
}

/// A redirect after which the browser asks with GET.
pub(crate) fn sent_to(place: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(place) else {
        return pages::words(StatusCode::BAD_REQUEST, "That did not work", "The address cannot be used.");
    };
    let mut answer = StatusCode::SEE_OTHER.into_response();
    answer.headers_mut().insert(header::LOCATION, location);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn failed(fault: &LoginFault) -> Response {
    tracing::warn!(%fault, "a sign-in did not end well");
    let status = match fault {
        LoginFault::Unavailable { .. } | LoginFault::Access(_) => StatusCode::SERVICE_UNAVAILABLE,
        LoginFault::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut body = Html::default();
    body.push(format_args!(
        "<h1>You are not signed in</h1>\n<p>{}</p>\n<p><a class=\"button\" href=\"/login\">Begin again</a></p>",
        Text(fault.words())
    ));
    pages::page(status, "You are not signed in", &body, "")
}

fn own(hub: &Hub, login: &Login) -> Response {
    let mut body = Html::default();
    let name = login.name.clone().unwrap_or_else(|| login.user.subject.to_string());
    body.push(format_args!(
        "<h1>Agents that act for you</h1>\n<p>You are signed in as <strong>{}</strong> through {}, until {}.</p>\n",
        Text(&name),
        Text(&login.provider),
        Text(&shown(login.ends_at, hub.now()))
    ));
    let grants = hub.access().grants_of(&login.user);
    if grants.is_empty() {
        body.push(format_args!("<div class=\"card\"><p>No agent may act for you now.</p></div>\n"));
    } else {
        body.push(format_args!("<table>\n<tr><th>Agent</th><th>May</th><th>Until</th><th></th></tr>\n"));
        for grant in &grants {
            row(&mut body, grant, hub.now());
        }
        body.push(format_args!(
            "</table>\n<p class=\"quiet\">A permission is renewed while you stay signed in and the agent is in use.</p>\n"
        ));
    }
    connections(&mut body, hub, login);
    body.push(format_args!(
        "<form class=\"buttons\" method=\"post\" action=\"/login/end\"><button>Sign out, and end them all</button></form>"
    ));
    pages::page(StatusCode::OK, "Agents that act for you", &body, "")
}

/// The servers that the person connected. Signing out leaves them: they consented for longer than a session.
fn connections(body: &mut Html, hub: &Hub, login: &Login) {
    let consents = hub.access().consents_of(&login.user);
    if consents.is_empty() {
        return;
    }
    body.push(format_args!(
        "<h2>Servers that you connected</h2>\n<table>\n<tr><th>Server</th><th>Allowed</th><th>Since</th><th></th></tr>\n"
    ));
    for consent in &consents {
        let allowed = consent.scopes.join(", ");
        body.push(format_args!(
            "<tr><td>{0}<br><small>{1}</small></td><td>{2}</td><td>{3}</td><td><form method=\"post\" action=\"/connect/{0}/end\"><button>End</button></form></td></tr>\n",
            Text(consent.server.as_str()),
            Text(consent.issuer.as_str()),
            Text(&allowed),
            Text(&shown(consent.given_at, hub.now())),
        ));
    }
    body.push(format_args!("</table>\n"));
}

fn row(body: &mut Html, grant: &AccessGrant, now: Timestamp) {
    let name = grant.client_name.as_deref().unwrap_or(&grant.client.0);
    body.push(format_args!(
        "<tr><td>{}<br><small>{}</small></td><td>{}, {}</td><td>{}</td><td><form method=\"post\" action=\"/login/grants/{}/end\"><button>End</button></form></td></tr>\n",
        Text(name),
        Text(&grant.client.0),
        Text(match grant.most {
            Effect::Read => "look",
            Effect::Write => "look and change",
            Effect::Destructive => "look, change and delete",
        }),
        Text(&match &grant.sources {
            Sources::All => "everywhere".to_owned(),
            Sources::Only(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }),
        Text(&shown(grant.ends_at, now)),
        Text(grant.id.as_str()),
    ));
}

/// A moment for people: no seconds, and no date where it is today's.
fn shown(at: Timestamp, now: Timestamp) -> String {
    let (text, today) = (at.to_string(), now.to_string());
    let is_today = text.get(..10) == today.get(..10);
    let short = if is_today { text.get(11..16) } else { text.get(..16) };
    format!("{} UTC", short.unwrap_or(&text).replace('T', " "))
}
