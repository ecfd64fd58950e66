//! A world in which people sign in: the identity provider behind the hub, browsers, and agents.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does; not every test uses all of it"
)]

use deputy_core::Secret;
use deputy_hub::ports::{Clock as _, Login};
use deputy_hub::sign_in::{AuthorizationServer, Consent, LoginFault, SignInSetup, Step, TokenFault, Wanted};
use deputy_identity::pkce;
use deputy_testkit::{FakeUpstream, StillClock, TestIssuer, World};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use url::Url;

pub const CLIENT: &str = "https://agent.example/client.json";
pub const BACK: &str = "https://agent.example/callback";
pub const MCP: &str = "https://hub.example/mcp";
pub const VERIFIER: &str = "0123456789012345678901234567890123456789abc";

/// What the provider does.
#[derive(Debug, Default)]
struct Idp {
    /// By code: the nonce, and who signed in.
    codes: HashMap<String, (String, String)>,
    groups: Vec<String>,
    refuses: bool,
    gives_no_refresh: bool,
    refreshed: Vec<String>,
}

/// What one browser holds.
#[derive(Debug, Default)]
pub struct Browser {
    pub login: Option<String>,
}

pub struct Signing {
    pub world: World,
    idp: Arc<Mutex<Idp>>,
    last: Mutex<Option<String>>,
}

impl Signing {
    pub async fn new() -> Self {
        Self::with(World::sign_in()).await
    }

    pub async fn with(setup: SignInSetup) -> Self {
        let files = FakeUpstream::with_tools(&["list", "note", "wipe"]);
        Self::of(World::signing_in(setup, vec![("files", files)]).await)
    }

    /// As after a restart.
    pub async fn again(&self, setup: SignInSetup) -> Self {
        let files = FakeUpstream::with_tools(&["list", "note", "wipe"]);
        Self::of(self.world.signing_in_again(setup, vec![("files", files)]).await)
    }

    fn of(world: World) -> Self {
        world.endpoints.publish(CLIENT, document());
        let idp = Arc::new(Mutex::new(Idp { groups: vec!["sales".to_owned()], ..Idp::default() }));
        let (own, issuer, clock) = (Arc::clone(&idp), Arc::clone(&world.issuer), Arc::clone(&world.clock));
        world.endpoints.answer(&format!("{}/token", TestIssuer::ISSUER), move |asked| {
            let mut idp = own.lock().unwrap();
            let field = |name: &str| asked.form.get(name).cloned().unwrap_or_default();
            if field("grant_type") == "refresh_token" {
                let subject = field("refresh_token").trim_start_matches("refresh-").to_owned();
                idp.refreshed.push(subject.clone());
                if idp.refuses {
                    return (400, json!({"error": "invalid_grant"}));
                }
                return (200, tokens(&idp, &issuer, &clock, &subject, None));
            }
            match idp.codes.remove(&field("code")) {
                Some((nonce, subject)) => (200, tokens(&idp, &issuer, &clock, &subject, Some(&nonce))),
                None => (400, json!({"error": "invalid_grant"})),
            }
        });
        Self { world, idp, last: Mutex::default() }
    }

    pub fn server(&self) -> &AuthorizationServer {
        self.world.hub.authorization().unwrap()
    }

    pub fn set_groups(&self, groups: &[&str]) {
        self.idp.lock().unwrap().groups = groups.iter().map(|&group| group.to_owned()).collect();
    }

    pub fn refuse_refreshing(&self) {
        self.idp.lock().unwrap().refuses = true;
    }

    pub fn without_refresh_token(&self) {
        self.idp.lock().unwrap().gives_no_refresh = true;
    }

    /// How often the hub renewed somebody's tokens at the provider.
    pub fn refreshed(&self, subject: &str) -> usize {
        self.idp.lock().unwrap().refreshed.iter().filter(|own| *own == subject).count()
    }

    /// The provider's answer to somebody who was sent there: the query with which the browser comes back.
    pub fn at_provider(&self, to: &Url, subject: &str) -> String {
        let said: HashMap<String, String> = to.query_pairs().into_owned().collect();
        let mut idp = self.idp.lock().unwrap();
        let code = format!("code-{}-{subject}", idp.codes.len());
        idp.codes.insert(code.clone(), (said["nonce"].clone(), subject.to_owned()));
        let form = [("code", code.as_str()), ("state", &said["state"]), ("iss", TestIssuer::ISSUER)];
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
    }

    /// A person signs in in a browser.
    pub async fn sign_in(&self, browser: &mut Browser, subject: &str) -> Result<Arc<Login>, LoginFault> {
        let departure = self.server().logins().begin(Wanted::default()).await?;
        let query = self.at_provider(&departure.to, subject);
        let arrival = self.server().logins().finish(query.as_bytes(), departure.cookie.expose()).await?;
        browser.login = Some(arrival.cookie.expose().clone());
        Ok(arrival.login)
    }

    pub fn login_of(&self, browser: &Browser) -> Option<Arc<Login>> {
        self.server().logins().of_cookie(browser.login.as_deref()?)
    }

    pub async fn authorize(&self, browser: &Browser, query: &str) -> Step {
        self.server().authorize(query.as_bytes(), browser.login.as_deref()).await
    }

    /// What a person says on the consent page.
    pub async fn decide(&self, browser: &Browser, form: &str, most: &str) -> Step {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("form", form), ("decision", "allow"), ("most", most), ("all_sources", "on")])
            .finish();
        self.server().decide(body.as_bytes(), browser.login.as_deref()).await
    }

    /// The code for an agent whom the person allows what it asks for.
    pub async fn code(&self, browser: &Browser, query: &str) -> String {
        let consent = consent(self.authorize(browser, query).await);
        let allowed = redirected(self.decide(browser, &consent.form, consent.wanted.code()).await);
        said(&allowed)["code"].clone()
    }

    pub async fn token(&self, form: &[(&str, &str)]) -> Result<Value, TokenFault> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.server().token(body.as_bytes(), None).await
    }

    pub async fn redeem(&self, code: &str) -> Result<Value, TokenFault> {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_id", CLIENT),
        ])
        .await
    }

    pub async fn refresh(&self, token: &str) -> Result<Value, TokenFault> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", CLIENT)]).await
    }

    /// A person signs in if they have to, allows the agent, and it gets its access token.
    pub async fn agent_token(&self, browser: &mut Browser, subject: &str, scope: &str) -> String {
        if browser.login.is_none() {
            self.sign_in(browser, subject).await.unwrap();
        }
        let code = self.code(browser, &query(&[("scope", scope)])).await;
        let answer = self.redeem(&code).await.unwrap();
        *self.last.lock().unwrap() = answer["refresh_token"].as_str().map(str::to_owned);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// The refresh token that came with the last access token.
    pub fn refresh_token(&self) -> String {
        self.last.lock().unwrap().clone().unwrap()
    }
}

fn tokens(idp: &Idp, issuer: &TestIssuer, clock: &StillClock, subject: &str, nonce: Option<&str>) -> Value {
    let now = clock.now().seconds();
    let mut claims = json!({
        "iss": TestIssuer::ISSUER, "sub": subject, "aud": "deputy", "iat": now, "exp": now + 3600,
        "sid": format!("session-of-{subject}"), "groups": idp.groups, "name": subject,
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let mut answer = json!({
        "access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": issuer.sign("JWT", &claims),
    });
    if !idp.gives_no_refresh {
        answer["refresh_token"] = format!("refresh-{subject}").into();
    }
    answer
}

/// The document about the agent.
pub fn document() -> Value {
    json!({
        "client_id": CLIENT, "client_name": "Desk", "redirect_uris": [BACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    })
}

/// An authorization request, with some parameters otherwise; an empty one is left out.
pub fn query(otherwise: &[(&str, &str)]) -> String {
    let challenge = pkce::challenge(&Secret::new(VERIFIER.to_owned()));
    let usual = [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", BACK),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", "st"),
        ("resource", MCP),
        ("scope", "read"),
    ];
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in usual {
        let value = otherwise.iter().find(|(own, _)| *own == name).map_or(value, |(_, value)| *value);
        if !value.is_empty() {
            form.append_pair(name, value);
        }
    }
    for (name, value) in otherwise.iter().filter(|(name, _)| !usual.iter().any(|(own, _)| own == name)) {
        form.append_pair(name, value);
    }
    form.finish()
}

pub fn consent(step: Step) -> Box<Consent> {
    match step {
        Step::Consent(consent) => consent,
        other => panic!("no consent page: {}", shown(&other)),
    }
}

pub fn redirected(step: Step) -> Url {
    match step {
        Step::Redirect(url) => *url,
        other => panic!("no redirect: {}", shown(&other)),
    }
}

pub fn said(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

pub fn shown(step: &Step) -> String {
    match step {
        Step::SignIn(_) => "sign in".to_owned(),
        Step::Choose { .. } => "choose".to_owned(),
        Step::Consent(_) => "consent".to_owned(),
        Step::Redirect(url) => format!("redirect {url}"),
        Step::Shown { code, words } => format!("shown {code:?} {words}"),
    }
}
