//! Any provider that follows OpenID Connect Core 1.0, Discovery 1.0 and RFC 9068.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "oidc",
    issuers: &[],
    other_spelling: None,
    algorithms: &Algorithm::ALL,
    access_token_type: AccessTokenType::Declared,
    kinds: BOTH_KINDS,
    groups: "groups",
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
