//! `[[limit]]`: what it means, and what an operator reads when it is wrong.

use super::*;
use deputy_core::Effect;
use deputy_hub::limits::{AtLeast, Each};

fn limits(blocks: &str) -> Result<Vec<Limit>, String> {
    let parsed = Settings::parse(&format!("{GOOD}{blocks}"), Path::new("deputy.toml"));
    parsed.map(|settings| settings.limits).map_err(|faults| faults.to_string())
}

#[test]
fn a_limit_is_read_in_every_part_and_a_month_is_a_quota() {
    let read = limits(
        "[[limit]]\nname = \"writes\"\ncalls = 60\nper = \"1m\"\neach = [\"user\", \"agent\", \"tool\"]\n\
         source = \"crm\"\ntool = \"add_note\"\nclass = [\"write\", \"egress\"]\n\
         [[limit]]\nname = \"month\"\ncalls = 1\nper = \"31d\"\n",
    );
    let read = read.expect("limits");
    let [writes, month] = read.as_slice() else { panic!("two limits") };
    assert_eq!(
        (writes.name.as_str(), writes.calls.get(), writes.per),
        ("writes", 60, Duration::from_secs(60))
    );
    assert_eq!(writes.each, [Each::User, Each::Agent, Each::Tool]);
    assert_eq!(writes.class, Some(AtLeast { effect: Some(Effect::Write), egress: true }));
    assert_eq!(writes.source, SourceName::new("crm").ok());
    assert_eq!(writes.tool, ToolName::new("add_note").ok());
    assert_eq!(month.per, Duration::from_secs(31 * 86_400));
    assert!(month.each.is_empty() && month.class.is_none() && month.source.is_none());
}

#[test]
fn a_limit_that_would_count_nothing_or_everything_is_refused_with_the_mend() {
    let block = |more: &str| format!("[[limit]]\nname = \"x\"\ncalls = 1\nper = \"1m\"\n{more}\n");
    let cases = [
        (block("source = \"crn\""), "there is no app or server `crn`\n  mend: did you mean `crm`?"),
        (
            block("source = \"elsewhere\""),
            "there is no app or server `elsewhere`\n  mend: use one of `crm`, or add a block `[[app]]` or `[[server]]`",
        ),
        (block("tool = \"x\""), "`x` is a tool of nobody\n  mend: name its app or server"),
        (
            block("class = []"),
            "`class` is empty: nothing would be counted\n  mend: write `class = [\"write\"]`",
        ),
        (block("each = [\"users\"]"), "`limit.each` cannot be `users`\n  mend: did you mean `user`?"),
        (block("").replace("= 1\n", "= 0\n"), "`calls` cannot be 0\n  mend: write 1 to 1000000000"),
        (block("").replace("1m", "32d"), "`32d` is out of bounds\n  mend: write a length from 1s to 31d"),
        (block("").replace("\"x\"", "\"My limit\""), "`My limit` is not a limit name"),
        (block("") + &block(""), "the limit `x` is there twice\n  mend: give each limit its own name"),
    ];
    for (text, words) in cases {
        let said = limits(&text).expect_err(words);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn nobody_turns_switches_over_the_api_until_a_group_is_named() {
    let groups = |text: &str| Settings::parse(text, Path::new("deputy.toml")).map(|s| s.hub.operator_groups);
    assert!(groups(GOOD).expect("settings").is_empty());
    let named = GOOD.replace("data_dir", "operator_groups = [\"deputy-operators\"]\ndata_dir");
    assert_eq!(groups(&named).expect("settings"), ["deputy-operators"]);
    assert!(groups(&named.replace("deputy-operators", " ")).is_err());
}

#[test]
fn the_short_list_of_tools_is_chosen_by_one_word() {
    let listing = |text: &str| Settings::parse(text, Path::new("deputy.toml")).map(|s| s.hub.listing);
    assert_eq!(listing(GOOD).ok(), Some(Listing::Whole));
    for (word, expected) in [("all", Listing::Whole), ("search", Listing::Short)] {
        let text = GOOD.replace("data_dir", &format!("tools = \"{word}\"\ndata_dir"));
        assert_eq!(listing(&text).ok(), Some(expected), "{word}");
    }
    let told = wrong(&GOOD.replace("data_dir", "tools = \"serach\"\ndata_dir"));
    assert!(told.contains("`serach`") && told.contains("search"), "{told}");
}
