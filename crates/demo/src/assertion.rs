//! The check of `Deputy-Assertion`: was this call made for the person who is signed in here?
//!
//! The hub signs one short-lived JWT per call. Whoever runs an application needs no more than [`check`] and a key set.

use crate::problem::Problem;
use crate::sessions::Session;
use crate::settings::Settings;
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
    let token = header.to_str().map_err(|error| Problem::Assertion(error.to_string()))?;
    let head = decode_header(token).map_err(|error| Problem::Assertion(error.to_string()))?;
    let key = world.hub_keys.find(world, head.kid.as_deref()).await?;
    judge(&world.settings, &session.person.subject, token, &key)
}

/// The few lines that matter: type, signature, hub, our own origin, lifetime, and the person.
fn judge(settings: &Settings, subject: &str, token: &str, key: &DecodingKey) -> Result<(), Problem> {
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&[&settings.hub]);
    rules.set_audience(&[&settings.public_url]);
    rules.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    rules.leeway = 5;
    let token =
        decode::<Claims>(token, key, &rules).map_err(|error| Problem::Assertion(error.to_string()))?;
    if token.header.typ.as_deref() != Some("deputy-call+jwt") {
        return Err(Problem::Assertion("its type is not `deputy-call+jwt`".to_owned()));
    }
    if token.claims.sub == subject && token.claims.idp == settings.issuer {
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ES256, EcdsaKeyPair, KeyPair};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    fn settings() -> Settings {
        let line = "--port 1 --public-url http://crm --issuer http://idp --hub http://hub --client-id c --client-secret s";
        Settings::from_arguments(line.split(' ').map(str::to_owned)).expect("settings")
    }

    fn verdict(typ: &str, change: Value) -> Result<(), Problem> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ES256, &SystemRandom::new()).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ES256, pkcs8.as_ref()).expect("a pair");
        let mut claims = json!({ "iss": "http://hub", "aud": "http://crm", "sub": "alice", "idp": "http://idp",
            "exp": jsonwebtoken::get_current_timestamp() + 30 });
        for (name, value) in change.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let header = Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::ES256) };
        let token = encode(&header, &claims, &EncodingKey::from_ec_der(pkcs8.as_ref())).expect("a token");
        judge(&settings(), "alice", &token, &DecodingKey::from_ec_der(pair.public_key().as_ref()))
    }

    #[test]
    fn an_assertion_for_the_person_who_is_signed_in_passes() {
        verdict("deputy-call+jwt", json!({})).expect("it holds");
    }

    #[test]
    fn an_assertion_for_somebody_else_says_that_the_session_changed() {
        for change in [json!({ "sub": "bob" }), json!({ "idp": "http://other" })] {
            assert!(matches!(verdict("deputy-call+jwt", change), Err(Problem::SessionChanged)));
        }
    }

    #[test]
    fn an_assertion_of_another_hub_origin_time_or_type_is_refused() {
        for change in [json!({ "iss": "http://x" }), json!({ "aud": "http://x" }), json!({ "exp": 1 })] {
            assert!(matches!(verdict("deputy-call+jwt", change), Err(Problem::Assertion(_))));
        }
        assert!(matches!(verdict("at+jwt", json!({})), Err(Problem::Assertion(_))));
    }
}
