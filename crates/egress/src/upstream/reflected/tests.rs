use super::*;
use base64::Engine as _;
use serde_json::{Value, json};
use std::sync::Mutex;

const SECRET: &str = "sk-live/7f\"3a<b>&'c+d~e.Zz";

/// Opens with one bearer token.
struct Bearer(&'static str);

#[async_trait]
impl Credential for Bearer {
    async fn headers(&self, _principal: &str) -> Result<Vec<(String, Secret<String>)>, NoHeaders> {
        Ok(vec![("authorization".to_owned(), Secret::new(format!("Bearer {}", self.0)))])
    }
}

/// Says what a test wants, on the way, at the end, and as an update.
struct Says(Mutex<Option<Result<Reply, Failure>>>, Value);

fn raw(value: &Value) -> Box<RawValue> {
    deputy_protocol::relay::raw(value)
}

#[async_trait]
impl Upstream for Says {
    async fn ask(&self, _: Ask, told: mpsc::Sender<Told>, _: &CancellationToken) -> Result<Reply, Failure> {
        let one = Told { method: "notifications/message".to_owned(), params: Some(raw(&self.1)) };
        told.send(one).await.expect("heard");
        self.0.lock().expect("lock").take().expect("once")
    }
    fn changes(&self, _: &str) -> watch::Receiver<Changed> {
        watch::channel(Changed::default()).1
    }
    fn updates(&self, _: &str, _: &str) -> mpsc::Receiver<Box<RawValue>> {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(raw(&self.1)).expect("room");
        receiver
    }
    fn task_changes(&self, _: &str, _: &str) -> mpsc::Receiver<()> {
        mpsc::channel(1).1
    }
    fn health(&self) -> Health {
        Health { is_up: None, revision: None, last_error: None, starts: 0 }
    }
    async fn close(&self) {}
}

fn around(secret: &'static str, reply: Result<Reply, Failure>, told: Value) -> Unreflecting {
    let says = Says(Mutex::new(Some(reply)), told);
    Unreflecting::new(Arc::new(says), Arc::new(Bearer(secret)), Supervisor::default())
}

async fn ask(server: &Unreflecting) -> (Result<Reply, Failure>, Option<Told>) {
    let ask = Ask {
        method: "tools/call".to_owned(),
        params: None,
        client: deputy_hub::ports::upstream::ClientSide::default(),
        principal: "alice".to_owned(),
        timeout: std::time::Duration::from_secs(1),
        changes_nothing: false,
        trace: None,
    };
    let (sender, mut heard) = mpsc::channel(4);
    let reply = server.ask(ask, sender, &CancellationToken::new()).await;
    (reply, heard.recv().await)
}

/// Each way in which the secret comes back.
fn reflections() -> Vec<String> {
    let base64 =
        |before: &str, engine: &base64::engine::GeneralPurpose| engine.encode(format!("{before}{SECRET}!!"));
    let percent = |keeps: &str, upper: bool| in_percent(SECRET.as_bytes(), keeps, upper);
    let mut all = vec![
        SECRET.to_owned(),
        format!("Bearer {SECRET}"),
        SECRET.to_uppercase(),
        SECRET.to_lowercase(),
        SECRET.chars().rev().collect(),
        hex::encode(SECRET),
        hex::encode_upper(SECRET),
        in_html(SECRET, "&#39;"),
        percent("", true),
        percent("-._~", false),
        json!({"deep": SECRET}).to_string(),
    ];
    for before in ["", "x", "xy", "user:"] {
        all.push(base64(before, &STANDARD_NO_PAD));
        all.push(base64(before, &URL_SAFE_NO_PAD));
    }
    all
}

#[tokio::test]
async fn vlt_11_a_reflected_secret_is_taken_out_of_everything_that_a_server_says() {
    for reflection in reflections() {
        let said = json!({"content": [{"text": format!("before {reflection} after")}], "n": 1.5});
        let server = around(SECRET, Ok(Reply::Result(raw(&said))), said.clone());
        let (reply, told) = ask(&server).await;
        let Ok(Reply::Result(result)) = reply else { panic!("{reply:?}") };
        let update = server.updates("alice", "x").recv().await.expect("an update");
        for text in [result.get(), told.expect("told").params.expect("some").get(), update.get()] {
            assert!(text.contains(INSTEAD), "{reflection}: {text}");
            let value: Value = serde_json::from_str(text).expect("json");
            let shown = value["content"][0]["text"].as_str().expect("text");
            assert!(shown.starts_with("before ") && shown.ends_with(" after") && value["n"] == 1.5, "{text}");
            assert!(!shown.contains("7f") && !shown.contains("live"), "{reflection}: {shown}");
        }
    }
}

#[tokio::test]
async fn vlt_11_errors_and_failures_are_looked_through_too() {
    let words = format!("401: {SECRET} is not good enough");
    let data = Some(raw(&json!({"header": SECRET})));
    let fault = Reply::Fault { code: -1, message: words.clone(), data };
    let (reply, _) = ask(&around(SECRET, Ok(fault), json!({}))).await;
    let Ok(Reply::Fault { message, data, .. }) = reply else { panic!("{reply:?}") };
    assert_eq!(message, format!("401: {INSTEAD} is not good enough"));
    assert_eq!(data.expect("data").get(), format!(r#"{{"header":"{INSTEAD}"}}"#));
    for failure in [Failure::Lost, Failure::Unusable, Failure::NotSent] {
        let (reply, _) = ask(&around(SECRET, Err(failure(words.clone())), json!({}))).await;
        assert!(!reply.expect_err("failed").to_string().contains(SECRET));
    }
}

#[tokio::test]
async fn vlt_11_an_answer_that_is_none_without_the_secret_is_blocked() {
    let said = json!({"account": 1_234_567_890});
    let (reply, told) = ask(&around("1234567890", Ok(Reply::Result(raw(&said))), said)).await;
    assert!(matches!(reply, Err(Failure::Unusable(_))), "{reply:?}");
    assert!(told.is_none());
}

#[tokio::test]
async fn what_holds_no_secret_stays_as_it_was_sent() {
    let said = RawValue::from_string(r#"{ "a":1e400, "b":"sk-live, \u00e9" }"#.to_owned()).expect("json");
    let (reply, _) = ask(&around(SECRET, Ok(Reply::Result(said.clone())), json!({}))).await;
    assert!(matches!(reply, Ok(Reply::Result(result)) if result.get() == said.get()));
    // A short one would be found everywhere.
    let (reply, _) = ask(&around("sk-live", Ok(Reply::Result(said.clone())), json!({}))).await;
    assert!(matches!(reply, Ok(Reply::Result(result)) if result.get() == said.get()));
}

/// Cannot be had the first time.
#[derive(Default)]
struct Late(std::sync::atomic::AtomicUsize);

#[async_trait]
impl Credential for Late {
    async fn headers(&self, principal: &str) -> Result<Vec<(String, Secret<String>)>, NoHeaders> {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Err(NoHeaders::unavailable("not now")),
            _ => Bearer(SECRET).headers(principal).await,
        }
    }
}

#[tokio::test]
async fn vlt_11_a_server_is_not_asked_while_nobody_can_tell_what_must_not_come_back() {
    let says = Says(Mutex::new(Some(Ok(Reply::Result(raw(&json!({"said": SECRET})))))), json!(null));
    let server = Unreflecting::new(Arc::new(says), Arc::new(Late::default()), Supervisor::default());
    let (reply, told) = ask(&server).await;
    assert!(matches!(reply, Err(Failure::NoCredential { words, .. }) if words == "not now"));
    assert!(told.is_none());
    let (reply, _) = ask(&server).await;
    let Ok(Reply::Result(result)) = reply else { panic!("it is asked the second time") };
    assert_eq!(result.get(), format!(r#"{{"said":"{INSTEAD}"}}"#));
}
