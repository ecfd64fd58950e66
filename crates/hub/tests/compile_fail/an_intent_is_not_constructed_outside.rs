//! Invariant 4: an intent is made by the journal, which hands its line to the log.
use deputy_hub::Intent;

fn main() {
    let _forge = Intent::new;
}
