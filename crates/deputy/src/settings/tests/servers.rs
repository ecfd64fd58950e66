//! `[[server]]`: what a good block means, and what is said of a wrong one.

use super::*;
use deputy_core::Effect;
use deputy_hub::Trust;

fn with(block: &str) -> String {
    format!("{GOOD}\n[[server]]\n{block}\n")
}

fn one(block: &str) -> Server {
    let settings = Settings::parse(&with(block), Path::new("/etc/deputy/deputy.toml")).expect("settings");
    settings.servers.into_iter().next().expect("one server")
}

/// What is said first of a file with this block, without its place.
fn said(block: &str) -> String {
    let text = wrong(&with(block));
    let first = text.lines().next().unwrap_or_default();
    first.splitn(4, ':').nth(3).unwrap_or_default().trim().to_owned()
}

#[test]
fn each_way_to_a_server_is_read_and_the_rest_has_safe_values() {
    let ledger = one("name = \"ledger\"\nurl = \"https://ledger.acme.example/mcp\"");
    assert_eq!(ledger.way, Way::Address(Url::parse("https://ledger.acme.example/mcp").expect("url")));
    assert_eq!((ledger.credential, ledger.trust), (Credential::Open, Trust::FirstUse));
    assert_eq!((ledger.timeout, ledger.answer_bytes), (Duration::from_secs(30), 16 * 1024 * 1024));
    let files = one("name = \"files\"\ncommand = [\"srv\", \"./docs\"]\nenv = { A = \"b\" }\nfolder = \"x\"");
    let Way::Command { words, environment, folder, shared } = files.way else { panic!("a command") };
    assert_eq!(words, ["srv", "./docs"]);
    assert_eq!(environment, BTreeMap::from([("A".to_owned(), "b".to_owned())]));
    assert_eq!((folder.as_path(), shared), (Path::new("/etc/deputy/x"), false));
    let orders = one("name = \"orders\"\nopenapi = \"o.json\"\nbase_url = \"https://o.example/v1\"");
    assert!(matches!(orders.way, Way::OpenApi { document: Document::File(_), base_url: Some(_), .. }));
}

#[test]
fn a_server_may_have_longer_or_shorter_for_its_calls_than_others() {
    let block = "name = \"slow\"\nurl = \"https://a.example\"";
    assert_eq!(one(block).call_deadline, None);
    let slow = one(&format!("{block}\ncall_deadline = \"5m\""));
    assert_eq!(slow.call_deadline, Some(Duration::from_secs(300)));
    let told = said(&format!("{block}\ncall_deadline = \"1h\""));
    assert!(told.contains("1h"), "{told}");
}

#[test]
fn methods_are_classed_by_their_names() {
    let files =
        one("name = \"files\"\nurl = \"https://a.example\"\nclass = { \"resources/read\" = [\"write\"] }");
    let name: ToolName = "resources/read".parse().expect("name");
    assert_eq!(files.classes.get(&name).map(|class| class.effect), Some(Effect::Write));
}

#[test]
fn a_server_is_reached_in_exactly_one_way() {
    for block in [
        "name = \"a\"",
        "name = \"a\"\nurl = \"https://a.example\"\ncommand = [\"x\"]",
        "name = \"a\"\nurl = \"https://a.example\"\nopenapi = \"x\"",
    ] {
        assert_eq!(said(block), "`a` has not one of `url`, `command` and `openapi`");
    }
    assert_eq!(said("name = \"a\"\ncommand = []"), "`command` is empty");
}

#[test]
fn a_word_of_another_way_is_refused_and_never_ignored() {
    for (block, message) in [
        (
            "url = \"https://a.example\"\nshared = true",
            "`env`, `folder` and `shared` are for servers with a `command`",
        ),
        (
            "url = \"https://a.example\"\nenv = { A = \"b\" }",
            "`env`, `folder` and `shared` are for servers with a `command`",
        ),
        ("command = [\"x\"]\nbase_url = \"https://a.example\"", "`base_url` is for servers with `openapi`"),
        ("command = [\"x\"]\ncredential = \"vault\"", "a program is sent no headers"),
        ("openapi = \"o.json\"", "`o.json` does not say where the interface is"),
        ("url = \"http://a.example\"", "`http://a.example` is http on another machine"),
        ("url = \"https://a.example\"\nanswer_bytes = 1", "`answer_bytes` cannot be 1"),
    ] {
        assert_eq!(said(&format!("name = \"a\"\n{block}")), message);
    }
}

#[test]
fn no_server_has_the_name_of_another_source_or_of_the_hub() {
    assert_eq!(said("name = \"crm\"\nurl = \"https://a.example\""), "the server `crm` is there twice");
    assert_eq!(said("name = \"deputy\"\nurl = \"https://a.example\""), "`deputy` is the hub's own name");
}

#[test]
fn a_limit_may_count_a_servers_calls() {
    let text = with("name = \"files\"\nurl = \"https://a.example\"")
        + "\n[[limit]]\nname = \"few\"\ncalls = 1\nper = \"1m\"\nsource = \"files\"\n";
    assert!(Settings::parse(&text, Path::new("deputy.toml")).is_ok());
}

const SIGN_IN: &str = "[sign_in]\n[[server]]\nname = \"ledger\"\nurl = \"https://ledger.acme.example/mcp\"\n";

fn with_sign_in(block: &str) -> String {
    let client = "client = { id = \"deputy\", secret = { env = \"S\" } }\n";
    let at = GOOD.find("[[identity_provider]]\n").expect("a provider") + "[[identity_provider]]\n".len();
    let (before, after) = GOOD.split_at(at);
    format!("{before}{client}{after}\n{SIGN_IN}{block}\n")
}

#[test]
fn d1_a_server_whose_tokens_are_had_says_all_of_its_pins_or_is_refused() {
    for (block, key) in [
        ("credential = \"id_jag\"", "authorization_server"),
        ("credential = \"token_exchange\"", "audience"),
        ("credential = \"google_sts\"", "audience"),
        ("credential = \"entra_obo\"", "scopes"),
        ("credential = \"client_credentials\"\nauthorization_server = \"https://as.example\"", "client"),
    ] {
        let text = wrong(&with_sign_in(block));
        assert!(text.contains(&format!("`ledger` does not say its `{key}`")), "{block}: {text}");
    }
}

#[test]
fn an_id_jag_server_is_read_with_its_exact_pins() {
    let block = "credential = \"id_jag\"\nauthorization_server = \"https://as.example\"\nscopes = [\"a\"]";
    let settings =
        Settings::parse(&with_sign_in(block), Path::new("/etc/deputy/deputy.toml")).expect("settings");
    let Some(Credential::Exchange(own)) = settings.servers.first().map(|one| one.credential.clone()) else {
        panic!("an exchange");
    };
    assert_eq!(
        (own.resource.as_str(), own.scopes.as_slice()),
        ("https://ledger.acme.example/mcp", ["a".to_owned()].as_slice())
    );
    let ExchangeWay::IdJag { authorization_server, client, .. } = own.way else { panic!("id_jag") };
    assert_eq!((authorization_server.as_str(), client), ("https://as.example", None));
}

#[test]
fn what_needs_a_person_is_refused_where_nobody_signs_in() {
    let text = wrong(&with(
        "name = \"a\"\nurl = \"https://a.example\"\ncredential = \"id_jag\"\nauthorization_server = \"https://as.example\"",
    ));
    assert!(text.contains("nobody signs in at the hub"), "{text}");
}

#[test]
fn a_pin_of_another_kind_is_refused_and_never_ignored() {
    let said = said("name = \"a\"\nurl = \"https://a.example\"\naudience = \"x\"");
    assert_eq!(said, "`audience` means nothing with `credential = \"open\"`");
}

const CONSENT: &str = "credential = \"user_oauth\"\nauthorization_server = \"https://as.example\"";

#[test]
fn user_oauth_pins_its_authorization_server_and_learns_the_rest() {
    let vault = "[vault]\nmaster_key = { file = \"/etc/deputy/vault.key\" }";
    let text = format!("{}\n{vault}\n", with_sign_in(CONSENT));
    let settings = Settings::parse(&text, Path::new("/etc/deputy/deputy.toml")).expect("settings");
    let Some(Credential::Exchange(own)) = settings.servers.first().map(|one| one.credential.clone()) else {
        panic!("an exchange");
    };
    let ExchangeWay::UserOauth { authorization_server, client, pinned, .. } = own.way else {
        panic!("consent")
    };
    assert_eq!((authorization_server.as_str(), client), ("https://as.example", UserClient::OwnDocument));
    assert_eq!(pinned, Pinned { resource: false, scopes: false });
}

#[test]
fn user_oauth_without_a_vault_or_people_who_sign_in_is_refused_with_the_mend() {
    let text = wrong(&with_sign_in(CONSENT));
    assert!(text.contains("there is no `[vault]`") && text.contains("deputy vault key FILE"), "{text}");
    let text = wrong(&with(&format!("name = \"a\"\nurl = \"https://a.example\"\n{CONSENT}")));
    assert!(text.contains("nobody signs in at the hub, so nobody can consent"), "{text}");
}

#[test]
fn user_oauth_has_a_client_or_registers_itself_and_not_both() {
    let text = wrong(&with_sign_in(&format!("{CONSENT}\nregister = true\nclient = {{ id = \"deputy\" }}")));
    assert!(text.contains("there is both `client` and `register`"), "{text}");
    let text = said("name = \"a\"\nurl = \"https://a.example\"\nregister = true");
    assert_eq!(text, "`register` means nothing with `credential = \"open\"`");
}

#[test]
fn user_oauth_says_more_where_the_authorization_server_wants_it() {
    let vault = "[vault]\nmaster_key = { file = \"/etc/deputy/vault.key\" }";
    let more = "authorization_parameters = { access_type = \"offline\", prompt = \"consent\" }";
    let text = format!("{}\n{vault}\n", with_sign_in(&format!("{CONSENT}\n{more}")));
    let settings = Settings::parse(&text, Path::new("/etc/deputy/deputy.toml")).expect("settings");
    let Some(Credential::Exchange(own)) = settings.servers.first().map(|one| one.credential.clone()) else {
        panic!("an exchange");
    };
    let ExchangeWay::UserOauth { authorization_parameters, .. } = own.way else { panic!("consent") };
    let wanted = [("access_type", "offline"), ("prompt", "consent")];
    assert_eq!(authorization_parameters, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn what_the_hub_itself_says_at_an_authorization_server_nobody_else_says() {
    for name in deputy_identity::exchange::user_oauth::RESERVED {
        let more = format!("{CONSENT}\nauthorization_parameters = {{ {name} = \"x\" }}");
        let text = wrong(&with_sign_in(&more));
        let said = format!("`{name}` in `authorization_parameters` is what the hub itself says");
        assert!(text.contains(&said), "{text}");
    }
    let text = wrong(&with_sign_in(&format!("{CONSENT}\nauthorization_parameters = {{ \"a b\" = \"x\" }}")));
    assert!(text.contains("`a b` is no name of a parameter"), "{text}");
    let text = said("name = \"a\"\nurl = \"https://a.example\"\nauthorization_parameters = { a = \"b\" }");
    assert_eq!(text, "`authorization_parameters` means nothing with `credential = \"open\"`");
}
