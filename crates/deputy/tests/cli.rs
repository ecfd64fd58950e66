//! The program as people and scripts meet it: what it prints, and its exit codes.

#[cfg(test)]
mod cli {
    use deputy_core::{CallId, Event, EventKind, Issuer, Subject, TenantId, Timestamp, User};
    use deputy_hub::Supervisor;
    use deputy_hub::ports::AuditLog as _;
    use deputy_store::{Place, Settings, SqliteStore};
    use std::path::Path;
    use std::process::Command;

    const CALL: &str = "call_00000000000000000000000000000001";

    /// Exit code, standard output, standard error.
    fn deputy(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deputy"));
        let output = command.current_dir(folder).args(arguments).output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
    }

    fn configured(folder: &Path, more: &str) {
        let text = format!(
            "[hub]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.acme.example\"\ndata_dir = \"data\"\n{more}\n\
             [[identity_provider]]\nname = \"acme\"\nissuer = \"http://127.0.0.1:9\"\n"
        );
        std::fs::write(folder.join("deputy.toml"), text).expect("written");
    }

    /// A log as a hub leaves it: one call of Alice's, signed.
    async fn log(data_dir: &Path) {
        let tables = Supervisor::default();
        let store =
            SqliteStore::open(Place::new(data_dir), Settings::default(), &tables).await.expect("a database");
        let tenant = TenantId::single();
        let events = [EventKind::Intent, EventKind::Outcome].map(|kind| {
            let mut event = Event::new(Timestamp::from_seconds(1_795_303_770), tenant.clone(), kind);
            event.call = CallId::new(CALL).ok();
            event.user = Some(User {
                tenant: tenant.clone(),
                issuer: Issuer::new("https://idp.acme.example").expect("issuer"),
                subject: Subject::new("alice").expect("subject"),
            });
            event
        });
        store.append(events.to_vec()).await.expect("durable");
        store.checkpoint(&tenant).await.expect("signed");
        tables.shut_down().await;
    }

    #[test]
    fn without_a_configuration_the_exit_code_is_2_and_the_mend_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        for command in [&["check"][..], &["audit", "list"], &["connect", "cursor"]] {
            let (code, out, err) = deputy(folder.path(), command);
            assert_eq!((code, out.as_str()), (2, ""), "{command:?}");
            assert!(err.starts_with("deputy: there is no configuration at `deputy.toml`\n  mend: "), "{err}");
        }
    }

    #[test]
    fn check_token_says_why_from_a_file_and_from_standard_input_and_never_repeats_it() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().expect("folder");
        configured(folder.path(), "");
        // RS256, of `https://evil.example`: no network is asked for it.
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.c2lnbmF0dXJl";
        std::fs::write(folder.path().join("token"), token).expect("written");
        let (code, out, err) = deputy(folder.path(), &["check", "--token", "token"]);
        assert_eq!((code, err.as_str()), (1, ""), "{out}");
        assert!(
            out.starts_with(
                "FAIL  /api refuses it: the issuer is not configured here\n      mend: `iss` says"
            ),
            "{out}"
        );
        assert!(
            out.contains("\"https://evil.example\"; the configured issuers are `http://127.0.0.1:9`"),
            "{out}"
        );
        assert!(out.ends_with("no door would let it in\n"), "{out}");
        assert!(!out.contains("eyJ"), "{out}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_deputy"));
        command.current_dir(folder.path()).args(["check", "--token", "-"]);
        let piped = std::process::Stdio::piped;
        let mut child = command.stdin(piped()).stdout(piped()).spawn().expect("the program runs");
        child.stdin.take().expect("a pipe").write_all(format!("  {token}\n").as_bytes()).expect("pasted");
        assert_eq!(child.wait_with_output().expect("an end").stdout, out.as_bytes());
    }

    #[test]
    fn a_mistyped_command_is_a_usage_error_and_help_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(deputy(folder.path(), &["chekc"]).0, 2);
        let (code, out, _) = deputy(folder.path(), &["--help"]);
        assert_eq!(code, 0);
        assert!(out.contains("Exit codes:"), "{out}");
    }

    #[test]
    fn check_tells_each_thing_and_exits_with_1_if_one_is_wrong() {
        let folder = tempfile::tempdir().expect("folder");
        configured(folder.path(), "");
        let (code, out, _) = deputy(folder.path(), &["check"]);
        assert_eq!(code, 1, "{out}");
        let begins = |start: &str| out.lines().any(|line| line.starts_with(start));
        assert!(begins("warn  configuration `deputy.toml`: 1 identity provider(s), 0 app(s)"), "{out}");
        assert!(out.contains("  data directory `data` will be made"), "{out}");
        assert!(begins("ok    the shipped policies: "), "{out}");
        assert!(begins("ok    address 127.0.0.1:0 is free"), "{out}");
        assert!(begins("FAIL  identity provider `acme` (http://127.0.0.1:9): "), "{out}");
        assert!(out.contains("1 thing is wrong"), "{out}");
        assert!(!folder.path().join("data").exists());
    }

    #[test]
    fn connect_prints_what_belongs_in_the_file_and_writes_it_when_asked() {
        let folder = tempfile::tempdir().expect("folder");
        configured(folder.path(), "");
        let (code, out, err) = deputy(folder.path(), &["connect", "vscode"]);
        assert_eq!((code, err.as_str()), (0, "Put this into .vscode/mcp.json:\n"));
        let printed: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(printed["servers"]["deputy"]["url"], "https://hub.acme.example/mcp");
        let write = ["connect", "vscode", "--write", "--hub", "http://hub.localhost:7070", "--name", "local"];
        assert_eq!(deputy(folder.path(), &write).0, 0);
        let written = std::fs::read(folder.path().join(".vscode/mcp.json")).expect("a file");
        let written: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(written["servers"]["local"]["url"], "http://hub.localhost:7070/mcp");
        assert_eq!(deputy(folder.path(), &["connect", "python", "--write"]).0, 2);
    }

    #[test]
    fn connect_writes_nothing_where_nobody_knows_the_home_directory() {
        let folder = tempfile::tempdir().expect("folder");
        for client in ["codex", "cline", "windsurf", "zed", "claude-desktop"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_deputy"));
            command.current_dir(folder.path()).env_clear();
            let output =
                command.args(["connect", client, "--write", "--hub", "https://hub.acme.example"]).output();
            let output = output.expect("the program runs");
            let said = String::from_utf8(output.stderr).expect("UTF-8");
            assert_eq!(output.status.code(), Some(2), "{client}: {said}");
            assert!(said.contains("`HOME`") && said.contains("mend:"), "{client}: {said}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 0, "nothing was made");
    }

    #[test]
    fn connect_takes_out_exactly_what_it_wrote_and_a_server_has_an_address_of_its_own() {
        let folder = tempfile::tempdir().expect("folder");
        let (file, before) =
            (folder.path().join("opencode.json"), "{\n  // mine\n  \"theme\": \"x\", // y\n}\n");
        std::fs::write(&file, before).expect("written");
        let all = ["connect", "opencode", "--hub", "https://hub.acme.example", "--server", "ledger"];
        let with = |word: &'static str| [&all[..], &[word]].concat();
        let (code, out, err) = deputy(folder.path(), &with("--write"));
        let told = "opencode.json knows the hub as `ledger`: https://hub.acme.example/s/ledger/mcp\n";
        assert_eq!((code, out.as_str()), (0, told), "{err}");
        let written = std::fs::read_to_string(&file).expect("read");
        assert!(
            written.contains("// mine") && written.contains("\"https://hub.acme.example/s/ledger/mcp\""),
            "{written}"
        );
        assert_eq!(
            deputy(folder.path(), &with("--remove")).1,
            "opencode.json does not know `ledger` any more\n"
        );
        assert_eq!(std::fs::read_to_string(&file).expect("read"), before);
        std::fs::write(&file, "{\n  broken\n}").expect("written");
        let (code, _, err) = deputy(folder.path(), &with("--write"));
        assert!(code == 2 && err.contains("`opencode.json:2:3`"), "{err}");
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "{\n  broken\n}");
        assert_eq!(deputy(folder.path(), &[&with("--write")[..], &["--remove"]].concat()).0, 2);
    }

    #[test]
    fn policies_are_checked_tested_and_explained() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(deputy(folder.path(), &["policy", "check"]).0, 0);
        let case = |expect: &str| {
            let case = serde_json::json!({
                "name": "alice reads", "principal": { "subject": "alice" }, "expect": expect,
                "tool": { "source": "crm", "name": "list", "class": ["read"] },
            });
            std::fs::write(folder.path().join("own.test.json"), case.to_string()).expect("written");
        };
        case("allow");
        let (code, out, err) = deputy(folder.path(), &["policy", "test", "."]);
        assert_eq!(
            (code, out.as_str()),
            (0, "ok    own.test.json: alice reads\n1 passed, 0 failed\n"),
            "{err}"
        );
        case("deny");
        let (code, out, _) = deputy(folder.path(), &["policy", "test", "."]);
        assert_eq!(code, 1, "{out}");
        assert!(out.ends_with("0 passed, 1 failed\n"), "{out}");
        let (code, out, _) = deputy(folder.path(), &["policy", "explain", "own.test.json"]);
        assert_eq!(code, 0);
        assert!(out.starts_with("alice reads\n"), "{out}");
        std::fs::write(folder.path().join("own.cedar"), "permit everything").expect("written");
        let (code, _, err) = deputy(folder.path(), &["policy", "check", "."]);
        assert_eq!(code, 1);
        assert!(err.starts_with("deputy: own.cedar:1:"), "{err}");
    }

    #[tokio::test]
    async fn the_log_is_listed_by_kind_person_and_call() {
        let folder = tempfile::tempdir().expect("folder");
        log(&folder.path().join("data")).await;
        let list = |more: &[&str]| {
            let (code, out, err) =
                deputy(folder.path(), &[&["audit", "list", "--data-dir", "data"], more].concat());
            assert_eq!(code, 0, "{err}");
            out.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            list(&["--kind", "intent"]),
            [format!("      0  2026-11-21T23:29:30.000Z  intent              alice  {CALL}")]
        );
        assert_eq!(list(&["--call", CALL]).len(), 2);
        assert_eq!(list(&["--limit", "1"]).len(), 1);
        assert_eq!(list(&["--user", "bob"]).len(), 0);
        assert_eq!(list(&["--since", "2026-11-22"]).len(), 0);
        let json: serde_json::Value = serde_json::from_str(&list(&["--json"])[0]).expect("JSON");
        assert_eq!((&json["seq"], &json["kind"]), (&1.into(), &"outcome".into()));
    }

    #[tokio::test]
    async fn aud_02_the_log_is_verified_and_each_line_of_a_call_proven_without_the_hub() {
        let folder = tempfile::tempdir().expect("folder");
        let data = folder.path().join("data");
        log(&data).await;
        let verify = ["audit", "verify", "--data-dir", "data"];
        let (code, out, err) = deputy(folder.path(), &verify);
        assert_eq!(code, 0, "{out}{err}");
        let last = "ok    the log of `default` is what it was: 2 lines, of which the first 2 are signed\n";
        assert!(out.ends_with(last), "{out}");
        assert!(out.contains("warn  compared with the data directory's own newest checkpoint only"), "{out}");
        let prove = ["audit", "prove", CALL, "-o", "call.tlog-proof", "--data-dir", "data"];
        let (code, out, err) = deputy(folder.path(), &prove);
        assert_eq!((code, out.as_str()), (0, "call.0.tlog-proof\ncall.1.tlog-proof\n"), "{err}");
        let key = Place::new(&data).verifier_key(&TenantId::single()).expect("key");
        let text = std::fs::read_to_string(folder.path().join("call.1.tlog-proof")).expect("a proof");
        let proof: deputy_audit::Proof = text.parse().expect("well formed");
        assert!(proof.check(&key).is_ok());
        assert_eq!(deputy(folder.path(), &["audit", "prove", "7", "--data-dir", "data"]).0, 1);
    }

    #[tokio::test]
    async fn aud_03_an_older_copy_is_found_against_a_checkpoint_that_was_kept_elsewhere() {
        let folder = tempfile::tempdir().expect("folder");
        let (old, data) = (folder.path().join("old"), folder.path().join("data"));
        log(&data).await;
        std::fs::create_dir_all(old.join("audit")).expect("folder");
        for name in ["deputy.db", "audit/log.vkey"] {
            std::fs::copy(data.join(name), old.join(name)).expect("copied");
        }
        log(&data).await;
        let verify =
            ["audit", "verify", "--data-dir", "old", "--checkpoint", "data/audit/default.checkpoint"];
        let (code, out, err) = deputy(folder.path(), &verify);
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.contains("the log ends after 2 lines but 4 were signed"), "{out}");
    }

    #[tokio::test]
    async fn aud_08_an_export_goes_on_at_its_cursor_and_leaves_nothing_out() {
        let folder = tempfile::tempdir().expect("folder");
        let data = folder.path().join("data");
        log(&data).await;
        let export = |more: &[&str]| {
            let given = [&["audit", "export", "--data-dir", "data"], more].concat();
            let (code, out, err) = deputy(folder.path(), &given);
            let lines = out.lines().map(|line| serde_json::from_str(line).expect("JSON"));
            (code, lines.collect::<Vec<serde_json::Value>>(), err)
        };
        let numbers = |lines: &[serde_json::Value]| -> Vec<u64> {
            lines.iter().filter_map(|line| line["seq"].as_u64()).collect()
        };
        let (code, all, err) = export(&[]);
        assert_eq!((code, numbers(&all)), (0, vec![0, 1]), "{err}");
        assert_eq!(all[0]["user"]["subject"], "alice");
        assert_eq!(numbers(&export(&["--kind", "outcome"]).1), [1]);
        assert_eq!(export(&["--since", "2026-11-22"]).1.len(), 0);
        let resumed = ["--format", "ocsf", "--cursor", "siem.cursor"];
        let (code, first, err) = export(&resumed);
        assert_eq!((code, first.len()), (0, 2), "{err}");
        assert_eq!(export(&resumed).1.len(), 0, "everything was given");
        log(&data).await;
        let (_, second, _) = export(&resumed);
        assert_eq!(second.len(), 2);
        assert_eq!(
            second[0]["attestation"]["prev_event"]["fingerprint"],
            first[1]["attestation"]["fingerprint"]
        );
        // Another export must not go on with this cursor, and a log that lost lines must not look like one at its end.
        assert_eq!(export(&["--cursor", "siem.cursor"]).0, 2);
        let path = folder.path().join("siem.cursor");
        let ahead = std::fs::read_to_string(&path).expect("cursor").replace("\"next\":4", "\"next\":9");
        std::fs::write(&path, ahead).expect("written");
        let (code, _, err) = export(&resumed);
        assert_eq!(code, 1, "{err}");
        assert!(err.contains("the log has 4 lines, but 9 were exported already"), "{err}");
    }

    #[tokio::test]
    async fn aud_06_a_person_is_erased_only_with_yes_and_the_log_still_verifies() {
        let folder = tempfile::tempdir().expect("folder");
        log(&folder.path().join("data")).await;
        let person = ["audit", "erase", "--data-dir", "data", "--user", "https://idp.acme.example", "alice"];
        let (code, out, err) = deputy(folder.path(), &person);
        assert_eq!((code, out.as_str()), (1, "2 lines of `default` are about this person\n"), "{err}");
        assert!(err.contains("nothing was erased"), "{err}");
        let (code, out, err) = deputy(folder.path(), &[&person[..], &["--yes"]].concat());
        assert_eq!(code, 0, "{err}");
        assert!(out.ends_with("ok    erased: 2 lines, 0 questions, 0 tickets\n"), "{out}");
        let (_, out, _) = deputy(folder.path(), &["audit", "list", "--data-dir", "data", "--json"]);
        assert!(!out.contains("alice") && out.contains("person_erased"), "{out}");
        let (code, out, err) = deputy(folder.path(), &["audit", "verify", "--data-dir", "data"]);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("2 lines had their personal part erased"), "{out}");
        let stranger = ["audit", "erase", "--data-dir", "data", "--user", "https://idp.acme.example", "bob"];
        assert_eq!(deputy(folder.path(), &stranger).0, 0, "there is nothing to erase");
    }

    #[tokio::test]
    async fn aud_06_a_hub_that_runs_erases_a_person_when_asked() {
        let folder = tempfile::tempdir().expect("folder");
        let data = folder.path().join("data");
        log(&data).await;
        let tables = Supervisor::default();
        let store = SqliteStore::open(Place::new(&data), Settings::default(), &tables).await;
        let path = folder.path().to_owned();
        let person =
            ["audit", "erase", "--data-dir", "data", "--user", "https://idp.acme.example", "alice", "--yes"];
        let asked = tokio::task::spawn_blocking(move || deputy(&path, &person)).await.expect("ran");
        assert_eq!(asked.0, 0, "{}", asked.2);
        assert!(asked.1.ends_with("ok    erased: 2 lines, by the hub that runs here\n"), "{}", asked.1);
        drop(store);
        tables.shut_down().await;
        assert_eq!(deputy(folder.path(), &["audit", "verify", "--data-dir", "data"]).0, 0);
    }
}
