//! Invariant 4: only the hub says that a call is a read that may run beside its line.
use deputy_hub::{Intent, ReadIntent, Ready};

fn pretend(intent: Intent) -> Ready {
    Ready::Read(ReadIntent(intent))
}

fn main() {}
