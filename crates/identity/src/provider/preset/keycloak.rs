//! Keycloak: <https://www.keycloak.org/docs/latest/server_admin/> (audience, the `at+jwt` switch of a client).
//!
//! The claim `typ` tells kinds apart where the header does not: `Bearer`, `ID`, `Refresh`, `Offline`, `Logout`.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, OPENID, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "keycloak",
    issuers: &[
        IssuerForm { pattern: "https://{host}/realms/{segment}", keys: Keys::Discovery(OPENID) },
        IssuerForm { pattern: "https://{host}/{segment}/realms/{segment}", keys: Keys::Discovery(OPENID) },
    ],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "/realm_access/roles",
    tenants: Tenants::Issuer,
    audience: AudienceAt::Aud,
    subject: SUB,
    access_token_says: &[("typ", &["Bearer"])],
    id_token_says: &[("typ", &["ID"])],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
