//! `deputy reference`: pages of the documentation that follow from the code. For those who change Deputy.

use super::terminal::Terminal;
use super::{CommandLine, EXIT_CODES, Failure};
use crate::settings::{guard_schema_text, schema_text};
use clap::{Args, CommandFactory as _, ValueEnum};
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which page
    page: Page,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    /// docs/reference/deputy.schema.json
    Schema,
    /// docs/reference/guard.schema.json
    GuardSchema,
    /// docs/reference/cli.md
    Cli,
}

pub(super) fn run(arguments: &Arguments, terminal: Terminal) -> Result<(), Failure> {
    let page = match arguments.page {
        Page::Schema => schema_text(),
        Page::GuardSchema => guard_schema_text(),
        Page::Cli => cli_page(),
    };
    terminal.line(page.trim_end())
}

/// `docs/reference/cli.md`: the help texts of all commands.
fn cli_page() -> String {
    let mut root = CommandLine::command().max_term_width(100).term_width(100).disable_help_subcommand(true);
    root.build();
    let mut page = String::from(
        "# The command line\n\nPrinted by `deputy reference cli`; the same texts as `deputy COMMAND --help`.\n",
    );
    // Writing to a string cannot fail.
    let _ = write!(page, "\n```text\n{EXIT_CODES}\n```\n");
    commands(&mut root, &mut page);
    page
}

fn commands(command: &mut clap::Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or("deputy").to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n"));
    for child in command.get_subcommands_mut().filter(|child| !child.is_hide_set()) {
        commands(child, page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_command_line_is_current() {
        let committed = include_str!("../../../../docs/reference/cli.md");
        assert!(committed == cli_page(), "run `deputy reference cli > docs/reference/cli.md`");
    }

    #[test]
    fn the_schema_of_a_guard_is_current() {
        let committed = include_str!("../../../../docs/reference/guard.schema.json");
        let now = guard_schema_text();
        assert!(committed == now, "run `deputy reference guard-schema > docs/reference/guard.schema.json`");
    }
}
