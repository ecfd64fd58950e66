//! Clerk: <https://clerk.com/docs/guides/sessions/session-tokens> (claims, versions 2 and 1) and
//! <https://clerk.com/docs/guides/sessions/manual-jwt-verification> (keys, `azp`).
//!
//! A session token has no audience; `azp` is the origin of the page that asked for it.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "clerk",
    issuers: &[IssuerForm { pattern: "https://{host}", keys: Keys::Set("{iss}/.well-known/jwks.json") }],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "/o/rol",
    tenants: Tenants::Some(&["/o/id", "org_id"]),
    audience: AudienceAt::AudElse("azp"),
    subject: SUB,
    access_token_says: &[],
    id_token_says: &[],
    person_never_says: &[("sts", "pending")],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
