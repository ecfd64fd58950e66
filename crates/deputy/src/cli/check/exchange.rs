//! Whether the authorization server of an MCP server is what is pinned. Nobody is signed in here, so no token is asked for.

use super::Finding;
use crate::servers::Around;
use crate::settings::{Exchange, ExchangeWay, Server, UserClient};
use deputy_core::Issuer;
use deputy_egress::{EndpointClient, NamedHosts};
use deputy_hub::exchange::metadata_addresses;
use deputy_hub::ports::{Endpoints as _, ToldBy};
use serde_json::Value;
use url::Url;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ID_JAG: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
const MOST_BYTES: usize = 256 * 1024;
const GUIDE: &str = "docs/guide/credentials.md";

pub(super) async fn reach(server: &Server, exchange: &Exchange, around: &Around) -> Finding {
    let name = &server.name;
    match &exchange.way {
        ExchangeWay::IdJag { authorization_server, .. } => {
            let found = metadata(authorization_server, exchange, around).await;
            said(server, authorization_server, found, Some(ID_JAG), JWT_BEARER)
        }
        ExchangeWay::ClientCredentials { authorization_server, .. } => {
            let found = metadata(authorization_server, exchange, around).await;
            said(server, authorization_server, found, None, "client_credentials")
        }
        ExchangeWay::UserOauth { authorization_server, client, .. } => {
            let found = metadata(authorization_server, exchange, around).await;
            if let Some(finding) = unfit(server, &found, client) {
                return finding;
            }
            said(server, authorization_server, found, None, "authorization_code")
        }
        _ => Finding::warning(
            format!("server `{name}` is not asked: its token is for whoever is signed in"),
            "sign in at the hub and call one of its tools",
        ),
    }
}

/// `Ok(None)`: the endpoint is pinned, and there is no metadata.
async fn metadata(issuer: &Issuer, exchange: &Exchange, around: &Around) -> Result<Option<Value>, String> {
    let url = Url::parse(issuer.as_str()).map_err(|error| error.to_string())?;
    let endpoints = EndpointClient::new(around.client.clone(), None, NamedHosts::of(&[]));
    let mut last = String::new();
    for address in metadata_addresses(&url) {
        match endpoints.document(&address, ToldBy::Operator, MOST_BYTES).await {
            Ok(bytes) => return serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string()),
            Err(error) => last = error.to_string(),
        }
    }
    if exchange.token_endpoint.is_some() { Ok(None) } else { Err(last) }
}

/// What keeps people from consenting there, beyond what keeps anybody from being given a token.
fn unfit(server: &Server, found: &Result<Option<Value>, String>, client: &UserClient) -> Option<Finding> {
    let (name, metadata) = (&server.name, found.as_ref().ok()?.as_ref()?);
    let has = |key: &str, word: &str| {
        let list = metadata.get(key).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(word)))
    };
    if !has("code_challenge_methods_supported", "S256") {
        let text = format!("the authorization server of `{name}` does not say that it takes PKCE with S256");
        return Some(Finding::bad(text, "nobody is sent there without it: ask whoever runs it"));
    }
    let reads_documents = metadata.get("client_id_metadata_document_supported") == Some(&Value::Bool(true));
    if *client == UserClient::OwnDocument && !reads_documents {
        let text =
            format!("the authorization server of `{name}` does not say that it reads clients' documents");
        return Some(Finding::warning(
            text,
            "register the hub there and write `client`, or `register = true`",
        ));
    }
    let registers = metadata.get("registration_endpoint").is_some();
    if *client == UserClient::SelfRegistered && !reads_documents && !registers {
        let text = format!("the authorization server of `{name}` lets no client register itself");
        return Some(Finding::bad(text, "register the hub there, and write `client`"));
    }
    None
}

fn said(
    server: &Server,
    issuer: &Issuer,
    found: Result<Option<Value>, String>,
    profile: Option<&str>,
    grant: &str,
) -> Finding {
    let name = &server.name;
    let metadata = match found {
        Err(why) => return Finding::bad(format!("the authorization server of `{name}`: {why}"), GUIDE),
        Ok(None) => {
            return Finding::good(format!("the token endpoint of `{name}` is pinned, and has no metadata"));
        }
        Ok(Some(metadata)) => metadata,
    };
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    if text("issuer") != Some(issuer.as_str()) {
        let other = text("issuer").unwrap_or("none").chars().take(200).collect::<String>();
        let mend = "write `authorization_server` exactly as the metadata has `issuer`, if that is the server you mean";
        return Finding::bad(
            format!("the authorization server of `{name}` calls itself `{other}`, not `{issuer}`"),
            mend,
        );
    }
    let lists = |key: &str, word: &str| {
        let list = metadata.get(key).and_then(Value::as_array);
        list.is_none_or(|list| list.iter().any(|one| one.as_str() == Some(word)))
    };
    if !lists("grant_types_supported", grant) {
        let mend = format!("let it take the grant type `{grant}`");
        return Finding::bad(
            format!("the authorization server of `{name}` does not take what is sent"),
            mend,
        );
    }
    if let Some(profile) = profile
        && metadata
            .get("authorization_grant_profiles_supported")
            .is_none_or(|_| !lists("authorization_grant_profiles_supported", profile))
    {
        let text = format!("the authorization server of `{name}` does not say that it takes ID-JAGs");
        return Finding::warning(text, GUIDE);
    }
    Finding::good(format!("the authorization server of `{name}` is `{issuer}`"))
}
