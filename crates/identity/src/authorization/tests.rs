//! The authorization server's side: who is answered where, and with what.

mod redirects;
mod tokens;

use super::*;
use crate::form::Form;
use crate::login::Prompt;
use crate::pkce;
use deputy_core::{Client, Issuer, Secret};
use proptest::prelude::*;
use std::collections::HashMap;
use url::Url;

const OWN: &str = "https://hub.acme.example";
const MCP: &str = "https://hub.acme.example/mcp";
const BACK: &str = "https://desk.example/callback?tab=1";

fn client() -> KnownClient {
    KnownClient {
        id: Client("https://desk.example/client.json".to_owned()),
        redirect_uris: vec![BACK.to_owned()],
        application: ApplicationType::Web,
    }
}

fn resources() -> Resources {
    Resources { known: vec![MCP.to_owned(), "https://hub.acme.example/s/x/mcp".to_owned()], unsaid: None }
}

fn good() -> Vec<(&'static str, String)> {
    vec![
        ("response_type", "code".to_owned()),
        ("client_id", client().id.0),
        ("redirect_uri", BACK.to_owned()),
        ("code_challenge", pkce::challenge(&Secret::new("a".repeat(43)))),
        ("code_challenge_method", "S256".to_owned()),
        ("state", "s t".to_owned()),
        ("resource", MCP.to_owned()),
        ("scope", "a b".to_owned()),
    ]
}

fn query(parameters: &[(&'static str, String)]) -> String {
    let form = parameters.iter().fold(Form::new(), |form, (name, value)| form.with(name, value.as_str()));
    form.encode().expose().clone()
}

fn changed(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let mut parameters = without(name);
    parameters.push((name, value.to_owned()));
    parameters
}

fn without(name: &str) -> Vec<(&'static str, String)> {
    good().into_iter().filter(|(own, _)| *own != name).collect()
}

fn asked(parameters: &[(&'static str, String)]) -> Result<AuthorizationRequest, Refusal> {
    let asked = Asked::read(query(parameters).as_bytes())?;
    asked.check(&client(), &Issuer::new(OWN).unwrap(), &resources())
}

fn shown(parameters: &[(&'static str, String)]) -> Option<ErrorCode> {
    match asked(parameters).err()? {
        Refusal::Shown(code) => Some(code),
        Refusal::Redirected { .. } => None,
    }
}

fn redirected(parameters: &[(&'static str, String)]) -> Option<ErrorCode> {
    match asked(parameters).err()? {
        Refusal::Shown(_) => None,
        Refusal::Redirected { to, code } => {
            let said: HashMap<_, _> = to.query_pairs().into_owned().collect();
            assert!(to.as_str().starts_with(BACK), "{to}");
            assert_eq!((said["error"].as_str(), said["iss"].as_str()), (code.as_str(), OWN));
            Some(code)
        }
    }
}

#[test]
fn a_good_request_is_answered_with_code_state_and_issuer() {
    let request = asked(&good()).unwrap();
    assert_eq!((request.resources(), request.scopes().len()), (&[MCP.to_owned()][..], 2));
    let url = request.approve(&Secret::new("c&d".to_owned()));
    let said: HashMap<_, _> = url.query_pairs().into_owned().collect();
    for (name, value) in [("tab", "1"), ("code", "c&d"), ("state", "s t"), ("iss", OWN)] {
        assert_eq!(said[name], value);
    }
    let no = request.refuse(ErrorCode::AccessDenied);
    assert!(no.as_str().contains("error=access_denied") && no.as_str().contains("iss="), "{no}");
}

#[test]
fn an_answer_goes_nowhere_that_is_not_the_clients_own() {
    for bad in [
        "https://evil.example/callback?tab=1",
        "https://desk.example/callback",
        "https://desk.example/callback?tab=1&x",
        "https://desk.example/callback?tab=1#f",
        "https://DESK.example/callback?tab=1",
        "https://desk.example@evil.example/callback?tab=1",
        "javascript:alert(1)",
    ] {
        assert_eq!(shown(&changed("redirect_uri", bad)), Some(ErrorCode::InvalidRequest), "{bad}");
    }
    assert_eq!(shown(&without("redirect_uri")), Some(ErrorCode::InvalidRequest));
    assert_eq!(shown(&without("client_id")), Some(ErrorCode::InvalidRequest));
    assert_eq!(shown(&changed("client_id", "other")), Some(ErrorCode::InvalidClient));
}

#[test]
fn a_parameter_that_comes_twice_is_refused_to_the_persons_eyes() {
    for name in ["client_id", "redirect_uri", "state", "code_challenge", "scope"] {
        let mut twice = good();
        twice.push((name, "x".to_owned()));
        assert_eq!(shown(&twice), Some(ErrorCode::InvalidRequest), "{name}");
    }
}

#[test]
fn s256_is_required() {
    for name in ["code_challenge", "code_challenge_method"] {
        assert_eq!(redirected(&without(name)), Some(ErrorCode::InvalidRequest), "{name}");
    }
    assert_eq!(redirected(&changed("code_challenge_method", "plain")), Some(ErrorCode::InvalidRequest));
    assert_eq!(redirected(&changed("code_challenge", "short")), Some(ErrorCode::InvalidRequest));
}

#[test]
fn only_the_code_flow_with_a_query_is_served() {
    for bad in ["token", "id_token", "code token", "CODE"] {
        assert_eq!(redirected(&changed("response_type", bad)), Some(ErrorCode::UnsupportedResponseType));
    }
    assert_eq!(redirected(&without("response_type")), Some(ErrorCode::InvalidRequest));
    assert_eq!(redirected(&changed("response_mode", "fragment")), Some(ErrorCode::InvalidRequest));
    assert_eq!(redirected(&changed("request", "eyJ")), Some(ErrorCode::InvalidRequest));
}

#[test]
fn rfc_8707_every_resource_is_known_and_one_is_named() {
    assert_eq!(
        redirected(&changed("resource", "https://hub.acme.example/mcp/")),
        Some(ErrorCode::InvalidTarget)
    );
    assert_eq!(redirected(&without("resource")), Some(ErrorCode::InvalidTarget));
    let mut two = good();
    two.push(("resource", "https://hub.acme.example/s/x/mcp".to_owned()));
    two.push(("resource", MCP.to_owned()));
    assert_eq!(asked(&two).unwrap().resources().len(), 2);
    two.push(("resource", "https://evil.example".to_owned()));
    assert_eq!(redirected(&two), Some(ErrorCode::InvalidTarget));
    let lenient = Resources { unsaid: Some(MCP.to_owned()), ..resources() };
    let asked = Asked::read(query(&without("resource")).as_bytes()).ok().unwrap();
    let request = asked.check(&client(), &Issuer::new(OWN).unwrap(), &lenient).unwrap();
    assert_eq!(request.resources(), [MCP.to_owned()]);
}

#[test]
fn what_is_said_about_the_sign_in_is_told() {
    let mut parameters = good();
    parameters.push(("max_age", "60".to_owned()));
    parameters.push(("prompt", "login consent".to_owned()));
    parameters.push(("acr_values", "mfa".to_owned()));
    let request = asked(&parameters).unwrap();
    assert_eq!(request.max_age(), Some(std::time::Duration::from_secs(60)));
    assert!(request.prompts(Prompt::Login) && !request.prompts(Prompt::None));
    assert_eq!(request.acr_values(), ["mfa".to_owned()]);
    assert_eq!(redirected(&changed("max_age", "-1")), Some(ErrorCode::InvalidRequest));
}

proptest! {
    #[test]
    fn no_query_makes_the_reader_panic_or_sends_anybody_elsewhere(text in "[ -~]{0,300}") {
        let whole = format!("client_id=https%3A%2F%2Fdesk.example%2Fclient.json&{text}");
        for text in [&text, &whole] {
            let Ok(asked) = Asked::read(text.as_bytes()) else { continue };
            let checked = asked.check(&client(), &Issuer::new(OWN).unwrap(), &resources());
            if let Err(Refusal::Redirected { to, .. }) = checked {
                prop_assert!(to.as_str().starts_with(BACK));
            }
        }
    }

    #[test]
    fn what_the_client_sent_as_state_comes_back(state in "[^\u{fffd}]{1,60}") {
        let url: Url = asked(&changed("state", &state)).unwrap().approve(&Secret::new("c".to_owned()));
        let said: HashMap<_, _> = url.query_pairs().into_owned().collect();
        prop_assert_eq!(&said["state"], &state);
    }
}
