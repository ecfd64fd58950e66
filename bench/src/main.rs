//! Measures the hub, and kills it under load. `bench/run` builds this program and the hub, and starts it.
//!
//! What is compared is measured in turns in one run, so that a machine with other work disturbs both sides alike.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measured")]

mod cases;
mod issuer;
mod load;
mod mcp;
mod numbers;
mod play;
mod process;
mod report;
mod tab;
mod wire;
mod world;

use cases::Setting;
use report::Style;
use std::path::PathBuf;
use std::process::ExitCode;

/// Whatever went wrong, in words.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

const USAGE: &str = "deputy-bench --program DEPUTY --dir DIR [--json | --markdown] [CASE…]\n\
    cases: verify decide search audit tab tabs servers sessions lists; `faults kills N` and `faults tabs N` check instead of \
    measuring";

fn fail<T>(why: impl Into<String>) -> Result<T> {
    Err(why.into().into())
}

/// `getrandom`'s errors are no `std` errors.
fn random<T>(drawn: Result<T, getrandom::Error>) -> Result<T> {
    drawn.map_err(|error| error.to_string().into())
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let ended = match given.split_first() {
        Some((first, part)) if first == "play" => perform(part),
        _ => measure(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One of the parts that are measured: a process of its own.
fn perform(part: &[String]) -> Result<()> {
    let part: Vec<&str> = part.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(play::play(&part))
}

fn measure() -> Result<()> {
    settings().and_then(|(setting, style, words)| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(&setting, style, &words))
    })
}

async fn run(setting: &Setting, style: Style, words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["faults", kind, count] = words.as_slice() {
        return cases::fault(setting, kind, count.parse()?).await;
    }
    let chosen = if words.is_empty() { cases::ALL.to_vec() } else { words };
    for case in chosen {
        println!("{}", report::text(&cases::measure(setting, case).await?, style).trim_end());
        if style != Style::Json {
            println!();
        }
    }
    Ok(())
}

fn settings() -> Result<(Setting, Style, Vec<String>)> {
    let (mut program, mut folder, mut style, mut words) = (None, None, Style::Table, Vec::new());
    let mut given = std::env::args().skip(1);
    while let Some(word) = given.next() {
        match word.as_str() {
            "--program" => program = given.next().map(PathBuf::from),
            "--dir" => folder = given.next().map(PathBuf::from),
            "--json" => style = Style::Json,
            "--markdown" => style = Style::Markdown,
            _ if word.starts_with('-') => return fail(format!("`{word}` is not known\n{USAGE}")),
            _ => words.push(word),
        }
    }
    match (program, folder) {
        (Some(program), Some(folder)) => Ok((Setting { program, folder }, style, words)),
        _ => fail(USAGE),
    }
}
