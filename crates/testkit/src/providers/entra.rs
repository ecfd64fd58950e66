//! Microsoft Entra ID: sign-in, and the on-behalf-of flow of the v2.0 token endpoint.
//!
//! Copied: request, answer, whose tokens are taken, and the answer where conditional access wants more, from
//! <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-on-behalf-of-flow>; the answer without consent
//! (65001, `consent_required`) from <https://github.com/MicrosoftDocs/azure-docs/issues/39189>; for another audience
//! (500131) from <https://github.com/OfficeDev/microsoft-teams-apps-company-communicator/issues/214>; outside its time
//! (500133) from <https://github.com/MicrosoftDocs/azure-docs/issues/16399>; `invalid_scope` (70011) from
//! <https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes>. With which number the token of an
//! application is refused is in none of them.

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

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// What an administrator has set.
#[derive(Default)]
struct Rules {
    is_without_consent: bool,
    wanted: Option<String>,
}

/// A directory.
pub struct Entra {
    desk: Desk,
    rules: Mutex<Rules>,
}

impl Entra {
    /// The directory.
    pub const DIRECTORY: &'static str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    /// Its issuer.
    pub const ISSUER: &'static str =
        "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0";
    /// The hub's application.
    pub const CLIENT: &'static str = "11111111-2222-4333-8444-555555555555";
    /// The scope of the hub's own API.
    pub const OWN_SCOPE: &'static str = "api://11111111-2222-4333-8444-555555555555/act";
    /// The one scope of the downstream application.
    pub const SCOPE: &'static str = "api://ledger/read";

    /// A hub in which people sign in here, asked for these scopes, with these connections.
    pub async fn world(scopes: &[&str], connections: Vec<Connection>) -> (World, Arc<Self>) {
        let issuer = Self::ISSUER.parse().unwrap();
        let name = ProviderName::new("idp").unwrap();
        let mut settings =
            Preset::named("entra").unwrap().settings(name, TenantId::single(), issuer).unwrap();
        settings.algorithms = [Algorithm::Es256].into();
        settings.provider_tenants = Some(vec![Self::DIRECTORY.to_owned()]);
        let authentication = ClientAuthentication::SecretBasic(Secret::new("s3cret".to_owned()));
        let own = OwnClient { id: Client(Self::CLIENT.to_owned()), authentication };
        let world = World::exchanging_at(settings, own, scopes, connections).await;
        let entra = Arc::new(Self { desk: Desk::of(&world), rules: Mutex::default() });
        let host = format!("https://login.microsoftonline.com/{}", Self::DIRECTORY);
        world.endpoints.publish(
            &format!("{}/.well-known/openid-configuration", Self::ISSUER),
            json!({
                "issuer": Self::ISSUER, "jwks_uri": format!("{host}/discovery/v2.0/keys"),
                "authorization_endpoint": format!("{host}/oauth2/v2.0/authorize"),
                "token_endpoint": format!("{host}/oauth2/v2.0/token"),
            }),
        );
        let own = Arc::clone(&entra);
        let token = format!("{host}/oauth2/v2.0/token");
        world.endpoints.answer(&token, move |asked| own.token(asked).unwrap_or_else(|no| no));
        (world, entra)
    }

    /// Nobody consented to the downstream scope.
    pub fn withdraw_consent(&self) {
        self.rules.lock().unwrap().is_without_consent = true;
    }

    /// Conditional access of the downstream application wants this claims challenge met.
    pub fn want(&self, claims: &str) {
        self.rules.lock().unwrap().wanted = Some(claims.to_owned());
    }

    /// Somebody signs in at the hub.
    pub async fn sign_in(&self, world: &World, subject: &str) -> Asker {
        self.sign_in_for(world, subject, Wanted::default()).await
    }

    /// The same, for what was wanted.
    pub async fn sign_in_for(&self, world: &World, subject: &str, wanted: Wanted) -> Asker {
        sign_in(world, wanted, |to| self.desk.authorize(to, subject)).await
    }

    fn token(&self, asked: &Asked) -> Result<Answer, Answer> {
        if !Desk::is_client(asked, Self::CLIENT, "s3cret") {
            return Err(numbered(401, "invalid_client", 7_000_215, "Invalid client secret provided."));
        }
        if asked.form["grant_type"].ends_with(":jwt-bearer") {
            return self.on_behalf_of(asked);
        }
        let begun = self.desk.redeemed(asked)?;
        Ok((200, self.tokens(&begun)))
    }

    fn tokens(&self, begun: &Begun) -> Value {
        let person = |audience: &str| {
            json!({
                "iss": Self::ISSUER, "aud": audience, "oid": begun.subject, "sub": format!("pairwise-{}", begun.subject),
                "tid": Self::DIRECTORY, "ver": "2.0", "uti": format!("uti-{}", self.desk.next()),
            })
        };
        let mut id_claims = person(Self::CLIENT);
        id_claims["nonce"] = json!(begun.nonce);
        let id_token = self.desk.give(begun, "JWT", id_claims, 3600);
        // A token is for one resource: the hub's own API if it was asked for, else Graph.
        let is_own = begun.scopes.iter().any(|scope| scope == Self::OWN_SCOPE);
        let (audience, scp) = if is_own { (Self::CLIENT, "act") } else { (GRAPH, "openid profile") };
        let mut claims = person(audience);
        claims["scp"] = json!(scp);
        claims["azp"] = json!(Self::CLIENT);
        let mut answer = json!({
            "token_type": "Bearer", "expires_in": 4000, "access_token": self.desk.give(begun, "JWT", claims, 4000),
            "scope": begun.scopes.join(" "), "id_token": id_token,
        });
        if begun.scopes.iter().any(|scope| scope == "offline_access") {
            let refresh = format!("0.AX{}", self.desk.next());
            self.desk.note(begun, &refresh, Self::CLIENT, 90 * 86_400);
            answer["refresh_token"] = json!(refresh);
        }
        answer
    }

    fn on_behalf_of(&self, asked: &Asked) -> Result<Answer, Answer> {
        let text = |name: &str| asked.form.get(name).map(String::as_str).unwrap_or_default();
        if text("requested_token_use") != "on_behalf_of" || text("client_id") != Self::CLIENT {
            return Err(numbered(400, "invalid_request", 900_144, "A parameter is missing."));
        }
        let Some(given) = self.desk.known(text("assertion")) else {
            return Err(numbered(
                400,
                "invalid_grant",
                500_133,
                "Assertion is not within its valid time range.",
            ));
        };
        if given.audience != Self::CLIENT {
            let words = "Assertion audience does not match the Client app presenting the assertion.";
            return Err(numbered(400, "invalid_grant", 500_131, words));
        }
        if given.begun.subject.starts_with("app-") {
            return Err(refusal(400, "invalid_grant", "The assertion is the token of an application."));
        }
        if text("scope") != Self::SCOPE {
            let words = "The provided value for the input parameter 'scope' isn't valid.";
            return Err(numbered(400, "invalid_scope", 70_011, words));
        }
        let rules = self.rules.lock().unwrap();
        if rules.is_without_consent {
            let words = "The user or administrator has not consented to use the application.";
            let (status, mut body) = numbered(400, "invalid_grant", 65_001, words);
            body["suberror"] = json!("consent_required");
            return Err((status, body));
        }
        if let Some(wanted) =
            rules.wanted.as_ref().filter(|wanted| given.begun.claims.as_ref() != Some(wanted))
        {
            let words = "You must enroll in multifactor authentication to access the resource.";
            let (status, mut body) = numbered(400, "interaction_required", 50_079, words);
            body["claims"] = json!(wanted);
            return Err((status, body));
        }
        let now = self.desk.clock.now().seconds();
        let claims = json!({ "aud": "api://ledger", "oid": given.begun.subject, "scp": "read", "iat": now, "exp": now + 3269 });
        Ok((
            200,
            json!({
                "token_type": "Bearer", "scope": Self::SCOPE, "expires_in": 3269, "ext_expires_in": 0,
                "access_token": self.desk.issuer.sign("JWT", &claims),
            }),
        ))
    }
}

/// As Entra ID writes errors.
fn numbered(status: u16, error: &str, number: u32, words: &str) -> Answer {
    let (status, mut body) = refusal(status, error, &format!("AADSTS{number}: {words}"));
    body["error_codes"] = json!([number]);
    body["trace_id"] = json!("b72a68c3-0926-4b8e-bc35-3150069c2800");
    (status, body)
}
