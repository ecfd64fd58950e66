//! A security event that was verified comes from its verifier alone.

use deputy_identity::Verified;
use deputy_identity::revocation::SecurityEvent;

fn forge(verified: Verified<SecurityEvent>) -> Verified<SecurityEvent> {
    let mut changed = SecurityEvent { ..verified.claims().clone() };
    changed.id = "another".to_owned();
    Verified(changed)
}

fn main() {}
