//! Invariant 5: a caller comes from verified claims alone.
use deputy_core::{Agent, Client, User};
use deputy_hub::Caller;

fn forge(user: User) -> Caller {
    Caller { user, agent: Agent::default(), client: Client(String::new()), groups: Vec::new() }
}

fn main() {}
