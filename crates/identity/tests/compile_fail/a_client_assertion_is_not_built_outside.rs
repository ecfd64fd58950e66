//! A client assertion that was verified comes from its verifier alone.

use deputy_identity::Verified;
use deputy_identity::client_assertion::ClientAssertion;

fn forge(verified: Verified<ClientAssertion>) -> Verified<ClientAssertion> {
    let mut changed = ClientAssertion { ..verified.claims().clone() };
    changed.id = "another".to_owned();
    Verified(changed)
}

fn main() {}
