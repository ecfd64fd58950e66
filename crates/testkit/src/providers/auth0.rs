//! Auth0: sign-in, and Custom Token Exchange with an Action that checks the hub's own ID token.
//!
//! Copied: request and reserved types from
//! <https://auth0.com/docs/get-started/authentication-and-authorization-flow/token-exchange-flow/call-your-api-using-the-custom-token-exchange-flow>;
//! what an Action can answer, and how often a bad subject token is taken, from
//! <https://auth0.com/docs/authenticate/custom-token-exchange>. What Auth0 answers to an unknown type is in neither: here it
//! is `invalid_request`. The answer has no `issued_token_type`, which its SDKs take for optional.

use super::{Answer, Begun, Desk, refusal, sign_in};
use crate::{Asked, World};
use deputy_core::{Client, Secret, TenantId};
use deputy_hub::exchange::{Asker, Connection};
use deputy_hub::ports::Clock as _;
use deputy_hub::sign_in::{OwnClient, Wanted};
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::provider::Preset;
use deputy_identity::{Algorithm, ProviderName};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const RESERVED: [&str; 7] = [
    "http://auth0.com",
    "https://auth0.com",
    "http://okta.com",
    "https://okta.com",
    "urn:ietf",
    "urn:auth0",
    "urn:okta",
];
const MOST_ATTEMPTS: u32 = 10;

/// A tenant of Auth0.
pub struct Auth0 {
    desk: Desk,
    denial: Mutex<Option<String>>,
    bad_attempts: Mutex<u32>,
    short_of: Mutex<Option<String>>,
}

impl Auth0 {
    /// With the slash.
    pub const ISSUER: &'static str = "https://acme.eu.auth0.example/";
    /// The application of the hub.
    pub const CLIENT: &'static str = "hub1app";
    /// The type of the profile.
    pub const PROFILE: &'static str = "urn:acme:deputy-sign-in";
    /// The one API.
    pub const API: &'static str = "https://ledger.example/mcp";

    /// A hub in which people sign in here, with these connections.
    pub async fn world(connections: Vec<Connection>) -> (World, Arc<Self>) {
        let issuer = Self::ISSUER.parse().unwrap();
        let name = ProviderName::new("idp").unwrap();
        let mut settings =
            Preset::named("auth0").unwrap().settings(name, TenantId::single(), issuer).unwrap();
        settings.algorithms = [Algorithm::Es256].into();
        settings.provider_tenants = Some(Vec::new());
        let authentication = ClientAuthentication::SecretBasic(Secret::new("s3cret".to_owned()));
        let own = OwnClient { id: Client(Self::CLIENT.to_owned()), authentication };
        let world = World::exchanging_at(settings, own, &["openid", "offline_access"], connections).await;
        let auth0 = Arc::new(Self {
            desk: Desk::of(&world),
            denial: Mutex::default(),
            bad_attempts: Mutex::default(),
            short_of: Mutex::default(),
        });
        let at = |path: &str| format!("{}{path}", Self::ISSUER);
        world.endpoints.publish(
            &at(".well-known/openid-configuration"),
            json!({
                "issuer": Self::ISSUER, "jwks_uri": at(".well-known/jwks.json"),
                "authorization_endpoint": at("authorize"), "token_endpoint": at("oauth/token"),
            }),
        );
        let own = Arc::clone(&auth0);
        world.endpoints.answer(&at("oauth/token"), move |asked| own.token(asked).unwrap_or_else(|no| no));
        (world, auth0)
    }

    /// From now on the Action calls `api.access.deny` with this code.
    pub fn deny(&self, code: &str) {
        *self.denial.lock().unwrap() = Some(code.to_owned());
    }

    /// From now on an access token has this instead of the API's identifier as audience.
    pub fn mistake_audience(&self, audience: &str) {
        *self.short_of.lock().unwrap() = Some(audience.to_owned());
    }

    /// Somebody signs in at the hub.
    pub async fn sign_in(&self, world: &World, subject: &str) -> Asker {
        sign_in(world, Wanted::default(), |to| self.desk.authorize(to, subject)).await
    }

    /// An access token for the hub's own API: what an agent brings.
    #[must_use]
    pub fn access_token(&self, subject: &str) -> String {
        let now = self.desk.clock.now().seconds();
        let claims = json!({
            "iss": Self::ISSUER, "sub": subject, "aud": ["https://hub.example/mcp", format!("{}userinfo", Self::ISSUER)],
            "azp": "desk", "scope": "openid tools", "iat": now, "exp": now + 3600,
        });
        self.desk.issuer.sign("JWT", &claims)
    }

    fn token(&self, asked: &Asked) -> Result<Answer, Answer> {
        if !Desk::is_client(asked, Self::CLIENT, "s3cret") {
            return Err(refusal(401, "access_denied", "Unauthorized"));
        }
        if asked.form["grant_type"].ends_with(":token-exchange") {
            return self.exchanged(asked);
        }
        let begun = self.desk.redeemed(asked)?;
        Ok((200, self.tokens(&begun)))
    }

    fn tokens(&self, begun: &Begun) -> Value {
        let claims = json!({
            "iss": Self::ISSUER, "sub": begun.subject, "aud": Self::CLIENT, "sid": "sid-1", "nonce": begun.nonce,
        });
        let id_token = self.desk.give(begun, "JWT", claims, 36_000);
        let refresh = format!("v1.{}", self.desk.next());
        self.desk.note(begun, &refresh, Self::CLIENT, 30 * 86_400);
        // Without an `audience` in the sign-in the access token is opaque.
        json!({
            "access_token": format!("opaque-{}", self.desk.next()), "token_type": "Bearer", "expires_in": 86_400,
            "scope": begun.scopes.join(" "), "id_token": id_token, "refresh_token": refresh,
        })
    }

    fn exchanged(&self, asked: &Asked) -> Result<Answer, Answer> {
        let text = |name: &str| asked.form.get(name).map(String::as_str).unwrap_or_default();
        let (own, bad) = (text("subject_token_type"), |why| refusal(400, "invalid_request", why));
        if RESERVED.iter().any(|reserved| own.starts_with(reserved)) || own != Self::PROFILE {
            return Err(bad("There is no such profile."));
        }
        if text("audience") != Self::API {
            let words = format!("Service not found: {}", text("audience"));
            return Err(refusal(403, "access_denied", &words));
        }
        if *self.bad_attempts.lock().unwrap() >= MOST_ATTEMPTS {
            return Err(refusal(429, "too_many_attempts", "The address is blocked."));
        }
        // The Action: an ID token for this application, that has not ended.
        let Some(given) =
            self.desk.known(text("subject_token")).filter(|given| given.audience == Self::CLIENT)
        else {
            *self.bad_attempts.lock().unwrap() += 1;
            return Err(bad("The subject token is invalid."));
        };
        if let Some(code) = self.denial.lock().unwrap().as_deref() {
            return Err(refusal(400, code, "Denied by the Action."));
        }
        let audience = self.short_of.lock().unwrap().clone().unwrap_or_else(|| Self::API.to_owned());
        let claims = json!({
            "iss": Self::ISSUER, "sub": given.begun.subject, "aud": audience, "azp": Self::CLIENT,
            "scope": text("scope"),
        });
        let token = self.desk.give(&given.begun, "JWT", claims, 86_400);
        Ok((
            200,
            json!({ "access_token": token, "token_type": "Bearer", "expires_in": 86_400, "scope": text("scope") }),
        ))
    }
}
