//! D6: an ID-JAG is used up by its one use, and cannot be copied before.

use deputy_identity::exchange::id_jag::IdJagGrant;

fn twice(grant: IdJagGrant) {
    let _first = grant.redeem();
    let _second = grant.redeem();
}

fn copy(grant: &IdJagGrant) -> IdJagGrant {
    grant.clone()
}

fn print(grant: &IdJagGrant) -> String {
    format!("{grant:?}")
}

fn main() {}
