//! WorkOS AuthKit: <https://workos.com/docs/reference/authkit/session-tokens> and
//! <https://workos.com/docs/authkit/sessions>.
//!
//! `https://api.workos.com` is the issuer of every WorkOS customer: the organisation is what tells ours from theirs, so
//! somebody who is in none is refused. Its keys are per client, which that issuer does not name. AuthKit as the
//! authorization server of MCP has an issuer of its own: <https://workos.com/docs/authkit/mcp>. So has WorkOS Connect, whose
//! ID tokens name no organisation: <https://workos.com/docs/reference/workos-connect/token>.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "workos",
    issuers: &[
        IssuerForm {
            pattern: "https://api.workos.com/user_management/{segment}",
            keys: Keys::Set("https://api.workos.com/sso/jwks/{1}"),
        },
        IssuerForm { pattern: "https://api.workos.com", keys: Keys::Unknown },
        IssuerForm { pattern: "https://{host}", keys: Keys::Set("{iss}/oauth2/jwks") },
    ],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "roles",
    tenants: Tenants::AlwaysAt("https://api.workos.com", &["org_id"]),
    audience: AudienceAt::Aud,
    subject: SUB,
    access_token_says: &[],
    id_token_says: &[],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
