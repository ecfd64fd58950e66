//! The check of `Deputy-Assertion`: was this call made for the person who is signed in here?
//!
//! The hub signs one short-lived JWT per call. Whoever runs an application needs no more than [`check`] and a key set.

use crate::problem::Problem;
use crate::sessions::Session;
use crate::world::World;
use axum::http::HeaderMap;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use std::sync::{PoisonError, RwLock};

/// The header in which the page hands it on.
const HEADER: &str = "deputy-assertion";

/// The hub's public keys, as last fetched.
#[derive(Default)]
pub(crate) struct HubKeys(RwLock<Option<JwkSet>>);

#[derive(Deserialize)]
struct Claims {
    sub: String,
    idp: String,
}

/// Checks the assertion of a request that carries one; a request without one is the person's own.
///
/// # Errors
/// The assertion does not hold, or it speaks of somebody else than the session.
pub(crate) async fn check(world: &World, headers: &HeaderMap, session: &Session) -> Result<(), Problem> {
    let Some(header) = headers.get(HEADER) else { return Ok(()) };
    let bad = |error: &dyn std::fmt::Display| Problem::Assertion(error.to_string());
    let token = header.to_str().map_err(|error| bad(&error))?;
    let head = decode_header(token).map_err(|error| bad(&error))?;
    if head.typ.as_deref() != Some("deputy-call+jwt") {
        return Err(bad(&"its type is not `deputy-call+jwt`"));
    }
    let key = world.hub_keys.find(world, head.kid.as_deref()).await?;
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&[&world.settings.hub]);
    rules.set_audience(&[&world.settings.public_url]);
    rules.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    rules.leeway = 5;
    let claims = decode::<Claims>(token, &key, &rules).map_err(|error| bad(&error))?.claims;
    if claims.sub == session.person.subject && claims.idp == world.settings.issuer {
        Ok(())
    } else {
        Err(Problem::SessionChanged)
    }
}

impl HubKeys {
    /// The key called `kid`; the hub is asked when it is not known yet.
    async fn find(&self, world: &World, kid: Option<&str>) -> Result<DecodingKey, Problem> {
        let kid = kid.ok_or_else(|| Problem::Assertion("it names no key".to_owned()))?;
        if self.known(kid).is_none() {
            let keys = fetch(world)
                .await
                .map_err(|error| Problem::Upstream(format!("the hub's keys cannot be fetched: {error}")))?;
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
        }
        let jwk = self.known(kid).ok_or_else(|| Problem::Assertion(format!("the hub has no key `{kid}`")))?;
        DecodingKey::from_jwk(&jwk).map_err(|error| Problem::Assertion(error.to_string()))
    }

    fn known(&self, kid: &str) -> Option<Jwk> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.find(kid).cloned()
    }
}

async fn fetch(world: &World) -> Result<JwkSet, reqwest::Error> {
    let url = format!("{}/.well-known/jwks.json", world.settings.hub);
    world.client.get(url).send().await?.error_for_status()?.json().await
}
