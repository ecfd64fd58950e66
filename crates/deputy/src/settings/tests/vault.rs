//! Where the master key may be.

use super::*;

fn with(vault: &str) -> Result<Settings, Faults> {
    Settings::parse(&format!("{GOOD}[vault]\n{vault}\n"), Path::new("/etc/deputy/deputy.toml"))
}

#[test]
fn vlt_06_there_is_no_master_key_unless_somebody_names_one() {
    assert_eq!(Settings::parse(GOOD, Path::new("deputy.toml")).expect("settings").vault, None);
    let file = with("master_key = { file = \"keys/vault.key\" }").expect("settings").vault;
    assert_eq!(file, Some(MasterKeyPlace::File("/etc/deputy/keys/vault.key".into())));
    let credential = with("master_key = { credential = \"deputy-vault-key\" }").expect("settings").vault;
    assert_eq!(credential, Some(MasterKeyPlace::Credential("deputy-vault-key".to_owned())));
}

#[test]
fn vlt_06_a_master_key_in_the_data_directory_or_in_the_file_itself_is_refused() {
    let said = |vault: &str| with(vault).expect_err("a fault").to_string();
    let inside = said("master_key = { file = \"./data/vault.key\" }");
    assert!(
        inside.contains("the master key lies in the data directory\n  mend: keep it elsewhere"),
        "{inside}"
    );
    let itself = said("master_key = \"0badc0de\"");
    assert!(!itself.contains("0badc0de"), "{itself}");
    let both = said("master_key = { file = \"a\", credential = \"b\" }");
    assert!(both.contains("`master_key` has both `file` and `credential`"), "{both}");
    assert!(said("master_key = {}").contains("neither `file` nor `credential`"));
    assert!(said("master_key = { credential = \"../x\" }").contains("is not a credential's name"));
}
