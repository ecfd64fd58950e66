//! What anybody may know about a guard (RFC 9728, RFC 8414). Whom it trusts is not part of it.

use crate::guard::Guard;
use crate::token::GRANT;
use deputy_identity::id_jag::GRANT_PROFILE;
use deputy_identity::mint;
use serde_json::{Value, json};

/// `/.well-known/oauth-protected-resource` and the same with the resource's path.
pub(crate) fn protected_resource(guard: &Guard) -> Value {
    json!({
        "resource": guard.resource,
        "authorization_servers": [guard.issuer],
        "scopes_supported": guard.scopes().names().collect::<Vec<_>>(),
        "bearer_methods_supported": ["header"],
    })
}

/// `/.well-known/oauth-authorization-server`.
pub(crate) fn authorization_server(guard: &Guard) -> Value {
    json!({
        "issuer": guard.issuer,
        "token_endpoint": format!("{}/oauth/token", guard.issuer),
        "jwks_uri": format!("{}/.well-known/jwks.json", guard.issuer),
        "scopes_supported": guard.scopes().names().collect::<Vec<_>>(),
        "response_types_supported": [],
        "grant_types_supported": [GRANT],
        "authorization_grant_profiles_supported": [GRANT_PROFILE],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported":
            ["RS256", "PS256", "ES256", "ES384", "EdDSA"],
        "client_id_metadata_document_supported": true,
    })
}

/// `/.well-known/jwks.json`: what access tokens and `Deputy-User` are signed with.
pub(crate) fn keys(guard: &Guard) -> Value {
    mint::jwks([&guard.key])
}
