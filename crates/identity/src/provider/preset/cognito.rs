//! Amazon Cognito user pools:
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>.
//!
//! Access tokens say for which client they are, and have an `aud` only with resource binding.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, OPENID, SUB, Shape, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "cognito",
    issuers: &[
        IssuerForm {
            pattern: "https://cognito-idp.{label}.amazonaws.com/{segment}",
            keys: Keys::Discovery(OPENID),
        },
        IssuerForm {
            pattern: "https://cognito-idp.{label}.amazonaws.com.cn/{segment}",
            keys: Keys::Discovery(OPENID),
        },
    ],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "cognito:groups",
    tenants: Tenants::Issuer,
    audience: AudienceAt::AudElse("client_id"),
    subject: SUB,
    access_token_says: &[("token_use", &["access"]), ("client_id", &[])],
    id_token_says: &[("token_use", &["id"])],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: None,
    machine: "{client}",
};
