//! Access tokens of our own: issued, taken back, and nobody else's.

use super::*;
use crate::fixtures::NOW;
use crate::mint::jwks;
use proptest::prelude::*;

const OWN: &str = "https://guard.acme.example";
const LEDGER: &str = "https://ledger.acme.example/mcp";

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn token() -> AccessToken {
    AccessToken {
        issuer: Issuer::new(OWN).unwrap(),
        subject: Subject::new("alice").unwrap(),
        audience: LEDGER.to_owned(),
        client: Client("hub".to_owned()),
        scopes: vec!["ledger.read".to_owned()],
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(600)),
        extra: Map::new(),
    }
}

fn own(key: &SigningKey) -> OwnKeys {
    OwnKeys::new(Issuer::new(OWN).unwrap(), &jwks([key])).unwrap()
}

fn ledger() -> Audiences {
    Audiences::one(LEDGER).unwrap()
}

#[test]
fn e5_an_access_token_is_at_jwt_for_one_resource_and_says_it_all() {
    let key = key();
    let mut wanted = token();
    wanted.extra.insert("acr".to_owned(), json!("high"));
    let minted = wanted.sign(&key).unwrap();
    let read = crate::jws::Unverified::parse(minted.token.expose()).unwrap();
    assert_eq!(read.media_type.as_deref(), Some("at+jwt"));
    assert_eq!((&read.claims["iss"], &read.claims["aud"]), (&json!(OWN), &json!(LEDGER)));
    let taken = own(&key).verify(minted.token.expose(), &ledger(), NOW).unwrap();
    assert_eq!((taken.subject.as_str(), taken.client.0.as_str(), &taken.id), ("alice", "hub", &minted.id));
    assert_eq!(
        (taken.scopes.as_slice(), &taken.extra["acr"]),
        (&["ledger.read".to_owned()][..], &json!("high"))
    );
    assert_ne!(minted.id, wanted.sign(&key).unwrap().id);
}

#[test]
fn e5_an_access_token_opens_its_resource_and_no_other() {
    let key = key();
    let minted = token().sign(&key).unwrap();
    let other = Audiences::one("https://ledger.acme.example/mcp/").unwrap();
    assert_eq!(own(&key).verify(minted.token.expose(), &other, NOW).unwrap_err(), TokenError::Audience);
}

#[test]
fn an_access_token_is_refused_from_the_very_second_it_expires() {
    let key = key();
    let minted = token().sign(&key).unwrap();
    let at =
        |seconds| own(&key).verify(minted.token.expose(), &ledger(), NOW.plus(Duration::from_secs(seconds)));
    assert!(at(599).is_ok());
    assert!(matches!(at(600).unwrap_err(), TokenError::Expired { .. }));
}

#[test]
fn only_our_own_keys_and_our_own_issuer_count() {
    let (key, other) = (key(), key());
    let minted = token().sign(&other).unwrap();
    assert_eq!(own(&key).verify(minted.token.expose(), &ledger(), NOW).unwrap_err(), TokenError::Algorithm);
    let renamed = other.named(key.id());
    let forged = token().sign(&renamed).unwrap();
    assert_eq!(own(&key).verify(forged.token.expose(), &ledger(), NOW).unwrap_err(), TokenError::Signature);
    let foreign = AccessToken { issuer: Issuer::new("https://idp.acme.example").unwrap(), ..token() };
    let foreign = foreign.sign(&key).unwrap();
    assert_eq!(
        own(&key).verify(foreign.token.expose(), &ledger(), NOW).unwrap_err(),
        TokenError::UnknownIssuer
    );
}

#[test]
fn an_older_key_works_while_it_is_published() {
    let (new, old) = (key(), key());
    let minted = token().sign(&old).unwrap();
    let both = OwnKeys::new(Issuer::new(OWN).unwrap(), &jwks([&new, &old])).unwrap();
    assert!(both.verify(minted.token.expose(), &ledger(), NOW).is_ok());
    assert!(own(&new).verify(minted.token.expose(), &ledger(), NOW).is_err());
}

#[test]
fn an_access_token_lives_an_hour_at_most_and_its_own_claims_are_its_own() {
    let sign = |token: AccessToken| token.sign(&key()).map(|_| ());
    let until = |lifetime| AccessToken { expires_at: NOW.plus(lifetime), ..token() };
    assert_eq!(sign(until(MAX_ACCESS_TOKEN_LIFETIME)), Ok(()));
    assert_eq!(sign(until(Duration::from_secs(3601))), Err(MintError::Lifetime));
    assert_eq!(sign(until(Duration::ZERO)), Err(MintError::Lifetime));
    for name in ["aud", "exp", "sub", "cnf", "nonce"] {
        let extra = [(name.to_owned(), json!("x"))].into_iter().collect();
        assert_eq!(sign(AccessToken { extra, ..token() }), Err(MintError::Reserved(name.to_owned())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_issued_is_taken_as_it_was(
        subject in "[a-zA-Z0-9|é]{1,40}", client in ".{1,40}", scopes in prop::collection::vec("[!-~]{1,9}", 0..4),
    ) {
        let key = key();
        let subject = Subject::new(subject).unwrap();
        let wanted = AccessToken { subject, client: Client(client), scopes, ..token() };
        let minted = wanted.sign(&key).unwrap();
        let taken = own(&key).verify(minted.token.expose(), &ledger(), NOW).unwrap();
        prop_assert_eq!(&taken.subject, &wanted.subject);
        prop_assert_eq!(&taken.client, &wanted.client);
        prop_assert_eq!(&taken.scopes, &wanted.scopes);
    }
}
