//! `deputy audit list`: a line of the log as a line of text, or as JSON for programs.

use super::Log;
use super::moment;
use crate::cli::terminal::{Terminal, harmless};
use crate::cli::{Failure, now};
use clap::Args;
use deputy_core::{CallId, Event, EventKind};
use deputy_store::{Filter, Listed};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;

/// Lines read at once while looking for those of one person.
const PAGE: usize = 1000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only lines of this call
    #[arg(long, value_name = "CALL_ID", value_parser = call)]
    call: Option<CallId>,
    /// Only lines about the person whom the identity provider calls this (`sub`)
    #[arg(long, value_name = "SUBJECT")]
    user: Option<String>,
    /// Only lines of this kind, for example `intent`, `outcome`, `refusal` or `approval_decided`
    #[arg(long, value_parser = kind)]
    kind: Option<EventKind>,
    /// Only lines from this moment on: `2026-11-21`, `2026-11-21T14:00:00Z`, or a length of time ago such as `2h`
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<moment::Moment>,
    /// At most so many lines; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// A JSON object per line, with everything the log holds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    log: Log,
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let (reader, tenant) = arguments.log.open().await?;
    let from = arguments.since.map(|moment| moment.from(now()));
    let mut filter =
        Filter { call: arguments.call, kind: arguments.kind, from, limit: PAGE, ..Filter::default() };
    let mut left = if arguments.limit == 0 { usize::MAX } else { arguments.limit };
    loop {
        let page = reader.list(&tenant, &filter).await?;
        let about = |line: &&Listed| is_about(&line.event, arguments.user.as_deref());
        for line in page.iter().filter(about).take(left) {
            terminal.line(&if arguments.json { as_json(line)? } else { as_text(line) })?;
            left -= 1;
        }
        let Some(last) = page.last().filter(|_| page.len() == PAGE && left > 0) else { return Ok(()) };
        filter.before = Some(last.seq);
    }
}

fn is_about(event: &Event, subject: Option<&str>) -> bool {
    subject.is_none_or(|subject| event.user.as_ref().is_some_and(|user| user.subject.as_str() == subject))
}

fn as_json(line: &Listed) -> Result<String, Failure> {
    let unwritable = |error: serde_json::Error| Failure::Fault(error.to_string());
    let mut value = serde_json::json!({ "seq": line.seq });
    if let (Some(members), serde_json::Value::Object(event)) =
        (value.as_object_mut(), serde_json::to_value(&line.event).map_err(unwritable)?)
    {
        members.extend(event);
    }
    serde_json::to_string(&value).map_err(unwritable)
}

/// `seq  time  kind  user  source__tool  outcome or reason  call`, what is not there left out.
fn as_text(line: &Listed) -> String {
    let event = &line.event;
    let mut words = vec![format!("{:>7}  {}  {:<18}", line.seq, event.at, word(event.kind))];
    words.extend(event.user.as_ref().map(|user| harmless(user.subject.as_str())));
    match (&event.source, &event.tool) {
        (Some(source), Some(tool)) => words.push(format!("{source}__{tool}")),
        (Some(source), None) => words.push(source.to_string()),
        _ => {}
    }
    words.extend(event.outcome.map(word));
    words.extend(event.reason.map(|reason| reason.code().to_owned()));
    words.extend(event.call.as_ref().map(ToString::to_string));
    words.extend(event.approval.as_ref().map(ToString::to_string));
    words.join("  ").trim_end().to_owned()
}

/// The stable word of a kind or outcome, as the log itself has it.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn call(text: &str) -> Result<CallId, String> {
    CallId::new(text).map_err(|error| error.to_string())
}

pub(super) fn kind(text: &str) -> Result<EventKind, String> {
    let reader: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    EventKind::deserialize(reader).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_core::{Issuer, Outcome, Reason, SourceName, Subject, TenantId, Timestamp, ToolName, User};

    fn line() -> Listed {
        let tenant = TenantId::single();
        let mut event =
            Event::new(Timestamp::from_millis(1_795_303_770_123), tenant.clone(), EventKind::Outcome);
        event.user = Some(User {
            tenant,
            issuer: Issuer::new("https://idp.acme.example").expect("issuer"),
            subject: Subject::new("ali\u{202e}ce").expect("subject"),
        });
        event.source = SourceName::new("crm").ok();
        event.tool = ToolName::new("list").ok();
        event.outcome = Some(Outcome::NotStarted);
        event.reason = Some(Reason::TabGone);
        Listed { seq: 12, event }
    }

    #[test]
    fn a_line_reads_from_left_to_right() {
        assert_eq!(
            as_text(&line()),
            "     12  2026-11-21T23:29:30.123Z  outcome             ali\\u{202e}ce  crm__list  not_started  tab_gone"
        );
    }

    #[test]
    fn json_begins_with_the_number_of_the_line() {
        let text = as_json(&line()).expect("json");
        assert!(text.starts_with(r#"{"seq":12,"at":1795303770123,"#), "{text}");
    }

    #[test]
    fn a_kind_is_the_word_of_the_log_and_a_wrong_one_is_told_which_there_are() {
        assert_eq!(kind("approval_decided"), Ok(EventKind::ApprovalDecided));
        assert!(kind("intents").expect_err("no kind").contains("`approval_decided`"));
    }

    #[test]
    fn a_person_is_found_by_their_subject() {
        assert!(is_about(&line().event, None));
        assert!(is_about(&line().event, Some("ali\u{202e}ce")));
        assert!(!is_about(&line().event, Some("bob")));
    }
}
