use super::*;

fn scope(name: &str, tools: &[&str], methods: &[&str]) -> Scope {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Scope { name: name.to_owned(), tools: owned(tools), methods: owned(methods) }
}

fn scopes() -> Scopes {
    Scopes::new(vec![scope("read", &["a", "b"], &["resources/*"]), scope("all", &["*"], &["*"])]).unwrap()
}

fn of(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_scope_opens_what_it_names_and_the_first_that_would_do_is_asked_for() {
    let scopes = scopes();
    assert_eq!(scopes.tool(&of(&["read"]), "a"), Ruling::Open);
    assert_eq!(scopes.tool(&of(&[]), "a"), Ruling::Needs("read".to_owned()));
    assert_eq!(scopes.tool(&of(&["read"]), "c"), Ruling::Needs("all".to_owned()));
    assert_eq!(scopes.tool(&of(&["all"]), "c"), Ruling::Open);
    assert_eq!(scopes.tool(&of(&["other"]), "a"), Ruling::Needs("read".to_owned()));
}

#[test]
fn a_star_stands_for_the_rest_only_alone_or_after_a_slash() {
    let one = Scopes::new(vec![scope("x", &["rea*"], &["resources/*"])]).unwrap();
    assert_eq!(one.tool(&of(&["x"]), "read"), Ruling::Closed);
    assert_eq!(one.tool(&of(&["x"]), "rea*"), Ruling::Open);
    assert_eq!(one.method(&of(&["x"]), "resources/read"), Ruling::Open);
    assert_eq!(one.method(&of(&["x"]), "resources"), Ruling::Closed);
}

#[test]
fn a_method_is_closed_unless_a_scope_opens_it_or_every_client_needs_it() {
    let one = Scopes::new(vec![scope("x", &["*"], &[])]).unwrap();
    for free in ["initialize", "ping", "server/discover", "tools/list", "tools/call", "logging/setLevel"] {
        assert_eq!(one.method(&of(&[]), free), Ruling::Open, "{free}");
    }
    for closed in
        ["resources/read", "prompts/get", "tasks/get", "subscriptions/listen", "new/method", "Tools/call", ""]
    {
        assert_eq!(one.method(&of(&["x"]), closed), Ruling::Closed, "{closed}");
    }
}

#[test]
fn a_scope_has_a_name_that_can_stand_in_a_challenge() {
    assert!(Scopes::new(Vec::new()).is_err());
    assert!(Scopes::new(vec![scope("x", &[], &[]), scope("x", &[], &[])]).unwrap_err().contains("twice"));
    for bad in ["", "a b", "a\"b", "a\\b", "ä"] {
        assert!(Scopes::new(vec![scope(bad, &[], &[])]).is_err(), "{bad}");
    }
}
