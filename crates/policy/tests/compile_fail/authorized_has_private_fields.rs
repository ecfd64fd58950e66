//! A proof cannot be written down by hand.
use deputy_core::{Call, Digest};
use deputy_policy::Authorized;

fn forge(caller: String, call: Call, version: Digest) -> Authorized<String> {
    Authorized { caller, call, policies: Vec::new(), version, approved: true }
}

fn main() {}
