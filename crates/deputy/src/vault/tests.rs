//! Where the master key is, and which files are not used.

use super::*;

fn at(folder: &Path, file: &str) -> MasterKeyFile {
    MasterKeyFile { place: Some(MasterKeyPlace::File(folder.join(file))), data_dir: folder.join("data") }
}

fn said<T>(result: Result<T, MasterKeyFault>) -> String {
    result.err().expect("refused").to_string()
}

#[test]
fn vlt_06_a_key_is_made_once_for_its_owner_alone_and_never_by_itself() {
    let folder = tempfile::tempdir().expect("folder");
    let (path, keys) = (folder.path().join("vault.key"), at(folder.path(), "vault.key"));
    assert!(said(keys.current()).contains("mend: put it back"));
    assert!(!path.exists(), "reading makes none");
    let made = make(&path).expect("made");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(keys.current().expect("reads").id(), made.id());
    assert!(make(&path).is_err(), "a key is never written over");
    assert_eq!(keys.current().expect("reads").id(), made.id());
}

#[test]
fn vlt_06_a_key_that_others_can_read_or_that_lies_with_the_database_is_not_used() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("vault.key");
    make(&path).expect("made");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
    assert!(said(at(folder.path(), "vault.key").current()).contains("mend: `chmod 600"));
    fs::create_dir(folder.path().join("data")).expect("folder");
    let key = make(&folder.path().join("data/vault.key")).expect("made");
    // Not by a detour either.
    std::os::unix::fs::symlink("data/vault.key", folder.path().join("link.key")).expect("linked");
    for file in ["data/vault.key", "link.key"] {
        let fault = said(at(folder.path(), file).current());
        assert!(fault.contains("lies in the data directory"), "{fault}");
        assert!(!fault.contains(key.text().expose()), "{fault}");
    }
}

#[test]
fn vlt_06_what_is_no_key_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("vault.key");
    for text in ["", "hunter2\n", &"0".repeat(5000)] {
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("file");
        file.write_all(text.as_bytes()).expect("written");
        let fault = said(at(folder.path(), "vault.key").current());
        assert!(fault.contains("mend: put the right file back") && !fault.contains("hunter2"), "{fault}");
    }
    let none = MasterKeyFile { place: None, data_dir: folder.path().to_owned() };
    assert!(matches!(none.current(), Err(MasterKeyFault::None)));
}

#[test]
fn vlt_05_in_a_rotation_both_keys_are_found_by_their_ids_and_afterwards_only_the_new_one() {
    let folder = tempfile::tempdir().expect("folder");
    let keys = at(folder.path(), "vault.key");
    let old = make(&folder.path().join("vault.key")).expect("made");
    let next = keys.next().expect("made");
    assert_eq!(keys.next().expect("the same again").id(), next.id());
    assert_eq!(keys.with_id(&old.id()).expect("old").id(), old.id());
    assert_eq!(keys.with_id(&next.id()).expect("next").id(), next.id());
    keys.take_over().expect("renamed");
    assert_eq!(keys.current().expect("reads").id(), next.id());
    assert!(matches!(keys.with_id(&old.id()), Err(MasterKeyFault::Other { .. })));
}

#[test]
fn vlt_05_a_rotation_that_stopped_before_its_last_step_is_ended_and_one_that_did_not_get_there_is_not() {
    let folder = tempfile::tempdir().expect("folder");
    let keys = at(folder.path(), "vault.key");
    let old = make(&folder.path().join("vault.key")).expect("made");
    let next = keys.next().expect("made");
    let tenant_key = deputy_vault::TenantKey::generate(deputy_core::TenantId::single()).expect("key");
    keys.settle(&[]).expect("reads");
    keys.settle(&[tenant_key.seal(&old).expect("seals")]).expect("reads");
    assert_eq!(keys.current().expect("reads").id(), old.id());
    keys.settle(&[tenant_key.seal(&next).expect("seals")]).expect("renamed");
    assert_eq!(keys.current().expect("reads").id(), next.id());
}
