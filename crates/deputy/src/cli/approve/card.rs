//! The card: what the hub itself knows stands first, then what the application says of its tool, last what the agent
//! wrote, marked as such (APR-10). Everything is made harmless for the terminal.

use super::api::Approval;
use crate::cli::terminal::harmless;
use deputy_core::Timestamp;

/// Longest text of arguments that is shown at once.
const LONGEST_LINES: usize = 200;

/// The card as text.
pub(super) fn card(approval: &Approval, now: Timestamp) -> String {
    let mut lines = vec![format!("── approval {}", harmless(&approval.id))];
    let mut fact = |name: &str, value: &str| lines.push(format!("   {name:<11}{}", harmless(value)));
    fact("tool", &format!("{} of {}", approval.tool, approval.source));
    fact("it can", &effect(&approval.class));
    if let Some(client) = &approval.client {
        fact("client", client);
    }
    if let Some(requester) = &approval.requester {
        fact("on behalf", requester);
    }
    if approval.quorum > 1 {
        fact("needs", &format!("{} people to say yes; {} did", approval.quorum, approval.yes));
    }
    if let Some(batch) = &approval.batch {
        fact("batch", &format!("{batch} (what is approved of it is used together, or not at all)"));
    }
    match (approval.may.as_deref(), &approval.in_place_of) {
        (Some("break_glass"), _) => {
            fact(
                "you may",
                "only say yes alone, in an emergency: --break-glass and --reason; others review it",
            );
        }
        (_, Some(giver)) => fact("you decide", &format!("in the place of {giver}")),
        _ => {}
    }
    let expires_at = Timestamp::from_seconds(approval.expires_at);
    fact("asked", &Timestamp::from_seconds(approval.created_at).to_string());
    fact("until", &format!("{expires_at}{}", left(expires_at, now)));
    fact("definition", &approval.definition);
    fact("digest", &approval.digest);
    if let Some(title) = &approval.title {
        lines.push("   the application says of the tool:".to_owned());
        lines.push(format!("   │ {}", harmless(title)));
    }
    lines.push("   the agent wrote (nobody has checked it):".to_owned());
    if let Some(agent) = &approval.agent {
        lines.push(format!("   │ I am {}", harmless(agent)));
    }
    arguments(approval, &mut lines);
    lines.join("\n")
}

fn effect(class: &[String]) -> String {
    let words: Vec<&str> = class
        .iter()
        .map(|word| match word.as_str() {
            "read" => "read",
            "write" => "change something",
            "destructive" => "DESTROY something",
            "egress" => "send data out",
            other => other,
        })
        .collect();
    words.join(", and ")
}

fn arguments(approval: &Approval, lines: &mut Vec<String>) {
    let text = serde_json::to_string_pretty(&approval.arguments).unwrap_or_default();
    let count = text.lines().count();
    lines.extend(text.lines().take(LONGEST_LINES).map(|line| format!("   │ {}", harmless(line))));
    if count > LONGEST_LINES {
        lines.push(format!(
            "   └ {} more lines are not shown; refuse if you cannot know them",
            count - LONGEST_LINES
        ));
    }
}

fn left(expires_at: Timestamp, now: Timestamp) -> String {
    match expires_at.since(now).as_secs() {
        0 => " (over)".to_owned(),
        seconds if seconds < 120 => format!(" ({seconds} s left)"),
        seconds => format!(" ({} min left)", seconds / 60),
    }
}
