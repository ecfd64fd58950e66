//! A ID-JAG that was verified comes from its verifier alone.

use deputy_identity::Verified;
use deputy_identity::id_jag::IdJag;

fn forge(verified: Verified<IdJag>) -> Verified<IdJag> {
    let mut changed = IdJag { ..verified.claims().clone() };
    changed.id = "another".to_owned();
    Verified(changed)
}

fn main() {}
