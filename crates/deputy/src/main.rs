//! The program: command line, settings, wiring.
fn main() {}
