//! A logout token that was verified comes from its verifier alone.

use deputy_identity::Verified;
use deputy_identity::revocation::LogoutToken;

fn forge(verified: Verified<LogoutToken>) -> Verified<LogoutToken> {
    let mut changed = LogoutToken { ..verified.claims().clone() };
    changed.id = "another".to_owned();
    Verified(changed)
}

fn main() {}
