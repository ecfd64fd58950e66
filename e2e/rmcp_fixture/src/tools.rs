//! Tools that do more than answer.

use crate::asking::{Client, Unanswered, form, missing, roots, sampling, spoken};
use crate::contents::{self, WATCHED, text};
use crate::server::{Change, Fixture};
use rmcp::ErrorData;
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam};
use serde_json::{Map, Value, json};
use std::time::Duration;

const STEP: Duration = Duration::from_millis(50);

fn name() -> Value {
    form("What is your name?", json!({"name": {"type": "string"}}), &["name"])
}

fn content<'a>(answers: &'a Map<String, Value>, key: &str, member: &str) -> &'a str {
    answers[key]["content"][member].as_str().unwrap_or_default()
}

fn told(answers: &Map<String, Value>, key: &str) -> Value {
    let answer = &answers[key];
    text(format!("Elicitation completed: action={}, content={}", answer["action"], answer["content"]))
}

/// What a tool's call comes to.
pub(crate) async fn call(
    fixture: &Fixture,
    client: &mut Client,
    tool: &str,
    arguments: &Value,
) -> Result<Value, Unanswered> {
    let argument = |name: &str| arguments[name].as_str().unwrap_or_default();
    Ok(match tool {
        "test_tool_with_logging" | "test_logging_tool" => {
            for words in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                log(fixture, client, words).await;
                tokio::time::sleep(STEP).await;
            }
            text("it was logged")
        }
        "test_tool_with_progress" => {
            for done in [0.0, 50.0, 100.0] {
                progress(client, done, &format!("Completed step {done} of 100")).await;
                tokio::time::sleep(STEP).await;
            }
            text("it is done")
        }
        "test_reconnection" => {
            tokio::time::sleep(STEP * 4).await;
            text("Reconnection test completed")
        }
        "test_sampling" => {
            let answers = client.ask(&[("sample", sampling(argument("prompt"), 100))], false).await?;
            text(format!("LLM response: {}", spoken(&answers["sample"])))
        }
        "test_elicitation" => {
            let person = json!({
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            });
            let asked = form(argument("message"), person, &["username", "email"]);
            let answers = client.ask(&[("person", asked)], false).await?;
            let answer = &answers["person"];
            text(format!("User response: action: {}, content: {}", answer["action"], answer["content"]))
        }
        "test_elicitation_sep1034_defaults" => {
            told(&client.ask(&[("form", form("Please check these", defaults(), &[]))], false).await?, "form")
        }
        "test_elicitation_sep1330_enums" => {
            told(&client.ask(&[("form", form("Please choose", choices(), &[]))], false).await?, "form")
        }
        "test_input_required_result_elicitation" => greet(client).await?,
        "test_streaming_elicitation" => {
            progress(client, 0.0, "about to ask").await;
            greet(client).await?
        }
        "test_input_required_result_sampling" => {
            let question = sampling("What is the capital of France?", 100);
            text(spoken(&client.ask(&[("capital_question", question)], false).await?["capital_question"]))
        }
        "test_input_required_result_list_roots" => {
            let answers = client.ask(&[("client_roots", roots())], false).await?;
            text(format!("roots: {}", answers["client_roots"]["roots"]))
        }
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            let confirm = form("Please confirm", json!({"ok": {"type": "boolean"}}), &["ok"]);
            client.ask(&[("confirm", confirm)], true).await?;
            text("state-ok")
        }
        "test_input_required_result_multiple_inputs" => {
            let greeting = sampling("Generate a greeting", 50);
            let all = [("user_name", name()), ("greeting", greeting), ("client_roots", roots())];
            let answers = client.ask(&all, true).await?;
            text(format!("{} {}", spoken(&answers["greeting"]), content(&answers, "user_name", "name")))
        }
        "test_input_required_result_multi_round" => {
            let step =
                |words: &str, member: &str| form(words, json!({member: {"type": "string"}}), &[member]);
            client.ask(&[("step1", step("Step 1: What is your name?", "name"))], true).await?;
            let second = step("Step 2: What is your favorite color?", "color");
            let answers = client.ask(&[("step2", second)], true).await?;
            text(format!("likes {}", content(&answers, "step2", "color")))
        }
        "test_input_required_result_capabilities" => {
            let can = client.capabilities();
            let greeting = sampling("Generate a greeting", 50);
            let mut possible = vec![("elicitation", "user_name", name()), ("sampling", "greeting", greeting)];
            possible.push(("roots", "client_roots", roots()));
            possible.retain(|(capability, _, _)| can.get(capability).is_some());
            if possible.is_empty() {
                return Err(missing("sampling").into());
            }
            let asked: Vec<_> = possible.into_iter().map(|(_, key, question)| (key, question)).collect();
            client.ask(&asked, false).await?;
            text("the client answered")
        }
        "test_missing_capability" => {
            if client.capabilities().get("sampling").is_none() {
                return Err(missing("sampling").into());
            }
            text("this client can sample")
        }
        "test_trigger_tool_change" => {
            fixture.change(Change::Tools);
            text("the list changed")
        }
        "test_trigger_prompt_change" => {
            fixture.change(Change::Prompts);
            text("the list changed")
        }
        "test_trigger_resource_update" => {
            fixture.change(Change::Resource(WATCHED));
            text("the resource changed")
        }
        other => contents::plain(other)
            .ok_or_else(|| ErrorData::invalid_params(format!("there is no tool `{other}`"), None))?,
    })
}

async fn greet(client: &mut Client) -> Result<Value, Unanswered> {
    let answers = client.ask(&[("user_name", name())], false).await?;
    Ok(text(format!("Hello, {}!", content(&answers, "user_name", "name"))))
}

async fn log(fixture: &Fixture, client: &Client, words: &str) {
    let from = if client.is_modern() { client.context.meta.log_level() } else { fixture.level() };
    if from.is_some_and(|from| matches!(from, LoggingLevel::Debug | LoggingLevel::Info)) {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(words));
        let _ = client.context.peer.notify_logging_message(message.with_logger("fixture")).await;
    }
}

async fn progress(client: &Client, done: f64, words: &str) {
    if let Some(token) = client.context.meta.get_progress_token() {
        let moved = ProgressNotificationParam::new(token, done).with_total(100.0).with_message(words);
        let _ = client.context.peer.notify_progress(moved).await;
    }
}

fn defaults() -> Value {
    json!({
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {"type": "string", "description": "User status", "enum": ["active", "inactive", "pending"],
            "default": "active"},
        "verified": {"type": "boolean", "description": "Verification status", "default": true},
    })
}

fn choices() -> Value {
    let titled = |value: &str, title: &str| -> Vec<Value> {
        let places = ["First", "Second", "Third"].iter().enumerate();
        let one = |(at, place): (usize, &&str)| json!({"const": format!("{value}{}", at + 1), "title": format!("{place} {title}")});
        places.map(one).collect()
    };
    let options = json!(["option1", "option2", "option3"]);
    json!({
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled("value", "Option")},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("value", "Choice")}},
    })
}
