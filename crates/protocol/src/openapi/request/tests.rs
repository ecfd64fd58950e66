//! What is sent, and that it is what was given: read back by a decoder that knows nothing of the encoder.

use super::super::tests::one;
use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn request(operation: &Operation, arguments: &Value) -> Result<Request, ArgumentError> {
    operation.request(&crate::relay::raw(arguments))
}

fn sent(operation: &Operation, arguments: Value) -> Request {
    request(operation, &arguments).unwrap()
}

/// An operation with one parameter, `p`, beside `/a/{q}/z?other=`.
fn with(place: &str, style: Option<&str>, explode: Option<bool>) -> Operation {
    let mut parameter = json!({"name": "p", "in": place, "required": true, "schema": {}});
    if let Some(style) = style {
        parameter["style"] = json!(style);
    }
    if let Some(explode) = explode {
        parameter["explode"] = json!(explode);
    }
    let path = if place == "path" { "/a/{q}/b/{p}/z" } else { "/a/{q}/b/z" };
    let q = json!({"name": "q", "in": "path", "required": true});
    let other = json!({"name": "other", "in": "query"});
    one("get", path, json!({"parameters": [q, other, parameter]}))
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn values_are_written_in_the_styles_of_the_specification() {
    let (text, list) = (json!("blue"), json!(["blue", "black", "brown"]));
    let object = json!({"R": 100, "G": 200, "B": 150});
    let cases = [
        ("simple", false, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", true, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("label", false, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", true, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("matrix", false, ";p=blue", ";p=blue,black,brown", ";p=R,100,G,200,B,150"),
        ("matrix", true, ";p=blue", ";p=blue;p=black;p=brown", ";R=100;G=200;B=150"),
    ];
    for (style, explode, of_text, of_list, of_object) in cases {
        let operation = with("path", Some(style), Some(explode));
        for (value, wanted) in [(&text, of_text), (&list, of_list), (&object, of_object)] {
            let path = sent(&operation, json!({"q": 1, "p": value})).path;
            assert_eq!(path, format!("/a/1/b/{wanted}/z"), "{style} {explode}");
        }
    }
    let cases = [
        ("form", false, "p=blue", "p=blue,black,brown", "p=R,100,G,200,B,150"),
        ("form", true, "p=blue", "p=blue&p=black&p=brown", "R=100&G=200&B=150"),
        ("spaceDelimited", false, "p=blue", "p=blue%20black%20brown", "p=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", false, "p=blue", "p=blue%7Cblack%7Cbrown", "p=R%7C100%7CG%7C200%7CB%7C150"),
        (
            "deepObject",
            true,
            "p=blue",
            "p%5B0%5D=blue&p%5B1%5D=black&p%5B2%5D=brown",
            "p%5BR%5D=100&p%5BG%5D=200&p%5BB%5D=150",
        ),
    ];
    for (style, explode, of_text, of_list, of_object) in cases {
        let operation = with("query", Some(style), Some(explode));
        for (value, wanted) in [(&text, of_text), (&list, of_list), (&object, of_object)] {
            let query = sent(&operation, json!({"q": 1, "p": value})).query;
            assert_eq!(query.as_deref(), Some(wanted), "{style} {explode}");
        }
    }
}

#[test]
fn r7_a_value_cannot_change_the_path() {
    let operation = with("path", None, None);
    let path = |value: &str| request(&operation, &json!({"q": "x", "p": value})).map(|request| request.path);
    assert_eq!(path("a/b?c#d\r\ne;f %2F").unwrap(), "/a/x/b/a%2Fb%3Fc%23d%0D%0Ae%3Bf%20%252F/z");
    for bad in ["", ".", "..", "../etc", "a/../b", "a\\..\\b", "x/."] {
        assert!(path(bad).is_err(), "{bad}");
    }
    for style in ["label", "matrix"] {
        let operation = with("path", Some(style), Some(true));
        for bad in [json!("."), json!(".."), json!([".", "."]), json!({"..": "a"})] {
            let refused = request(&operation, &json!({"q": "x", "p": bad}));
            assert!(refused.is_err(), "{style} {bad} {refused:?}");
        }
    }
}

#[test]
fn r7_two_values_in_one_segment_make_no_segment_of_dots() {
    let parameter = |name: &str| json!({"name": name, "in": "path", "required": true, "style": "label"});
    let operation = one("get", "/a/{x}{y}", json!({"parameters": [parameter("x"), parameter("y")]}));
    assert!(request(&operation, &json!({"x": "", "y": ""})).is_err());
    assert_eq!(sent(&operation, json!({"x": "1", "y": "2.3"})).path, "/a/.1.2%2E3");
}

#[test]
fn r7_an_object_cannot_write_what_another_parameter_stands_for() {
    let parameters = json!([
        {"name": "filter", "in": "query", "style": "form", "explode": true},
        {"name": "admin", "in": "query"},
        {"name": "deep", "in": "query", "style": "deepObject", "explode": true},
    ]);
    let operation = one("get", "/a", json!({"parameters": parameters}));
    for key in ["admin", "deep", "deep[x]"] {
        let error = request(&operation, &json!({"filter": {key: "1"}})).unwrap_err();
        assert!(error.to_string().contains("`filter`"), "{key}: {error}");
    }
    assert!(request(&operation, &json!({"filter": {"a": 1}, "admin": "x"})).is_ok());
    let error = request(&operation, &json!({"deep": {"a][b": "1"}})).unwrap_err();
    assert!(error.to_string().contains("`deep`"), "{error}");
}

#[test]
fn r7_what_would_end_a_header_field_is_refused() {
    let operation = with("header", None, None);
    let value = |value: Value| request(&operation, &json!({"q": 1, "p": value}));
    assert_eq!(header(&value(json!("a b")).unwrap(), "p"), Some("a b"));
    assert_eq!(header(&value(json!(["a", 1, true])).unwrap(), "p"), Some("a,1,true"));
    for bad in [
        json!("a\r\nb"),
        json!("a\nb"),
        json!("\0"),
        json!("é"),
        json!(" a"),
        json!(["a,b"]),
        json!(["a", " b"]),
    ] {
        assert!(value(bad.clone()).is_err(), "{bad}");
    }
    let cookie = with("cookie", None, None);
    let sent = sent(&cookie, json!({"q": 1, "p": "a; admin=1\r\n"}));
    assert_eq!(header(&sent, "cookie"), Some("p=a%3B%20admin%3D1%0D%0A"));
}

#[test]
fn a_delimiter_in_an_item_is_refused() {
    for (style, item) in [("spaceDelimited", "a b"), ("pipeDelimited", "a|b")] {
        let operation = with("query", Some(style), Some(false));
        assert!(request(&operation, &json!({"q": 1, "p": [item]})).is_err(), "{style}");
    }
}

#[test]
fn missing_unknown_and_strange_arguments_are_named() {
    let operation = with("query", None, None);
    let error = |arguments: Value| request(&operation, &arguments).unwrap_err().to_string();
    assert_eq!(error(json!({"q": 1})), "the argument `p` is missing");
    assert_eq!(error(json!({"q": 1, "p": null})), "the argument `p` is missing");
    assert_eq!(error(json!({"q": 1, "p": 1, "r": 1})), "there is no argument `r`");
    assert!(error(json!({"q": 1, "p": [[1]]})).contains("`p`"));
    assert!(error(json!({"q": 1, "p": [null]})).contains("`p`"));
    assert!(error(json!([])).contains("not a JSON object"));
    assert!(error(json!({"q": "x".repeat(MAXIMUM_TARGET_BYTES), "p": 1})).contains("more than"));
}

#[test]
fn a_json_body_is_the_text_that_was_given() {
    let operation = one(
        "post",
        "/a",
        json!({"requestBody": {"required": true, "content": {"application/vnd.a+json": {}}}}),
    );
    let text = r#"{"body": {"b": 1.0,  "a": 123456789012345678901234567890}}"#;
    let arguments = RawValue::from_string(text.to_owned()).unwrap();
    let sent = operation.request(&arguments).unwrap();
    assert_eq!(sent.body.as_deref(), Some(&br#"{"b": 1.0,  "a": 123456789012345678901234567890}"#[..]));
    assert_eq!(header(&sent, "content-type"), Some("application/vnd.a+json"));
    assert!(request(&operation, &json!({})).is_err());
}

#[test]
fn a_form_is_written_member_by_member_as_the_document_says() {
    let form = "application/x-www-form-urlencoded";
    let encoding = json!({"meta": {"style": "deepObject", "explode": true}, "list": {"explode": false}});
    let operation = one("post", "/a", json!({"requestBody": {"content": {form: {"encoding": encoding}}}}));
    let body = |value: Value| {
        request(&operation, &json!({"body": value}))
            .map(|request| String::from_utf8(request.body.unwrap_or_default()).unwrap())
    };
    let value =
        json!({"a": "x y&z=1", "tags": [1, 2], "list": [1, 2], "meta": {"k": "v"}, "o": {"k": 1}, "n": null});
    assert_eq!(
        body(value).unwrap(),
        "a=x%20y%26z%3D1&tags=1&tags=2&list=1,2&meta%5Bk%5D=v&o=%7B%22k%22%3A1%7D"
    );
    assert!(body(json!({"meta": {"k": 1}, "meta[k]": 2})).is_err());
    assert!(body(json!({"meta[k]": 2, "meta": {"k": 1}})).is_err());
    assert!(body(json!([1])).is_err());
    let text = one("post", "/a", json!({"requestBody": {"content": {"text/plain": {}}}}));
    assert_eq!(sent(&text, json!({"body": "a\nb"})).body.as_deref(), Some(&b"a\nb"[..]));
    assert!(request(&text, &json!({"body": 1})).is_err());
}

// The decoder.

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A value of a known kind, as every style sees it: text, texts, or named texts.
#[derive(Debug, Clone, PartialEq)]
enum Given {
    One(String),
    Items(Vec<String>),
    Members(BTreeMap<String, String>),
}

impl Given {
    fn value(&self) -> Value {
        match self {
            Self::One(text) => json!(text),
            Self::Items(items) => json!(items),
            Self::Members(members) => json!(members),
        }
    }

    /// Reads text of this kind back: parts between `between`, names before `=` where exploded.
    fn read(&self, text: &str, between: &str, explode: bool) -> Self {
        let parts: Vec<&str> = text.split(between).collect();
        match self {
            Self::One(_) => Self::One(decoded(text)),
            Self::Items(_) => Self::Items(parts.into_iter().map(decoded).collect()),
            Self::Members(_) if explode => Self::Members(
                parts
                    .into_iter()
                    .map(|part| part.split_once('=').unwrap())
                    .map(|(k, v)| (decoded(k), decoded(v)))
                    .collect(),
            ),
            Self::Members(_) => {
                Self::Members(parts.chunks(2).map(|pair| (decoded(pair[0]), decoded(pair[1]))).collect())
            }
        }
    }

    fn read_pairs(&self, pairs: &[(String, String)], own: &str, style: &str, explode: bool) -> Self {
        let values = || pairs.iter().map(|(_, value)| value.as_str());
        match (self, style, explode) {
            (Self::One(_), ..) => Self::One(decoded(values().next().unwrap())),
            (Self::Items(_), "deepObject", _) | (Self::Items(_), _, true) => {
                Self::Items(values().map(decoded).collect())
            }
            (Self::Members(_), "deepObject", _) => Self::Members(
                pairs
                    .iter()
                    .map(|(name, value)| {
                        let inner =
                            name.strip_prefix(own).unwrap().strip_prefix('[').unwrap().strip_suffix(']');
                        (inner.unwrap().to_owned(), decoded(value))
                    })
                    .collect(),
            ),
            (Self::Members(_), _, true) => {
                Self::Members(pairs.iter().map(|(name, value)| (name.clone(), decoded(value))).collect())
            }
            (_, "form", _) => self.read(values().next().unwrap(), ",", false),
            (_, style, _) => {
                let delimiter = if style == "spaceDelimited" { "%20" } else { "%7C" };
                self.read(values().next().unwrap(), delimiter, false)
            }
        }
    }
}

/// Texts that would like to get out of their place.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[ -~]{0,8}",
        ".{0,6}",
        prop::sample::select(vec![
            "../../etc/passwd",
            "..",
            "a/b",
            "?x=1",
            "#f",
            "a&admin=true",
            "%2e%2e%2f",
            "a\r\nX: y",
            ";q=1",
            "{{7*7}}",
            "--x",
            "p",
            "q",
            "other",
            "a=b",
            "a,b",
            "\0",
            "é",
            "|",
            " ",
            "%",
            "[x]",
        ])
        .prop_map(str::to_owned),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    prop_oneof![
        text().prop_map(Given::One),
        prop::collection::vec(text(), 1..4).prop_map(Given::Items),
        prop::collection::btree_map(text(), text(), 1..4).prop_map(Given::Members),
    ]
}

/// Every request of this operation looks like this, whatever is given.
fn keeps_its_shape(request: &Request, segments: usize) -> Result<(), TestCaseError> {
    let path: Vec<&str> = request.path.split('/').skip(1).collect();
    prop_assert_eq!(path.len(), segments, "{}", &request.path);
    prop_assert!(path.iter().all(|segment| !segment.is_empty() && !is_dots(segment)), "{}", &request.path);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%;=,".contains(&byte);
    prop_assert!(request.path.bytes().all(is_plain), "{}", &request.path);
    let query = request.query.as_deref().unwrap_or_default();
    prop_assert!(query.bytes().all(|byte| is_plain(byte) || byte == b'&'), "{}", query);
    for (name, value) in &request.headers {
        prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        prop_assert!(value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn r7_what_stands_in_a_path_reads_back_as_it_was_given(
        given in given(), q in text(), style in prop::sample::select(vec!["simple", "label", "matrix"]), explode: bool,
    ) {
        let operation = with("path", Some(style), Some(explode));
        let Ok(request) = request(&operation, &json!({"q": q, "p": given.value()})) else { return Ok(()) };
        keeps_its_shape(&request, operation.segments())?;
        let segments: Vec<&str> = request.path.split('/').skip(1).collect();
        prop_assert_eq!((segments[0], segments[2], segments[4]), ("a", "b", "z"));
        prop_assert_eq!(decoded(segments[1]), q);
        let read = match style {
            "simple" => given.read(segments[3], ",", explode),
            "label" => given.read(segments[3].strip_prefix('.').unwrap(), if explode { "." } else { "," }, explode),
            _ => {
                let parts: Vec<(&str, &str)> = segments[3].split(';').skip(1)
                    .map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
                match &given {
                    Given::Members(_) if explode => Given::Members(parts.into_iter().map(|(k, v)| (decoded(k), decoded(v))).collect()),
                    Given::Items(_) if explode => Given::Items(parts.into_iter().map(|(_, v)| decoded(v)).collect()),
                    given => given.read(parts[0].1, ",", false),
                }
            }
        };
        prop_assert_eq!(read, given);
    }

    #[test]
    fn r7_what_stands_in_a_query_reads_back_as_it_was_given(
        given in given(), q in text(), other in text(), explode: bool,
        style in prop::sample::select(vec!["form", "spaceDelimited", "pipeDelimited", "deepObject"]),
    ) {
        let operation = with("query", Some(style), Some(explode));
        let arguments = json!({"q": q, "p": given.value(), "other": other});
        let Ok(request) = request(&operation, &arguments) else { return Ok(()) };
        keeps_its_shape(&request, operation.segments())?;
        let query = request.query.clone().unwrap();
        let mut pairs: Vec<(String, String)> = query.split('&')
            .map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (decoded(name), value.to_owned())).collect();
        let others: Vec<String> = pairs.iter().filter(|(name, _)| name == "other").map(|(_, value)| decoded(value)).collect();
        prop_assert_eq!(others, vec![other], "exactly the one that was given");
        pairs.retain(|(name, _)| name != "other");
        prop_assert_eq!(given.read_pairs(&pairs, "p", style, explode), given);
    }

    #[test]
    fn r7_what_stands_in_a_header_or_cookie_reads_back_as_it_was_given(given in given(), explode: bool, is_cookie: bool) {
        let operation = with(if is_cookie { "cookie" } else { "header" }, None, Some(explode));
        let Ok(request) = request(&operation, &json!({"q": "x", "p": given.value()})) else { return Ok(()) };
        keeps_its_shape(&request, operation.segments())?;
        if is_cookie {
            let (name, value) = header(&request, "cookie").unwrap().split_once('=').unwrap();
            prop_assert_eq!(name, "p");
            prop_assert_eq!(given.read(value, ",", false), given);
        } else {
            let plain = |text: &str| text.replace('%', "%25");
            prop_assert_eq!(given.read(&plain(header(&request, "p").unwrap()), ",", explode), given);
        }
    }

    #[test]
    fn r7_a_form_reads_back_as_it_was_given(members in prop::collection::btree_map(text(), text(), 0..5)) {
        let form = "application/x-www-form-urlencoded";
        let operation = one("post", "/a", json!({"requestBody": {"content": {form: {}}}}));
        let body = sent(&operation, json!({"body": members})).body.unwrap();
        let body = String::from_utf8(body).unwrap();
        let read: BTreeMap<String, String> = body.split('&').filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (decoded(name), decoded(value))).collect();
        prop_assert_eq!(read, members);
    }

    #[test]
    fn most_of_what_people_write_can_be_sent(p in "[a-zA-Z0-9 äöü@.,;:/?&=+#-]{1,20}x") {
        for place in ["path", "query"] {
            prop_assume!(!p.split('/').any(|part| part == "." || part == ".."));
            let operation = with(place, None, None);
            let request = request(&operation, &json!({"q": "x", "p": p}));
            prop_assert!(request.is_ok(), "{:?}", request);
        }
    }
}
