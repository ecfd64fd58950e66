//! Nor spent twice.
use deputy_policy::Authorized;

fn twice(authorized: &Authorized<String>) -> Authorized<String> {
    Clone::clone(authorized)
}

fn main() {}
