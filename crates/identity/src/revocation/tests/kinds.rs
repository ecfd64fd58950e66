//! A10, the whole matrix: every kind of token that there is, at every door, each signed by the very key that the door
//! trusts and for the very audience that it has. A kind opens its own door and no other.

use super::*;
use crate::claims::Expectations;
use crate::claims::TokenKind;
use crate::client_assertion;
use crate::id_jag::{IdJagExpectations, ResourceRule};
use crate::keys::KeySet;
use crate::login::{LoginExpectations, Occasion};
use crate::mint::OwnKeys;
use crate::provider::{AccessTokenType, Provider, Settings};
use deputy_core::{Client, Issuer};

/// One name for whatever could be an audience, a client or a resource, so that nothing but the kind decides.
const HERE: &str = "https://hub.acme.example";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Id,
    IdJag,
    Logout,
    SecurityEvent,
    ClientAssertion,
    DpopProof,
    CallAssertion,
}

use Kind::{Access, CallAssertion, ClientAssertion, DpopProof, Id, IdJag, Logout, SecurityEvent};

const KINDS: [Kind; 8] =
    [Access, Id, IdJag, Logout, SecurityEvent, ClientAssertion, DpopProof, CallAssertion];

impl Kind {
    fn typ(self) -> Option<&'static str> {
        Some(match self {
            Access => "at+jwt",
            Id => return None,
            IdJag => "oauth-id-jag+jwt",
            Logout => "logout+jwt",
            SecurityEvent => "secevent+jwt",
            ClientAssertion => "client-authentication+jwt",
            DpopProof => "dpop+jwt",
            CallAssertion => "deputy-call+jwt",
        })
    }

    /// A token that says all that its kind says.
    fn token(self, typ: Option<&str>) -> String {
        let now = NOW.seconds();
        let base =
            json!({ "iss": ISSUER, "sub": "alice", "aud": HERE, "iat": now, "exp": now + 60, "jti": "j" });
        let with = |members: Value| {
            let mut claims = base.clone();
            claims.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            claims
        };
        let claims = match self {
            Access | CallAssertion => with(json!({ "client_id": "desk", "scope": "a" })),
            Id => with(json!({ "nonce": "n", "at_hash": "h", "sid": "s" })),
            IdJag => with(json!({ "client_id": HERE, "resource": HERE, "scope": "a" })),
            Logout => with(json!({ "sid": "s", "events": { BACKCHANNEL: {} } })),
            SecurityEvent => without(with(json!({ "events": { REVOKED: {} } })), "exp"),
            ClientAssertion => with(json!({ "iss": ISSUER, "sub": ISSUER })),
            DpopProof => with(json!({ "htm": "POST", "htu": HERE, "ath": "x" })),
        };
        rsa().sign(typ, Some("r"), &claims)
    }
}

/// Which doors let it in, the lenient forms of each included.
fn doors(token: &str) -> Vec<&'static str> {
    let keys = [rsa().named("r")];
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = provider(ISSUER).settings().clone();
        settings.kinds = vec![TokenKind::AccessToken, TokenKind::IdToken, TokenKind::IdJag];
        change(&mut settings);
        let provider = Provider::new(settings).unwrap();
        Verifier::new([(Arc::new(provider), Arc::new(ring(&keys, NOW)))]).unwrap()
    };
    let strict = with(&|_| ());
    let lenient = with(&|settings| settings.access_token_type = AccessTokenType::Untyped);
    let here = || Audiences::one(HERE).unwrap();
    let client = Client(HERE.to_owned());
    let (first, issuer) = (Attempt::First, Issuer::new(ISSUER).unwrap());
    let login = LoginExpectations {
        provider: "acme",
        client: &client,
        occasion: Occasion::SignIn { nonce: "n" },
        access_token: None,
        max_age: None,
        acr_values: &[],
    };
    let jag = IdJagExpectations {
        own_issuer: Issuer::new(HERE).unwrap(),
        client: client.clone(),
        resources: here(),
        resource: ResourceRule::Optional,
    };
    let logout = |declared| LogoutExpectations { provider: name("acme"), clients: here(), declared };
    let events = SecurityEventExpectations { provider: name("acme"), audiences: here() };
    let set = || KeySet::parse(&crate::fixtures::set(&keys)).unwrap();
    let own = OwnKeys::new(issuer, &json!({ "keys": keys })).unwrap();
    let itself = Client(ISSUER.to_owned());
    let access = Expectations::access_token(here());
    let id = Expectations::id_token(here(), name("acme"));
    [
        ("access", strict.verify(token, &access, NOW).is_ok()),
        ("access untyped", lenient.verify(token, &access, NOW).is_ok()),
        ("own access", own.verify(token, &here(), NOW).is_ok()),
        ("id", strict.verify(token, &id, NOW).is_ok()),
        ("login", strict.login(token, &login, first, NOW).is_ok()),
        ("id-jag", strict.id_jag(token, &jag, first, NOW).is_ok()),
        ("logout", strict.logout_token(token, &logout(LogoutType::Declared), first, NOW).is_ok()),
        ("logout untyped", strict.logout_token(token, &logout(LogoutType::Untyped), first, NOW).is_ok()),
        ("event", strict.security_event(token, &events, first, NOW).is_ok()),
        ("client", client_assertion::verify(token, &itself, &set(), &here(), NOW).is_ok()),
    ]
    .into_iter()
    .filter_map(|(door, opens)| opens.then_some(door))
    .collect()
}

fn own(kind: Kind) -> &'static [&'static str] {
    match kind {
        Access => &["access", "access untyped", "own access"],
        Id => &["id", "login"],
        IdJag => &["id-jag"],
        Logout => &["logout", "logout untyped"],
        SecurityEvent => &["event"],
        ClientAssertion => &["client"],
        DpopProof | CallAssertion => &[],
    }
}

#[test]
fn a10_every_kind_opens_its_own_door_and_no_other() {
    for kind in KINDS {
        assert_eq!(doors(&kind.token(kind.typ())), own(kind), "{kind:?}");
    }
}

/// What its claims mark as an event passes for nothing else, whatever it calls itself; where a door takes logout tokens
/// without a `typ`, that is this door's own kind.
#[test]
fn a10_an_event_under_the_typ_of_another_kind_opens_nothing() {
    for (kind, other) in [Logout, SecurityEvent].into_iter().flat_map(|kind| KINDS.map(|other| (kind, other)))
    {
        let opened = doors(&kind.token(other.typ()));
        let wanted: &[&str] = match (kind, other) {
            (Logout, Id) => &["logout untyped"],
            _ if kind == other => own(kind),
            _ => &[],
        };
        assert_eq!(opened, wanted, "{kind:?} as {other:?}");
    }
}
