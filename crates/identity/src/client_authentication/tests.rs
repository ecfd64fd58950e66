//! What a request carries for each way of authenticating.

use super::*;
use crate::fixtures::NOW;
use proptest::prelude::*;

fn issuer() -> Issuer {
    Issuer::new("https://idp.acme.example").unwrap()
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn prove(authentication: &ClientAuthentication) -> ClientProof {
    authentication.prove(&Client("hub".to_owned()), &issuer(), NOW).unwrap()
}

fn names(proof: &ClientProof) -> Vec<&'static str> {
    proof.fields.iter().map(|(name, _)| name).collect()
}

#[test]
fn d10_an_assertion_goes_without_a_secret_and_without_a_client_id() {
    let key = Arc::new(SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap());
    let proof = prove(&ClientAuthentication::PrivateKeyJwt { key, audience: AssertionAudience::Issuer });
    assert_eq!(names(&proof), ["client_assertion_type", "client_assertion"]);
    assert!(proof.authorization.is_none());
}

#[test]
fn d10_a_basic_secret_is_form_encoded_before_base64() {
    let client = Client("a:b c".to_owned());
    let proof = ClientAuthentication::SecretBasic(secret("p%:/é")).prove(&client, &issuer(), NOW).unwrap();
    let header = proof.authorization.unwrap();
    let encoded = header.expose().strip_prefix("Basic ").unwrap();
    assert_eq!(STANDARD.decode(encoded).unwrap(), b"a%3Ab+c:p%25%3A%2F%C3%A9");
    assert_eq!(proof.fields.iter().count(), 0);
}

#[test]
fn a_posted_secret_and_a_public_client_say_who_they_are_in_the_form() {
    assert_eq!(names(&prove(&ClientAuthentication::SecretPost(secret("s")))), ["client_id", "client_secret"]);
    assert_eq!(names(&prove(&ClientAuthentication::None)), ["client_id"]);
}

#[test]
fn what_is_no_basic_header_names_nobody() {
    for bad in ["", "Basic", "Basic !", "Bearer YTpi", "Basic YQ==", "Basic YT1iOmM="] {
        assert!(read_basic(bad).is_none(), "{bad}");
    }
}

proptest! {
    #[test]
    fn a_basic_header_is_read_as_it_was_made(client in "[^\u{fffd}]{0,20}", text in "[^\u{fffd}]{0,20}") {
        let client = Client(client);
        let header = basic(&client, &secret(&text));
        let (read, read_secret) = read_basic(header.expose()).unwrap();
        prop_assert_eq!(read, client);
        prop_assert_eq!(read_secret.expose(), &text);
    }
}
