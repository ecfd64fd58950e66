//! What was measured, for people, for scripts and for the documentation.

use crate::numbers::Sorted;
use serde_json::{Map, Value, json};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Tables with columns.
    Table,
    /// One JSON object per line.
    Json,
    /// Tables of `docs/reference/benchmarks.md`.
    Markdown,
}

/// One line of the result.
#[derive(Debug, Clone)]
pub(crate) struct Row(Map<String, Value>);

impl Row {
    /// A line of this case.
    pub(crate) fn of(case: &str) -> Self {
        Self(Map::from_iter([("case".to_owned(), json!(case))]))
    }

    /// With a word or a whole number.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// With a measured number: one digit after the point below 1,000, none above.
    pub(crate) fn number(self, name: &str, value: f64) -> Self {
        let digits = if value.abs() < 1000.0 { 10.0 } else { 1.0 };
        self.with(name, (value * digits).round() / digits)
    }

    /// With the four percentiles.
    pub(crate) fn percentiles(self, samples: &Sorted) -> Self {
        [("p50_us", 500), ("p90_us", 900), ("p99_us", 990), ("p999_us", 999)]
            .into_iter()
            .fold(self, |row, (name, per_mille)| row.number(name, samples.per_mille_us(per_mille)))
    }

    /// With the number that the project has set itself, and whether it was reached.
    pub(crate) fn goal(self, goal: &str, met: Met) -> Self {
        self.with("goal", goal).with("met", met == Met::Yes)
    }

    fn cells(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| cell(name, value)).collect()
    }
}

/// Whether a goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// It was.
    Yes,
    /// It was not.
    No,
}

impl From<bool> for Met {
    fn from(met: bool) -> Self {
        if met { Self::Yes } else { Self::No }
    }
}

/// All lines of one case. Lines that follow each other with the same members are one table.
pub(crate) fn text(rows: &[Row], style: Style) -> String {
    if style == Style::Json {
        return rows.iter().map(|row| Value::Object(row.0.clone()).to_string() + "\n").collect();
    }
    let same = |a: &Row, b: &Row| a.0.keys().eq(b.0.keys());
    rows.chunk_by(same).map(|rows| table(rows, style)).collect::<Vec<_>>().join("\n")
}

fn table(rows: &[Row], style: Style) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut lines: Vec<Vec<String>> = vec![first.0.keys().cloned().collect()];
    lines.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..first.0.len())
        .map(|at| {
            lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        match style {
            Style::Markdown => text += &format!("| {} |\n", cells.join(" | ")),
            Style::Table | Style::Json => text += &format!("{}\n", cells.join("  ").trim_end()),
        }
        if at == 0 && style == Style::Markdown {
            text += &format!("|{}\n", "---|".repeat(widths.len()));
        }
    }
    text
}

fn cell(name: &str, value: &Value) -> String {
    match (name, value) {
        ("met", Value::Bool(true)) => "yes".to_owned(),
        ("met", Value::Bool(false)) => "**no**".to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Number(number)) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
            format!("{:.0}", number.as_f64().unwrap_or(0.0))
        }
        (_, value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            Row::of("x").with("conns", 1).number("p50_us", 1.26).goal("at most 5", Met::Yes),
            Row::of("x").with("conns", 16).number("p50_us", 1234.6).goal("at most 5", Met::No),
            Row::of("y").with("note", "other members, another table"),
        ]
    }

    #[test]
    fn each_row_is_an_object_on_a_line_of_its_own() {
        let text = text(&rows(), Style::Json);
        let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("json");
        assert_eq!(first, json!({"case": "x", "conns": 1, "p50_us": 1.3, "goal": "at most 5", "met": true}));
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_table_has_one_head_for_rows_with_the_same_members() {
        let text = text(&rows(), Style::Markdown);
        assert!(
            text.starts_with("| case | conns | p50_us | goal      | met    |\n|---|---|---|---|---|\n"),
            "{text}"
        );
        assert!(text.contains("| x    | 16    | 1235   | at most 5 | **no** |\n\n| case | note"), "{text}");
    }
}
