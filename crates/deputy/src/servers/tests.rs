//! What a server is sent, and what it can make of refusing it.

use super::*;
use deputy_egress::upstream::{Challenge, Credential as _};
use deputy_testkit::World;
use serde_json::json;

const RAS: &str = "https://ras.example";
const ALICE: &str = r#"["default","https://idp.example","alice","agent-1"]"#;

async fn desk() -> (World, Exchanged) {
    let at = AtServer {
        issuer: RAS.parse().expect("issuer"),
        token_endpoint: Some(Url::parse("https://ras.example/token").expect("url")),
        client: ServerClient::OwnDocument,
    };
    let connection = Connection {
        server: "ledger".parse().expect("name"),
        tenant: TenantId::single(),
        resource: "https://ledger.example/mcp".to_owned(),
        scopes: Vec::new(),
        way: exchange::Way::ClientCredentials { at },
    };
    let world = World::exchanging(World::sign_in(), vec![connection]).await;
    world.endpoints.answer("https://ras.example/token", |_| {
        (200, json!({ "access_token": "a-token", "token_type": "Bearer", "expires_in": 300 }))
    });
    let desk: Arc<OnceLock<Arc<Exchange>>> = Arc::default();
    assert!(desk.set(Arc::clone(world.hub.exchange())).is_ok());
    (world, Exchanged { desk, server: "ledger".parse().expect("name") })
}

fn principal() -> String {
    ALICE.replace("default", TenantId::single().as_str())
}

#[tokio::test]
async fn d3_a_server_is_sent_the_token_that_was_had_for_it_and_no_other() {
    let (_world, credential) = desk().await;
    let headers = credential.headers(&principal()).await.expect("headers");
    let said: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
    assert_eq!(said, [("authorization", "Bearer a-token")]);
}

#[tokio::test]
async fn what_is_no_persons_connection_is_sent_nothing() {
    let (world, credential) = desk().await;
    for principal in ["deputy check", "", "[]", "{\"user\":\"alice\"}"] {
        assert!(credential.headers(principal).await.is_err(), "{principal}");
    }
    let foreign = principal().replace(TenantId::single().as_str(), "another");
    assert!(credential.headers(&foreign).await.is_err());
    assert!(world.endpoints.asked().is_empty());
}

#[tokio::test]
async fn d7_a_401_earns_a_new_token_and_a_403_does_not() {
    let (world, credential) = desk().await;
    credential.headers(&principal()).await.expect("headers");
    let challenge =
        |status| Challenge { status, www_authenticate: Some("Bearer scope=\"all\"".to_owned()), sent: None };
    assert_eq!(credential.refused(&principal(), &challenge(403)).await, Ok(false));
    assert_eq!(credential.refused(&principal(), &challenge(401)).await, Ok(true));
    credential.headers(&principal()).await.expect("headers");
    assert_eq!(world.endpoints.asked().len(), 2);
    assert!(world.endpoints.asked().iter().all(|asked| !asked.form.contains_key("scope")));
}

#[tokio::test]
async fn d1_a_challenge_that_names_another_authorization_server_ends_all() {
    let (world, credential) = desk().await;
    credential.headers(&principal()).await.expect("headers");
    let metadata = "https://ledger.example/m";
    world.endpoints.publish(metadata, json!({ "authorization_servers": ["https://evil.example"] }));
    let www_authenticate = Some(format!("Bearer resource_metadata=\"{metadata}\""));
    let challenge = Challenge { status: 401, www_authenticate, sent: None };
    assert_eq!(credential.refused(&principal(), &challenge).await, Ok(false));
    assert!(credential.headers(&principal()).await.is_err());
}
