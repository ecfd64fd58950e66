//! The hub registers itself where nothing else makes it known (RFC 7591).

use super::ServerMetadata;
use crate::exchange::ExchangeError;
use crate::members::Json;
use crate::token_response::{object, text};
use deputy_core::{Client, Secret};
use serde_json::{Value, json};
use url::Url;

/// How the hub shows itself, the strongest first.
const METHODS: [&str; 4] = ["private_key_jwt", "client_secret_basic", "client_secret_post", "none"];

/// What the hub says of itself.
///
/// # Errors
/// The authorization server takes no way of authentication that the hub knows.
pub fn registration(
    metadata: &ServerMetadata,
    public_url: &str,
    redirect_uri: &str,
    scopes: &[String],
) -> Result<Value, ExchangeError> {
    let known = METHODS.into_iter().find(|method| metadata.takes(method));
    let method = known.ok_or(ExchangeError::Connection("it takes no authentication that the hub knows"))?;
    let here = ["127.0.0.1", "localhost", "[::1]"];
    let is_here =
        Url::parse(redirect_uri).is_ok_and(|url| url.host_str().is_some_and(|host| here.contains(&host)));
    let mut said = json!({
        "client_name": "Deputy",
        "client_uri": public_url,
        "application_type": if is_here { "native" } else { "web" },
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    });
    let members = said.as_object_mut().ok_or(ExchangeError::Connection("nothing can be said"))?;
    if method == "private_key_jwt" {
        members.insert("token_endpoint_auth_signing_alg".to_owned(), json!("ES256"));
        members.insert("jwks_uri".to_owned(), json!(format!("{public_url}/.well-known/jwks.json")));
    }
    if !scopes.is_empty() {
        members.insert("scope".to_owned(), json!(scopes.join(" ")));
    }
    Ok(said)
}

/// What the hub is called there from now on.
pub struct Registered {
    /// Its id.
    pub client: Client,
    /// Its secret, if it was given one.
    pub secret: Option<Secret<String>>,
    /// How it shows itself.
    pub method: String,
    /// When its secret ends, in seconds since 1970; none: never.
    pub ends_at: Option<u64>,
}

impl Registered {
    /// The body of a 201 (section 3.2.1). What it does not say of the method is as it was asked for.
    ///
    /// # Errors
    /// Names the member.
    pub fn read(body: &[u8], asked: &Value) -> Result<Self, ExchangeError> {
        let members = object(body).map_err(ExchangeError::Unusable)?;
        let said = |name| text(&members, name).map_err(ExchangeError::Unusable);
        let id = said("client_id")?.filter(|id| (1..=1024).contains(&id.len()));
        let id = id.ok_or_else(|| ExchangeError::member("client_id"))?;
        let secret = said("client_secret")?.map(|secret| Secret::new(secret.to_owned()));
        let asked = asked.get("token_endpoint_auth_method").and_then(Value::as_str).unwrap_or("none");
        let method = said("token_endpoint_auth_method")?.unwrap_or(asked);
        let needs_secret = method.starts_with("client_secret_");
        if !METHODS.contains(&method) || (needs_secret && secret.is_none()) {
            return Err(ExchangeError::member("token_endpoint_auth_method"));
        }
        let ends_at = members.get("client_secret_expires_at").and_then(Json::as_u64).filter(|at| *at > 0);
        Ok(Self { client: Client(id.to_owned()), secret, method: method.to_owned(), ends_at })
    }
}
