//! Invariant 5: a caller comes from verified claims alone.
use deputy_core::Agent;
use deputy_hub::Caller;
use std::sync::Arc;

fn forge(agent: Arc<Agent>) -> Caller {
    Caller { agent, untrusted: false }
}

fn main() {}
