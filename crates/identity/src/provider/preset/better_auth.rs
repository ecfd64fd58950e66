//! Better Auth: <https://www.better-auth.com/docs/plugins/oauth-provider> (access tokens) and
//! <https://www.better-auth.com/docs/plugins/jwt> (session tokens, keys); `at+jwt`, `client_id` and `azp` as in
//! `packages/oauth-provider/src/token.ts` of better-auth/better-auth.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "better-auth",
    issuers: &[
        IssuerForm { pattern: "https://{host}", keys: Keys::Set("{iss}/api/auth/jwks") },
        IssuerForm { pattern: "https://{host}/{segment}", keys: Keys::Set("{iss}/jwks") },
        IssuerForm { pattern: "https://{host}/{segment}/{segment}", keys: Keys::Set("{iss}/jwks") },
    ],
    other_spelling: None,
    algorithms: &[Algorithm::EdDsa],
    access_token_type: AccessTokenType::Declared,
    kinds: BOTH_KINDS,
    groups: "role",
    tenants: Tenants::Issuer,
    audience: AudienceAt::Aud,
    subject: SUB,
    access_token_says: &[],
    id_token_says: &[],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
