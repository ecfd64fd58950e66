//! The command against a scripted hub and identity provider: what it sends, what it shows, what it refuses.

use super::api::{Along, Api, Decision};
use super::device::{Discovery, Grant, sign_in};
use super::*;
use crate::cli::web::{Answer as Reply, Request};
use deputy_core::{Secret, Timestamp};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Mutex;
use url::Url;

/// Answers in order, and remembers what was sent.
struct Scripted {
    answers: Mutex<VecDeque<(u16, Value)>>,
    sent: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), sent: Mutex::default() }
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().expect("lock").clone()
    }
}

impl Web for Scripted {
    async fn send(
        &self,
        url: &Url,
        learned_from: Option<&Url>,
        request: Request<'_>,
        bearer: Option<&Secret<String>>,
    ) -> Result<Reply, String> {
        let mut line = match request {
            Request::Get => format!("GET {url}"),
            Request::Form(form) => {
                let form: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("POST {url} {}", form.join(" "))
            }
            Request::Json(body) => format!("POST {url} {body}"),
        };
        if let Some(teacher) = learned_from {
            line.push_str(&format!(" (learned from {teacher})"));
        }
        if let Some(token) = bearer {
            line.push_str(&format!(" (as {})", token.expose()));
        }
        self.sent.lock().expect("lock").push(line);
        let next = self.answers.lock().expect("lock").pop_front();
        let (status, body) = next.ok_or_else(|| "the script is over".to_owned())?;
        Ok(Reply { status, body: body.to_string().into_bytes() })
    }
}

fn terminal() -> Terminal {
    Terminal::of_process()
}

fn api(web: &Scripted) -> Api<'_, Scripted> {
    let hub = PublicUrl::parse("https://hub.acme.example").expect("hub");
    Api { web, hub, token: Secret::new("t0ken".to_owned()) }
}

fn pending() -> Value {
    json!({ "approvals": [{
        "id": "apr_00000000000000000000000000000001", "created_at": 1_795_303_770, "expires_at": 1_795_304_370,
        "source": "crm", "tool": "delete_contact", "title": "Delete\u{1b}[2J a contact", "class": ["destructive", "egress"],
        "definition": "sha256:aa", "arguments": { "id": 7, "note": "\u{202e}evil" }, "agent": "Helper\nof Alice",
        "client": "mcp-client", "policies": ["ask"], "digest": "sha256:bb",
    }] })
}

fn grant() -> Grant {
    let url = Url::parse("https://idp.acme.example").expect("url");
    Grant {
        discovery: Discovery::of_issuer("https://idp.acme.example", &url).expect("discovery"),
        client_id: "deputy-cli".to_owned(),
        resource: "https://hub.acme.example/api".to_owned(),
        scope: "openid".to_owned(),
    }
}

fn discovery() -> Value {
    json!({
        "issuer": "https://idp.acme.example", "token_endpoint": "https://idp.acme.example/token",
        "device_authorization_endpoint": "https://idp.acme.example/device",
    })
}

fn started() -> Value {
    json!({
        "device_code": "d3vice", "user_code": "WDJB-MJHT", "verification_uri": "https://idp.acme.example/activate",
        "expires_in": 60, "interval": 5,
    })
}

fn oauth(error: &str) -> Value {
    json!({ "error": error })
}

#[tokio::test]
async fn apr_01_the_decision_carries_the_digest_that_was_shown() {
    let web = Scripted::new([(200, pending()), (200, json!({ "state": "approved" }))]);
    let api = api(&web);
    let found = api.pending().await.expect("pending");
    let along = Along {
        reason: Some("fine".to_owned()),
        confirm: Some("delete_contact".to_owned()),
        ..Along::default()
    };
    let shown = [(found[0].clone(), "the card".to_owned())];
    let states = api.decide(&shown, Decision::Approve, &along).await.expect("decided");
    assert_eq!(states, ["approved"]);
    assert_eq!(
        web.sent(),
        [
            "GET https://hub.acme.example/api/approvals (as t0ken)".to_owned(),
            "POST https://hub.acme.example/api/approvals/apr_00000000000000000000000000000001 \
             {\"decision\":\"approve\",\"digest\":\"sha256:bb\",\"card\":\"sha256:CARD\",\"reason\":\"fine\",\
             \"confirm\":\"delete_contact\"} (as t0ken)"
                .replace("CARD", &deputy_core::Digest::of_bytes(b"the card").to_string()["sha256:".len()..]),
        ]
    );
}

#[tokio::test]
async fn an_id_that_would_leave_its_place_in_the_path_is_not_sent() {
    let mut wrong = pending();
    wrong["approvals"][0]["id"] = json!("../../api/tickets");
    let web = Scripted::new([(200, wrong)]);
    let api = api(&web);
    let found = api.pending().await.expect("pending");
    assert!(
        api.decide(&[(found[0].clone(), String::new())], Decision::Approve, &Along::default()).await.is_err()
    );
    assert_eq!(web.sent().len(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_hub_is_told_by_its_code() {
    let stale = json!({ "type": "about:blank", "code": "approval_stale", "detail": "the arguments changed" });
    let web = Scripted::new([(200, pending()), (409, stale), (401, json!({}))]);
    let api = api(&web);
    let found = api.pending().await.expect("pending");
    let error = api
        .decide(&[(found[0].clone(), String::new())], Decision::Approve, &Along::default())
        .await
        .expect_err("stale");
    assert_eq!(error.to_string(), "the hub refused: `approval_stale` the arguments changed");
    assert!(matches!(api.pending().await, Err(Failure::Usage(_))), "a token that is not accepted");
}

#[tokio::test]
async fn apr_10_the_card_shows_facts_first_and_marks_what_the_agent_wrote() {
    let web = Scripted::new([(200, pending())]);
    let found = api(&web).pending().await.expect("pending");
    assert_eq!(
        card::card(&found[0], Timestamp::from_seconds(1_795_303_800)),
        "\
── approval apr_00000000000000000000000000000001
   tool       delete_contact of crm
   it can     DESTROY something, and send data out
   client     mcp-client
   asked      2026-11-21T23:29:30.000Z
   until      2026-11-21T23:39:30.000Z (9 min left)
   definition sha256:aa
   digest     sha256:bb
   the application says of the tool:
   │ Delete\\u{1b}[2J a contact
   the agent wrote (nobody has checked it):
   │ I am Helper\\u{a}of Alice
   │ {
   │   \"id\": 7,
   │   \"note\": \"\\u{202e}evil\"
   │ }"
    );
}

#[tokio::test]
async fn apr_10_nothing_is_preselected_and_the_end_of_input_decides_nothing() {
    let answer = async |typed: &'static str| {
        let mut lines = prompt::Lines::of(typed.as_bytes());
        prompt::ask(&mut lines, terminal()).await
    };
    assert_eq!(answer("y\n").await, Answer::Yes);
    assert_eq!(answer("\n\nmaybe\nNo\n").await, Answer::No);
    assert_eq!(answer("l\n").await, Answer::Later);
    assert_eq!(answer("\n\n").await, Answer::End);
}

#[tokio::test(start_paused = true)]
async fn signing_in_follows_the_device_grant_and_slows_down_when_told() {
    let token = json!({ "access_token": "t0ken", "token_type": "Bearer", "expires_in": 300 });
    let web = Scripted::new([
        (200, discovery()),
        (200, started()),
        (400, oauth("authorization_pending")),
        (400, oauth("slow_down")),
        (200, token),
    ]);
    let begun = tokio::time::Instant::now();
    let token = sign_in(&grant(), &web, terminal()).await.expect("token");
    assert_eq!(token.expose(), "t0ken");
    assert_eq!(begun.elapsed(), Duration::from_secs(5 + 5 + 10));
    let sent = web.sent();
    let learned = "(learned from https://idp.acme.example/.well-known/openid-configuration)";
    assert_eq!(sent[0], "GET https://idp.acme.example/.well-known/openid-configuration");
    assert_eq!(
        sent[1],
        format!(
            "POST https://idp.acme.example/device client_id=deputy-cli scope=openid \
             resource=https://hub.acme.example/api {learned}"
        )
    );
    assert_eq!(
        sent[4],
        format!(
            "POST https://idp.acme.example/token grant_type=urn:ietf:params:oauth:grant-type:device_code \
             device_code=d3vice client_id=deputy-cli resource=https://hub.acme.example/api {learned}"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn signing_in_ends_when_it_is_refused_or_takes_too_long() {
    let refused = Scripted::new([(200, discovery()), (200, started()), (400, oauth("access_denied"))]);
    let error = sign_in(&grant(), &refused, terminal()).await.err().expect("refused");
    assert_eq!(error.to_string(), "the sign-in was refused");
    let pending = std::iter::repeat_n((400, oauth("authorization_pending")), 20);
    let slow = Scripted::new([(200, discovery()), (200, started())].into_iter().chain(pending));
    let error = sign_in(&grant(), &slow, terminal()).await.err().expect("too late");
    assert_eq!(error.to_string(), "nobody signed in in time; start again");
}

#[tokio::test]
async fn b2_a_discovery_document_of_another_issuer_is_not_believed() {
    let mut other = discovery();
    other["issuer"] = json!("https://evil.example");
    let web = Scripted::new([(200, other)]);
    let error = sign_in(&grant(), &web, terminal()).await.err().expect("another issuer");
    assert!(error.to_string().contains("speaks for the issuer `https://evil.example`"), "{error}");
    assert_eq!(web.sent().len(), 1);
}

#[tokio::test]
async fn a_person_is_not_sent_to_an_address_without_https() {
    let mut astray = started();
    astray["verification_uri"] = json!("http://evil.example/activate");
    let web = Scripted::new([(200, discovery()), (200, astray)]);
    let error = sign_in(&grant(), &web, terminal()).await.err().expect("astray");
    assert!(error.to_string().starts_with("the identity provider sends you astray"), "{error}");
}

#[tokio::test]
async fn a_provider_without_the_device_grant_is_told_what_to_do() {
    let mut without = discovery();
    without["device_authorization_endpoint"] = Value::Null;
    let web = Scripted::new([(200, without)]);
    let error = sign_in(&grant(), &web, terminal()).await.err().expect("no device grant");
    assert_eq!(
        error.to_string(),
        "the identity provider `https://idp.acme.example` has no device authorization endpoint\n  mend: switch the \
         device authorization grant on there, or give a token with --token-file"
    );
}

#[test]
fn a_token_file_holds_one_token_and_nothing_that_could_break_a_header() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("token");
    let read = |text: &str| {
        std::fs::write(&file, text).expect("written");
        device::token_from(&file).ok().map(|token| token.expose().clone())
    };
    assert_eq!(read("abc.def-_~+/=\n").as_deref(), Some("abc.def-_~+/="));
    assert_eq!(read("abc\r\nX-Evil: 1"), None);
    assert_eq!(read("\n"), None);
}

fn arguments(words: &[&str]) -> Result<Arguments, clap::Error> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }
    let line = <Line as clap::Parser>::try_parse_from([&["approve"], words].concat())?;
    Ok(line.arguments)
}

async fn approve(words: &[&str], web: &Scripted) -> Result<(), Failure> {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "t0ken").expect("written");
    let file = file.to_str().expect("a path");
    let access = ["--hub", "https://hub.acme.example", "--token-file", file];
    let arguments = arguments(&[words, &access].concat()).expect("arguments");
    let plan = arguments.access.plan()?;
    run_with(arguments, plan, terminal(), web).await
}

#[tokio::test]
async fn an_id_is_approved_or_refused_as_said() {
    let id = "apr_00000000000000000000000000000001";
    let web = Scripted::new([(200, pending()), (200, json!({ "state": "refused" }))]);
    approve(&[id, "--refuse", "--reason", "too much"], &web).await.expect("decided");
    let sent = web.sent()[1].clone();
    assert!(sent.contains(r#"{"decision":"refuse","digest":"sha256:bb","card":"sha256:"#), "{sent}");
    assert!(sent.contains(r#""reason":"too much"}"#), "{sent}");
    let web = Scripted::new([(200, pending())]);
    let error = approve(&["apr_00000000000000000000000000000002"], &web).await.expect_err("unknown");
    assert_eq!(error.to_string(), "no approval `apr_00000000000000000000000000000002` waits for you");
    assert_eq!(web.sent().len(), 1);
}

#[tokio::test]
async fn apr_10_what_cannot_be_undone_is_not_approved_without_its_name() {
    let id = "apr_00000000000000000000000000000001";
    for words in [&[id][..], &[id, "--confirm", "yes"]] {
        let web = Scripted::new([(200, pending())]);
        let error = approve(words, &web).await.expect_err("not confirmed");
        assert!(error.to_string().contains("--confirm delete_contact"), "{error}");
        assert_eq!(web.sent().len(), 1, "nothing was decided");
    }
    let web = Scripted::new([(200, pending()), (200, json!({ "state": "approved" }))]);
    approve(&[id, "--confirm", "delete_contact"], &web).await.expect("approved");
    assert!(web.sent()[1].contains(r#""confirm":"delete_contact""#));
}

#[tokio::test]
async fn apr_07_several_ids_are_one_request() {
    let mut two = pending();
    let mut second = two["approvals"][0].clone();
    second["id"] = json!("apr_00000000000000000000000000000002");
    two["approvals"].as_array_mut().expect("list").push(second);
    let web = Scripted::new([(200, two), (200, json!({ "states": ["refused", "refused"] }))]);
    let ids = ["apr_00000000000000000000000000000001", "apr_00000000000000000000000000000002", "--refuse"];
    approve(&ids, &web).await.expect("decided");
    assert!(
        web.sent()[1].starts_with("POST https://hub.acme.example/api/approvals {\"decisions\":[{"),
        "{:?}",
        web.sent()
    );
}

#[tokio::test]
async fn apr_08_a_standing_yes_says_how_long_and_how_often() {
    assert!(arguments(&["apr_00000000000000000000000000000001", "--stands-for", "1h"]).is_err());
    let mut some = pending();
    some["approvals"][0]["class"] = json!(["write"]);
    let web = Scripted::new([(200, some), (200, json!({ "state": "approved" }))]);
    let words = ["apr_00000000000000000000000000000001", "--stands-for", "1h", "--stands-uses", "5"];
    approve(&words, &web).await.expect("approved");
    assert!(web.sent()[1].contains(r#""standing":{"for_seconds":3600,"uses":5}"#), "{:?}", web.sent());
}

#[tokio::test]
async fn nothing_is_decided_by_listing() {
    let web = Scripted::new([(200, pending())]);
    approve(&[], &web).await.expect("listed");
    assert_eq!(web.sent().len(), 1);
}

#[tokio::test]
async fn watching_and_a_token_do_not_share_standard_input() {
    let words = ["--watch", "--hub", "https://hub.acme.example", "--token-file", "-"];
    let arguments = arguments(&words).expect("arguments");
    let plan = arguments.access.plan().expect("plan");
    let web = Scripted::new([]);
    assert!(matches!(run_with(arguments, plan, terminal(), &web).await, Err(Failure::Usage(_))));
}

#[test]
fn a_refusal_without_an_id_is_a_usage_error() {
    assert!(arguments(&["--refuse"]).is_err());
    assert!(arguments(&["../api"]).is_err());
}
