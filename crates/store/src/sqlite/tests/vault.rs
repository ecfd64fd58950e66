//! The vault over its tables: VLT-01, 03, 05 to 08, and orders beside a store that runs.

use super::*;
use crate::VaultDesk;
use deputy_core::{HeaderName, Operator, Secret};
use deputy_hub::ports::{SealedSecrets as _, VaultOrder, VaultOrders as _};
use deputy_hub::vault::{Change as By, Header};
use deputy_hub::{MasterKeyFault, MasterKeys, PersonVault, Vault, VaultFault};
use deputy_testkit::HeldMasterKeys;
use deputy_vault::{MasterKey, PersonPlace};

struct Bench {
    directory: TempDir,
    process: Process,
    keys: Arc<HeldMasterKeys>,
    vault: Vault,
}

impl Bench {
    fn new() -> Self {
        let directory = directory();
        let process = Process::start(&directory);
        Self::over(directory, process, Arc::new(HeldMasterKeys::fresh()))
    }

    fn over(directory: TempDir, process: Process, keys: Arc<HeldMasterKeys>) -> Self {
        let held: Arc<dyn MasterKeys> = Arc::<HeldMasterKeys>::clone(&keys);
        let vault = Vault::new(Arc::<SqliteStore>::clone(&process.store), held);
        Self { directory, process, keys, vault }
    }

    fn order(&self, server: &str, value: &str) -> VaultOrder {
        let header = Header::bearer().expect("header");
        let value = Secret::new(value.to_owned());
        self.process.run(self.vault.put(&tenant(), &source(server), &header, value, by())).expect("drawn up")
    }

    fn put(&self, server: &str, value: &str) {
        let order = self.order(server, value);
        assert!(self.process.run(self.process.store.carry_out(order)).expect("written"));
    }

    fn remove(&self, server: &str) -> VaultOrder {
        let order = self.process.run(self.vault.remove(&tenant(), &source(server), &authorization(), by()));
        order.expect("drawn up").expect("there is one")
    }

    fn carry_out(&self, order: VaultOrder) -> bool {
        self.process.run(self.process.store.carry_out(order)).expect("no failure")
    }

    fn header(&self, server: &str) -> Result<String, VaultFault> {
        let headers = self.process.run(self.vault.headers_for(&tenant(), &source(server)))?;
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[0].0, authorization());
        Ok(headers[0].1.expose().clone())
    }

    fn code(&self, server: &str) -> &'static str {
        self.header(server).expect_err("refused").code()
    }

    /// Somebody who can write to the database.
    fn on_disk(&self, sql: &'static str) {
        self.process.on_writer(sql).expect("runs");
    }
}

fn source(name: &str) -> SourceName {
    SourceName::new(name).expect("source")
}

fn authorization() -> HeaderName {
    HeaderName::new("authorization").expect("name")
}

fn by() -> By {
    By { by: Operator::Machine, at: Timestamp::from_millis(1_795_303_800_000) }
}

#[test]
fn a_secret_is_put_with_its_line_and_the_next_call_after_a_change_has_the_new_value() {
    let bench = Bench::new();
    assert_eq!(bench.code("ledger"), "secret_missing");
    bench.put("ledger", "one");
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer one");
    bench.put("ledger", "two");
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer two");
    let lines = bench.process.list(&Filter { kind: Some(EventKind::SecretPut), ..Filter::default() });
    assert_eq!(lines.len(), 2);
    let event = &lines[0].event;
    assert_eq!((&event.detail["version"], &event.detail["by"]), (&2.into(), &"machine".into()));
    assert_eq!(
        (event.source.clone(), &event.detail["name"]),
        (Some(source("ledger")), &"authorization".into())
    );
    bench.process.stop();
}

#[test]
fn vlt_01_no_file_of_the_data_directory_holds_a_value_in_any_usual_spelling() {
    let bench = Bench::new();
    for number in 0..50 {
        bench.put(&format!("server-{number}"), &format!("canary-{number}-7f3a9c51"));
    }
    let order = bench.remove("server-7");
    assert!(bench.carry_out(order));
    let keys = bench.keys.current().expect("key").text();
    bench.process.stop();
    let mut bytes = Vec::new();
    for folder in [bench.directory.path().to_owned(), bench.directory.path().join("audit")] {
        for entry in std::fs::read_dir(folder).expect("reads") {
            let path = entry.expect("entry").path();
            if path.is_file() {
                bytes.extend(std::fs::read(path).expect("reads"));
            }
        }
    }
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
    assert!(holds(b"server-49"), "the search finds what is there");
    for spelling in
        [&b"7f3a9c51"[..], b"3766336139633531", b"15c9a3f7", b"N2YzYTljNT", b"dmM2E5YzUx", b"3ZjNhOWM1M"]
    {
        assert!(!holds(spelling), "{spelling:?}");
    }
    assert!(!holds(keys.expose().as_bytes()), "VLT-06: no unwrapped key");
    assert!(!holds(&hex::decode(keys.expose()).expect("hex")), "VLT-06: no unwrapped key");
}

#[test]
fn vlt_03_a_row_that_is_moved_to_another_server_is_refused() {
    let bench = Bench::new();
    bench.put("ledger", "for the ledger alone");
    bench.put("crm", "for the crm");
    bench.on_disk(
        "UPDATE vault_secret SET record = (SELECT record FROM vault_secret WHERE server = 'ledger') WHERE server = 'crm'",
    );
    assert_eq!(bench.code("crm"), "store_unavailable");
    // Also where the record's own words are changed along with it.
    bench
        .on_disk("UPDATE vault_secret SET record = json_set(record, '$.server', 'crm') WHERE server = 'crm'");
    assert_eq!(bench.code("crm"), "secret_not_as_recorded");
    bench.process.stop();
}

#[test]
fn vlt_05_the_master_key_is_replaced_under_load_and_the_old_one_opens_nothing_then() {
    let bench = Bench::new();
    bench.put("ledger", "tok");
    let (old, next) = (bench.keys.current().expect("key"), MasterKey::generate().expect("key"));
    let order =
        bench.process.run(bench.vault.replace_master_key(&next, by())).expect("drawn up").expect("some");
    let values =
        |process: &Process| process.on_writer("SELECT length(record) FROM vault_secret").expect("reads");
    let before = values(&bench.process);
    bench.keys.take_up(&next);
    let reads = bench.process.run(async {
        let load = async {
            let mut opened = 0;
            for _ in 0..200 {
                let headers = bench.vault.headers_for(&tenant(), &source("ledger")).await;
                assert_eq!(headers.expect("opens")[0].1.expose(), "Bearer tok");
                opened += 1;
            }
            opened
        };
        let (reads, done) = tokio::join!(load, bench.process.store.carry_out(order));
        assert!(done.expect("written"));
        reads
    });
    assert_eq!(reads, 200);
    assert_eq!(values(&bench.process), before, "no secret was touched");
    bench.keys.forget_old();
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer tok");
    let again = bench.process.run(bench.vault.replace_master_key(&next, by())).expect("reads");
    assert!(again.is_none(), "it is so already");
    bench.keys.take_up(&old);
    bench.keys.forget_old();
    assert!(matches!(bench.header("ledger"), Err(VaultFault::MasterKey(MasterKeyFault::Other { .. }))));
    let lines = bench.process.list(&Filter { kind: Some(EventKind::VaultKeyRotated), ..Filter::default() });
    assert_eq!(lines[0].event.detail["next"], next.id().to_string());
    bench.process.stop();
}

#[test]
fn vlt_05_what_people_consented_to_opens_under_the_next_master_key_too() {
    let bench = Bench::new();
    let table = Arc::<SqliteStore>::clone(&bench.process.store);
    let persons = PersonVault::new(table, Arc::<HeldMasterKeys>::clone(&bench.keys));
    let place = PersonPlace {
        tenant: tenant(),
        person: "alice".to_owned(),
        server: source("ledger"),
        issuer: "https://as.example".to_owned(),
        version: 1,
    };
    let value = Secret::new(b"token".to_vec());
    let sealed = bench.process.run(persons.seal(&place, &value)).expect("sealed");
    let next = MasterKey::generate().expect("key");
    let order =
        bench.process.run(bench.vault.replace_master_key(&next, by())).expect("drawn up").expect("some");
    bench.keys.take_up(&next);
    assert!(bench.carry_out(order));
    bench.keys.forget_old();
    let opened = bench.process.run(persons.open(&place, &sealed)).expect("opens");
    assert_eq!(opened.expose(), b"token");
    let other = PersonPlace { person: "bob".to_owned(), ..place };
    assert!(bench.process.run(persons.open(&other, &sealed)).is_err(), "another person's");
    bench.process.stop();
}

#[test]
fn vlt_05_a_crash_right_after_leaves_every_secret_readable() {
    let bench = Bench::new();
    bench.put("ledger", "tok");
    let next = MasterKey::generate().expect("key");
    let order =
        bench.process.run(bench.vault.replace_master_key(&next, by())).expect("drawn up").expect("some");
    bench.keys.take_up(&next);
    assert!(bench.carry_out(order));
    let Bench { directory, process, keys, vault } = bench;
    drop(vault);
    process.crash();
    keys.forget_old();
    let process = Process::start(&directory);
    let bench = Bench::over(directory, process, keys);
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer tok");
    bench.process.stop();
}

#[test]
fn vlt_05_nothing_comes_under_a_master_key_that_was_replaced_since() {
    let bench = Bench::new();
    bench.put("ledger", "tok");
    bench.put("crm", "goes");
    let removal = bench.remove("crm");
    let other = TenantId::new("globex").expect("tenant");
    let header = Header::bearer().expect("header");
    let value = Secret::new("late".to_owned());
    let late = bench
        .process
        .run(bench.vault.put(&other, &source("ledger"), &header, value, by()))
        .expect("drawn up");
    let next = MasterKey::generate().expect("key");
    let order =
        bench.process.run(bench.vault.replace_master_key(&next, by())).expect("drawn up").expect("some");
    assert!(bench.carry_out(order));
    bench.keys.take_up(&next);
    bench.keys.forget_old();
    assert!(!bench.carry_out(late), "a tenant's first key, drawn up under the old one");
    assert!(bench.carry_out(removal), "what is to go goes");
    assert_eq!(bench.code("crm"), "secret_missing");
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer tok");
    bench.process.stop();
}

#[test]
fn vlt_06_without_a_master_key_nothing_is_put_or_opened_and_the_mend_is_named() {
    let bench = Bench::new();
    bench.put("ledger", "tok");
    bench.keys.seal();
    assert_eq!(bench.code("ledger"), "vault_sealed");
    let header = Header::bearer().expect("header");
    let value = Secret::new("canary".to_owned());
    let fault = bench
        .process
        .run(bench.vault.put(&tenant(), &source("crm"), &header, value, by()))
        .expect_err("sealed");
    let said = fault.to_string();
    assert!(said.contains("mend: `deputy vault key FILE`") && !said.contains("canary"), "{said}");
    // What takes away needs no key.
    let order = bench.remove("ledger");
    assert!(bench.carry_out(order));
    assert_eq!(bench.code("ledger"), "secret_missing");
    bench.process.stop();
}

#[test]
fn vlt_07_an_older_row_that_is_put_back_is_found_out_by_the_log() {
    let bench = Bench::new();
    bench.put("ledger", "leaked and rotated");
    bench.on_disk("CREATE TABLE thief AS SELECT * FROM vault_secret");
    bench.put("ledger", "new");
    bench.on_disk("INSERT OR REPLACE INTO vault_secret SELECT * FROM thief");
    assert_eq!(bench.code("ledger"), "secret_not_as_recorded");
    let said = bench.header("ledger").expect_err("refused").to_string();
    assert!(said.contains("mend:") && !said.contains("leaked"), "{said}");
    // Putting it again mends it.
    bench.put("ledger", "newer");
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer newer");
    let kept = bench.process.run(bench.process.store.kept(&tenant(), None)).expect("reads");
    assert_eq!(kept.secrets[0].secret.version, 3, "the log knows of a version 2");
    bench.process.stop();
}

#[test]
fn vlt_07_a_removed_secret_that_is_put_back_is_not_used_and_its_version_never_comes_again() {
    let bench = Bench::new();
    bench.put("ledger", "gone");
    bench.on_disk("CREATE TABLE thief AS SELECT * FROM vault_secret");
    bench.on_disk("CREATE TABLE thief_key AS SELECT * FROM vault_key");
    let order = bench.remove("ledger");
    assert!(bench.carry_out(order));
    bench.put("ledger", "next");
    let kept = bench.process.run(bench.process.store.kept(&tenant(), None)).expect("reads");
    assert_eq!(kept.secrets[0].secret.version, 2);
    let order = bench.remove("ledger");
    assert!(bench.carry_out(order));
    bench.on_disk("INSERT OR REPLACE INTO vault_secret SELECT * FROM thief");
    bench.on_disk("INSERT OR REPLACE INTO vault_key SELECT * FROM thief_key");
    assert_eq!(bench.code("ledger"), "secret_not_as_recorded");
    bench.process.stop();
}

#[test]
fn vlt_07_what_the_log_says_last_is_found_by_an_index_of_such_lines_alone() {
    let bench = Bench::new();
    let plan = bench.process.run(async {
        let sql = format!("EXPLAIN QUERY PLAN {}", super::super::vault::LAST_WORD);
        let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind("t")
            .bind("s")
            .bind("n")
            .fetch_all(&bench.process.store.readers)
            .await
            .expect("plans");
        rows.into_iter().map(|row| row.3).collect::<Vec<_>>().join("; ")
    });
    assert!(plan.contains("USING INDEX audit_secret (tenant=? AND <expr>=? AND <expr>=?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    bench.process.stop();
}

#[test]
fn vlt_08_a_removed_secret_of_an_old_copy_does_not_open_with_the_keys_of_today() {
    let bench = Bench::new();
    bench.put("ledger", "gone");
    bench.put("crm", "stays");
    bench.on_disk("CREATE TABLE old_secret AS SELECT * FROM vault_secret");
    bench.on_disk("CREATE TABLE old_key AS SELECT * FROM vault_key");
    let order = bench.remove("ledger");
    assert!(bench.carry_out(order));
    assert_eq!(bench.header("crm").expect("opens"), "Bearer stays");
    let next = MasterKey::generate().expect("key");
    let order =
        bench.process.run(bench.vault.replace_master_key(&next, by())).expect("drawn up").expect("some");
    bench.keys.take_up(&next);
    assert!(bench.carry_out(order));
    bench.keys.forget_old();
    // The old rows under the key of today, and under their own: neither opens.
    let kept = |process: &Process| process.run(process.store.kept(&tenant(), None)).expect("reads");
    bench.on_disk("INSERT OR REPLACE INTO vault_secret SELECT * FROM old_secret");
    let (now, master) = (kept(&bench.process), bench.keys.current().expect("key"));
    let key = now.tenant_key.expect("key").open(&master).expect("opens");
    let old = now.secrets.iter().find(|one| one.secret.server == source("ledger")).expect("put back");
    assert!(old.secret.sealed.open(&key, &old.secret.place()).is_err());
    bench.on_disk("INSERT OR REPLACE INTO vault_key SELECT * FROM old_key");
    assert!(kept(&bench.process).tenant_key.expect("key").open(&master).is_err());
    bench.process.stop();
}

#[test]
fn of_two_orders_for_the_same_version_one_is_carried_out() {
    let bench = Bench::new();
    bench.put("ledger", "one");
    let (first, second) = (bench.order("ledger", "two"), bench.order("ledger", "other"));
    assert!(bench.carry_out(first));
    assert!(!bench.carry_out(second));
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer two");
    assert_eq!(
        bench.process.list(&Filter { kind: Some(EventKind::SecretPut), ..Filter::default() }).len(),
        2
    );
    bench.process.stop();
}

#[test]
fn a_store_that_runs_takes_up_what_is_left_beside_it_and_an_order_that_does_not_read_holds_nothing_up() {
    let bench = Bench::new();
    bench.put("ledger", "one");
    let order = bench.order("ledger", "two");
    bench.on_disk("INSERT INTO vault_order (record) VALUES ('{}')");
    let taken = bench.process.run(async {
        let mut desk = VaultDesk::open(&place(&bench.directory)).await.expect("opens");
        let left = desk.leave(&order).await.expect("left");
        let taken = desk.taken_up(left, Duration::from_secs(20)).await.expect("reads");
        desk.close().await.expect("closes");
        taken
    });
    assert!(taken);
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer two");
    assert_eq!(bench.process.on_writer("SELECT count(*) FROM vault_order").expect("reads"), vec![0]);
    bench.process.stop();
}

#[test]
fn aud_01_a_secret_whose_line_cannot_be_written_is_not_put() {
    let bench = Bench::new();
    bench.put("ledger", "one");
    let order = bench.order("ledger", "two");
    bench.on_disk("CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'full'); END");
    assert!(bench.process.run(bench.process.store.carry_out(order)).is_err());
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer one");
    bench.on_disk("DROP TRIGGER full");
    bench.process.stop();
}

#[test]
fn r13_invariant_13_a_tenants_secret_is_nobody_elses() {
    let bench = Bench::new();
    bench.put("ledger", "tok");
    let other = TenantId::new("globex").expect("tenant");
    let headers = bench.process.run(bench.vault.headers_for(&other, &source("ledger")));
    assert!(matches!(headers, Err(VaultFault::NoSecret { .. })));
    bench.process.stop();
}

#[test]
fn aud_06_an_erased_operator_is_not_named_by_a_secret_that_stays() {
    let bench = Bench::new();
    let header = Header::bearer().expect("header");
    let who = By { by: Operator::Person(user("olga")), ..by() };
    let value = Secret::new("tok".to_owned());
    let order = bench
        .process
        .run(bench.vault.put(&tenant(), &source("ledger"), &header, value, who))
        .expect("drawn up");
    assert!(bench.carry_out(order));
    bench.process.run(bench.process.store.erase(&user("olga"), by().at)).expect("erased");
    let kept = bench.process.run(bench.process.store.kept(&tenant(), None)).expect("reads");
    assert_eq!(kept.secrets[0].secret.by, Operator::Machine);
    assert_eq!(bench.header("ledger").expect("opens"), "Bearer tok");
    bench.process.stop();
}
