//! Claims cannot be written down by hand either.

use deputy_identity::{Claims, Verified};

fn change(verified: Verified<Claims>) -> Claims {
    Claims { groups: vec!["admins".to_owned()], ..verified.claims().clone() }
}

fn main() {}
