//! What is claimed of secrets at rest (VLT-01 to VLT-08, as far as bytes alone can show it).

use super::*;
use deputy_core::{HeaderName, Secret, SourceName, TenantId};
use proptest::prelude::*;

fn place() -> Place {
    Place {
        tenant: TenantId::new("acme").expect("tenant"),
        server: SourceName::new("ledger").expect("server"),
        name: HeaderName::new("authorization").expect("name"),
        version: 3,
        prefix: "Bearer ".to_owned(),
    }
}

fn secret(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

fn opened(result: Result<Secret<Vec<u8>>, VaultError>) -> Result<String, VaultError> {
    result.map(|value| String::from_utf8(value.expose().clone()).expect("text"))
}

fn tenant_key() -> TenantKey {
    TenantKey::generate(place().tenant).expect("key")
}

#[test]
fn what_was_sealed_for_a_place_opens_there() {
    let key = tenant_key();
    let sealed = Sealed::seal(&key, &place(), &secret("tok_canary")).expect("seals");
    assert_eq!(opened(sealed.open(&key, &place())), Ok("tok_canary".to_owned()));
}

#[test]
fn vlt_01_nothing_that_may_be_stored_or_printed_holds_the_value_in_any_usual_spelling() {
    let (master, key) = (MasterKey::generate().expect("key"), tenant_key());
    let canary = "canary-7f3a9c";
    let sealed = Sealed::seal(&key, &place(), &secret(canary)).expect("seals");
    let kept = key.seal(&master).expect("seals");
    let json = |value: &dyn erased::Json| value.json();
    let said = [
        json(&sealed),
        json(&kept),
        format!("{sealed:?} {kept:?} {}", place()),
        format!("{:?}", sealed.open(&key, &Place { version: 4, ..place() }).err()),
        hex::encode(sealed.value.as_bytes()),
    ]
    .concat();
    let reversed: String = canary.chars().rev().collect();
    for spelling in [canary.to_owned(), hex::encode(canary), reversed, "Y2FuYXJ5LTdmM2E5Y".to_owned()] {
        assert!(!said.contains(&spelling), "{spelling}");
    }
    assert!(!said.contains(master.text().expose()));
}

mod erased {
    pub(super) trait Json {
        fn json(&self) -> String;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).expect("json")
        }
    }
}

#[test]
fn vlt_03_a_ciphertext_that_is_moved_to_another_row_tenant_version_or_prefix_does_not_open() {
    let key = tenant_key();
    let sealed = Sealed::seal(&key, &place(), &secret("tok")).expect("seals");
    let other_server = Place { server: SourceName::new("crm").expect("server"), ..place() };
    let other_name = Place { name: HeaderName::new("x-api-key").expect("name"), ..place() };
    let other_tenant = Place { tenant: TenantId::new("globex").expect("tenant"), ..place() };
    let other_prefix = Place { prefix: "Bearer".to_owned(), ..place() };
    for moved in [other_server, other_name, other_tenant, other_prefix, Place { version: 2, ..place() }] {
        let error = opened(sealed.open(&key, &moved)).expect_err("moved");
        assert_eq!(error, VaultError::Invalid(moved.to_string()));
    }
}

#[test]
fn vlt_03_parts_cannot_be_shifted_from_one_name_into_the_next() {
    let key = TenantKey::generate(TenantId::new("a").expect("tenant")).expect("key");
    let at = |server: &str, name: &str| Place {
        tenant: TenantId::new("a").expect("tenant"),
        server: SourceName::new(server).expect("server"),
        name: HeaderName::new(name).expect("name"),
        version: 1,
        prefix: String::new(),
    };
    let sealed = Sealed::seal(&key, &at("ab", "c"), &secret("tok")).expect("seals");
    assert!(sealed.open(&key, &at("a", "bc")).is_err());
}

#[test]
fn vlt_03_every_flipped_bit_and_every_cut_is_refused() {
    let key = tenant_key();
    let sealed = Sealed::seal(&key, &place(), &secret("tok")).expect("seals");
    let changed = |bytes: &SealedBytes| {
        let bytes = bytes.as_bytes().to_vec();
        let flips = (0..bytes.len() * 8).map(|bit| {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            SealedBytes::stored(flipped)
        });
        let cuts = (0..bytes.len()).map(|length| SealedBytes::stored(bytes[..length].to_vec()));
        flips.chain(cuts).collect::<Vec<_>>()
    };
    for value in changed(&sealed.value) {
        assert!(Sealed { value, ..sealed.clone() }.open(&key, &place()).is_err());
    }
    for data_key in changed(&sealed.data_key) {
        assert!(Sealed { data_key, ..sealed.clone() }.open(&key, &place()).is_err());
    }
}

proptest! {
    #[test]
    fn vlt_03_hostile_bytes_never_open_and_never_panic(
        value in proptest::collection::vec(any::<u8>(), 0..200),
        data_key in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let key = tenant_key();
        let sealed = Sealed::seal(&key, &place(), &secret("tok")).expect("seals");
        let value = SealedBytes::stored(value);
        let with_value = Sealed { value, ..sealed.clone() }.open(&key, &place()).is_err();
        prop_assert!(with_value);
        let data_key = SealedBytes::stored(data_key);
        let with_key = Sealed { data_key, ..sealed }.open(&key, &place()).is_err();
        prop_assert!(with_key);
    }
}

#[test]
fn vlt_03_another_key_is_refused_by_its_id_and_not_tried() {
    let (key, other) = (tenant_key(), tenant_key());
    let sealed = Sealed::seal(&key, &place(), &secret("tok")).expect("seals");
    let error = opened(sealed.open(&other, &place())).expect_err("another key");
    assert!(
        matches!(error, VaultError::OtherKey { needed, given, .. } if needed == key.id() && given == other.id())
    );
    // Somebody who writes the other key's id into the row gets no further.
    let renamed = Sealed { tenant_key: other.id(), ..sealed };
    assert_eq!(
        opened(renamed.open(&other, &place())).expect_err("renamed"),
        VaultError::Invalid(place().to_string())
    );
}

#[test]
fn vlt_03_a_tenants_key_is_nobody_elses() {
    let master = MasterKey::generate().expect("key");
    let kept = tenant_key().seal(&master).expect("seals");
    let moved = SealedTenantKey { tenant: TenantId::new("globex").expect("tenant"), ..kept.clone() };
    assert!(matches!(moved.open(&master).err(), Some(VaultError::Invalid(_))));
    let error = kept.open(&MasterKey::generate().expect("key")).err();
    assert!(matches!(error, Some(VaultError::OtherKey { needed, .. }) if needed == master.id()));
}

#[test]
fn vlt_04_the_same_value_sealed_twice_differs_and_has_another_key() {
    let key = tenant_key();
    let one = Sealed::seal(&key, &place(), &secret("tok")).expect("seals");
    let two = Sealed::seal(&key, &place(), &secret("tok")).expect("seals");
    assert_ne!(one.value, two.value);
    assert_ne!(one.data_key_id, two.data_key_id);
    assert_ne!(one.digest(), two.digest());
}

#[test]
fn vlt_04_a_version_does_not_open_with_the_key_of_another() {
    let key = tenant_key();
    let one = Sealed::seal(&key, &place(), &secret("one")).expect("seals");
    let two = Sealed::seal(&key, &Place { version: 4, ..place() }, &secret("two")).expect("seals");
    let mixed = Sealed { data_key: one.data_key, data_key_id: one.data_key_id, ..two };
    assert!(mixed.open(&key, &Place { version: 4, ..place() }).is_err());
}

#[test]
fn vlt_05_a_new_master_key_reseals_tenant_keys_alone_and_the_old_one_opens_nothing() {
    let (old, new, key) =
        (MasterKey::generate().expect("key"), MasterKey::generate().expect("key"), tenant_key());
    let sealed = Sealed::seal(&key, &place(), &secret("tok")).expect("seals");
    let kept = key.seal(&old).expect("seals").reseal(&old, &new).expect("reseals");
    assert_eq!((kept.under, kept.id), (new.id(), key.id()));
    assert_eq!(opened(sealed.open(&kept.open(&new).expect("opens"), &place())), Ok("tok".to_owned()));
    assert!(matches!(kept.open(&old).err(), Some(VaultError::OtherKey { .. })));
}

#[test]
fn vlt_06_there_is_no_default_key_and_what_is_none_is_not_repeated() {
    for text in ["", "hunter2", &"0".repeat(63), &"g".repeat(64)] {
        let error = MasterKey::read(&Secret::new(text.to_owned())).err().expect("no key");
        assert_eq!(error, VaultError::NotAKey);
        assert!(text.is_empty() || !error.to_string().contains(text));
    }
    let key = MasterKey::generate().expect("key");
    let text = Secret::new(format!("{}\n", key.text().expose()));
    assert_eq!(MasterKey::read(&text).expect("reads").id(), key.id());
    assert_ne!(MasterKey::generate().expect("key").id(), key.id());
}

#[test]
fn vlt_08_after_the_tenant_key_and_the_master_key_changed_an_old_copy_opens_with_neither() {
    let (old_master, new_master) = (MasterKey::generate().expect("key"), MasterKey::generate().expect("key"));
    let (old_key, new_key) = (tenant_key(), tenant_key());
    let kept = old_key.seal(&old_master).expect("seals");
    let shredded = Sealed::seal(&old_key, &place(), &secret("gone")).expect("seals");
    let stays = Sealed::seal(&old_key, &place(), &secret("stays")).expect("seals");
    let stays_now = stays.reseal(&old_key, &new_key, &place()).expect("reseals");
    assert_eq!(opened(stays_now.open(&new_key, &place())), Ok("stays".to_owned()));
    assert_eq!(stays_now.digest(), stays.digest(), "the log's word for it stays true");
    // The copy from before, and the keys from after.
    assert!(kept.open(&new_master).is_err());
    assert!(shredded.open(&new_key, &place()).is_err());
}

#[test]
fn a_secret_is_bounded_and_not_empty() {
    let key = tenant_key();
    for bytes in [0, LONGEST_SECRET + 1] {
        let error = Sealed::seal(&key, &place(), &Secret::new(vec![b'x'; bytes])).expect_err("refused");
        assert_eq!(error, VaultError::Length { bytes, most: LONGEST_SECRET });
    }
    assert!(Sealed::seal(&key, &place(), &Secret::new(vec![b'x'; LONGEST_SECRET])).is_ok());
}
