//! Scalekit: <https://docs.scalekit.com/guides/accesstoken-claims> (claims) and
//! <https://docs.scalekit.com/authenticate/mcp/quickstart/> (the `res_…` audience of an MCP server).

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "scalekit",
    issuers: &[IssuerForm { pattern: "https://{host}", keys: Keys::Set("{iss}/keys") }],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "roles",
    tenants: Tenants::Always(&["oid"]),
    audience: AudienceAt::Aud,
    subject: SUB,
    access_token_says: &[],
    id_token_says: &[],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
