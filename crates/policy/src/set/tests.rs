use super::*;

fn parse(text: &str) -> Result<PolicySet, PolicyError> {
    PolicySet::parse(&[("a.cedar".to_owned(), text.to_owned())])
}

fn refused(text: &str) -> (String, &'static str) {
    let error = parse(text).expect_err("refused");
    (error.to_string(), error.code())
}

#[test]
fn the_shipped_policies_are_valid_and_named() {
    let ids = PolicySet::shipped().expect("shipped").ids();
    let ids: Vec<_> = ids.iter().map(|id| id.0.as_str()).collect();
    assert_eq!(ids, ["own-tools-only", "app-tools-have-an-owner", "read", "approved"]);
}

#[test]
fn no_file_means_no_rule() {
    assert!(PolicySet::parse(&[]).expect("empty").ids().is_empty());
}

#[test]
fn bad_syntax_names_file_line_column_and_the_mend() {
    let (text, code) = refused("@id(\"a\")\npermit (principal, action, resourc);");
    assert!(text.starts_with("a.cedar:2:28: "), "{text}");
    assert!(text.contains("resourc") && text.contains("; "), "{text}");
    assert_eq!(code, "policy_syntax");
}

#[test]
fn a_misspelt_attribute_is_named_with_its_place_and_the_nearest_word() {
    let (text, code) = refused(
        "// first line\n@id(\"a\")\npermit (principal, action, resource)\nwhen { resource.efect == \"read\" };",
    );
    assert!(text.starts_with("a.cedar:4:8: policy `a`: "), "{text}");
    assert!(text.contains("`efect`") && text.contains("effect"), "{text}");
    assert_eq!(code, "policy_invalid");
}

#[test]
fn a_policy_without_an_id_is_refused_with_its_place() {
    let (text, code) = refused(
        "@id(\"a\")\nforbid (principal, action, resource);\n\n  permit (principal, action, resource);",
    );
    assert!(
        text.starts_with(
            "a.cedar:4:3: the policy that starts with `permit (principal, action, resource);` has no id"
        ),
        "{text}"
    );
    assert_eq!(code, "policy_without_id");
}

#[test]
fn the_second_of_two_equal_policies_is_the_one_named() {
    let one = "permit (principal, action, resource);\n";
    let (text, _) = refused(&format!("@id(\"a\") {one}@id(\"b\") {one}{one}"));
    assert!(text.starts_with("a.cedar:3:1: "), "{text}");
}

#[test]
fn an_id_that_is_taken_or_odd_is_refused() {
    let two = [
        ("a.cedar".to_owned(), "@id(\"x\") permit (principal, action, resource);".to_owned()),
        ("b.cedar".to_owned(), "\n@id(\"x\") forbid (principal, action, resource);".to_owned()),
    ];
    let error = PolicySet::parse(&two).expect_err("taken").to_string();
    assert!(error.starts_with("b.cedar:2:1: policy `x` is already defined at a.cedar:1:1"), "{error}");
    assert_eq!(refused("@id(\"a b\") permit (principal, action, resource);").1, "policy_id_invalid");
    assert_eq!(refused("@id(\"\") permit (principal, action, resource);").1, "policy_id_invalid");
}

#[test]
fn a_template_is_refused() {
    assert_eq!(
        refused("@id(\"a\") permit (principal == ?principal, action, resource);").1,
        "policy_template"
    );
}

#[test]
fn r14_a_policy_that_can_never_apply_is_refused_and_not_a_dead_rule() {
    let never = "@id(\"a\") forbid (principal, action, resource) when { resource.egress && !resource.egress && false };";
    assert_eq!(refused(never).1, "policy_dead");
    let nobody = "@id(\"a\") forbid (principal is Deputy::Tool, action, resource);";
    assert!(parse(nobody).is_err());
}

#[test]
fn an_optional_attribute_needs_has_and_an_argument_needs_has_tag() {
    let rule = |when: &str| format!("@id(\"a\") permit (principal, action, resource) when {{ {when} }};");
    assert_eq!(refused(&rule("resource.owner == principal")).1, "policy_invalid");
    assert_eq!(refused(&rule("context.arguments.number.getTag(\"n\") < 1")).1, "policy_invalid");
    assert_eq!(
        refused(&rule(
            "context.arguments.text.hasTag(\"n\") && context.arguments.number.hasTag(\"n\") && context.arguments.text.getTag(\"n\") < 1"
        ))
        .1,
        "policy_invalid"
    );
    parse(&rule("context.agent.type == \"browser_agent\" && context.agent has name")).expect("valid");
    let amount = "context.arguments.number.hasTag(\"n\") && context.arguments.number.getTag(\"n\") < 1";
    let set = parse(&rule(amount)).expect("valid");
    assert_eq!(set.parsed().reads.paths.iter().collect::<Vec<_>>(), ["n"]);
    assert!(!set.parsed().reads.every);
    let computed = parse(&rule("context.arguments.text.hasTag(resource.name)")).expect("valid");
    assert!(computed.parsed().reads.every);
}

#[test]
fn the_version_follows_the_text_and_not_the_order_of_the_files() {
    let file = |name: &str, id: &str| {
        (name.to_owned(), format!("@id(\"{id}\") permit (principal, action, resource);"))
    };
    let version = |files: &[(String, String)]| PolicySet::parse(files).expect("valid").version();
    let (a, b) = (file("a", "x"), file("b", "y"));
    assert_eq!(version(&[a.clone(), b.clone()]), version(&[b.clone(), a.clone()]));
    assert_ne!(version(std::slice::from_ref(&a)), version(&[a.clone(), b]));
    assert_ne!(version(&[a]), version(&[file("a", "z")]));
}
