//! Sign-in and sign-out with OpenID Connect, all of it the `openidconnect` crate's work.

use crate::deputy;
use crate::outbound;
use crate::people::Person;
use crate::problem::Problem;
use crate::sessions::{Session, cookie, cookie_value};
use crate::world::World;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreIdToken};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IssuerUrl, LogoutRequest, Nonce, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, Scope, TokenResponse,
};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The cookie that ties an answer of the identity provider to the browser that asked.
const LOGIN_COOKIE: &str = "crm_login";
/// How long somebody may take to sign in.
const PATIENCE: Duration = Duration::from_secs(600);

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Sign-ins under way, by their `state`.
#[derive(Default)]
pub(crate) struct Login(Mutex<HashMap<String, Started>>);

struct Started {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    return_to: &'static str,
    at: Instant,
}

/// What the link to sign in may say.
#[derive(Deserialize)]
pub(crate) struct Wish {
    prompt: Option<String>,
    return_to: Option<String>,
}

/// What the identity provider sends the browser back with.
#[derive(Deserialize)]
pub(crate) struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// `GET /sign-in`: off to the identity provider.
pub(crate) async fn start(
    State(world): State<Arc<World>>,
    Query(wish): Query<Wish>,
) -> Result<Response, Problem> {
    let (client, _) = relying_party(&world).await?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("profile".to_owned()))
        .set_pkce_challenge(challenge);
    if wish.prompt.as_deref() == Some("login") {
        request = request.add_prompt(CoreAuthPrompt::Login);
    }
    let (url, state, nonce) = request.url();
    let return_to = landing(wish.return_to.as_deref());
    let cookie =
        cookie(LOGIN_COOKIE, state.secret()).map_err(|error| Problem::Upstream(error.to_string()))?;
    world.login.remember(state, Started { nonce, verifier, return_to, at: Instant::now() });
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response())
}

/// `GET /callback`: back from the identity provider; opens a session.
pub(crate) async fn finish(
    State(world): State<Arc<World>>,
    Query(answer): Query<Answer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(error) = answer.error {
        return Err(Problem::BadRequest(format!("the identity provider says `{error}`")));
    }
    let state = answer.state.filter(|state| cookie_value(&headers, LOGIN_COOKIE) == Some(state));
    let started = state.and_then(|state| world.login.recall(&state));
    let (Some(code), Some(started)) = (answer.code, started) else {
        return Err(Problem::BadRequest("this sign-in was not started here, or is too old".to_owned()));
    };
    let session = exchange(&world, code, &started.nonce, started.verifier).await?;
    let cookie =
        world.sessions.open(&headers, session).map_err(|error| Problem::Upstream(error.to_string()))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(started.return_to)).into_response())
}

/// `POST /sign-out`: ends the session here, then at the identity provider.
pub(crate) async fn sign_out(
    State(world): State<Arc<World>>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Redirect {
    let home = landing(wish.return_to.as_deref());
    let Some(session) = world.sessions.close(&headers) else { return Redirect::to(home) };
    if let Some(end) = &session.deputy_end {
        deputy::session_ended(&world, end).await;
    }
    match provider_sign_out(&world, &session, home).await {
        Some(url) => Redirect::to(&url),
        None => Redirect::to(home),
    }
}

async fn provider_sign_out(world: &World, session: &Session, home: &str) -> Option<String> {
    let (_, metadata) = relying_party(world).await.ok()?;
    let hint: CoreIdToken = session.id_token.parse().ok()?;
    let back = PostLogoutRedirectUrl::new(format!("{}{home}", world.settings.public_url)).ok()?;
    let end_session = metadata.additional_metadata().end_session_endpoint.clone()?;
    let request =
        LogoutRequest::from(end_session).set_id_token_hint(&hint).set_post_logout_redirect_uri(back);
    Some(request.http_get_url().to_string())
}

/// The identity provider is asked each time what it is: it may have been down, or may have new keys.
async fn relying_party(world: &World) -> Result<(Client, ProviderMetadataWithLogout), Problem> {
    let settings = &world.settings;
    let bad =
        |error: openidconnect::url::ParseError| Problem::Upstream(format!("an address is wrong: {error}"));
    let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(bad)?;
    let redirect = RedirectUrl::new(format!("{}/callback", settings.public_url)).map_err(bad)?;
    let own = world.client.clone();
    let http = move |request| outbound::carry(own.clone(), request);
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http).await.map_err(|error| {
        Problem::Upstream(format!("the identity provider `{}` cannot be reached: {error}", settings.issuer))
    })?;
    let client = CoreClient::from_provider_metadata(
        metadata.clone(),
        ClientId::new(settings.client_id.clone()),
        Some(ClientSecret::new(settings.client_secret.clone())),
    )
    .set_redirect_uri(redirect);
    Ok((client, metadata))
}

async fn exchange(
    world: &World,
    code: String,
    nonce: &Nonce,
    verifier: PkceCodeVerifier,
) -> Result<Session, Problem> {
    let refused = |what: &str, error: &dyn std::error::Error| Problem::Upstream(format!("{what}: {error}"));
    let (client, _) = relying_party(world).await?;
    let own = world.client.clone();
    let http = move |request| outbound::carry(own.clone(), request);
    let answer = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|error| refused("the identity provider has no token endpoint", &error))?
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .map_err(|error| refused("the identity provider gave no token", &error))?;
    let id_token =
        answer.id_token().ok_or_else(|| Problem::Upstream("the answer has no ID token".to_owned()))?;
    let claims = id_token
        .claims(&client.id_token_verifier(), nonce)
        .map_err(|error| refused("the ID token does not hold", &error))?;
    let name = claims.name().and_then(|name| name.get(None)).map(|name| name.as_str());
    Ok(Session {
        person: Person::new(claims.subject(), name),
        id_token: id_token.to_string(),
        expires_at: claims.expiration().into(),
        name: CsrfToken::new_random().into_secret(),
        deputy_end: None,
    })
}

/// Where to go afterwards. Only known pages, so that no link can send people elsewhere.
fn landing(wish: Option<&str>) -> &'static str {
    if wish == Some("/plain") { "/plain" } else { "/" }
}

impl Login {
    fn remember(&self, state: CsrfToken, started: Started) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, started| started.at.elapsed() < PATIENCE);
        all.insert(state.into_secret(), started);
    }

    fn recall(&self, state: &str) -> Option<Started> {
        let started = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(state)?;
        (started.at.elapsed() < PATIENCE).then_some(started)
    }
}
