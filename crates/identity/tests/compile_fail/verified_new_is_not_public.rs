//! Its constructor is this crate's own.

use deputy_identity::Verified;

fn main() {
    let _ = Verified::new("I am the administrator");
}
