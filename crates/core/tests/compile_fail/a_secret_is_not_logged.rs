//! Invariant 8.
use deputy_core::Secret;

fn main() {
    let secret = Secret::new(String::from("x"));
    println!("{secret:?}");
}
