//! Logto: <https://docs.logto.io/authorization/validate-access-tokens>; always `at+jwt`
//! (<https://github.com/logto-io/logto/issues/6915>).

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, OPENID, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "logto",
    issuers: &[IssuerForm { pattern: "https://{host}/oidc", keys: Keys::Discovery(OPENID) }],
    other_spelling: None,
    algorithms: &[Algorithm::Es384],
    access_token_type: AccessTokenType::Declared,
    kinds: BOTH_KINDS,
    groups: "roles",
    tenants: Tenants::Some(&["organization_id"]),
    audience: AudienceAt::Aud,
    subject: SUB,
    access_token_says: &[],
    id_token_says: &[],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
