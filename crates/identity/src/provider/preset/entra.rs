//! Microsoft Entra ID: <https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens> (issuers, the issuer of
//! a key) and <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference> (claims).
//!
//! `scp` is in the tokens of people alone, and in access tokens alone. `sub` differs from application to application;
//! `oid` does not.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, Shape, SubjectAt, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "entra",
    issuers: &[
        IssuerForm {
            pattern: "https://login.microsoftonline.com/{guid}/v2.0",
            keys: Keys::Discovery(
                "https://login.microsoftonline.com/{1}/v2.0/.well-known/openid-configuration",
            ),
        },
        IssuerForm {
            pattern: "https://sts.windows.net/{guid}/",
            keys: Keys::Discovery("https://login.microsoftonline.com/{1}/.well-known/openid-configuration"),
        },
    ],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "roles",
    tenants: Tenants::IssuerAnd("tid"),
    audience: AudienceAt::Aud,
    subject: SubjectAt { access_token: "oid", id_token: "oid", within_tenant: false },
    access_token_says: &[("scp", &[])],
    id_token_says: &[],
    person_never_says: &[("idtyp", "app")],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
