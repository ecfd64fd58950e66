//! An access token of our own that was verified comes from its verifier alone.

use deputy_identity::Verified;
use deputy_identity::mint::IssuedAccess;

fn forge(verified: Verified<IssuedAccess>) -> Verified<IssuedAccess> {
    let mut changed = IssuedAccess { ..verified.claims().clone() };
    changed.scopes = vec!["admin".to_owned()];
    Verified(changed)
}

fn main() {}
