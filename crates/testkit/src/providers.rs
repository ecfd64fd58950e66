//! Doubles of identity providers, in memory: as much of each product as its vendor documents of the endpoints that the hub
//! asks. Each cites what it copies, and refuses what the vendor refuses. They are not the products: what is not documented
//! is not in them.

mod auth0;
mod entra;
mod google;
mod okta;

pub use auth0::Auth0;
pub use entra::Entra;
pub use google::WorkforcePool;
pub use okta::{Okta, OktaResource};

use crate::{Asked, StillClock, TestIssuer, World};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Client, Timestamp};
use deputy_hub::exchange::Asker;
use deputy_hub::ports::Clock as _;
use deputy_hub::sign_in::Wanted;
use deputy_identity::client_authentication::read_basic;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use url::Url;

/// Status and body.
pub(crate) type Answer = (u16, Value);

/// An error of RFC 6749 section 5.2.
pub(crate) fn refusal(status: u16, error: &str, description: &str) -> Answer {
    (status, json!({ "error": error, "error_description": description }))
}

/// What somebody's browser brought to the authorization endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) subject: String,
    pub(crate) nonce: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: Option<String>,
    redirect_uri: String,
    challenge: String,
}

/// What is known of a token that was given out.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) begun: Begun,
    pub(crate) audience: String,
    pub(crate) ends_at: Timestamp,
}

/// What all doubles share: codes with PKCE (RFC 7636, S256 and nothing else), and which tokens were given to whom.
pub(crate) struct Desk {
    pub(crate) issuer: Arc<TestIssuer>,
    pub(crate) clock: Arc<StillClock>,
    codes: Mutex<HashMap<String, Begun>>,
    given: Mutex<HashMap<String, Given>>,
    count: AtomicUsize,
}

impl Desk {
    pub(crate) fn of(world: &World) -> Self {
        let (issuer, clock) = (Arc::clone(&world.issuer), Arc::clone(&world.clock));
        Self { issuer, clock, codes: Mutex::default(), given: Mutex::default(), count: AtomicUsize::new(0) }
    }

    pub(crate) fn next(&self) -> usize {
        self.count.fetch_add(1, Ordering::SeqCst)
    }

    /// The authorization endpoint: the query with which the browser goes back.
    pub(crate) fn authorize(&self, to: &Url, subject: &str) -> String {
        let asked: HashMap<String, String> = to.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        let code = format!("code-{}", self.next());
        let begun = Begun {
            subject: subject.to_owned(),
            nonce: asked.get("nonce").cloned(),
            scopes: asked["scope"].split(' ').map(str::to_owned).collect(),
            claims: asked.get("claims").cloned(),
            redirect_uri: asked["redirect_uri"].clone(),
            challenge: asked["code_challenge"].clone(),
        };
        self.codes.lock().unwrap().insert(code.clone(), begun);
        format!("code={code}&state={}", asked["state"])
    }

    /// What a code or a refresh token stands for. A code is good once.
    pub(crate) fn redeemed(&self, asked: &Asked) -> Result<Begun, Answer> {
        let wrong = || refusal(400, "invalid_grant", "the code or refresh token is not good");
        let text = |name: &str| asked.form.get(name).cloned().unwrap_or_default();
        if text("grant_type") == "refresh_token" {
            let given = self.known(&text("refresh_token")).ok_or_else(wrong)?;
            return Ok(Begun { nonce: None, ..given.begun });
        }
        let begun = self.codes.lock().unwrap().remove(&text("code")).ok_or_else(wrong)?;
        let hash = digest(&SHA256, text("code_verifier").as_bytes());
        let proves = URL_SAFE_NO_PAD.encode(hash.as_ref()) == begun.challenge;
        if proves && begun.redirect_uri == text("redirect_uri") { Ok(begun) } else { Err(wrong()) }
    }

    /// Signs claims, and remembers whose token it is.
    pub(crate) fn give(&self, begun: &Begun, typ: &str, mut claims: Value, lives: u64) -> String {
        let now = self.clock.now().seconds();
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + lives);
        if let Some(nonce) = claims.get("nonce").is_some_and(Value::is_null).then_some("nonce") {
            claims.as_object_mut().unwrap().remove(nonce);
        }
        let token = self.issuer.sign(typ, &claims);
        self.note(begun, &token, claims["aud"].as_str().unwrap_or_default(), lives);
        token
    }

    /// Remembers whose token it is.
    pub(crate) fn note(&self, begun: &Begun, token: &str, audience: &str, lives: u64) {
        let ends_at = Timestamp::from_seconds(self.clock.now().seconds() + lives);
        let given = Given { begun: begun.clone(), audience: audience.to_owned(), ends_at };
        self.given.lock().unwrap().insert(token.to_owned(), given);
    }

    /// A token that was given out here and has not ended.
    pub(crate) fn known(&self, token: &str) -> Option<Given> {
        let given = self.given.lock().unwrap().get(token).cloned();
        given.filter(|given| given.ends_at > self.clock.now())
    }

    /// `client_secret_basic`, as it was registered.
    pub(crate) fn is_client(asked: &Asked, id: &str, secret: &str) -> bool {
        let shown = asked.authorization.as_deref().and_then(read_basic);
        shown.is_some_and(|(client, shown)| client.0 == id && shown.expose() == secret)
    }
}

/// Lets somebody sign in at the hub: to the provider, whose `authorize` answers for the browser, and back.
pub(crate) async fn sign_in(world: &World, wanted: Wanted, authorize: impl Fn(&Url) -> String) -> Asker {
    let logins = world.hub.authorization().unwrap().logins();
    let departure = logins.begin(wanted).await.unwrap();
    let query = authorize(&departure.to);
    let arrival = logins.finish(query.as_bytes(), departure.cookie.expose()).await.unwrap();
    Asker { user: arrival.login.user.clone(), client: Client("agent-1".to_owned()) }
}

/// What `/login/start?…` in an agent's words asks for, as the hub's own page reads it.
#[must_use]
pub fn wanted_by(words: &str) -> Wanted {
    let start = words.split_whitespace().find(|word| word.contains("/login/start?")).unwrap();
    let url = Url::parse(start.trim_end_matches(['.', ','])).unwrap();
    let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    Wanted {
        provider: of("provider"),
        max_age: of("max_age").map(|text| std::time::Duration::from_secs(text.parse().unwrap())),
        acr_values: of("acr_values").iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect(),
        claims: of("claims"),
        ..Wanted::default()
    }
}
