//! Google Cloud's Security Token Service, for a workforce pool whose provider is another identity provider.
//!
//! Copied: request and answer, and that there is no `Authorization` header, from
//! <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>; the form of a workforce audience from
//! <https://github.com/googleapis/google-auth-library-nodejs/pull/1251>; that `options` name a project where no client is
//! known from <https://github.com/googleapis/google-auth-library-python/pull/868>; the words about a wrong audience from
//! <https://github.com/google-github-actions/auth/issues/211>; `invalid_grant` for a subject token from
//! <https://cloud.google.com/iam/docs/troubleshooting-workload-identity-federation>.

use super::{Answer, refusal};
use crate::{Asked, StillClock, World};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_hub::ports::Clock as _;
use serde_json::{Value, json};
use std::sync::Arc;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A provider of a workforce pool: whose ID tokens it takes, and for which client.
pub struct WorkforcePool {
    issuer: String,
    client: String,
    clock: Arc<StillClock>,
}

impl WorkforcePool {
    /// Where it is.
    pub const URL: &'static str = "https://sts.googleapis.com/v1/token";
    /// Its full name.
    pub const AUDIENCE: &'static str =
        "//iam.googleapis.com/locations/global/workforcePools/acme/providers/idp";
    /// The project that is billed.
    pub const PROJECT: &'static str = "acme-tools";
    /// What is asked for.
    pub const SCOPE: &'static str = "https://www.googleapis.com/auth/cloud-platform";

    /// Opens it for the ID tokens of this issuer that are for this client.
    pub fn open(world: &World, issuer: &str, client: &str) {
        let pool =
            Self { issuer: issuer.to_owned(), client: client.to_owned(), clock: Arc::clone(&world.clock) };
        world.endpoints.answer(Self::URL, move |asked| pool.token(asked).unwrap_or_else(|no| no));
    }

    fn token(&self, asked: &Asked) -> Result<Answer, Answer> {
        let text = |name: &str| asked.form.get(name).map(String::as_str).unwrap_or_default();
        let bad = |why: &str| refusal(400, "invalid_request", why);
        if asked.authorization.is_some() || asked.form.contains_key("client_id") {
            return Err(bad("No client is registered for this pool."));
        }
        if !text("grant_type").ends_with(":token-exchange") || text("requested_token_type") != ACCESS_TOKEN {
            return Err(bad("Invalid grant type or requested token type."));
        }
        if text("audience") != Self::AUDIENCE {
            return Err(bad(
                "Invalid value for \"audience\". This value should be the full resource name of the Identity Provider.",
            ));
        }
        if text("scope").is_empty() {
            return Err(refusal(400, "invalid_scope", "Scope must be provided."));
        }
        let options: String =
            url::form_urlencoded::parse(text("options").as_bytes()).map(|(key, _)| key).collect();
        let options: Value = serde_json::from_str(&options).unwrap_or_default();
        if options["userProject"] != Self::PROJECT {
            return Err(bad("The project of the user is missing."));
        }
        let kind = text("subject_token_type");
        let claims = claims(text("subject_token")).filter(|claims| {
            let ends = claims["exp"].as_i64().unwrap_or_default();
            claims["iss"] == self.issuer.as_str()
                && claims["aud"] == self.client.as_str()
                && ends > i64::try_from(self.clock.now().seconds()).unwrap_or(i64::MAX)
        });
        if !matches!(kind.rsplit(':').next(), Some("id_token" | "jwt")) || claims.is_none() {
            return Err(refusal(
                400,
                "invalid_grant",
                "The audience or issuer of the ID Token does not match.",
            ));
        }
        Ok((
            200,
            json!({
                "access_token": "ya29.workforce", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600,
            }),
        ))
    }
}

fn claims(token: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
