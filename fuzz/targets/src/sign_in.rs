//! What strangers send around sign-in, exchange and revocation: assertions, events, queries, forms, documents, answers.

use crate::identity::{HUB, ISSUER, NOW, provider, public_key, sign};
use crate::{first_line, text};
use deputy_core::canonical::parse_strict;
use deputy_core::{Client, Issuer, Secret, Timestamp};
use deputy_identity::authorization::{
    ApplicationType, Asked, KnownClient, PresentedClient, Refusal, Resources, TokenRequest,
    check_redirect_uri,
};
use deputy_identity::client_assertion::{self, claimed_client};
use deputy_identity::client_document::{DocumentAddress, MAX_METADATA_BYTES, read_registration};
use deputy_identity::exchange::id_jag::{IdJagRequest, SubjectToken};
use deputy_identity::exchange::token_exchange::{ResultForm, Subject, TokenExchange};
use deputy_identity::exchange::{ExchangeError, Granted, read_error};
use deputy_identity::id_jag::{IdJagExpectations, ResourceRule};
use deputy_identity::keys::{KeyRing, KeySet};
use deputy_identity::login::{CallbackError, LoginExpectations, Occasion, Transaction};
use deputy_identity::revocation::{LogoutExpectations, LogoutType, SecurityEventExpectations};
use deputy_identity::token_response::{MAX_RESPONSE_BYTES, TokenResponse};
use deputy_identity::{Attempt, Audiences, Fetched, Provider, ProviderName, TokenKind, Verifier, pkce};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const GUARD: &str = "https://guard.acme.example";
const BACK: &str = "https://desk.example/cb";
const DOCUMENT: &str = "https://desk.example/client.json";
const STATE: &str = "c3RhdGUtb2YtdGhlLWZ1enplci0wMTIzNDU2Nzg5YWI";

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let mut settings = provider().settings().clone();
    settings.kinds = vec![TokenKind::IdToken, TokenKind::IdJag];
    let ring = KeyRing::new();
    let refresh = ring.begin_scheduled(NOW).expect("due");
    let fetched = Fetched { set: set(), jwks_uri: format!("{ISSUER}/jwks"), max_age: None };
    ring.complete(refresh, Some(fetched), NOW).expect("a good set");
    Verifier::new([(Arc::new(Provider::new(settings).expect("provider")), Arc::new(ring))])
        .expect("one provider")
});

fn set() -> Vec<u8> {
    json!({"keys": [public_key()]}).to_string().into_bytes()
}

fn one(audience: &str) -> Audiences {
    Audiences::one(audience).expect("audience")
}

fn issuer(text: &str) -> Issuer {
    Issuer::new(text).expect("issuer")
}

fn acme() -> ProviderName {
    ProviderName::new("acme").expect("name")
}

fn names(said: &Value, member: &str, wanted: &str) -> bool {
    said[member] == wanted || said[member].as_array().is_some_and(|all| all.iter().any(|one| one == wanted))
}

fn id_jag_expectations() -> IdJagExpectations {
    IdJagExpectations {
        own_issuer: issuer(GUARD),
        client: Client("hub".to_owned()),
        resources: one(HUB),
        resource: ResourceRule::Required,
    }
}

fn login_expectations(client: &Client) -> LoginExpectations<'_> {
    LoginExpectations {
        provider: "acme",
        client,
        occasion: Occasion::SignIn { nonce: "n-1" },
        access_token: None,
        max_age: Some(Duration::from_secs(3600)),
        acr_values: &[],
    }
}

/// A header, and on the next lines claims, both truly signed by the client. It is that client's, for us, and short.
pub(crate) fn assertion(data: &[u8]) {
    let (header, body) = first_line(data);
    let text = sign(header, body);
    let (client, keys) = (Client("hub".to_owned()), KeySet::parse(&set()).expect("a good set"));
    let Ok(taken) = client_assertion::verify(&text, &client, &keys, &one(GUARD), NOW) else { return };
    assert_eq!(claimed_client(&text).expect("a client"), client);
    let said = parse_strict(body).expect("JSON without a member twice");
    assert!(said["iss"] == "hub" && said["sub"] == "hub" && names(&said, "aud", GUARD));
    assert_eq!(said["jti"], taken.id.as_str());
    assert!(taken.expires_at <= NOW.plus(Duration::from_secs(330)), "it lives too long");
}

/// The same of an ID-JAG: it is for this server, this client, one of its resources, and at most ten minutes.
pub(crate) fn id_jag(data: &[u8]) {
    let (header, body) = first_line(data);
    let expectations = id_jag_expectations();
    let text = sign(header, body);
    let Ok(jag) = VERIFIER.id_jag(&text, &expectations, Attempt::AfterRefresh, NOW) else { return };
    assert_eq!(parse_strict(header).expect("JSON")["typ"], "oauth-id-jag+jwt");
    let said = parse_strict(body).expect("JSON without a member twice");
    assert!(said["iss"] == ISSUER && said["client_id"] == "hub" && said["sub"] == jag.subject.as_str());
    assert!(names(&said, "aud", GUARD) && names(&said, "resource", HUB) && said.get("cnf").is_none());
    assert!(said["aud"].as_array().is_none_or(|all| all.len() == 1), "it is for several");
    assert!(jag.expires_at.since(jag.issued_at) <= Duration::from_secs(600));
}

/// The same of an ID token at a sign-in: the nonce is the one that was sent, the audience this client.
pub(crate) fn login(data: &[u8]) {
    let (header, body) = first_line(data);
    let client = Client("hub".to_owned());
    let expectations = login_expectations(&client);
    let text = sign(header, body);
    let Ok(login) = VERIFIER.login(&text, &expectations, Attempt::AfterRefresh, NOW) else { return };
    let said = parse_strict(body).expect("JSON without a member twice");
    assert!(said["nonce"] == "n-1" && names(&said, "aud", "hub") && said.get("events").is_none());
    assert!(said.get("azp").is_none_or(|party| party == "hub"));
    assert_eq!(said["sub"], login.claims.user.subject.as_str());
    let at = login.auth_time.expect("`max_age` needs a time");
    assert!(NOW.since(at) <= Duration::from_secs(3660));
    assert!(
        login
            .name
            .as_ref()
            .is_none_or(|name| name.chars().count() <= 120 && !name.chars().any(char::is_control))
    );
}

/// The same of a logout token: it names somebody, is no ID token, and is fresh.
pub(crate) fn logout(data: &[u8]) {
    let (header, body) = first_line(data);
    let text = sign(header, body);
    for declared in [LogoutType::Declared, LogoutType::Untyped] {
        let expectations = LogoutExpectations { provider: acme(), clients: one("hub"), declared };
        let Ok(logout) = VERIFIER.logout_token(&text, &expectations, Attempt::AfterRefresh, NOW) else {
            continue;
        };
        let said = parse_strict(body).expect("JSON without a member twice");
        assert!(said.get("nonce").is_none() && names(&said, "aud", "hub"));
        assert!(said["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
        assert!(
            !logout.target.is_nobody()
                && logout.target.user.as_ref().is_none_or(|user| user.issuer.as_str() == ISSUER)
        );
        assert!(logout.remember_until > NOW && NOW.since(logout.issued_at) <= Duration::from_secs(660));
    }
}

/// The same of a security event: whoever it names is one of this provider's people.
pub(crate) fn event(data: &[u8]) {
    let (header, body) = first_line(data);
    let expectations = SecurityEventExpectations { provider: acme(), audiences: one(HUB) };
    let text = sign(header, body);
    let Ok(event) = VERIFIER.security_event(&text, &expectations, Attempt::AfterRefresh, NOW) else { return };
    let said = parse_strict(body).expect("JSON without a member twice");
    assert!(said.get("exp").is_none() && names(&said, "aud", HUB) && said["jti"] == event.id.as_str());
    assert_eq!(said["events"].as_object().map(serde_json::Map::len), Some(event.events.len()));
    for happened in &event.events {
        assert!(happened.target.user.as_ref().is_none_or(|user| user.issuer.as_str() == ISSUER));
    }
}

fn transaction() -> Transaction {
    let kept = json!({ "provider": "acme", "issuer": ISSUER, "names_issuer": true, "client": "hub",
        "redirect_uri": BACK, "resource": null, "state": STATE, "nonce": "n-1", "verifier": "v".repeat(43),
        "max_age_seconds": null, "acr_values": [], "started_at": NOW });
    Transaction::from_bytes(kept.to_string().as_bytes()).expect("a transaction")
}

/// The query with which a browser comes back. There is a code only with the state and the issuer that were expected.
pub(crate) fn callback(data: &[u8]) {
    match transaction().read_callback(data) {
        Ok(code) => {
            let text = text(data).expect("a code is text");
            assert!(text.contains("code") || text.contains('%'));
            assert!(!code.expose().is_empty() && code.expose().len() <= 4096);
        }
        Err(CallbackError::Refused(code)) => {
            assert!(code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        Err(error) => assert!(!error.code().is_empty()),
    }
    if let Some(again) = Transaction::from_bytes(data) {
        assert!(Transaction::from_bytes(again.to_bytes().expose()).is_some());
    }
}

/// An authorization request. The browser is sent nowhere but to the client's own address, and only PKCE gets on.
pub(crate) fn authorize(data: &[u8]) {
    let client = KnownClient {
        id: Client(DOCUMENT.to_owned()),
        redirect_uris: vec![BACK.to_owned(), "http://127.0.0.1/cb".to_owned()],
        application: ApplicationType::Native,
    };
    let resources = Resources { known: vec![HUB.to_owned()], unsaid: None };
    let Ok(asked) = Asked::read(data) else { return };
    let ours = |url: &str| url.starts_with(&format!("{BACK}?")) || url.starts_with("http://127.0.0.1");
    match asked.check(&client, &issuer(GUARD), &resources) {
        Err(Refusal::Shown(_)) => (),
        Err(Refusal::Redirected { to, code }) => {
            assert!(ours(to.as_str()) && to.host_str() != Some("evil.example"), "{to}");
            assert!(to.query().is_some_and(|query| query.contains(code.as_str())));
        }
        Ok(request) => {
            assert!(pkce::is_challenge(request.challenge()) && request.resources() == [HUB.to_owned()]);
            let url = request.approve(&Secret::new("c".to_owned()));
            assert!(
                ours(url.as_str()) && matches!(url.host_str(), Some("desk.example" | "127.0.0.1")),
                "{url}"
            );
        }
    }
}

/// A token request: the `Authorization` header (empty: none), and on the next lines the form. One grant, one client.
pub(crate) fn token_request(data: &[u8]) {
    let (header, form) = first_line(data);
    let header = text(header).filter(|header| !header.is_empty());
    let Ok((request, client)) = TokenRequest::read(form, header) else { return };
    match client {
        PresentedClient::Public(client) => assert!(header.is_none() && !client.0.is_empty()),
        PresentedClient::Assertion { assertion, .. } => {
            assert!(header.is_none() && !assertion.expose().is_empty())
        }
        PresentedClient::Secret { .. } => (),
    }
    if let TokenRequest::AuthorizationCode { code, verifier, redirect_uri, .. } = request {
        assert!(!code.expose().is_empty() && !verifier.expose().is_empty() && !redirect_uri.is_empty());
    }
}

/// What a client says about itself. It is its own address', bounded, without a secret, and every address may be one.
pub(crate) fn client(data: &[u8]) {
    let address = DocumentAddress::parse(DOCUMENT).expect("an address");
    let document = address.read(data).map(|document| document.metadata);
    for metadata in [document, read_registration(data)].into_iter().flatten() {
        assert!(data.len() <= MAX_METADATA_BYTES && !metadata.redirect_uris.is_empty());
        for uri in &metadata.redirect_uris {
            assert!(check_redirect_uri(uri, metadata.application).is_ok(), "{uri}");
            let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
            assert!(!["javascript", "data", "file"].contains(&scheme.as_str()), "{uri}");
        }
        assert!(
            metadata.name.is_none_or(
                |name| name.chars().count() <= 80 && deputy_core::text::hidden_in(&name).is_none()
            )
        );
        assert!(metadata.logo.is_none_or(|logo| logo.scheme() == "https"));
        let said = parse_strict(data).expect("JSON without a member twice");
        assert!(said.get("client_secret").is_none());
    }
    if let Some(other) = text(data).and_then(DocumentAddress::parse) {
        assert!(
            other.url().scheme() == "https"
                && other.url().path() != "/"
                && Some(other.client().0.as_str()) == text(data)
        );
    }
}

/// The body of a token endpoint's answer. What is taken is bearer and within what was asked for; an error keeps nothing.
pub(crate) fn exchange(data: &[u8]) {
    for status in [400, 401, 503] {
        let error = read_error(status, data);
        assert!(!error.code().is_empty() && (status != 503 || error == ExchangeError::Temporary(503)));
    }
    let scopes = vec!["a".to_owned(), "b".to_owned()];
    let hub = Client("hub".to_owned());
    let request =
        IdJagRequest::new(issuer(ISSUER), issuer(GUARD), hub.clone(), HUB.to_owned(), scopes.clone())
            .expect("a connection");
    if let Ok(grant) = request.read(data, NOW) {
        assert!(grant.scopes().iter().all(|scope| scopes.contains(scope)));
        assert!(
            grant.expires_at() > NOW.minus(Duration::from_secs(60))
                && grant.expires_at() < Timestamp::from_millis(u64::MAX)
        );
        assert!(request.form(&SubjectToken::IdToken(&Secret::new("i".to_owned()))).iter().count() == 7);
    }
    let exchange = TokenExchange {
        issuer: issuer(ISSUER),
        client: hub,
        audience: "ledger".to_owned(),
        scopes: scopes.clone(),
        unasked_scopes: Vec::new(),
        subject: Subject::default(),
        result: ResultForm::Opaque,
    };
    if let Ok(access) = exchange.read(data, NOW) {
        assert!(data.len() <= MAX_RESPONSE_BYTES && !access.token.expose().is_empty());
        assert!(
            access.granted == Granted::AsAsked
                || matches!(access.granted, Granted::Scopes(all) if all.iter().all(|one| scopes.contains(one)))
        );
    }
    if let Ok(answer) = TokenResponse::parse(data) {
        assert!(answer.access_token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed that is refused tries out nothing beyond the refusal.
    #[test]
    fn the_good_seed_of_each_signed_kind_is_let_in() {
        let signed = |seed: &[u8]| {
            let (header, body) = first_line(seed);
            sign(header, body)
        };
        let text = signed(include_bytes!("../../corpus/assertion/good"));
        let keys = KeySet::parse(&set()).expect("a good set");
        assert!(client_assertion::verify(&text, &Client("hub".to_owned()), &keys, &one(GUARD), NOW).is_ok());
        let expectations = id_jag_expectations();
        let text = signed(include_bytes!("../../corpus/id_jag/good"));
        assert!(VERIFIER.id_jag(&text, &expectations, Attempt::First, NOW).is_ok());
        let client = Client("hub".to_owned());
        let text = signed(include_bytes!("../../corpus/login/good"));
        assert!(VERIFIER.login(&text, &login_expectations(&client), Attempt::First, NOW).is_ok());
        let logout =
            LogoutExpectations { provider: acme(), clients: one("hub"), declared: LogoutType::Declared };
        let text = signed(include_bytes!("../../corpus/logout/good"));
        assert!(VERIFIER.logout_token(&text, &logout, Attempt::First, NOW).is_ok());
        let events = SecurityEventExpectations { provider: acme(), audiences: one(HUB) };
        let text = signed(include_bytes!("../../corpus/event/good"));
        assert!(VERIFIER.security_event(&text, &events, Attempt::First, NOW).is_ok());
    }

    #[test]
    fn the_good_seeds_of_queries_and_answers_are_taken() {
        assert!(transaction().read_callback(include_bytes!("../../corpus/callback/good")).is_ok());
        assert!(Asked::read(include_bytes!("../../corpus/authorize/good")).is_ok());
        assert!(read_registration(include_bytes!("../../corpus/client/good")).is_ok());
        assert!(TokenResponse::parse(include_bytes!("../../corpus/exchange/access")).is_ok());
    }
}
