//! A call that waits until the person connected the server: what each client is told, and the person's page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
#[path = "../../hub/tests/consenting/mod.rs"]
mod consenting;

use axum::body::{Body, to_bytes};
use common::{Doors, Reply, Stream};
use consenting::{Rig, answer_to, asker};
use deputy_core::Reason;
use deputy_hub::ports::upstream::Failure;
use deputy_server::{Hosts, House, router};
use deputy_testkit::{FakeUpstream, PUBLIC_URL, result};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt as _;
use url::Url;

const PAGE: &str = "https://hub.example/connect/files";

/// A server that has to be connected first, and whether it is.
async fn doors() -> (Doors, Arc<AtomicBool>, Arc<FakeUpstream>) {
    let files = FakeUpstream::with_tools(&["list"]);
    let is_connected = Arc::new(AtomicBool::new(false));
    let connected = Arc::clone(&is_connected);
    files.answers(move |_| match connected.load(Ordering::SeqCst) {
        true => Ok(result(&json!({"resultType": "complete", "content": []}))),
        false => Err(Failure::NoCredential {
            reason: Reason::ConsentRequired,
            words: format!("open {PAGE}"),
            open: Some(PAGE.to_owned()),
        }),
    });
    (Doors::before(&files, "/s/files/mcp").await, is_connected, files)
}

async fn called(doors: &Doors, capabilities: &Value, otherwise: &Value) -> Value {
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
    let mut params = json!({"name": "list", "arguments": {}, "_meta": meta});
    for (name, value) in otherwise.as_object().unwrap() {
        params[name] = value.clone();
    }
    doors.send(doors.modern("alice", &json!(7), "tools/call", params)).await.json()["result"].clone()
}

#[tokio::test]
async fn a_modern_client_that_can_open_addresses_is_asked_to_and_goes_on_with_its_answer() {
    let (doors, is_connected, files) = doors().await;
    let able = json!({"elicitation": {"url": {}}});
    let asked = called(&doors, &able, &json!({})).await;
    assert_eq!(asked["resultType"], "input_required");
    let question = &asked["inputRequests"]["dev.deputy/connect"];
    assert_eq!(
        (&question["method"], &question["params"]["mode"]),
        (&json!("elicitation/create"), &json!("url"))
    );
    assert_eq!(question["params"]["url"], PAGE);
    is_connected.store(true, Ordering::SeqCst);
    let answers = json!({"dev.deputy/connect": {"action": "accept"}});
    let back = json!({"inputResponses": answers, "requestState": asked["requestState"]});
    assert_eq!(called(&doors, &able, &back).await["resultType"], "complete");
    let last = files.asked().pop().unwrap().params.unwrap().get().to_owned();
    assert!(!last.contains("inputResponses") && !last.contains("requestState"), "{last}");
}

#[tokio::test]
async fn who_declined_or_cannot_open_addresses_is_told_in_words() {
    let (doors, _, _files) = doors().await;
    let declined = json!({"inputResponses": {"dev.deputy/connect": {"action": "decline"}}});
    for (capabilities, otherwise) in [(json!({}), json!({})), (json!({"elicitation": {"url": {}}}), declined)]
    {
        let told = called(&doors, &capabilities, &otherwise).await;
        assert_eq!((&told["resultType"], &told["isError"]), (&json!("complete"), &json!(true)));
        assert!(told["content"][0]["text"].as_str().unwrap().contains(PAGE), "{told}");
    }
}

#[tokio::test]
async fn a_legacy_client_is_given_the_error_or_the_words() {
    let (doors, _, _files) = doors().await;
    let call = json!({"name": "list", "arguments": {}});
    let session = doors.initialized_with("alice", &json!({"elicitation": {"url": {}}})).await;
    let told = doors.send(doors.legacy("alice", &session, &json!(1), "tools/call", &call)).await.json();
    assert_eq!(told["error"]["code"], -32042);
    assert_eq!(told["error"]["data"]["elicitations"][0]["url"], PAGE);
    let session = doors.initialized("alice").await;
    let told = doors.send(doors.legacy("alice", &session, &json!(1), "tools/call", &call)).await.json();
    assert_eq!(told["result"]["isError"], true);
    assert!(told["result"]["content"][0]["text"].as_str().unwrap().contains(PAGE), "{told}");
}

async fn browse(router: &House, cookie: Option<&str>, method: &str, path: &str, body: &str) -> Reply {
    let mut request = Request::builder().method(method).uri(path).header("host", "hub.example");
    if method == "POST" {
        request =
            request.header("content-type", "application/x-www-form-urlencoded").header("origin", PUBLIC_URL);
    }
    if let Some(cookie) = cookie {
        request = request.header("cookie", format!("__Host-deputy_login={cookie}"));
    }
    let answer = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Reply { status: parts.status, headers: parts.headers, body }
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_person_connects_a_server_on_the_page_and_sees_and_ends_it_on_their_own() {
    let rig = Rig::new().await;
    let router = router(&rig.world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
    let cookie = rig.browser("alice").await;
    let page = browse(&router, Some(&cookie), "GET", "/connect/ledger", "").await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.header("content-security-policy").unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("https://as.example"), "{policy}");
    let form = text(&page);
    let form = form.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let away = browse(&router, Some(&cookie), "POST", "/connect/ledger", &format!("form={form}")).await;
    assert_eq!(away.status, StatusCode::SEE_OTHER);
    let to = Url::parse(away.header("location").unwrap()).unwrap();
    let back = format!("/connect/callback?{}", answer_to(&to));
    assert_eq!(browse(&router, None, "GET", &back, "").await.status, StatusCode::BAD_REQUEST);
    let away = browse(&router, Some(&cookie), "POST", "/connect/ledger", &format!("form={form}")).await;
    let to = Url::parse(away.header("location").unwrap()).unwrap();
    let back = format!("/connect/callback?{}", answer_to(&to));
    assert_eq!(browse(&router, Some(&cookie), "GET", &back, "").await.status, StatusCode::OK);
    assert!(rig.token(&asker("alice")).await.is_ok());
    assert!(text(&browse(&router, Some(&cookie), "GET", "/login", "").await).contains("/connect/ledger/end"));
    let ended = browse(&router, Some(&cookie), "POST", "/connect/ledger/end", "").await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);
    assert!(rig.token(&asker("alice")).await.is_err());
}

#[tokio::test]
async fn invariant_7_a_stranger_cannot_tell_a_server_from_none() {
    let rig = Rig::new().await;
    let router = router(&rig.world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
    for server in ["ledger", "none"] {
        let away = browse(&router, None, "GET", &format!("/connect/{server}"), "").await;
        assert_eq!(away.status, StatusCode::SEE_OTHER, "{server}");
    }
    let cookie = rig.browser("alice").await;
    let missing = browse(&router, Some(&cookie), "GET", "/connect/none", "").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

fn at(rig: &Rig, path: &str) -> Doors {
    let router = router(&rig.world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
    Doors { world: Arc::clone(&rig.world), router, path: path.to_owned() }
}

/// A session whose client can open addresses, and the id by which it was told to have its person connect the server.
async fn elicited(doors: &Doors, subject: &str) -> (String, String) {
    let session = doors.initialized_with(subject, &json!({"elicitation": {"url": {}}})).await;
    let name = if doors.path == "/mcp" { "ledger__list" } else { "list" };
    let call = json!({"name": name, "arguments": {}});
    let told = doors.send(doors.legacy(subject, &session, &json!(1), "tools/call", &call)).await.json();
    assert_eq!(told["error"]["code"], -32042, "{told}");
    let elicitation = &told["error"]["data"]["elicitations"][0];
    assert_eq!(elicitation["url"], consenting::PAGE);
    (session, elicitation["elicitationId"].as_str().unwrap().to_owned())
}

const COMPLETE: &str = "notifications/elicitation/complete";

/// The next word of that kind.
async fn completed(stream: &mut Stream) -> Value {
    loop {
        let message = stream.message().await.expect("the stream ended");
        if message["method"] == COMPLETE {
            return message["params"]["elicitationId"].clone();
        }
    }
}

#[tokio::test]
async fn when_the_person_has_connected_the_server_the_legacy_client_that_was_told_to_ask_them_hears_of_it() {
    for path in ["/mcp", "/s/ledger/mcp"] {
        let rig = Rig::new().await;
        let doors = at(&rig, path);
        let (session, id) = elicited(&doors, "alice").await;
        let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
        let login = rig.signed_in("alice").await;
        rig.connected(&login).await;
        assert_eq!(completed(&mut stream).await, id, "{path}");
        let call = json!({"name": if path == "/mcp" { "ledger__list" } else { "list" }, "arguments": {}});
        let done = doors.send(doors.legacy("alice", &session, &json!(2), "tools/call", &call)).await.json();
        assert_eq!(done["result"]["content"][0]["text"], "list", "{path}: {done}");
    }
}

#[tokio::test]
async fn what_was_connected_while_no_stream_was_open_is_told_once_on_the_next() {
    let rig = Rig::new().await;
    let doors = at(&rig, "/mcp");
    let (session, id) = elicited(&doors, "alice").await;
    let login = rig.signed_in("alice").await;
    rig.connected(&login).await;
    let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
    assert_eq!(completed(&mut stream).await, id);
    let mut again = doors.open(doors.within("GET", "alice", &session)).await;
    doors.send(doors.within("DELETE", "alice", &session)).await;
    while let Some(message) = again.message().await {
        assert_ne!(message["method"], COMPLETE);
    }
}

#[tokio::test]
async fn invariant_13_nobody_else_hears_that_a_person_connected_a_server() {
    let rig = Rig::new().await;
    let doors = at(&rig, "/mcp");
    let (session, _) = elicited(&doors, "alice").await;
    let (bobs, _) = elicited(&doors, "bob").await;
    // Another conversation of the same client, which was told nothing.
    let other = doors.initialized_with("alice", &json!({"elicitation": {"url": {}}})).await;
    let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
    let mut silent = [("bob", &bobs), ("alice", &other)].map(|(subject, session)| (subject, session, None));
    for (subject, session, stream) in &mut silent {
        *stream = Some(doors.open(doors.within("GET", subject, session)).await);
    }
    let login = rig.signed_in("alice").await;
    rig.connected(&login).await;
    completed(&mut stream).await;
    for (subject, session, stream) in silent {
        doors.send(doors.within("DELETE", subject, session)).await;
        let mut stream = stream.unwrap();
        while let Some(message) = stream.message().await {
            assert_ne!(message["method"], COMPLETE, "{subject}");
        }
    }
}

#[tokio::test]
async fn when_a_server_is_connected_or_not_any_more_its_tools_are_told_as_changed() {
    for path in ["/mcp", "/s/ledger/mcp"] {
        let rig = Rig::new().await;
        let doors = at(&rig, path);
        let (session, _) = elicited(&doors, "alice").await;
        let mut stream = doors.open(doors.within("GET", "alice", &session)).await;
        let login = rig.signed_in("alice").await;
        rig.connected(&login).await;
        let changed = "notifications/tools/list_changed";
        while stream.message().await.expect("the stream ended")["method"] != changed {}
        assert!(rig.world.hub.disconnect(&login.user, &consenting::server()));
        while stream.message().await.expect("the stream ended")["method"] != changed {}
    }
}

/// What the list of tools at `/mcp` says is missing, and the answer to a call of a name of this source.
async fn missing_and_called(doors: &Doors, source: &str) -> (Value, Value) {
    let able = json!({"elicitation": {"url": {}}});
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": able});
    let list = doors.send(doors.modern("alice", &json!(1), "tools/list", json!({}))).await.json();
    let params = json!({"name": format!("{source}__list"), "arguments": {}, "_meta": meta});
    let called = doors.send(doors.modern("alice", &json!(1), "tools/call", params)).await.json();
    (list["result"]["_meta"]["dev.deputy/missing"].clone(), called)
}

async fn under(rig: &Rig, policy: &str) {
    rig.world.hub.policies().reload(&[("p.cedar".to_owned(), policy.to_owned())]).await.unwrap();
}

#[tokio::test]
async fn at_mcp_the_list_and_a_call_say_where_the_person_connects_a_server() {
    let rig = Rig::new().await;
    let doors = at(&rig, "/mcp");
    let (missing, called) = missing_and_called(&doors, "ledger").await;
    assert_eq!(
        (&missing[0]["source"], &missing[0]["reason"]),
        (&json!("ledger"), &json!("consent_required"))
    );
    assert_eq!(missing[0]["url"], consenting::PAGE);
    assert_eq!(
        called["result"]["inputRequests"]["dev.deputy/connect"]["params"]["url"],
        consenting::PAGE,
        "{called}"
    );
}

#[tokio::test]
async fn who_may_use_a_tool_by_its_name_alone_is_told_where_to_connect_its_server() {
    let rig = Rig::new().await;
    under(&rig, "@id(\"one\") permit(principal, action, resource == Deputy::Tool::\"ledger__pay\");").await;
    let (missing, called) = missing_and_called(&at(&rig, "/mcp"), "ledger").await;
    assert_eq!(missing[0]["url"], consenting::PAGE);
    // Until it is connected nobody knows what is there, so every name of it asks for that.
    assert_eq!(called["result"]["resultType"], "input_required", "{called}");
    let login = rig.signed_in("alice").await;
    assert!(rig.world.hub.may_connect(&login, &consenting::server()));
}

#[tokio::test]
async fn invariant_7_who_may_do_nothing_at_a_server_cannot_tell_that_it_waits_to_be_connected() {
    let rig = Rig::new().await;
    under(&rig, "@id(\"other\") permit(principal, action, resource) when { resource.source == \"crm\" };")
        .await;
    let doors = at(&rig, "/mcp");
    let (missing, called) = missing_and_called(&doors, "ledger").await;
    assert_eq!(missing, Value::Null);
    assert_eq!(called, missing_and_called(&doors, "nothing").await.1);
}

async fn api(doors: &Doors, who: &str, method: &str, path: &str) -> Reply {
    let token = doors.world.access_token(who, "/api");
    let request = Request::builder().method(method).uri(path).header("host", "hub.example");
    doors.send(request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_person_sees_and_ends_their_own_connections_over_the_api_and_nobody_elses() {
    let rig = Rig::new().await;
    let doors = at(&rig, "/mcp");
    let login = rig.signed_in("alice").await;
    rig.connected(&login).await;
    let shown = api(&doors, "alice", "GET", "/api/connections").await.json();
    let one = &shown["connections"][0];
    assert_eq!((&one["server"], &one["authorization_server"]), (&json!("ledger"), &json!(consenting::AS)));
    assert_eq!((&one["resource"], &one["scopes"]), (&json!(consenting::SERVER), &json!(["read"])));
    assert!(!shown.to_string().contains("canary"), "{shown}");
    assert_eq!(api(&doors, "bob", "GET", "/api/connections").await.json(), json!({"connections": []}));
    let path = "/api/connections/ledger";
    assert_eq!(api(&doors, "bob", "DELETE", path).await.status, StatusCode::NOT_FOUND);
    assert!(rig.token(&asker("alice")).await.is_ok());
    assert_eq!(api(&doors, "alice", "DELETE", path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api(&doors, "alice", "DELETE", path).await.status, StatusCode::NOT_FOUND);
    assert!(rig.token(&asker("alice")).await.is_err());
    let lines = || rig.world.tables.of_kind(deputy_core::EventKind::ServerDisconnected).len();
    rig.world.until("recorded", || lines() == 1).await;
}

#[tokio::test]
async fn an_address_that_a_server_of_a_later_revision_wants_opened_has_an_id_for_a_legacy_client() {
    let files = FakeUpstream::with_tools(&["list"]);
    let open = json!({"mode": "url", "url": "https://files.example/open", "message": "open it"});
    let requests = json!({"k": {"method": "elicitation/create", "params": open}});
    let asks = json!({"resultType": "input_required", "requestState": "s", "inputRequests": requests});
    files.answers(move |_| Ok(result(&asks)));
    let doors = Doors::before(&files, "/s/files/mcp").await;
    let session = doors.initialized_with("alice", &json!({"elicitation": {"url": {}}})).await;
    let call = json!({"name": "list", "arguments": {}});
    let mut stream = doors.open(doors.legacy("alice", &session, &json!(1), "tools/call", &call)).await;
    let asked = stream.message().await.unwrap();
    assert_eq!((&asked["method"], &asked["params"]["url"]), (&json!("elicitation/create"), &open["url"]));
    assert!(asked["params"]["elicitationId"].as_str().is_some_and(|id| !id.is_empty()), "{asked}");
}
