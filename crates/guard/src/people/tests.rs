use super::*;

fn person(tenant: Option<&str>, subject: &str) -> Person {
    Person {
        issuer: Issuer::new("https://idp.example").unwrap(),
        tenant: tenant.map(str::to_owned),
        subject: Subject::new(subject).unwrap(),
    }
}

#[test]
fn e6_a_line_names_one_person_and_a_denial_without_a_tenant_means_them_all() {
    let text = "# people\n\nhttps://idp.example alice\n[\"https://idp.example\", \"t1\", \"bob\"]\n\
                [\"https://idp.example\", \"carol the second\"]\nhttps://idp.example  dave the third \n";
    let listed = parse(text).unwrap();
    for (tenant, subject, named, meant) in [
        (None, "alice", true, true),
        (Some("t1"), "alice", false, true),
        (Some("t1"), "bob", true, true),
        (Some("t2"), "bob", false, false),
        (None, "bob", false, false),
        (None, "carol the second", true, true),
        (None, "dave the third", true, true),
        (None, "Alice", false, false),
    ] {
        let person = person(tenant, subject);
        assert_eq!((listed.names(&person), listed.may_mean(&person)), (named, meant), "{person:?}");
    }
}

#[test]
fn e6_a_line_that_is_none_is_named() {
    for (text, line) in
        [("alice", 1), ("a b\n[\"a\"]", 2), ("[1]", 1), ("[\"a\",\"b\",\"c\",\"d\"]", 1), ("a b\n\nx", 3)]
    {
        assert_eq!(parse(text).unwrap_err(), line, "{text}");
    }
}

#[test]
fn e6_a_change_counts_from_the_next_question_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("denied");
    let people = People::open_or_make(&path).unwrap();
    for (text, denied) in
        [("https://idp.example alice", true), ("https://idp.example carol", false), ("", false)]
    {
        fs::write(&path, text).unwrap();
        assert_eq!(people.now().unwrap().may_mean(&person(None, "alice")), denied, "{text}");
    }
    fs::remove_file(&path).unwrap();
    assert!(people.now().is_err(), "a list that is gone decides nothing");
}
