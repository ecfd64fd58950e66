//! The claims of a token whose signature is good, against what the door and the provider expect (A8 to A11, A15, A16).

use super::read::{Limits, Times, optional_text, strings, text, words};
use super::{Claims, Expectations, TokenKind};
use crate::error::TokenError;
use crate::jws::Token;
use crate::members::{Json, Members};
use crate::provider::{AccessTokenType, AudienceAt, Provider, Says, Settings, Shape};
use deputy_core::{Client, Digest, Subject, Timestamp, User};
use serde_json::Value;

const MAX_SHORT_TEXT: usize = 512;

/// Checks everything but issuer, key and signature.
pub(crate) fn check(
    token: &Token<'_>,
    provider: &Provider,
    expectations: &Expectations,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    let (claims, settings, shape) = (&token.claims, provider.settings(), provider.shape());
    let audiences = audiences(token, expectations.kind, shape)?;
    let client = client(claims)?;
    kind(token, settings, expectations, &audiences, client)?;
    says(claims, expectations.kind, client, shape)?;
    if !audiences.iter().any(|audience| expectations.audiences.contains(audience)) {
        return Err(TokenError::Audience);
    }
    if claims.contains_key("cnf") {
        return Err(TokenError::ProofOfPossession);
    }
    let belongs = provider.belongs(token)?;
    let times = times(token, expectations.kind, settings, now)?;
    let subject = subject(claims, expectations.kind, shape, belongs.tenant.as_deref())?;
    Ok(Claims {
        user: User { tenant: settings.tenant.clone(), issuer: belongs.issuer, subject },
        provider_tenant: belongs.tenant,
        provider: settings.name.clone(),
        kind: expectations.kind,
        client: client.or_else(|| of_id_token(expectations.kind, &audiences)).map(|id| Client(id.to_owned())),
        scopes: scopes(claims)?,
        groups: groups(claims, settings)?,
        expires_at: times.expires_at,
        issued_at: times.issued_at,
        session: optional_text(claims, "sid")?.map(str::to_owned),
        act: actor(claims, "act")?,
        impersonator: actor(claims, "impersonator")?,
        token_id: optional_text(claims, "jti")?.map(|id| Digest::of_bytes(id.as_bytes())),
    })
}

/// A11: the claim that the product keeps stable, and the provider's tenant where it is unique only there. Even then no
/// token passes without a `sub`.
fn subject(
    claims: &Members<'_>,
    kind: TokenKind,
    shape: &Shape,
    tenant: Option<&str>,
) -> Result<Subject, TokenError> {
    let new = |name, text: &str| Subject::new(text).map_err(|_| TokenError::Claim(name));
    new("sub", text(claims, "sub")?)?;
    let name = match kind {
        TokenKind::AccessToken => shape.subject.access_token,
        TokenKind::IdToken | TokenKind::IdJag => shape.subject.id_token,
    };
    let own = new(name, text(claims, name)?)?;
    match tenant.filter(|_| shape.subject.within_tenant) {
        Some(tenant) => new(name, &format!("{tenant}/{}", own.as_str())),
        None => Ok(own),
    }
}

/// A10: what a product's tokens of this kind always say, and what those of a person never do.
fn says(
    claims: &Members<'_>,
    kind: TokenKind,
    client: Option<&str>,
    shape: &Shape,
) -> Result<(), TokenError> {
    let wanted = match kind {
        TokenKind::AccessToken => shape.access_token_says,
        TokenKind::IdToken | TokenKind::IdJag => shape.id_token_says,
    };
    let said = |(name, values): &Says| match claims.get(name) {
        None | Some(Json::Null) => false,
        Some(value) => values.is_empty() || value.as_str().is_some_and(|value| values.contains(&value)),
    };
    let never =
        |(name, value): &(&str, &str)| claims.get(name).is_some_and(|said| said.as_str() == Some(value));
    let subject = claims.get("sub").and_then(Json::as_str);
    let machine = |client| subject.is_some_and(|subject| is_machine(shape.machine, client, subject));
    let person = kind == TokenKind::IdToken || !client.is_some_and(machine);
    let right = person && wanted.iter().all(said) && !shape.person_never_says.iter().any(never);
    if right { Ok(()) } else { Err(TokenError::Kind) }
}

/// Whether a subject is the pattern with the client in its place.
fn is_machine(pattern: &str, client: &str, subject: &str) -> bool {
    match pattern.split_once("{client}") {
        Some((before, after)) => {
            let rest = subject.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            rest == Some(client)
        }
        None => subject == pattern,
    }
}

/// A9: a string, or a list of strings with something in it. For the products that issue access tokens without one, what
/// stands in its place; never where the `typ` promises an `aud` (RFC 9068 section 2.2).
fn audiences<'t>(token: &'t Token<'_>, kind: TokenKind, shape: &Shape) -> Result<Vec<&'t str>, TokenError> {
    let (claims, wrong) = (&token.claims, TokenError::Claim("aud"));
    let bare = kind == TokenKind::AccessToken && token.media_type.as_deref().is_none_or(|typ| typ == "jwt");
    match (claims.get("aud"), shape.audience) {
        (None, AudienceAt::AudElse(name)) if bare => return Ok(vec![text(claims, name)?]),
        _ => {}
    }
    match claims.get("aud") {
        Some(Json::Text(audience)) => Ok(vec![audience]),
        Some(Json::List(audiences)) if !audiences.is_empty() => {
            audiences.iter().map(Json::as_str).collect::<Option<_>>().ok_or(wrong)
        }
        _ => Err(wrong),
    }
}

fn client<'a>(claims: &'a Members<'_>) -> Result<Option<&'a str>, TokenError> {
    for name in ["client_id", "azp", "cid", "appid"] {
        if let Some(client) = optional_text(claims, name)? {
            let fits = (1..=MAX_SHORT_TEXT).contains(&client.len());
            return if fits { Ok(Some(client)) } else { Err(TokenError::Claim(name)) };
        }
    }
    Ok(None)
}

fn of_id_token<'a>(kind: TokenKind, audiences: &[&'a str]) -> Option<&'a str> {
    match (kind, audiences) {
        (TokenKind::IdToken, [only]) => Some(only),
        _ => None,
    }
}

/// A10: the token says what it is, in its `typ` or by what it contains.
fn kind(
    token: &Token<'_>,
    settings: &Settings,
    expectations: &Expectations,
    audiences: &[&str],
    client: Option<&str>,
) -> Result<(), TokenError> {
    let claims = &token.claims;
    let typed = token.media_type.as_deref();
    let untyped = typed.is_none_or(|typ| typ == "jwt");
    let says = |name: &str, wanted: &[&str]| {
        claims.get(name).is_none_or(|value| value.as_str().is_some_and(|value| wanted.contains(&value)))
    };
    let right = settings.kinds.contains(&expectations.kind)
        && !claims.contains_key("events")
        && match expectations.kind {
            TokenKind::AccessToken => {
                let allowed = untyped && settings.access_token_type == AccessTokenType::Untyped;
                (typed == Some("at+jwt") || allowed)
                    && says("token_use", &["access"])
                    && says("typ", &["Bearer", "at+jwt", "JWT"])
                    && !is_id_token_inside(claims, untyped, audiences, client)
            }
            TokenKind::IdToken => {
                let several = audiences.len() > 1;
                untyped
                    && says("token_use", &["id"])
                    && says("typ", &["ID", "JWT"])
                    && (!several || client.is_some_and(|client| expectations.audiences.contains(client)))
            }
            TokenKind::IdJag => false,
        };
    if right { Ok(()) } else { Err(TokenError::Kind) }
}

/// `nonce` and `at_hash` are of ID tokens: refused in a token that does not call itself an access token, and in any
/// that is for its own client.
fn is_id_token_inside(claims: &Members<'_>, untyped: bool, audiences: &[&str], client: Option<&str>) -> bool {
    let marked = claims.contains_key("nonce") || claims.contains_key("at_hash");
    marked && (untyped || client.is_some_and(|client| audiences.contains(&client)))
}

/// A8, and the `iat` that ID tokens and `at+jwt` always have.
fn times(
    token: &Token<'_>,
    kind: TokenKind,
    settings: &Settings,
    now: Timestamp,
) -> Result<Times, TokenError> {
    let limits = Limits { skew: settings.skew, max_lifetime: settings.max_lifetime };
    let dated = kind == TokenKind::IdToken || token.media_type.as_deref() == Some("at+jwt");
    let times = limits.check(&token.claims, now)?;
    if dated && times.issued_at.is_none() { Err(TokenError::Claim("iat")) } else { Ok(times) }
}

fn scopes(claims: &Members<'_>) -> Result<Vec<String>, TokenError> {
    if let Some(scope) = optional_text(claims, "scope")? {
        return Ok(words(scope));
    }
    match claims.get("scp") {
        None => Ok(Vec::new()),
        Some(Json::Text(scopes)) => Ok(words(scopes)),
        Some(scopes) => strings(scopes).ok_or(TokenError::Claim("scp")),
    }
}

/// A list that cannot be read is not an empty list: a policy may forbid something to a group.
fn groups(claims: &Members<'_>, settings: &Settings) -> Result<Vec<String>, TokenError> {
    if settings.groups.is_elsewhere(claims) {
        return Err(TokenError::Claim("groups"));
    }
    match settings.groups.find(claims) {
        None => Ok(Vec::new()),
        Some(Json::Text(group)) => Ok(vec![group.clone().into_owned()]),
        Some(groups) => strings(groups).ok_or(TokenError::Claim("groups")),
    }
}

fn actor(claims: &Members<'_>, name: &'static str) -> Result<Option<Value>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(actor) if actor.as_object().is_some() => Ok(Some(actor.to_value())),
        Some(_) => Err(TokenError::Claim(name)),
    }
}
