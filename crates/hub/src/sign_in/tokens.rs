//! The token endpoint, revocation, registration and metadata of the authorization server.

use super::authorize::{AuthorizationServer, CODE_LIFETIME};
use super::{SCOPES, farthest, scopes_up_to};
use crate::ports::{AccessGrant, Login, Revoked};
use deputy_core::{Client, Digest, Effect, GrantId, Secret};
use deputy_identity::authorization::{ErrorCode, PresentedClient, TokenRequest};
use deputy_identity::claims::Audiences;
use deputy_identity::form::Parameters;
use deputy_identity::mint::AccessToken;
use deputy_identity::pkce;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

const REFRESH: &str = "refresh";
/// The claim that names the permission.
const GRANT: &str = "grant";

/// Why there is no token, for the client (RFC 6749 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFault {
    /// The code of the protocol.
    pub code: ErrorCode,
    /// For whoever debugs the client.
    pub words: String,
}

impl TokenFault {
    fn new(code: ErrorCode, words: &str) -> Self {
        Self { code, words: words.to_owned() }
    }
}

impl From<ErrorCode> for TokenFault {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, "the request cannot be understood, or the client did not prove who it is")
    }
}

/// What a refresh token holds: only the newest of a permission is good.
#[derive(Serialize, Deserialize)]
struct Refresh {
    grant: GrantId,
    generation: u64,
}

impl AuthorizationServer {
    /// The token endpoint (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// See [`TokenFault`].
    pub async fn token(&self, body: &[u8], authorization: Option<&str>) -> Result<Value, TokenFault> {
        let (request, presented) = TokenRequest::read(body, authorization)?;
        let client = self.proven(&presented).await?;
        match request {
            TokenRequest::AuthorizationCode { code, redirect_uri, verifier, resources } => {
                let (grant, login) = self.redeemed(&client, &code, &redirect_uri, &verifier)?;
                self.is_for(&grant, &resources)?;
                self.answer(&grant, &login, None)
            }
            TokenRequest::RefreshToken { token, scopes, resources } => {
                let (grant, login) = self.renewed(&client, &token, &resources).await?;
                self.answer(&grant, &login, scopes.as_deref())
            }
            TokenRequest::JwtBearer { .. } => Err(TokenFault::new(
                ErrorCode::UnsupportedGrantType,
                "this authorization server takes no assertions; a guard does",
            )),
        }
    }

    /// Revocation (RFC 7009): the whole permission ends, for either of its tokens. What is no token of the hub's is answered
    /// as if it had been one.
    ///
    /// # Errors
    /// The client did not prove who it is.
    pub async fn revoke(&self, body: &[u8], authorization: Option<&str>) -> Result<(), TokenFault> {
        let form = Parameters::parse(body).map_err(|_| ErrorCode::InvalidRequest)?;
        let token = Secret::new(form.one("token").ok_or(ErrorCode::InvalidRequest)?.to_owned());
        let presented = presented(&form, authorization)?;
        let client = self.proven(&presented).await?;
        let named = self.refresh_of(&token).map(|refresh| refresh.grant);
        let named = named.or_else(|| self.grant_of_access(&token));
        if let Some((grant, _)) = named.and_then(|id| self.access.grant(&id))
            && grant.client == client
        {
            self.take_away(&grant.id, "client");
        }
        Ok(())
    }

    /// Dynamic registration (RFC 7591), where the operator allows it.
    ///
    /// # Errors
    /// `None`: there is none here. Else what the client reads.
    pub async fn register(&self, body: &[u8]) -> Result<Value, Option<TokenFault>> {
        if !self.logins.setup().dynamic_registration {
            return Err(None);
        }
        let registered = self.clients.register(body, &self.counting).await;
        registered.map_err(|(code, words)| Some(TokenFault { code, words }))
    }

    /// The metadata (RFC 8414). Identity providers are not named: whom the hub trusts is not told to strangers.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let methods = ["none", "private_key_jwt"];
        let algorithms = ["ES256", "ES384", "RS256", "PS256", "EdDSA"];
        let mut metadata = json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/oauth/authorize"),
            "token_endpoint": at("/oauth/token"),
            "revocation_endpoint": at("/oauth/revoke"),
            "jwks_uri": at("/.well-known/jwks.json"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "scopes_supported": SCOPES.map(Effect::code),
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
        });
        if self.logins.setup().dynamic_registration
            && let Some(members) = metadata.as_object_mut()
        {
            members.insert("registration_endpoint".to_owned(), at("/oauth/register").into());
        }
        metadata
    }

    async fn proven(&self, presented: &PresentedClient) -> Result<Client, TokenFault> {
        let endpoint = format!("{}/oauth/token", self.issuer);
        let audiences = Audiences::new(vec![self.issuer.to_string(), endpoint]);
        let audiences = audiences.map_err(|_| ErrorCode::ServerError)?;
        Ok(self.clients.proven(presented, &audiences).await?)
    }

    /// A code is good once, for its own client, address and verifier. A second use ends what the first one began (RFC 6749
    /// section 4.1.2).
    fn redeemed(
        &self,
        client: &Client,
        code: &Secret<String>,
        redirect_uri: &str,
        verifier: &Secret<String>,
    ) -> Result<(Arc<AccessGrant>, Arc<Login>), TokenFault> {
        let refused = || TokenFault::new(ErrorCode::InvalidGrant, "the code is not good, or not any more");
        let now = self.clock.now();
        let digest = Digest::of_bytes(code.expose().as_bytes());
        let grant = {
            let mut codes = self.codes();
            let known = codes.get_mut(&digest).ok_or_else(refused)?;
            if known.client != *client {
                return Err(refused());
            }
            if std::mem::replace(&mut known.is_used, true) {
                let grant = known.grant.clone();
                drop(codes);
                tracing::warn!(%grant, "a code was used twice: its permission ends");
                self.take_away(&grant, "code_reuse");
                return Err(refused());
            }
            let fits = known.redirect_uri == redirect_uri
                && pkce::proves(&known.challenge, verifier)
                && now.since(known.given_at) < CODE_LIFETIME;
            let grant = known.grant.clone();
            if !fits {
                drop(codes);
                self.take_away(&grant, "code_misused");
                return Err(refused());
            }
            grant
        };
        self.access.grant(&grant).ok_or_else(refused)
    }

    /// A refresh token is good once: an older one that comes back was copied, and ends the permission (RFC 9700 section
    /// 4.14.2).
    async fn renewed(
        &self,
        client: &Client,
        token: &Secret<String>,
        resources: &[String],
    ) -> Result<(Arc<AccessGrant>, Arc<Login>), TokenFault> {
        let refused =
            || TokenFault::new(ErrorCode::InvalidGrant, "the refresh token is not good, or not any more");
        let refresh = self.refresh_of(token).ok_or_else(refused)?;
        let (grant, login) = self.access.grant(&refresh.grant).ok_or_else(refused)?;
        if grant.client != *client {
            return Err(refused());
        }
        self.is_for(&grant, resources)?;
        if grant.generation != refresh.generation {
            tracing::warn!(grant = %grant.id, "a refresh token was used twice: its permission ends");
            self.take_away(&grant.id, "reuse");
            return Err(refused());
        }
        let ends_at = self.clock.now().plus(self.logins.setup().grant).min(login.ends_at);
        let renewed = self.access.renew(&grant, ends_at).await;
        let renewed = renewed.map_err(|error| match error {
            crate::access::AccessError::Ended => refused(),
            other => TokenFault::new(ErrorCode::TemporarilyUnavailable, &other.to_string()),
        })?;
        Ok((renewed, login))
    }

    /// A permission ends, and what runs by it.
    fn take_away(&self, id: &GrantId, why: &str) {
        let Some((grant, _)) = self.access.grant(id) else { return };
        let target = Revoked::Grant { id: id.clone() };
        drop(self.revocations.end(grant.user.tenant.clone(), target, why));
    }

    fn is_for(&self, grant: &AccessGrant, resources: &[String]) -> Result<(), TokenFault> {
        let wrong = resources.iter().any(|resource| *resource != grant.resource);
        if !wrong {
            return Ok(());
        }
        Err(TokenFault::new(ErrorCode::InvalidTarget, "the permission is for another resource"))
    }

    fn answer(
        &self,
        grant: &AccessGrant,
        login: &Login,
        narrower: Option<&[String]>,
    ) -> Result<Value, TokenFault> {
        let now = self.clock.now();
        let broken = |_| TokenFault::new(ErrorCode::ServerError, "no token can be made now");
        // A narrower scope is told and not kept: the permission bounds the calls, and it is what it was.
        let most = narrower.and_then(farthest).map_or(grant.most, |asked| asked.min(grant.most));
        let scopes: Vec<String> = scopes_up_to(most).into_iter().map(str::to_owned).collect();
        let expires_at = now.plus(self.logins.setup().token).min(grant.ends_at).min(login.ends_at);
        let extra = [(GRANT.to_owned(), json!(grant.id))].into_iter().collect();
        let token = AccessToken {
            issuer: self.issuer.clone(),
            subject: grant.user.subject.clone(),
            audience: grant.resource.clone(),
            client: grant.client.clone(),
            scopes: scopes.clone(),
            issued_at: now,
            expires_at,
            extra,
        };
        let minted = token.sign(&self.key).map_err(broken)?;
        let refresh = Refresh { grant: grant.id.clone(), generation: grant.generation };
        let refresh = serde_json::to_vec(&refresh).map_err(|_| ErrorCode::ServerError)?;
        let refresh = self.sealer.seal(REFRESH, &[], &refresh, login.ends_at);
        let refresh = refresh.map_err(|_| ErrorCode::ServerError)?;
        Ok(json!({
            "access_token": minted.token.expose(),
            "token_type": "Bearer",
            "expires_in": expires_at.since(now).as_secs(),
            "scope": scopes.join(" "),
            "refresh_token": refresh,
        }))
    }

    fn refresh_of(&self, token: &Secret<String>) -> Option<Refresh> {
        let opened = self.sealer.open(REFRESH, &[], token.expose(), self.clock.now()).ok()?;
        serde_json::from_slice(&opened).ok()
    }

    /// Which permission an access token stands for; it may have expired, and is worth nothing here.
    fn grant_of_access(&self, token: &Secret<String>) -> Option<GrantId> {
        use base64::Engine as _;
        let payload = token.expose().split('.').nth(1)?;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
        let claims: Value = serde_json::from_slice(&bytes).ok()?;
        GrantId::new(claims.get(GRANT)?.as_str()?).ok()
    }
}

fn presented(form: &Parameters, authorization: Option<&str>) -> Result<PresentedClient, ErrorCode> {
    if authorization.is_some() {
        return Err(ErrorCode::InvalidClient);
    }
    let client = form.one("client_id").map(|id| Client(id.to_owned()));
    match form.one("client_assertion") {
        Some(assertion) => {
            Ok(PresentedClient::Assertion { client, assertion: Secret::new(assertion.to_owned()) })
        }
        None => client.map(PresentedClient::Public).ok_or(ErrorCode::InvalidClient),
    }
}

/// 256 random bits as text, after a word that says what it is.
pub(super) fn fresh(prefix: &str) -> Result<Secret<String>, getrandom::Error> {
    use base64::Engine as _;
    let bytes = deputy_core::id::random_bytes::<32>()?;
    Ok(Secret::new(format!("{prefix}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))))
}
