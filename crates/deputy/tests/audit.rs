//! `deputy audit` over a log that lost old lines and got another key.

#[cfg(test)]
mod audit {
    use deputy_core::{Event, EventKind, TenantId, Timestamp};
    use deputy_hub::Supervisor;
    use deputy_hub::ports::{AuditLog as _, Clock};
    use deputy_store::{Place, Settings, SqliteStore};
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    const START: u64 = 1_795_303_770;

    /// Two days after the lines.
    struct Later;

    impl Clock for Later {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(START + 2 * 86_400)
        }
    }

    fn deputy(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deputy"));
        let output = command.current_dir(folder).args(arguments).output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
    }

    fn of_data(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
        deputy(folder, &[&["audit"], arguments, &["--data-dir", "data"]].concat())
    }

    /// Five lines, signed; then all but what came last are pruned.
    async fn pruned_log(folder: &Path) {
        let tables = Supervisor::default();
        let place = Place::new(folder.join("data"));
        let store = SqliteStore::open(place, Settings::default(), &tables).await.expect("a database");
        let tenant = TenantId::single();
        let line =
            |n: u64| Event::new(Timestamp::from_seconds(START + n), tenant.clone(), EventKind::HubStarted);
        store.append((0..5).map(line).collect()).await.expect("durable");
        store.checkpoint(&tenant).await.expect("signed");
        let day = Duration::from_secs(86_400);
        assert_eq!(store.prune(&tenant, day, &Later).await.expect("pruned"), 5);
        tables.shut_down().await;
    }

    #[tokio::test]
    async fn aud_10_verify_says_what_was_pruned_and_prove_and_export_do_too() {
        let folder = tempfile::tempdir().expect("folder");
        pruned_log(folder.path()).await;
        let (code, out, err) = of_data(folder.path(), &["verify"]);
        assert_eq!(code, 0, "{out}{err}");
        let said = "lines 0 to 4 were pruned on 2026-11-23T23:29:30.000Z; their hashes verify up to the signed checkpoint of 5 lines\n";
        assert!(out.contains(said), "{out}");
        assert!(out.ends_with("6 lines, of which the first 6 are signed\n"), "{out}");
        let (code, _, err) = of_data(folder.path(), &["prove", "3"]);
        assert_eq!(code, 1);
        assert!(err.contains("line 3 was pruned on 2026-11-23T23:29:30.000Z"), "{err}");
        assert_eq!(of_data(folder.path(), &["prove", "5"]).0, 0);
        let (code, out, err) = of_data(folder.path(), &["export", "--cursor", "siem.cursor"]);
        assert_eq!((code, out.lines().count()), (0, 1), "{out}{err}");
        assert!(
            out.contains("\"kind\":\"lines_pruned\"") && err.contains("the lines 0 to 4 were pruned"),
            "{out}{err}"
        );
        let (_, out, err) = of_data(folder.path(), &["export", "--cursor", "siem.cursor"]);
        assert_eq!((out.as_str(), err.as_str()), ("", ""));
    }

    #[tokio::test]
    async fn aud_11_the_key_is_rotated_by_a_command_and_verify_names_both() {
        let folder = tempfile::tempdir().expect("folder");
        pruned_log(folder.path()).await;
        let old = std::fs::read_to_string(folder.path().join("data/audit/log.vkey")).expect("keys");
        let (code, out, err) = of_data(folder.path(), &["rotate-key"]);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.starts_with("ok    the log of `default` was signed by the key "), "{out}");
        let (code, out, err) = of_data(folder.path(), &["verify"]);
        assert_eq!(code, 0, "{out}{err}");
        assert_eq!(out.matches("are signed by the key").count(), 2, "{out}");
        // Whoever kept the old key alone can check up to the hand-over.
        std::fs::write(folder.path().join("old.vkey"), old).expect("written");
        assert_eq!(of_data(folder.path(), &["verify", "--key", "old.vkey"]).0, 0);
    }

    #[tokio::test]
    async fn aud_04_a_bundle_needs_its_key_and_stands_alone() {
        let folder = tempfile::tempdir().expect("folder");
        pruned_log(folder.path()).await;
        let (code, bundle, err) = of_data(folder.path(), &["export", "--format", "bundle"]);
        assert_eq!(code, 0, "{err}");
        std::fs::write(folder.path().join("log.bundle"), &bundle).expect("written");
        std::fs::rename(folder.path().join("data/audit/log.vkey"), folder.path().join("log.vkey"))
            .expect("moved");
        std::fs::remove_dir_all(folder.path().join("data")).expect("gone");
        let verify = ["audit", "verify", "--bundle", "log.bundle", "--key", "log.vkey"];
        let (code, out, err) = deputy(folder.path(), &verify);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("lines 0 to 4 were pruned"), "{out}");
        assert!(out.contains("warn  compared with the bundle's own checkpoints only"), "{out}");
        assert_eq!(deputy(folder.path(), &verify[..4]).0, 2, "without a key");
        std::fs::write(folder.path().join("log.bundle"), bundle.replace("lines_pruned", "lines_proved"))
            .expect("written");
        assert_eq!(deputy(folder.path(), &verify).0, 1);
    }
}
