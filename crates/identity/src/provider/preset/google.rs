//! Google Workspace: <https://developers.google.com/identity/openid-connect/openid-connect>.
//!
//! Access tokens are opaque. An account without `hd` belongs to no organisation and is refused (A12).

use super::{AccessTokenType, AudienceAt, IssuerForm, Keys, OPENID, SUB, Shape, Tenants};
use crate::claims::TokenKind;
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "google",
    issuers: &[IssuerForm { pattern: "https://accounts.google.com", keys: Keys::Discovery(OPENID) }],
    other_spelling: Some("accounts.google.com"),
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Declared,
    kinds: &[TokenKind::IdToken],
    groups: "groups",
    tenants: Tenants::Always(&["hd"]),
    audience: AudienceAt::Aud,
    subject: SUB,
    access_token_says: &[],
    id_token_says: &[],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
