//! Exchange through the whole desk against doubles of Okta, Auth0, Entra ID and Google Cloud: what they are sent, and what an
//! agent is told when they refuse. Each double cites what it copies. (Keycloak is tried with the product itself.)

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod auth0;
mod entra;
mod google;
mod okta;

use deputy_core::TenantId;
use deputy_hub::exchange::{Asker, AtServer, Connection, ExchangeRefusal, ServerClient, Way};
use deputy_identity::ProviderName;
use deputy_testkit::{Asked, World};
use serde_json::json;

const RAS: &str = "https://ras.example";
const RESOURCE: &str = "https://ledger.example/mcp";
const DOCUMENT: &str = "https://hub.example/oauth/client.json";

fn provider() -> ProviderName {
    ProviderName::new("idp").unwrap()
}

fn connection(way: Way, scopes: &[&str]) -> Connection {
    Connection {
        server: "ledger".parse().unwrap(),
        tenant: TenantId::single(),
        resource: RESOURCE.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        way,
    }
}

fn id_jag(scopes: &[&str]) -> Connection {
    let at =
        AtServer { issuer: RAS.parse().unwrap(), token_endpoint: None, client: ServerClient::OwnDocument };
    connection(Way::IdJag { provider: provider(), at }, scopes)
}

/// The authorization server of the resource: it takes what it is brought.
fn open_resource_server(world: &World) {
    world.endpoints.publish(
        &format!("{RAS}/.well-known/oauth-authorization-server"),
        json!({ "issuer": RAS, "token_endpoint": format!("{RAS}/token") }),
    );
    world.endpoints.answer(&format!("{RAS}/token"), |_| {
        (200, json!({ "access_token": "at-ledger", "token_type": "Bearer", "expires_in": 300 }))
    });
}

async fn token(world: &World, asker: &Asker) -> Result<String, ExchangeRefusal> {
    let server = "ledger".parse().unwrap();
    world.hub.exchange().token(asker, &server).await.map(|token| token.expose().clone())
}

/// The exchanges that were asked for, sign-ins and renewals apart.
fn exchanges(world: &World) -> Vec<Asked> {
    let asked = world.endpoints.asked();
    let other = |kind: &str| kind == "authorization_code" || kind == "refresh_token";
    asked.into_iter().filter(|one| !other(&one.form["grant_type"])).collect()
}

fn names(asked: &Asked) -> Vec<&str> {
    asked.form.keys().map(String::as_str).collect()
}
