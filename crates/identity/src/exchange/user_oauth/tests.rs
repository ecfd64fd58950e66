//! What is claimed of the forms of a consent and of what is believed of the answers.

use super::*;
use serde_json::json;

const ISSUER: &str = "https://as.example/tenant";

fn issuer() -> Issuer {
    ISSUER.parse().expect("issuer")
}

fn metadata(change: impl Fn(&mut serde_json::Value)) -> Result<ServerMetadata, &'static str> {
    let mut said = json!({
        "issuer": ISSUER, "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token", "code_challenge_methods_supported": ["plain", "S256"],
    });
    change(&mut said);
    ServerMetadata::read(said.to_string().as_bytes(), &issuer())
}

fn begun(names_issuer: bool) -> (Url, Begun) {
    let asking = Asking {
        client: Client("hub".to_owned()),
        redirect_uri: "https://hub.example/connect/callback".to_owned(),
        scopes: Vec::new(),
        resource: "https://ledger.example/mcp".to_owned(),
        issuer: issuer(),
        names_issuer,
        more: Vec::new(),
    };
    asking.begin(&Url::parse("https://as.example/authorize?tenant=a").expect("url")).expect("begun")
}

#[test]
fn a_request_has_a_resource_a_challenge_and_no_empty_scope() {
    let (url, begun) = begun(true);
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(
        names,
        [
            "tenant",
            "response_type",
            "client_id",
            "redirect_uri",
            "state",
            "code_challenge",
            "code_challenge_method",
            "resource"
        ]
    );
    let form = begun.redeem(&Secret::new("c".to_owned()));
    assert!(
        form.iter().any(|(name, value)| name == "resource" && value.expose() == "https://ledger.example/mcp")
    );
}

#[test]
fn an_answer_is_of_its_state_and_its_issuer_or_nothing() {
    let (_, begun) = begun(true);
    let (state, iss) = (begun.state().to_owned(), "https%3A%2F%2Fas.example%2Ftenant");
    let read = |text: String| begun.read_answer(text.as_bytes()).map(|code| code.expose().clone());
    assert_eq!(read(format!("state={state}&iss={iss}&code=c")), Ok("c".to_owned()));
    assert_eq!(read(format!("state=x&iss={iss}&code=c")), Err(CallbackError::State));
    assert_eq!(read(format!("state={state}&code=c")), Err(CallbackError::Issuer));
    assert_eq!(read(format!("state={state}&iss={iss}%2F&error=access_denied")), Err(CallbackError::Issuer));
    let refused = read(format!("state={state}&iss={iss}&error=access_denied"));
    assert_eq!(refused, Err(CallbackError::Refused("access_denied".to_owned())));
}

#[test]
fn d2_metadata_is_of_its_issuer_with_s256_and_its_endpoints_on_its_origin() {
    assert!(metadata(|_| {}).is_ok_and(|said| said.token_endpoint().is_ok()));
    assert!(metadata(|said| said["issuer"] = json!("https://as.example/tenant/")).is_err());
    assert!(metadata(|said| said["code_challenge_methods_supported"] = json!(["plain"])).is_err());
    assert!(
        metadata(|said| drop(said.as_object_mut().map(|all| all.remove("code_challenge_methods_supported"))))
            .is_err()
    );
    let foreign = metadata(|said| said["token_endpoint"] = json!("https://evil.example/token"));
    assert!(foreign.is_ok_and(|said| said.token_endpoint().is_err()));
}

#[test]
fn a_challenge_is_read_whole_and_its_first_word_counts() {
    let read = Challenge::read(
        "Bearer realm=\"a, b=\\\"c\\\"\", error=\"insufficient_scope\", scope=\"x y\", resource_metadata=\"https://a.example/p\", scope=\"z\"",
    );
    assert_eq!(read.error.as_deref(), Some("insufficient_scope"));
    assert_eq!(read.scopes, Some(vec!["x".to_owned(), "y".to_owned()]));
    assert_eq!(read.resource_metadata.as_deref(), Some("https://a.example/p"));
    assert_eq!(Challenge::read("Bearer scope="), Challenge::default());
    assert_eq!(Challenge::read("Bearer scope=\"open"), Challenge::default());
}

#[test]
fn d1_a_resource_names_the_pinned_server_among_its_own_or_none() {
    let named = |servers: serde_json::Value| {
        ResourceMetadata::read(json!({ "authorization_servers": servers }).to_string().as_bytes())
            .expect("read")
    };
    assert_eq!(named(json!([])).foreign(&issuer()), None);
    assert_eq!(named(json!(["https://other.example", ISSUER])).foreign(&issuer()), None);
    let slash = format!("{ISSUER}/");
    assert_eq!(named(json!([slash])).foreign(&issuer()), Some(slash.as_str()));
}

#[test]
fn a_resource_is_its_address_or_a_place_above_it() {
    let address = Url::parse("https://ledger.example/a/mcp").expect("url");
    let of = |said: &str| {
        let body = json!({ "resource": said }).to_string();
        ResourceMetadata::read(body.as_bytes())
            .expect("read")
            .resource_of(&address)
            .map(|said| said.is_some())
    };
    for good in ["https://ledger.example/a/mcp", "https://ledger.example/a", "https://ledger.example"] {
        assert_eq!(of(good), Ok(true), "{good}");
    }
    for bad in
        ["https://ledger.example/a/mcp/x", "https://ledger.example/a/m", "https://other.example/a/mcp", "x"]
    {
        assert!(of(bad).is_err(), "{bad}");
    }
}

#[test]
fn more_scopes_than_are_pinned_are_not_taken() {
    let body = br#"{"access_token":"a","token_type":"Bearer","scope":"x y"}"#;
    let (x, both) = (["x".to_owned()], ["x".to_owned(), "y".to_owned()]);
    assert!(Consented::read(body, Some(&x)).is_err());
    assert!(Consented::read(body, Some(&both)).is_ok() && Consented::read(body, None).is_ok());
}

#[test]
fn a_registration_asks_for_the_strongest_way_and_takes_what_it_is_given() {
    let methods = json!(["client_secret_post", "client_secret_basic"]);
    let said =
        metadata(|said| said["token_endpoint_auth_methods_supported"] = methods.clone()).expect("read");
    let asked = registration(&said, "https://hub.example", "https://hub.example/connect/callback", &[]);
    let asked = asked.expect("asked");
    assert_eq!(asked["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(asked["application_type"], "web");
    let read = Registered::read(br#"{"client_id":"i","client_secret":"s"}"#, &asked).map(|own| own.method);
    assert_eq!(read, Ok("client_secret_basic".to_owned()));
    assert!(Registered::read(br#"{"client_id":"i"}"#, &asked).is_err(), "a secret is missing");
}
