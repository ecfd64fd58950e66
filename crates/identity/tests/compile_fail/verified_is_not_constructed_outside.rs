//! The field of `Verified` is private.

use deputy_identity::Verified;

fn main() {
    let _ = Verified("I am the administrator");
}
