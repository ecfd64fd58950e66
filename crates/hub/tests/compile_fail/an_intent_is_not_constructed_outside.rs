//! Invariant 4: an intent is made by the journal, which hands its line to the log.
use deputy_hub::{Caller, Intent, ports::Appended};
use deputy_policy::Authorized;

fn forge(authorized: Authorized<Caller>, line: Appended) -> Intent {
    Intent::new(authorized, line)
}

fn main() {}
