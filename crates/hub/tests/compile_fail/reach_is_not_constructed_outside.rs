//! The right to look comes from the corridor.
use deputy_hub::{Caller, Reach};

fn forge(caller: Caller) -> Reach {
    Reach::new(caller)
}

fn main() {}
