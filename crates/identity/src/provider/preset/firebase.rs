//! Firebase Authentication and Identity Platform:
//! <https://firebase.google.com/docs/auth/admin/verify-id-tokens> (`aud` is the project) and
//! <https://cloud.google.com/identity-platform/docs/multi-tenancy-managing-tenants> (`firebase.tenant`).
//!
//! A tenant is a silo with users of its own, so its name goes into the user's.

use super::{AccessTokenType, AudienceAt, IssuerForm, Keys, Shape, SubjectAt, Tenants};
use crate::claims::TokenKind;
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "firebase",
    issuers: &[IssuerForm {
        pattern: "https://securetoken.google.com/{segment}",
        keys: Keys::Set(
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        ),
    }],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Declared,
    kinds: &[TokenKind::IdToken],
    groups: "groups",
    tenants: Tenants::Some(&["/firebase/tenant"]),
    audience: AudienceAt::Aud,
    subject: SubjectAt { access_token: "sub", id_token: "sub", within_tenant: true },
    access_token_says: &[],
    id_token_says: &[("firebase", &[])],
    person_never_says: &[],
    signs_people_in: false,
    assertion_for: None,
    machine: "{client}",
};
