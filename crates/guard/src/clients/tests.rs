use super::*;

const ID: &str = "https://hub.example/client.json";

fn named(document: &str) -> Result<Named, String> {
    keys_named(document.as_bytes(), &Client(ID.to_owned()))
}

#[test]
fn a_document_is_about_its_own_address_and_about_a_client_that_signs() {
    let with = |rest: &str| {
        format!(r#"{{"client_id":"{ID}","token_endpoint_auth_method":"private_key_jwt",{rest}}}"#)
    };
    assert!(matches!(named(&with(r#""jwks":{"keys":[]}"#)), Ok(Named::Inside(_))));
    assert!(matches!(named(&with(r#""jwks_uri":"https://hub.example/jwks""#)), Ok(Named::At(_))));
    for bad in [
        with(r#""x":1"#),
        with(r#""jwks":{},"jwks_uri":"https://hub.example/jwks""#),
        with(r#""jwks_uri":"ftp://hub.example/jwks""#),
        with(r#""client_id":"https://x.example","jwks":{}"#),
        format!(r#"{{"client_id":"{ID}/","token_endpoint_auth_method":"private_key_jwt","jwks":{{}}}}"#),
        format!(r#"{{"client_id":"{ID}","token_endpoint_auth_method":"none","jwks":{{}}}}"#),
        format!(r#"{{"client_id":"{ID}","jwks":{{}}}}"#),
        "[]".to_owned(),
    ] {
        assert!(named(&bad).is_err(), "{bad}");
    }
}
