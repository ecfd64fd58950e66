//! Documents as they are in the world, and as they should not be.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn document(paths: Value) -> Value {
    json!({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths})
}

pub(super) fn parse(document: &Value) -> Document {
    parse_with(document, &Options::default()).unwrap()
}

fn parse_with(document: &Value, options: &Options) -> Result<Document, OpenApiError> {
    Document::parse(document.to_string().as_bytes(), options)
}

/// One operation of a document with one path.
pub(super) fn one(method: &str, path: &str, operation: Value) -> Operation {
    let parsed = parse(&document(json!({path: {method: operation}})));
    parsed.operations()[0].as_ref().clone()
}

fn names(document: &Document) -> Vec<&str> {
    document.operations().iter().map(|operation| operation.name()).collect()
}

const YAML: &str = "
openapi: 3.0.3
info: {title: Orders, version: '7'}
servers:
  - url: https://{region}.orders.acme.example/v1
    variables: {region: {default: eu}}
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}, description: Which order.}
    get:
      operationId: getOrder
      summary: One order
      responses:
        200:
          description: It
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Order'}
    delete:
      responses: {204: {description: Gone}}
components:
  schemas:
    Order:
      type: object
      required: [id, note]
      properties:
        id: {type: integer, readOnly: true}
        note: {type: string, nullable: true}
        no: {type: string, enum: [no, yes]}
        parent: {$ref: '#/components/schemas/Order'}
";

#[test]
fn each_operation_of_a_yaml_document_is_a_tool_with_schemas_and_hints() {
    let document = Document::parse(YAML.as_bytes(), &Options::default()).unwrap();
    assert_eq!(document.server(), Some("https://eu.orders.acme.example/v1"));
    assert_eq!((document.title(), document.version(), document.openapi()), ("Orders", "7", "3.0.3"));
    assert_eq!(names(&document), ["delete_orders_-id", "getOrder"]);
    let tool = document.operation("getOrder").unwrap().tool();
    assert_eq!(
        tool,
        json!({
            "name": "getOrder",
            "title": "One order",
            "description": "One order",
            "inputSchema": {
                "type": "object",
                "properties": {"id": {"type": "integer", "description": "Which order."}},
                "additionalProperties": false,
                "required": ["id"],
            },
            "outputSchema": {
                "type": "object",
                "required": ["id", "note"],
                "properties": {
                    "id": {"type": "integer", "readOnly": true},
                    "note": {"type": ["string", "null"]},
                    "no": {"type": "string", "enum": ["no", "yes"]},
                    "parent": {"$ref": "#/$defs/Order"},
                },
                "$defs": {"Order": {
                    "type": "object",
                    "required": ["id", "note"],
                    "properties": {
                        "id": {"type": "integer", "readOnly": true},
                        "note": {"type": ["string", "null"]},
                        "no": {"type": "string", "enum": ["no", "yes"]},
                        "parent": {"$ref": "#/$defs/Order"},
                    },
                }},
            },
            "annotations": {"readOnlyHint": true},
        })
    );
    let delete = document.operation("delete_orders_-id").unwrap().tool();
    assert_eq!(delete["annotations"]["destructiveHint"], true);
    assert_eq!(delete["description"], "DELETE /orders/{id}");
}

#[test]
fn json_and_yaml_of_the_same_document_make_the_same_tools() {
    let yaml = Document::parse(YAML.as_bytes(), &Options::default()).unwrap();
    let value = super::reading::read(YAML.as_bytes()).unwrap();
    let tools = |document: &Document| -> Vec<Value> {
        document.operations().iter().map(|operation| operation.tool()).collect()
    };
    assert_eq!(tools(&yaml), tools(&parse(&value)));
}

#[test]
fn what_is_no_document_of_ours_is_refused_by_name() {
    let cases = [
        (r#"{"swagger":"2.0","paths":{}}"#, "swagger 2.0"),
        (r#"{"openapi":"2.9.9","paths":{}}"#, "openapi 2.9.9"),
        (r#"{"openapi":"3.1.0","jsonSchemaDialect":"https://x.example","paths":{}}"#, "https://x.example"),
        (r#"{"openapi":"3.1.0"}"#, "`paths` is no object"),
        (r#"{"openapi":"3.1.0","paths":{}}"#, "there is none"),
        (r#"{"openapi":"3.1.0","openapi":"3.1.0","paths":{}}"#, "neither JSON nor YAML"),
        ("- 1\n- 2\n", "not an object"),
        ("a: 1\na: 2\n", "neither JSON nor YAML"),
        ("a: [", "neither JSON nor YAML"),
        ("", "neither JSON nor YAML"),
        (
            r#"{"openapi":"3.1.0","paths":{"/a":{"$ref":"https://x.example/a.json"}}}"#,
            "https://x.example/a.json",
        ),
    ];
    for (text, culprit) in cases {
        let error = Document::parse(text.as_bytes(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains(culprit), "{text}: {error}");
    }
    let long = vec![b' '; MAXIMUM_BYTES + 1];
    let error = Document::parse(&long, &Options::default()).unwrap_err();
    assert_eq!(error, OpenApiError::TooLong { bytes: MAXIMUM_BYTES + 1 });
}

#[test]
fn a_small_yaml_document_does_not_become_a_big_one_by_aliases() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", vec![last; 10].join(", "));
    }
    let error = Document::parse(text.as_bytes(), &Options::default()).unwrap_err();
    assert!(matches!(error, OpenApiError::Unreadable(_)), "{error}");
}

#[test]
fn r6_a_reference_that_leaves_the_document_is_never_followed() {
    let schema = |reference: &str| json!({"schema": {"$ref": reference}, "name": "a", "in": "query"});
    for reference in [
        "https://x.example/s.json",
        "other.yaml#/a",
        "file:///etc/passwd",
        "#anchor",
        "",
        "#/components/none",
    ] {
        let document = document(json!({
            "/bad": {"get": {"parameters": [schema(reference)]}},
            "/good": {"get": {}},
        }));
        let parsed = parse(&document);
        assert_eq!(names(&parsed), ["get_good"], "{reference}");
        assert_eq!(parsed.left_out()[0].operation, "GET /bad");
        assert!(parsed.left_out()[0].why.contains(reference), "{:?}", parsed.left_out());
    }
}

#[test]
fn references_in_a_circle_end() {
    let mut document = document(
        json!({"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/a"}]}}, "/b": {"get": {}}}),
    );
    document["components"] = json!({"parameters": {
        "a": {"$ref": "#/components/parameters/b"}, "b": {"$ref": "#/components/parameters/a"},
    }});
    assert!(parse(&document).left_out()[0].why.contains("on and on"));
}

#[test]
fn include_and_exclude_name_operations_by_id_path_or_pattern_and_exclude_wins() {
    let document = document(json!({
        "/users": {"get": {"operationId": "listUsers"}, "post": {"operationId": "createUser"}},
        "/users/{id}": {"delete": {"parameters": [{"name": "id", "in": "path", "required": true}]}},
    }));
    let offered = |include: &[&str], exclude: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect();
        let options = Options { include: own(include), exclude: own(exclude), ..Options::default() };
        parse_with(&document, &options)
            .map(|parsed| names(&parsed).join(" "))
            .map_err(|error| error.to_string())
    };
    assert_eq!(offered(&[], &["createUser"]).unwrap(), "delete_users_-id listUsers");
    assert_eq!(offered(&["DELETE /users/{id}"], &[]).unwrap(), "delete_users_-id");
    assert_eq!(offered(&["* /users"], &["POST *"]).unwrap(), "listUsers");
    assert!(offered(&["*User*"], &["*User*"]).unwrap_err().contains("no operation of it"));
    assert!(offered(&[], &["deleteUser"]).unwrap_err().contains("`deleteUser`"));
}

#[test]
fn p25_names_of_tools_fit_differ_and_depend_on_their_own_operation_alone() {
    let long = "x".repeat(80);
    let mut paths = json!({
        "/a/b": {"get": {}},
        "/a_b": {"get": {}},
        "/a/{b}": {"get": {"parameters": [{"name": "b", "in": "path", "required": true}]}},
        "/c": {"get": {"operationId": "get user!"}, "post": {"operationId": "get_user_"}},
        "/d": {"get": {"operationId": long}},
        "/e": {"get": {"operationId": "twice"}, "put": {"operationId": "twice"}},
        "/": {"get": {}},
        "/h": {"get": {"operationId": "é"}},
    });
    let before = parse(&document(paths.clone()));
    let distinct: BTreeSet<&str> = names(&before).into_iter().collect();
    assert_eq!(distinct.len(), 10, "{distinct:?}; {:?}", before.left_out());
    for name in &distinct {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        assert!((1..=64).contains(&name.len()) && name.bytes().all(fits), "{name}");
    }
    paths["/zz"] = json!({"get": {}, "post": {"operationId": "more"}});
    let after = parse(&document(paths));
    let after: BTreeSet<&str> = names(&after).into_iter().collect();
    assert!(after.is_superset(&distinct));
}

#[test]
fn arguments_have_names_that_fit_and_lead_to_their_own_parameter() {
    let operation = one(
        "post",
        "/a/{id}",
        json!({
            "parameters": [
                {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
                {"name": "id", "in": "query", "schema": {"type": "string"}},
                {"name": "filter[x]", "in": "query"},
                {"name": "filter_x", "in": "query"},
                {"name": "body", "in": "header"},
                {"name": "Authorization", "in": "header", "required": true},
                {"name": "X-Forwarded-For", "in": "header"},
                {"name": "$", "in": "query"},
            ],
            "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
        }),
    );
    let schema = operation.tool()["inputSchema"].clone();
    let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names[..5], ["id", "query_id", "filter_x", "query_filter_x", "body"]);
    assert_eq!(names.len(), 7);
    assert_eq!(names[6], "request_body");
    assert_eq!(schema["required"], json!(["id"]));
}

#[test]
fn what_cannot_be_sent_is_left_out_with_its_reason() {
    let body = |media: &str| json!({"post": {"requestBody": {"required": true, "content": {media: {}}}}});
    let header =
        |name: &str| json!({"get": {"parameters": [{"name": name, "in": "header", "required": true}]}});
    let cases = [
        ("/upload", body("multipart/form-data"), "multipart/form-data"),
        (
            "/get",
            json!({"get": {"requestBody": {"required": true, "content": {"application/json": {}}}}}),
            "has no body",
        ),
        ("/host", header("Host"), "`Host`"),
        ("/name", header("a\r\nb"), "cannot name"),
        ("/a?b=c", json!({"get": {}}), "`?`"),
        ("/a/../b", json!({"get": {}}), "dots"),
        ("/a/%2e%2E", json!({"get": {}}), "dots"),
        ("/a%2fb", json!({"get": {}}), "`%`"),
        ("/a/{b}", json!({"get": {}}), "`b`"),
        ("/a/{b", json!({"get": {}}), "without `}`"),
        ("a", json!({"get": {}}), "begin with"),
        (
            "/id",
            json!({"get": {"parameters": [{"name": "q", "in": "query", "schema": {"$id": "https://x.example"}}]}}),
            "`$id`",
        ),
    ];
    for (path, item, why) in cases {
        let parsed = parse(&document(json!({path: item, "/fine": {"get": {}}})));
        assert_eq!(names(&parsed), ["get_fine"], "{path}");
        assert!(parsed.left_out()[0].why.contains(why), "{:?}", parsed.left_out());
    }
}

#[test]
fn more_tools_than_there_may_be_are_refused_with_the_mend() {
    let paths: serde_json::Map<String, Value> =
        (0..=MAXIMUM_TOOLS).map(|at| (format!("/p{at}"), json!({"get": {}}))).collect();
    let error = parse_with(&document(Value::Object(paths)), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("include"), "{error}");
}

#[test]
fn a_header_field_that_the_hub_fills_is_no_argument() {
    let document = document(json!({"/a": {"get": {"parameters": [
        {"name": "X-Api-Key", "in": "header", "required": true}, {"name": "X-Other", "in": "header"},
    ]}}}));
    let options = Options { withheld: vec!["x-api-key".to_owned()], ..Options::default() };
    let parsed = parse_with(&document, &options).unwrap();
    let schema = parsed.operations()[0].tool()["inputSchema"].clone();
    assert_eq!(schema["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["X-Other"]);
    assert!(schema.get("required").is_none());
}
