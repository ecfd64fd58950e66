//! Auth0: <https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles> (`typ` `JWT` with `azp`, or
//! `at+jwt` with `client_id`) and <https://auth0.com/docs/manage-users/organizations/using-tokens> (`org_id`).

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, OPENID, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "auth0",
    issuers: &[IssuerForm { pattern: "https://{host}/", keys: Keys::Discovery(OPENID) }],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "permissions",
    tenants: Tenants::Some(&["org_id"]),
    audience: AudienceAt::Aud,
    subject: SUB,
    access_token_says: &[],
    id_token_says: &[],
    person_never_says: &[("gty", "client-credentials")],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}@clients",
};
