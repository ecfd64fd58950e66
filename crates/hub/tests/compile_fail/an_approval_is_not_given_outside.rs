//! An approval reaches a caller only by being spent in the corridor.
use deputy_core::Digest;
use deputy_hub::Caller;

fn approve(caller: Caller, call: Digest) -> Caller {
    caller.with_approval(call)
}

fn main() {}
