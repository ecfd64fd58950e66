//! A sign-in that was verified comes from its verifier alone.

use deputy_identity::Verified;
use deputy_identity::login::Login;

fn forge(verified: Verified<Login>) -> Verified<Login> {
    let mut changed = Login { ..verified.claims().clone() };
    changed.email = Some("admin@acme.example".to_owned());
    Verified(changed)
}

fn main() {}
