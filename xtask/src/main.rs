//! Checks of the house that cargo itself does not make.
//!
//! `cargo xtask rings` compares the crates' dependencies with `deps.txt` and with the rings of DESIGN section 3
//! (invariant 1); `cargo xtask rings --write` writes `deps.txt` anew.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal of whoever works on the house"
)]

mod rings;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["rings"] => rings::check(),
        ["rings", "--write"] => rings::write(),
        _ => Err("usage: cargo run -p xtask -- rings [--write]".to_owned()),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}
