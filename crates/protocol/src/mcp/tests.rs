use super::labels::{Labels, More, Trust};
use super::version::Revision;
use super::*;
use crate::jsonrpc::{Id, code};
use deputy_core::{
    Class, Definition, Digest, Origin, PublicName, Reason, SourceKind, SourceName, Tool, ToolKind, ToolName,
};
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::sync::Arc;

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("json")
}

fn text(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("json")
}

fn modern_meta() -> Value {
    json!({meta::PROTOCOL_VERSION: version::MODERN, meta::CLIENT_CAPABILITIES: {}})
}

fn era(method: &str, params: &Value, has_session: bool, header: Option<&str>) -> Result<era::Era, i64> {
    let raw = raw(params);
    let params = meta::Params::parse(Some(&raw)).expect("params");
    era::of(method, &params, has_session, header).map_err(|fault| fault.code)
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("json")
}

#[test]
fn era_rule_21_the_body_decides_not_the_headers() {
    let modern = json!({"_meta": modern_meta()});
    assert_eq!(era("tools/list", &modern, false, None), Ok(era::Era::Modern));
    assert_eq!(era("tools/list", &modern, true, Some("2025-11-25")), Ok(era::Era::Modern));
    assert_eq!(era("tools/list", &json!({}), true, Some(version::MODERN)), Ok(era::Era::Legacy));
    assert_eq!(era("tools/list", &json!({}), true, None), Ok(era::Era::Legacy));
    assert_eq!(era("initialize", &json!({}), false, Some(version::MODERN)), Ok(era::Era::Opening));
    let part = json!({"_meta": {meta::CLIENT_INFO: {"name": "a"}}});
    assert_eq!(era("tools/list", &part, false, None), Ok(era::Era::Modern));
    assert_eq!(era("tools/list", &part, true, None), Ok(era::Era::Legacy));
}

#[test]
fn era_rule_21_initialize_is_never_modern_and_is_answered_with_the_legacy_version() {
    let params = json!({"protocolVersion": version::MODERN, "_meta": modern_meta(), "clientInfo": {"name": "a", "version": "1"}});
    assert_eq!(era("initialize", &params, false, None), Ok(era::Era::Opening));
    let raw = raw(&params);
    let opening = initialize::opening(&meta::Params::parse(Some(&raw)).expect("params")).expect("opening");
    assert_eq!(opening.label.as_deref(), Some("a 1"));
    assert_eq!(opening.revision, Revision::November2025);
    assert_eq!(era("initialize", &json!({}), false, None), Ok(era::Era::Opening));
    let gone = json!({"_meta": modern_meta()});
    assert_eq!(era("initialize", &gone, false, Some(version::MODERN)), Ok(era::Era::Modern));
}

#[test]
fn gateway_rule_6_initialize_answers_the_version_asked_for_where_it_is_spoken_else_the_newest_of_its_era() {
    for (asked, answered) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        (version::MODERN, "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let revision = Revision::answering(asked);
        let result = initialize::result(
            &initialize::Opening {
                revision,
                label: None,
                capabilities: raw(&json!({})).into(),
                implementation: None,
            },
            false,
        );
        assert_eq!(result["protocolVersion"], answered);
        assert_eq!(result["capabilities"], json!({"tools": {"listChanged": true}}));
        assert_eq!(result["serverInfo"].get("title").is_some(), answered != "2025-03-26");
    }
}

#[test]
fn era_rule_21_without_session_and_header_it_is_the_revision_that_has_no_header() {
    assert_eq!(Revision::without_session(None), Some(Revision::March2025));
    assert_eq!(Revision::without_session(Some("2025-06-18")), Some(Revision::June2025));
    assert_eq!(Revision::without_session(Some(version::MODERN)), None);
    assert_eq!(Revision::without_session(Some("1999-01-01")), None);
}

#[test]
fn gateway_rule_24_only_2025_03_26_has_batches_and_only_later_revisions_have_structure() {
    for revision in Revision::ALL {
        assert_eq!(Revision::from_text(revision.text()), Some(revision));
        assert_eq!(revision.has_batches(), revision == Revision::March2025);
        assert_eq!(revision.has_structure(), revision != Revision::March2025);
    }
}

#[test]
fn era_rule_21_with_neither_the_answer_hints_at_the_right_era() {
    assert_eq!(era("tools/list", &json!({}), false, Some(version::MODERN)), Err(code::INVALID_PARAMS));
    assert_eq!(era("tools/list", &json!({}), false, Some("2025-11-25")), Err(code::INVALID_REQUEST));
    assert_eq!(era("tools/list", &json!({}), false, None), Err(code::INVALID_REQUEST));
}

#[test]
fn a_modern_envelope_names_what_it_misses() {
    for key in [meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES] {
        let mut envelope = modern_meta();
        envelope.as_object_mut().expect("object").remove(key);
        let raw = raw(&json!({"_meta": envelope}));
        let params = meta::Params::parse(Some(&raw)).expect("params");
        let fault = params.envelope().expect_err("incomplete");
        assert!(fault.code == code::INVALID_PARAMS && fault.message.contains(key), "{fault:?}");
    }
}

#[test]
fn r9_name_and_name_in_another_case_in_one_call_are_refused() {
    for bad in [
        r#"{"name":"a","Name":"b"}"#,
        r#"{"name":"a","arguments":{},"ARGUMENTS":{}}"#,
        r#"{"name":"a","name":"b"}"#,
        r#"{"_meta":{"dev.deputy/tab":"a","dev.deputy/tab":"b"}}"#,
        r#"{"_META":{}}"#,
        r#"{"_meta":[]}"#,
        "[]",
    ] {
        assert_eq!(meta::Params::parse(Some(&text(bad))).expect_err(bad).code, code::INVALID_PARAMS, "{bad}");
    }
    let twice = text(r#"{"name":"a","arguments":{"x":1,"x":2}}"#);
    assert!(tools::asked(&meta::Params::parse(Some(&twice)).expect("params")).is_err());
}

#[test]
fn a_progress_token_keeps_its_type() {
    let token = |value: Value| {
        let raw = raw(&json!({"_meta": {"progressToken": value}}));
        meta::Params::parse(Some(&raw)).expect("params").progress_token()
    };
    assert_eq!(token(json!("a")), Some(Id::Text("a".to_owned())));
    assert_eq!(token(json!(7)), Some(Id::Integer(7)));
    assert_eq!(token(json!({})), None);
    let moved = progress::moved(&Id::Integer(7), 0.5, None, Some("half")).expect("finite");
    assert_eq!(moved["params"], json!({"progressToken": 7, "progress": 0.5, "message": "half"}));
    assert!(progress::moved(&Id::Integer(7), f64::NAN, None, None).is_none());
}

fn header(values: &[&str]) -> headers::Header {
    headers::Header::of(values.iter().map(|value| value.as_bytes()))
}

#[test]
fn headers_are_trimmed_and_decoded_before_they_are_compared() {
    assert_eq!(header(&[" a\t"]).value(), Some("a"));
    assert_eq!(header(&["=?base64?w7w=?="]).value(), Some("ü"));
    assert_eq!(header(&["=?base64?PT9iYXNlNjQ/YT89?="]).value(), Some("=?base64?a?="));
    assert_eq!(header(&["=?base64?"]).value(), Some("=?base64?"));
    assert_eq!(header(&[]), headers::Header::Absent);
    for unusable in
        [&["a", "a"][..], &["ü"], &["a\u{1}"], &["=?base64?w7x=?="], &["=?base64?/w==?="], &["=?base64?!?="]]
    {
        assert_eq!(header(unusable), headers::Header::Unusable, "{unusable:?}");
    }
}

#[test]
fn gateway_rule_17_a_header_that_differs_from_the_body_is_a_mismatch() {
    let routing = |version: &[&str], method: &[&str], name: &[&str]| headers::Routing {
        version: header(version),
        method: header(method),
        name: header(name),
    };
    let check = |routing: headers::Routing, name| {
        routing.check(version::MODERN, "tools/call", name).map_err(|f| f.code)
    };
    assert_eq!(check(routing(&["2026-07-28"], &["tools/call"], &["a"]), Some("a")), Ok(()));
    assert_eq!(check(routing(&["2026-07-28"], &["tools/call"], &[]), None), Ok(()));
    for wrong in [
        routing(&[], &["tools/call"], &["a"]),
        routing(&["2025-11-25"], &["tools/call"], &["a"]),
        routing(&["2026-07-28"], &["Tools/Call"], &["a"]),
        routing(&["2026-07-28"], &["tools/call"], &["b"]),
        routing(&["2026-07-28"], &["tools/call"], &[]),
        routing(&["2026-07-28"], &["tools/call"], &["a", "a"]),
        routing(&["2026-07-28", "2026-07-28"], &["tools/call"], &["a"]),
    ] {
        assert_eq!(check(wrong.clone(), Some("a")), Err(code::HEADER_MISMATCH), "{wrong:?}");
    }
    assert_eq!(headers::named_by("tools/call"), Some("name"));
    assert_eq!(headers::named_by("tools/list"), None);
}

#[test]
fn an_unsupported_modern_version_is_told_what_is_spoken() {
    let fault = version::unsupported("2031-01-01");
    assert_eq!(fault.code, -32022);
    assert_eq!(fault.data, Some(Box::new(json!({"supported": ["2026-07-28"], "requested": "2031-01-01"}))));
}

#[test]
fn discover_says_what_every_client_needs() {
    let result = discover::result(false);
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"], json!({"tools": {"listChanged": true}}));
    assert!(result["ttlMs"].is_u64() && result["cacheScope"] == "private");
    assert_eq!(result["_meta"][meta::SERVER_INFO]["name"], "deputy");
}

fn tool(input: Option<Value>, output: Option<Value>) -> Tool {
    let definition = Definition {
        name: ToolName::new("add").expect("name"),
        title: Some("Add".to_owned()),
        description: "adds".to_owned(),
        input_schema: input,
        output_schema: output,
        annotations: Some(json!({"readOnlyHint": true, "own": 1})),
        kind: ToolKind::Imperative,
    };
    let origin = Origin::new("https://crm.example").expect("origin");
    Tool {
        source: SourceName::new("crm").expect("source"),
        source_kind: SourceKind::App,
        hash: definition.hash(&origin).expect("hash"),
        origin,
        definition: Arc::new(definition),
        class: Class::READ,
        owner: None,
    }
}

fn listed(tool: &Tool, tabs: Vec<tools::Tab<'_>>) -> (Value, Value) {
    let name: PublicName = tool.public_name();
    let entries = [tools::Entry { name: &name, tool, raw: None, tabs }];
    (
        value(&tools::modern_list(&entries, &[])),
        value(&tools::legacy_list(&entries, Revision::November2025, &[])),
    )
}

#[test]
fn an_input_schema_is_always_an_object_schema_and_asks_for_no_headers() {
    let (modern, legacy) = listed(&tool(None, None), Vec::new());
    assert_eq!(modern["tools"][0]["inputSchema"], json!({"type": "object"}));
    assert_eq!(legacy["tools"][0]["inputSchema"], json!({"type": "object"}));
    let schema = json!({"$defs": {"a": {}}, "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"}, "x-mcp-header": {"type": "string"}}});
    let (modern, _) = listed(&tool(Some(schema), None), Vec::new());
    assert_eq!(
        modern["tools"][0]["inputSchema"],
        json!({"$defs": {"a": {}}, "type": "object", "properties": {
            "region": {"type": "string"}, "x-mcp-header": {"type": "string"}}})
    );
}

#[test]
fn gateway_rule_2_annotations_and_schemas_arrive_as_they_were_given() {
    let (modern, legacy) = listed(&tool(None, Some(json!({"type": "array"}))), Vec::new());
    assert_eq!(modern["tools"][0]["annotations"], json!({"readOnlyHint": true, "own": 1}));
    assert_eq!(modern["tools"][0]["outputSchema"], json!({"type": "array"}));
    assert_eq!(modern["tools"][0]["_meta"], json!({meta::SOURCE: "crm", meta::CLASS: ["read"]}));
    assert_eq!(modern["cacheScope"], "private");
    assert!(legacy["tools"][0].get("outputSchema").is_none());
    assert!(legacy.get("ttlMs").is_none() && legacy.get("resultType").is_none());
}

#[test]
fn gateway_rule_6_a_list_has_only_what_its_revision_knows() {
    let tool = tool(None, Some(json!({"type": "object"})));
    let name = tool.public_name();
    let entries = [tools::Entry { name: &name, tool: &tool, raw: None, tabs: Vec::new() }];
    for revision in [Revision::November2025, Revision::June2025] {
        let listed = &value(&tools::legacy_list(&entries, revision, &[]))["tools"][0];
        assert_eq!((&listed["title"], &listed["outputSchema"]), (&json!("Add"), &json!({"type": "object"})));
        assert!(listed["annotations"].get("title").is_none());
    }
    let listed = &value(&tools::legacy_list(&entries, Revision::March2025, &[]))["tools"][0];
    assert!(listed.get("title").is_none() && listed.get("outputSchema").is_none());
    assert_eq!(listed["annotations"], json!({"readOnlyHint": true, "own": 1, "title": "Add"}));
}

fn labels() -> Box<Labels> {
    Box::new(Labels {
        source: "crm".parse().expect("source"),
        origin: "https://crm.example".parse().expect("origin"),
        tool: "read".parse().expect("tool"),
        definition: Digest::of_bytes(b"definition"),
        trust: Trust::Untrusted,
        removed: 0,
        more: None,
    })
}

#[test]
fn p29_an_answer_says_where_it_comes_from_and_how_far_to_believe_it_in_every_revision() {
    let more = Some(More { handle: "more_1".to_owned(), left_bytes: 7 });
    let labels = Box::new(Labels { removed: 3, more, ..*labels() });
    let (content, structured_content) = (Vec::new(), None);
    let ending = tools::Ending::Answered { content, structured_content, is_error: false, labels };
    let legacy = [Revision::November2025, Revision::June2025, Revision::March2025];
    let all = legacy.map(|revision| ending.clone().legacy(revision));
    for result in all.into_iter().chain([ending.clone().modern()]) {
        let said = json!({
            "dev.deputy/source": "crm", "dev.deputy/origin": "https://crm.example", "dev.deputy/tool": "read",
            "dev.deputy/definition": Digest::of_bytes(b"definition"), "dev.deputy/trust": "untrusted",
            "dev.deputy/removed": 3, "dev.deputy/more": {"handle": "more_1", "leftBytes": 7},
        });
        assert_eq!(result["_meta"], said);
    }
}

#[test]
fn gateway_rule_6_a_result_has_only_what_its_revision_knows_and_nothing_is_lost() {
    let ending = |content: Value, structured: Value| tools::Ending::Answered {
        content: content.as_array().expect("array").clone(),
        structured_content: Some(structured),
        is_error: false,
        labels: labels(),
    };
    let object = || ending(json!([]), json!({"n": 1}));
    for revision in [Revision::November2025, Revision::June2025] {
        assert_eq!(object().legacy(revision)["structuredContent"], json!({"n": 1}));
        assert_eq!(object().legacy(revision)["content"], json!([]));
    }
    let older = object().legacy(Revision::March2025);
    assert!(older.get("structuredContent").is_none());
    assert_eq!(older["content"], json!([{"type": "text", "text": r#"{"n":1}"#}]));
    let said = json!([{"type": "text", "text": "one"}]);
    let older = ending(said.clone(), json!({"n": 1})).legacy(Revision::March2025);
    assert_eq!(older["content"], said);
    let array = ending(json!([]), json!([1])).legacy(Revision::June2025);
    assert!(array.get("structuredContent").is_none() && array["content"][0]["text"] == "[1]");
}

#[test]
fn gateway_rule_6_a_block_that_a_revision_does_not_know_is_said_as_text() {
    let known = [
        json!({"type": "text", "text": "a"}),
        json!({"type": "image", "data": "", "mimeType": "image/png"}),
        json!({"type": "audio", "data": "", "mimeType": "audio/wav"}),
        json!({"type": "resource", "resource": {"uri": "x:y", "text": ""}}),
    ];
    for block in known {
        let mut same = block.clone();
        content::make_older(&mut same);
        assert_eq!(same, block);
    }
    let older = |mut block: Value| {
        content::make_older(&mut block);
        block
    };
    let link = json!({"type": "resource_link", "uri": "x:y", "name": "n", "title": "A title"});
    assert_eq!(older(link.clone()), content::text("A title: x:y"));
    assert_eq!(older(json!({"type": "resource_link", "uri": "x:y"})), content::text("x:y"));
    assert_eq!(older(json!({"type": "new"})), content::text(r#"{"type":"new"}"#));
    let (content, labels) = (vec![link], labels());
    let ending = tools::Ending::Answered { content, structured_content: None, is_error: false, labels };
    assert_eq!(ending.clone().legacy(Revision::June2025)["content"][0]["type"], "resource_link");
    assert_eq!(ending.legacy(Revision::March2025)["content"][0]["type"], "text");
}

#[test]
fn tabs_are_told_only_where_there_is_a_choice() {
    let tab = |id| tools::Tab { id, title: "CRM", last_focused: None };
    let (one, _) = listed(&tool(None, None), vec![tab("doc_1")]);
    assert!(one["tools"][0]["_meta"].get(meta::TABS).is_none());
    let (two, _) = listed(&tool(None, None), vec![tab("doc_1"), tab("doc_2")]);
    assert_eq!(two["tools"][0]["_meta"][meta::TABS][1], json!({"id": "doc_2", "title": "CRM"}));
}

fn asked(params: &Value) -> Result<tools::Asked, i64> {
    let raw = raw(params);
    tools::asked(&meta::Params::parse(Some(&raw)).expect("params")).map_err(|fault| fault.code)
}

#[test]
fn a_call_is_read_with_its_tab_and_its_state() {
    let call = asked(&json!({"name": "crm__add", "arguments": {"a": 1}, "requestState": "s",
        "_meta": {meta::TAB: "doc_0123456789abcdef"}}))
    .expect("call");
    assert_eq!((call.name.as_str(), call.arguments.raw().get()), ("crm__add", r#"{"a":1}"#));
    assert_eq!(call.tab.expect("tab").as_str(), "doc_0123456789abcdef");
    assert_eq!(call.state.as_deref(), Some("s"));
    let bare = asked(&json!({"name": "x", "arguments": null})).expect("call");
    assert!(bare.arguments.raw().get() == "{}" && bare.tab.is_none() && bare.state.is_none());
    for bad in [
        json!({}),
        json!({"name": 1}),
        json!({"name": "x", "arguments": [1]}),
        json!({"name": "x", "requestState": 4}),
        json!({"name": "x", "_meta": {meta::TAB: "no"}}),
        json!({"name": "x", "_meta": {meta::TAB: 1}}),
    ] {
        assert_eq!(asked(&bad).expect_err("bad"), code::INVALID_PARAMS, "{bad}");
    }
}

#[test]
fn a_refused_call_is_a_result_that_a_model_can_act_on() {
    let ending = tools::Ending::Refused { reason: Reason::TabGone, message: "gone".to_owned() };
    let modern = ending.clone().modern();
    assert_eq!(modern["isError"], true);
    assert_eq!(modern["content"], json!([{"type": "text", "text": "gone"}]));
    assert_eq!(modern["_meta"], json!({"dev.deputy/reason": "tab_gone"}));
    assert_eq!(modern["resultType"], "complete");
    assert!(ending.legacy(Revision::November2025).get("resultType").is_none());
}

#[test]
fn gateway_rule_24_null_as_structured_content_survives_in_the_modern_era() {
    let ending = tools::Ending::Answered {
        content: Vec::new(),
        structured_content: Some(Value::Null),
        is_error: false,
        labels: labels(),
    };
    assert_eq!(ending.clone().modern().get("structuredContent"), Some(&Value::Null));
    assert_eq!(ending.legacy(Revision::November2025).get("structuredContent"), None);
}

#[test]
fn gateway_rule_14_a_listen_is_acknowledged_with_the_subset_that_is_offered() {
    let raw = raw(&json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true}}));
    let filter = listen::filter(&meta::Params::parse(Some(&raw)).expect("params")).expect("filter");
    let id = Id::Text("listen-1".to_owned());
    let first = listen::acknowledged(&id, &filter.combined(|_| false));
    assert_eq!(first["params"]["notifications"], json!({"toolsListChanged": true}));
    assert_eq!(first["params"]["_meta"], json!({meta::SUBSCRIPTION_ID: "listen-1"}));
    assert_eq!(listen::tools_changed(&Id::Integer(4))["params"]["_meta"], json!({meta::SUBSCRIPTION_ID: 4}));
    let end = listen::ended(&id);
    assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!("listen-1"), &json!("complete")));
    let nothing = listen::acknowledged(&id, &listen::Filter::default());
    assert_eq!(nothing["params"]["notifications"], json!({}));
}

proptest! {
    #[test]
    fn no_params_panic(text in r#"\{("(name|_meta|cursor|arguments|requestState)":(\{\}|"[a-z]{0,3}"|null|[0-9]|\{"dev.deputy/tab":[0-9"]{1,3}\}),?){0,4}\}?"#) {
        if let Ok(raw) = RawValue::from_string(text)
            && let Ok(params) = meta::Params::parse(Some(&raw))
        {
            let _ = (tools::asked(&params), listen::filter(&params), initialize::opening(&params), params.envelope());
        }
    }

    #[test]
    fn no_header_panics_and_what_is_encoded_is_decoded(value in "\\PC{0,20}") {
        use base64::Engine as _;
        let encoded = format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(&value));
        prop_assert_eq!(headers::decode(&encoded), Some(value.clone()));
        let _ = headers::decode(&value);
    }
}
