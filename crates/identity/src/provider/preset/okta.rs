//! Okta: <https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/> and
//! <https://developer.okta.com/docs/guides/validate-access-tokens/>.
//!
//! The issuer is the organisation. In access tokens `sub` is the login, which is an e-mail address and changes; `uid` is
//! what ID tokens call `sub`. Access tokens of the organisation's own server have `typ`
//! `application/okta-internal-at+jwt` and are for Okta alone: they are refused as another kind. A client assertion is for
//! the token endpoint: <https://developer.okta.com/docs/guides/xaa-request-token-ex/openidconnect/main/>.

use super::{AccessTokenType, AudienceAt, BOTH_KINDS, IssuerForm, Keys, OPENID, Shape, SubjectAt, Tenants};
use crate::jws::Algorithm;

pub(super) const SHAPE: Shape = Shape {
    name: "okta",
    issuers: &[
        IssuerForm { pattern: "https://{host}/oauth2/{segment}", keys: Keys::Discovery(OPENID) },
        IssuerForm { pattern: "https://{host}", keys: Keys::Discovery(OPENID) },
    ],
    other_spelling: None,
    algorithms: &[Algorithm::Rs256],
    access_token_type: AccessTokenType::Untyped,
    kinds: BOTH_KINDS,
    groups: "groups",
    tenants: Tenants::Issuer,
    audience: AudienceAt::Aud,
    subject: SubjectAt { access_token: "uid", id_token: "sub", within_tenant: false },
    access_token_says: &[("cid", &[]), ("uid", &[]), ("scp", &[])],
    id_token_says: &[],
    person_never_says: &[],
    signs_people_in: true,
    assertion_for: Some(token_endpoint),
    machine: "{client}",
};

/// Of the organisation's own server, and of a custom one.
fn token_endpoint(issuer: &str) -> String {
    let own = if issuer.contains("/oauth2/") { "" } else { "/oauth2" };
    format!("{issuer}{own}/v1/token")
}
