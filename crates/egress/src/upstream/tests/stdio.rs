//! Servers that are processes of ours.

use super::fixture::{Clock, SOON, able, call, limits, reply, reply_and_told, result, retry, until, value};
use crate::upstream::{Limits, StdioSettings, StdioUpstream};
use deputy_core::Timestamp;
use deputy_hub::Supervisor;
use deputy_hub::ports::Upstream as _;
use deputy_hub::ports::upstream::{Ask, Failure, Reply};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn settings(mode: &str) -> StdioSettings {
    StdioSettings {
        name: "fixture".to_owned(),
        program: "/bin/sh".to_owned(),
        arguments: vec!["-c".to_owned(), include_str!("server.sh").to_owned()],
        environment: BTreeMap::from([("MODE".to_owned(), mode.to_owned())]),
        directory: None,
        is_shared: false,
        grace: Duration::from_millis(300),
        limits: limits(),
        clock: Arc::new(Clock),
        supervisor: Supervisor::default(),
    }
}

fn upstream(mode: &str) -> StdioUpstream {
    StdioUpstream::new(settings(mode))
}

fn of(principal: &str, mut ask: Ask) -> Ask {
    ask.principal = principal.to_owned();
    ask
}

async fn pid(upstream: &StdioUpstream, ask: Ask) -> i32 {
    i32::try_from(value(upstream, ask).await["pid"].as_i64().unwrap()).unwrap()
}

/// Whether there is such a process, a zombie included.
fn exists(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

#[tokio::test]
async fn rule_23_the_era_is_found_out_whatever_the_server_does_at_the_probe() {
    for (mode, revision, starts) in [
        ("legacy", "2025-06-18", 1),
        ("modern", "2026-07-28", 1),
        ("silent", "2025-06-18", 1),
        ("late", "2026-07-28", 1),
        ("dies_at_discover", "2025-06-18", 2),
    ] {
        let upstream = upstream(mode);
        let expected = r#"{"content":[],"resultType":"complete"}"#;
        assert_eq!(result(&upstream, call("echo")).await, expected, "{mode}");
        let health = upstream.health();
        assert_eq!(
            (health.revision.as_deref(), health.starts, health.is_up),
            (Some(revision), starts, Some(true))
        );
        upstream.close().await;
    }
}

#[tokio::test]
async fn rule_23_junk_on_its_output_is_passed_over() {
    let upstream = upstream("legacy");
    let expected = r#"{ "content" : [],"n":1.0,"resultType":"complete"}"#;
    assert_eq!(result(&upstream, call("junk")).await, expected);
}

#[tokio::test]
async fn its_environment_is_what_the_settings_say_and_nothing_else() {
    let mut settings = settings("legacy");
    settings.environment.insert("GIVEN".to_owned(), "g".to_owned());
    settings.directory = Some("/".into());
    let upstream = StdioUpstream::new(settings);
    let seen = value(&upstream, call("environment")).await;
    assert_eq!((&seen["home"], &seen["user"], &seen["given"]), (&json!(""), &json!(""), &json!("g")));
    assert_eq!(value(&upstream, call("directory")).await["pwd"], "/");
}

#[tokio::test]
async fn a_program_is_looked_up_in_the_path_that_was_given() {
    let mut with = settings("legacy");
    with.program = "sh".to_owned();
    let without = reply(&StdioUpstream::new(with.clone()), call("echo")).await.err();
    assert!(matches!(&without, Some(Failure::NotSent(why)) if why.contains("PATH")), "{without:?}");
    with.environment.insert("PATH".to_owned(), "/nowhere:/bin".to_owned());
    result(&StdioUpstream::new(with.clone()), call("echo")).await;
    with.program = "/no/such/program".to_owned();
    assert!(matches!(reply(&StdioUpstream::new(with), call("echo")).await, Err(Failure::NotSent(_))));
}

#[tokio::test]
async fn rule_23_principals_have_processes_of_their_own_unless_the_server_is_shared() {
    for (is_shared, mode) in [(false, "legacy"), (false, "modern"), (true, "legacy"), (true, "modern")] {
        let upstream = StdioUpstream::new(StdioSettings { is_shared, ..settings(mode) });
        let alices = pid(&upstream, call("pid")).await;
        assert_eq!(pid(&upstream, call("pid")).await, alices);
        assert_eq!(pid(&upstream, of("bob", call("pid"))).await == alices, is_shared);
    }
}

#[tokio::test]
async fn rule_03_a_legacy_process_is_told_once_what_its_client_can_do_and_a_modern_one_each_time() {
    for (mode, is_one) in [("legacy", false), ("modern", true)] {
        let upstream = upstream(mode);
        let able = able(call("pid"), &json!({"roots": {}}));
        assert_eq!(pid(&upstream, call("pid")).await == pid(&upstream, able).await, is_one, "{mode}");
    }
}

#[tokio::test]
async fn a_process_that_ends_in_a_call_is_a_loss_and_started_again_for_the_next() {
    let upstream = upstream("legacy");
    let first = pid(&upstream, call("pid")).await;
    assert!(matches!(reply(&upstream, call("dies")).await, Err(Failure::Lost(_))));
    assert_ne!(pid(&upstream, call("pid")).await, first);
    assert_eq!(upstream.health().starts, 2);
    until("it was reaped", || !exists(first)).await;
}

#[tokio::test]
async fn a_start_goes_on_without_the_client_that_wanted_it_first() {
    let upstream = upstream("slow");
    let mut impatient = call("echo");
    impatient.timeout = Duration::from_millis(50);
    assert!(matches!(reply(&upstream, impatient).await, Err(Failure::NotSent(_))));
    result(&upstream, call("echo")).await;
    assert_eq!(upstream.health().starts, 1);
}

struct Later(AtomicU64);

impl deputy_hub::ports::Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn rule_23_restarts_back_off() {
    let clock = Arc::new(Later(AtomicU64::new(0)));
    let upstream = StdioUpstream::new(StdioSettings { clock: Arc::clone(&clock) as _, ..settings("never") });
    let mut refused = 0;
    for _ in 0..4 {
        let failure = reply(&upstream, call("echo")).await.expect_err("never");
        assert!(matches!(&failure, Failure::NotSent(_)), "{failure:?}");
        refused += u64::from(failure.to_string().contains("in a row"));
    }
    assert_eq!((upstream.health().starts, refused), (2, 2));
    clock.0.store(500, Ordering::SeqCst);
    for expected in [3, 3] {
        reply(&upstream, call("echo")).await.expect_err("never");
        assert_eq!(upstream.health().starts, expected);
    }
    clock.0.store(1_499, Ordering::SeqCst);
    reply(&upstream, call("echo")).await.expect_err("never");
    assert_eq!(upstream.health().starts, 3, "the pause has doubled");
}

#[tokio::test]
async fn everything_that_a_server_started_ends_with_it() {
    for tool in ["child", "stubborn"] {
        let upstream = upstream("legacy");
        let (leader, other) = (pid(&upstream, call("pid")).await, pid(&upstream, call(tool)).await);
        assert!(exists(leader) && exists(other));
        tokio::time::timeout(SOON, upstream.close()).await.unwrap();
        assert!(!exists(leader), "{tool}: reaped");
        until("what it started is gone", || !exists(other) || is_zombie(other)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_orphans_are_the_hubs_own_it_buries_what_a_server_leaves_behind() {
    // As for the first process of a container.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    for tool in ["child", "stubborn"] {
        let upstream = upstream("legacy");
        let other = pid(&upstream, call(tool)).await;
        tokio::time::timeout(SOON, upstream.close()).await.unwrap();
        until("it is buried", || !exists(other)).await;
    }
}

/// An orphan is its new parent's to reap.
fn is_zombie(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test]
async fn a_shutdown_ends_its_processes() {
    let settings = settings("legacy");
    let supervisor = settings.supervisor.clone();
    let upstream = StdioUpstream::new(settings);
    let pid = pid(&upstream, call("pid")).await;
    tokio::time::timeout(SOON, supervisor.shut_down()).await.unwrap();
    assert!(!exists(pid));
}

#[tokio::test]
async fn rule_15_a_cancelled_call_is_told_and_the_process_goes_on() {
    let upstream = upstream("modern");
    let first = pid(&upstream, call("pid")).await;
    let mut ask = call("hang");
    ask.timeout = Duration::from_millis(100);
    assert_eq!(reply(&upstream, ask).await.err(), Some(Failure::TimedOut));
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(upstream.ask(call("hang"), mpsc::channel(1).0, &cancel).await.err(), Some(Failure::Cancelled));
    let told = value(&upstream, call("cancelled")).await;
    assert_eq!(told["cancelled"]["params"]["requestId"], 3, "the second call's, after the probe's");
    assert_eq!(pid(&upstream, call("pid")).await, first);
}

#[tokio::test]
async fn rule_03_a_question_of_a_process_is_asked_of_the_client() {
    let upstream = upstream("legacy");
    let ask = able(call("ask"), &json!({"elicitation": {}}));
    let asked = value(&upstream, ask.clone()).await;
    assert_eq!(asked["inputRequests"]["k1"]["params"], json!({"message": "m"}));
    let done = value(&upstream, retry(ask, &asked, &json!({"k1": {"action": "accept"}}))).await;
    assert_eq!(done["got"], json!({"jsonrpc": "2.0", "id": "q", "result": {"action": "accept"}}));
    let refused = value(&upstream, call("ask")).await;
    assert_eq!(refused["got"]["error"]["code"], -32601);
}

#[tokio::test]
async fn rule_23_a_shared_process_asks_nobody_while_several_principals_use_it() {
    let upstream = StdioUpstream::new(StdioSettings { is_shared: true, ..settings("legacy") });
    let can = json!({"elicitation": {}});
    let cancel = CancellationToken::new();
    let hanging = upstream.ask(of("bob", able(call("hang"), &can)), mpsc::channel(1).0, &cancel);
    let asking = async {
        result(&upstream, of("bob", able(call("echo"), &can))).await;
        let refused = value(&upstream, able(call("ask"), &can)).await;
        cancel.cancel();
        refused
    };
    let (_, refused) = tokio::join!(hanging, asking);
    assert_eq!(refused["got"]["error"]["code"], -32601);
}

#[tokio::test]
async fn rule_22_progress_and_log_reach_the_call_that_wants_them() {
    let upstream = upstream("legacy");
    let mut ask = call("progress");
    ask.client.progress = true;
    ask.client.log_level = Some("info".to_owned());
    let (reply, told) = reply_and_told(&upstream, ask).await;
    assert!(matches!(reply, Ok(Reply::Result(_))));
    let methods: Vec<&str> = told.iter().map(|told| told.method.as_str()).collect();
    assert_eq!(methods, ["notifications/progress", "notifications/message"]);
    assert_eq!(told[0].params.as_ref().unwrap().get(), r#"{"progress":1}"#);
    assert_eq!(reply_and_told(&upstream, call("progress")).await.1.len(), 0);
}

#[tokio::test]
async fn rule_26_a_line_that_is_too_long_is_the_answer_of_its_call_alone() {
    let upstream = upstream("legacy");
    let limit_bytes = limits().answer_bytes;
    assert_eq!(reply(&upstream, call("huge")).await.err(), Some(Failure::TooLarge { limit_bytes }));
    result(&upstream, call("echo")).await;
    assert_eq!(upstream.health().starts, 1);
}

#[tokio::test]
async fn rule_26_an_idle_process_ends_and_processes_are_bounded() {
    let limits = Limits { idle: Duration::from_millis(60), sessions: 1, ..limits() };
    let upstream = StdioUpstream::new(StdioSettings { limits, ..settings("legacy") });
    let first = pid(&upstream, call("pid")).await;
    until("it ended", || !exists(first)).await;
    let second = pid(&upstream, call("pid")).await;
    let bobs = pid(&upstream, of("bob", call("pid"))).await;
    until("bob's has taken its place", || !exists(second)).await;
    assert_ne!(bobs, second);
}

#[tokio::test]
async fn rule_14_changes_are_heard_from_a_process_that_runs() {
    let upstream = upstream("modern");
    let mut changes = upstream.changes("alice");
    assert_eq!(upstream.health().starts, 0);
    result(&upstream, call("echo")).await;
    tokio::time::timeout(SOON, changes.wait_for(|changed| changed.tools == 1)).await.unwrap().unwrap();
    let _ = reply(&upstream, call("dies")).await;
    tokio::time::timeout(SOON, changes.wait_for(|changed| changed.prompts == 1)).await.unwrap().unwrap();
}

#[tokio::test]
async fn updates_start_a_process_and_are_heard() {
    let upstream = upstream("legacy");
    let mut updates = upstream.updates("alice", "file:///a");
    let update = tokio::time::timeout(SOON, updates.recv()).await.unwrap().unwrap();
    assert_eq!(update.get(), r#"{"uri":"file:///a"}"#);
}

async fn restarts(times: usize) {
    let upstream = upstream("legacy");
    for _ in 0..times {
        result(&upstream, call("echo")).await;
        assert!(matches!(reply(&upstream, call("dies")).await, Err(Failure::Lost(_))));
    }
    upstream.close().await;
    assert!(upstream.health().starts >= u64::try_from(times).unwrap());
    until("no zombie is left", || zombies() == 0).await;
}

/// Children of ours that nobody reaped and that are this test's shells.
fn zombies() -> usize {
    let me = format!(" Z {} ", std::process::id());
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats.filter(|stat| stat.contains(&me)).count()
}

#[tokio::test]
async fn restarts_leave_no_zombie() {
    restarts(30).await;
}

#[tokio::test]
#[ignore = "long"]
async fn a_thousand_restarts_leave_no_zombie() {
    restarts(1000).await;
}

#[tokio::test]
async fn an_answer_that_comes_too_late_says_nothing_about_the_server() {
    let upstream = upstream("legacy");
    result(&upstream, call("echo")).await;
    let late = retry(call("ask"), &json!({"requestState": "deputy.open.00"}), &json!({}));
    assert!(matches!(reply(&upstream, late).await, Err(Failure::Lost(_))));
    assert_eq!(upstream.health().is_up, Some(true));
}

#[tokio::test]
async fn an_untranslatable_request_is_said_to_be_one() {
    let upstream = upstream("modern");
    let mut ask = call("echo");
    ask.method = "initialize".to_owned();
    assert!(matches!(reply(&upstream, ask).await, Err(Failure::Untranslatable(_))));
    let mut ask = call("echo");
    ask.params = Some(deputy_protocol::relay::raw(&Value::from(7)));
    assert!(matches!(reply(&upstream, ask).await, Err(Failure::Untranslatable(_))));
}
