//! Invariant 4: a risky call is performed only against an intent whose line is on disk.
use deputy_hub::{Durable, Intent, Ready};

fn hurry(intent: Intent) -> Ready {
    Ready::Durable(Durable(intent))
}

fn main() {}
