//! Okta: the organisation's own authorization server, as a relying party with Cross App Access sees it.
//!
//! Copied: request, answer and claims of the exchange, and for whom client assertions are, from
//! <https://developer.okta.com/docs/guides/xaa-request-token-ex/openidconnect/main/>, its table of errors included; that a
//! scope has to be asked for, from <https://github.com/okta/okta-mobile-kotlin/pull/435>; refresh tokens as subject, from
//! <https://github.com/oktadev/okta-blog/pull/1704>; the words about a wrong assertion audience are Okta's own.

use super::{Answer, Begun, Desk, refusal, sign_in};
use crate::{Asked, World};
use deputy_core::{Client, TenantId};
use deputy_hub::exchange::{Asker, Connection};
use deputy_hub::ports::Clock as _;
use deputy_hub::sign_in::{OwnClient, Wanted};
use deputy_identity::Algorithm;
use deputy_identity::ProviderName;
use deputy_identity::claims::Audiences;
use deputy_identity::client_assertion::{self, AssertionAudience};
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::keys::KeySet;
use deputy_identity::mint::SigningKey;
use deputy_identity::provider::Preset;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// A resource connection of the AI agent, and who may use it.
#[derive(Debug, Clone)]
pub struct OktaResource {
    /// The issuer of the resource's authorization server.
    pub audience: String,
    /// The resource.
    pub resource: String,
    /// The agent's client id at that server.
    pub client: String,
    /// What may be asked for.
    pub scopes: Vec<String>,
    /// Who is assigned.
    pub people: Vec<String>,
}

/// The organisation's own authorization server.
pub struct Okta {
    desk: Desk,
    keys: KeySet,
    assertions: Mutex<HashSet<String>>,
    resources: Mutex<Vec<OktaResource>>,
}

impl Okta {
    /// The organisation.
    pub const ISSUER: &'static str = "https://acme.okta.example";
    /// The AI agent, whose linked app shares its id.
    pub const CLIENT: &'static str = "wlp1deputy";

    /// A hub in which people sign in here, with these connections.
    pub async fn world(connections: Vec<Connection>) -> (World, Arc<Self>) {
        Self::world_with(connections, |audience| audience).await
    }

    /// The same, with client assertions for somebody else.
    pub async fn world_with(
        connections: Vec<Connection>,
        audience: impl Fn(AssertionAudience) -> AssertionAudience,
    ) -> (World, Arc<Self>) {
        let issuer = Self::ISSUER.parse().unwrap();
        let preset = Preset::named("okta").unwrap();
        let audience = audience(preset.assertion_audience(&issuer));
        let name = ProviderName::new("idp").unwrap();
        let mut settings = preset.settings(name, TenantId::single(), issuer).unwrap();
        settings.algorithms = [Algorithm::Es256].into();
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let set = json!({ "keys": [key.public_jwk()] }).to_string();
        let authentication = ClientAuthentication::PrivateKeyJwt { key: Arc::new(key), audience };
        let own = OwnClient { id: Client(Self::CLIENT.to_owned()), authentication };
        let world = World::exchanging_at(settings, own, &["openid", "offline_access"], connections).await;
        let okta = Arc::new(Self {
            desk: Desk::of(&world),
            keys: KeySet::parse(set.as_bytes()).unwrap(),
            assertions: Mutex::default(),
            resources: Mutex::default(),
        });
        okta.open(&world);
        (world, okta)
    }

    fn open(self: &Arc<Self>, world: &World) {
        let at = |path: &str| format!("{}{path}", Self::ISSUER);
        world.endpoints.publish(
            &at("/.well-known/openid-configuration"),
            json!({
                "issuer": Self::ISSUER, "jwks_uri": at("/oauth2/v1/keys"),
                "authorization_endpoint": at("/oauth2/v1/authorize"), "token_endpoint": at("/oauth2/v1/token"),
            }),
        );
        let own = Arc::clone(self);
        world
            .endpoints
            .answer(&at("/oauth2/v1/token"), move |asked| own.token(asked).unwrap_or_else(|no| no));
    }

    /// From now on the agent has this resource connection.
    pub fn connect(&self, resource: OktaResource) {
        self.resources.lock().unwrap().push(resource);
    }

    /// From now on it has none, and nobody is assigned.
    pub fn disconnect(&self) {
        self.resources.lock().unwrap().clear();
    }

    /// Somebody signs in at the hub.
    pub async fn sign_in(&self, world: &World, subject: &str) -> Asker {
        sign_in(world, Wanted::default(), |to| self.desk.authorize(to, subject)).await
    }

    /// An access token of the custom server `default`, signed with the same key: what an agent brings.
    #[must_use]
    pub fn custom_access_token(&self, subject: &str) -> String {
        let now = self.desk.clock.now().seconds();
        let claims = json!({
            "iss": format!("{}/oauth2/default", Self::ISSUER), "aud": "https://hub.example/mcp", "cid": "0oa1desk",
            "sub": format!("{subject}@acme.example"), "uid": subject, "scp": ["tools"], "ver": 1, "iat": now, "exp": now + 3600,
        });
        self.desk.issuer.sign("JWT", &claims)
    }

    fn token(&self, asked: &Asked) -> Result<Answer, Answer> {
        self.client(asked)?;
        if asked.form["grant_type"].ends_with(":token-exchange") {
            return self.id_jag(asked);
        }
        let begun = self.desk.redeemed(asked)?;
        Ok((200, self.tokens(&begun)))
    }

    fn tokens(&self, begun: &Begun) -> Value {
        let subject = &begun.subject;
        let claims = json!({
            "iss": Self::ISSUER, "sub": subject, "aud": Self::CLIENT, "ver": 1, "jti": format!("ID.{}", self.desk.next()),
            "amr": ["pwd"], "idp": "00o1acme", "auth_time": self.desk.clock.now().seconds(), "nonce": begun.nonce,
        });
        let id_token = self.desk.give(begun, "JWT", claims, 3600);
        let refresh = format!("refresh-{}", self.desk.next());
        self.desk.note(begun, &refresh, Self::CLIENT, 90 * 86_400);
        json!({
            "token_type": "Bearer", "expires_in": 3600, "access_token": format!("for-okta-alone-{}", self.desk.next()),
            "scope": begun.scopes.join(" "), "id_token": id_token, "refresh_token": refresh,
        })
    }

    /// `private_key_jwt` and nothing else; the assertion is for the endpoint, and good once.
    fn client(&self, asked: &Asked) -> Result<(), Answer> {
        let wrong = |why| refusal(401, "invalid_client", why);
        if asked.authorization.is_some() || asked.form.contains_key("client_secret") {
            return Err(wrong("The client is registered with private_key_jwt."));
        }
        let assertion = asked.form.get("client_assertion").ok_or_else(|| wrong("There is no assertion."))?;
        let client = Client(Self::CLIENT.to_owned());
        let endpoint = Audiences::one(asked.url.as_str()).unwrap();
        let now = self.desk.clock.now();
        let read =
            client_assertion::verify(assertion, &client, &self.keys, &endpoint, now).map_err(|_| {
                wrong("The audience claim for client_assertion must be the endpoint invoked for the request.")
            })?;
        let fresh = self.assertions.lock().unwrap().insert(read.id.clone());
        if fresh { Ok(()) } else { Err(wrong("The assertion was used before.")) }
    }

    fn id_jag(&self, asked: &Asked) -> Result<Answer, Answer> {
        let text = |name: &str| asked.form.get(name).map(String::as_str).unwrap_or_default();
        if text("requested_token_type") != ID_JAG {
            return Err(refusal(400, "invalid_request", "The requested token type is not supported."));
        }
        if !matches!(text("subject_token_type"), ID_TOKEN | REFRESH_TOKEN) {
            return Err(refusal(400, "invalid_request", "The subject token type is not supported."));
        }
        let given = self.desk.known(text("subject_token")).filter(|given| given.audience == Self::CLIENT);
        let given = given.ok_or_else(|| refusal(400, "invalid_grant", "The subject token is invalid."))?;
        let resources = self.resources.lock().unwrap().clone();
        let found = resources
            .iter()
            .find(|one| one.audience == text("audience") && one.resource == text("resource"))
            .ok_or_else(|| refusal(400, "invalid_target", "There is no such resource connection."))?;
        if text("scope").is_empty() {
            return Err(refusal(400, "invalid_scope", "A scope has to be asked for."));
        }
        if !text("scope").split(' ').all(|scope| found.scopes.iter().any(|one| one == scope)) {
            return Err(refusal(
                400,
                "unauthorized_client",
                "The resource connection does not allow the scope.",
            ));
        }
        if !found.people.contains(&given.begun.subject) {
            return Err(refusal(400, "access_denied", "The user is not assigned to the resource app."));
        }
        let claims = json!({
            "iss": Self::ISSUER, "sub": given.begun.subject, "aud": found.audience, "client_id": found.client,
            "resource": found.resource, "scope": text("scope"), "email": "alice@acme.example",
            "jti": format!("IDAAG.{}", self.desk.next()),
        });
        let assertion = self.desk.give(&given.begun, "oauth-id-jag+jwt", claims, 300);
        Ok((
            200,
            json!({ "access_token": assertion, "expires_in": 300, "issued_token_type": ID_JAG, "token_type": "N_A" }),
        ))
    }
}
