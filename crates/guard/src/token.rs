//! `POST /oauth/token`: an ID-JAG becomes an access token for the resource (RFC 7523; the second leg of MCP
//! Enterprise-Managed Authorization). One grant, no refresh tokens, no secrets: clients sign.

use crate::clients::NotKnown;
use crate::guard::Guard;
use crate::person::Person;
use crate::spent::{NotTaken, Once};
use crate::user::GuardedUser;
use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use deputy_core::{Client, Timestamp};
use deputy_identity::claims::Verified;
use deputy_identity::client_assertion::{ASSERTION_TYPE, ClientAssertion};
use deputy_identity::form::Parameters;
use deputy_identity::id_jag::{IdJag, IdJagExpectations, ResourceRule};
use deputy_identity::provider::MAX_SKEW;
use deputy_identity::{Audiences, TokenError};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use std::sync::Arc;

/// The one grant.
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Why there is no token (RFC 6749 section 5.2). What exactly is wrong is in the guard's log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Request(&'static str),
    Client,
    Grant,
    GrantType,
    Scope,
    Target,
    Unavailable,
}

impl Refused {
    const fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Request(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::Client => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "the client is unknown or did not prove which one it is",
            ),
            Self::Grant => {
                (StatusCode::BAD_REQUEST, "invalid_grant", "the assertion is not one that is taken here")
            }
            Self::GrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "only the jwt-bearer grant is taken here")
            }
            Self::Scope => {
                (StatusCode::BAD_REQUEST, "invalid_scope", "no scope is left that opens anything here")
            }
            Self::Target => {
                (StatusCode::BAD_REQUEST, "invalid_target", "the resource is another than the one here")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again with a new assertion")
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error, description) = self.words();
        let body = Json(json!({ "error": error, "error_description": description }));
        (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
    }
}

/// Answers.
pub(crate) async fn token(guard: Arc<Guard>, headers: HeaderMap, body: Bytes) -> Response {
    match grant(&guard, &headers, &body).await {
        Ok(issued) => issued,
        Err(refused) => refused.into_response(),
    }
}

async fn grant(guard: &Arc<Guard>, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refused> {
    let form = read(headers, body)?;
    let required = |name| form.one(name).ok_or(Refused::Request("a parameter is missing"));
    if required("grant_type")? != GRANT {
        return Err(Refused::GrantType);
    }
    let assertion = required("assertion")?;
    if form.all("resource").any(|resource| resource != guard.resource) {
        return Err(Refused::Target);
    }
    let client = client(guard, headers, &form).await?;
    let jag = jag(guard, assertion, &client.client).await?;
    let person =
        Person { issuer: jag.issuer.clone(), tenant: jag.tenant.clone(), subject: jag.subject.clone() };
    guard.let_in(&person).map_err(|why| {
        tracing::info!(client = %client.client.0, issuer = %jag.issuer, code = why.code(), "a grant was refused");
        if why == crate::guard::NotIn::Unknown { Refused::Unavailable } else { Refused::Grant }
    })?;
    let scopes = scopes(guard, &jag, form.one("scope"));
    if scopes.is_empty() {
        tracing::info!(client = %client.client.0, issuer = %jag.issuer, code = "scope_empty", "a grant was refused");
        return Err(Refused::Scope);
    }
    spend(guard, &client, &jag).await?;
    issue(guard, &client.client, person, scopes)
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refused::Request("the body is not application/x-www-form-urlencoded"));
    }
    Parameters::parse(body)
        .map_err(|_| Refused::Request("the form is too long, not UTF-8, or says something twice"))
}

/// RFC 7523 section 2.2. There is no other way, so whoever tries another is told that the client is unknown.
async fn client(
    guard: &Guard,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Verified<ClientAssertion>, Refused> {
    let other_way = headers.contains_key(header::AUTHORIZATION) || form.one("client_secret").is_some();
    if other_way || form.one("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(Refused::Client);
    }
    let assertion = form.one("client_assertion").ok_or(Refused::Client)?;
    let own = vec![guard.issuer.to_string(), format!("{}/oauth/token", guard.issuer)];
    let audiences = Audiences::new(own).map_err(|_| Refused::Unavailable)?;
    let client = guard.clients.authenticate(assertion, &audiences).await.map_err(|error| {
        tracing::info!(code = error.code(), "a client was refused");
        if matches!(error, NotKnown::Unavailable(_)) { Refused::Unavailable } else { Refused::Client }
    })?;
    match form.one("client_id") {
        Some(said) if said != client.client.0 => Err(Refused::Client),
        _ => Ok(client),
    }
}

/// E1 to E3.
async fn jag(guard: &Guard, assertion: &str, client: &Client) -> Result<Verified<IdJag>, Refused> {
    let expectations = IdJagExpectations {
        own_issuer: guard.issuer.clone(),
        client: client.clone(),
        resources: Audiences::one(guard.resource.clone()).map_err(|_| Refused::Unavailable)?,
        resource: ResourceRule::Required,
    };
    guard.issuers.check(assertion, &expectations).await.map_err(|error: TokenError| {
        tracing::info!(client = %client.0, code = error.code(), %error, "an assertion was refused");
        if error.is_unavailable() { Refused::Unavailable } else { Refused::Grant }
    })
}

/// What the provider granted, of that what is asked for, of that what there is: never more than any of the three. An
/// assertion that says nothing about scopes grants none.
fn scopes(guard: &Guard, jag: &IdJag, asked: Option<&str>) -> Vec<String> {
    let granted = jag.scopes.as_deref().unwrap_or_default();
    let asked: Option<Vec<&str>> = asked.map(|asked| asked.split(' ').collect());
    let fits = |name: &str| {
        granted.iter().any(|own| own == name) && asked.as_ref().is_none_or(|asked| asked.contains(&name))
    };
    guard.scopes().names().filter(|name| fits(name)).map(str::to_owned).collect()
}

/// E4: both assertions are good once. Last of all checks, so that nobody burns what is not theirs; first of all effects.
async fn spend(guard: &Guard, client: &ClientAssertion, jag: &IdJag) -> Result<(), Refused> {
    let until = |expires_at: Timestamp| expires_at.plus(MAX_SKEW);
    let both = [
        Once::new("id-jag", jag.issuer.as_str(), &jag.id, until(jag.expires_at)),
        Once::new("client-assertion", &client.client.0, &client.id, until(client.expires_at)),
    ];
    let (spent, now) = (Arc::clone(&guard.spent), guard.clock.now());
    let taken = tokio::task::spawn_blocking(move || spent.take(&both, now)).await;
    let issuer = &jag.issuer;
    match taken {
        Ok(Ok(())) => Ok(()),
        Ok(Err(NotTaken::Before(place))) => {
            let what = if place == 0 { "id-jag" } else { "client assertion" };
            tracing::warn!(client = %client.client.0, %issuer, what, code = "replayed", "a grant was refused");
            Err(if place == 0 { Refused::Grant } else { Refused::Client })
        }
        Ok(Err(NotTaken::Down(error))) => {
            tracing::error!(%error, "what was used cannot be remembered: every grant is refused");
            Err(Refused::Unavailable)
        }
        Err(_) => Err(Refused::Unavailable),
    }
}

fn issue(guard: &Guard, client: &Client, person: Person, scopes: Vec<String>) -> Result<Response, Refused> {
    let lifetime = guard.settings.token_lifetime;
    let user = GuardedUser::new(person, client.clone(), scopes, guard.clock.now().plus(lifetime));
    let minted = guard.access_token(&user).map_err(|error| {
        tracing::error!(%error, "a token cannot be signed");
        Refused::Unavailable
    })?;
    let (person, scope) = (user.person(), user.scopes().join(" "));
    tracing::info!(client = %client.0, issuer = %person.issuer, subject = %person.subject, scope, "a token was issued");
    let body = Json(json!({
        "access_token": minted.token.expose(),
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "scope": scope,
    }));
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response())
}
