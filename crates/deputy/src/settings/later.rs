//! Keys of the configuration that are known and not in this version: refused by name, never ignored.

/// A key that comes later.
pub(super) struct Later {
    /// As it stands in the file.
    pub(super) name: &'static str,
    /// What to do meanwhile.
    pub(super) mend: &'static str,
}

/// Whether a key, by its full path, is one that comes later.
pub(super) fn key(path: &str) -> Option<Later> {
    let (name, mend) = match path {
        "identity_provider.client.certificate" => {
            ("certificate", "it comes later; use `private_key_jwt = { file = \"idp-key.pem\" }`")
        }
        _ => return None,
    };
    Some(Later { name, mend })
}
