//! `[vault]`.

use super::Meaning;
use crate::settings::{Hub, MasterKeyPlace, raw};

impl Meaning<'_, '_> {
    /// The outer `None`: something is wrong.
    pub(super) fn vault(
        &mut self,
        vault: Option<&raw::Vault>,
        hub: Option<&Hub>,
    ) -> Option<Option<MasterKeyPlace>> {
        let Some(raw::Vault { master_key }) = vault else { return Some(None) };
        match (&master_key.file, &master_key.credential) {
            (Some(file), None) => {
                let path = self.path(file);
                // VLT-06: whoever gets the database, or a backup of it, must not get the key along with it.
                if hub.is_some_and(|hub| path.starts_with(&hub.data_dir)) {
                    let mend = "keep it elsewhere, for example `file = \"/etc/deputy/vault.key\"`";
                    self.faults.add(file.span(), "the master key lies in the data directory", mend);
                    return None;
                }
                Some(Some(MasterKeyPlace::File(path)))
            }
            (None, Some(name)) => self
                .located(name, |text| {
                    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                    if (1..=255).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.') {
                        return Ok(text.to_owned());
                    }
                    let mend = "use letters, digits, `-`, `_` and `.`, as in `LoadCredential=`".to_owned();
                    Err((format!("`{text}` is not a credential's name"), mend))
                })
                .map(|name| Some(MasterKeyPlace::Credential(name))),
            (file, _) => {
                let said = if file.is_some() {
                    "both `file` and `credential`"
                } else {
                    "neither `file` nor `credential`"
                };
                let mend = "write `master_key = { file = \"/etc/deputy/vault.key\" }` or `{ credential = \"deputy-vault-key\" }`";
                self.faults.add(master_key.span(), format!("`master_key` has {said}"), mend);
                None
            }
        }
    }
}
