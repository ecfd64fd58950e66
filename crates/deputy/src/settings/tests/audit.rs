//! `[audit]`: how long lines are kept, and where checkpoints go.

use super::*;

fn with(line: &str) -> Result<Settings, String> {
    let text = format!("{GOOD}\n[audit]\n{line}\n");
    Settings::parse(&text, Path::new("deputy.toml")).map_err(|faults| faults.to_string())
}

#[test]
fn aud_10_nothing_is_pruned_unless_the_operator_says_how_long_lines_are_kept() {
    let keep = |line: &str| with(line).expect("settings").audit.keep.map(|keep| keep.as_secs() / 86_400);
    assert_eq!(keep(""), None);
    assert_eq!(keep(r#"keep = "180d""#), Some(180));
    assert_eq!(keep(r#"keep = "only 30d""#), Some(30));
}

#[test]
fn aud_10_less_than_half_a_year_is_said_in_words() {
    let said = with(r#"keep = "30d""#).expect_err("refused");
    assert!(said.contains("`30d` is out of bounds"), "{said}");
    assert!(said.contains(r#"if you may keep less than half a year, say so: `keep = "only 30d"`"#), "{said}");
    for wrong in ["", "d", "only", "only 1h", "forever", "-1d", "400 d"] {
        let said = with(&format!("keep = \"{wrong}\"")).expect_err(wrong);
        assert!(said.contains("mend: write"), "{said}");
    }
}
