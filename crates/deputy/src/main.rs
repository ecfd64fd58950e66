//! The program: command line, settings, wiring.

fn main() -> std::process::ExitCode {
    deputy::cli::run()
}
