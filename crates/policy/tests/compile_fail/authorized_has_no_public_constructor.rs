//! Nor built by the crate's own constructor.
use deputy_core::{Call, Digest};
use deputy_policy::Authorized;

fn forge(caller: String, call: Call, version: Digest) -> Authorized<String> {
    Authorized::new(caller, call, Vec::new(), version, true)
}

fn main() {}
