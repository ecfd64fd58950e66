//! The header that carries a secret: which there may be, and what may stand in it.

use super::fault::VaultFault;
use deputy_core::{HeaderName, Secret};
use deputy_vault::Place;
use zeroize::Zeroizing;

/// Headers that the hub and its HTTP client set: a secret there would break the request, or another's right.
const OWN: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// A header's name, and what stands before the secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) name: HeaderName,
    pub(super) prefix: String,
}

impl Header {
    /// Checks both. Names are taken in any case and kept in lower case.
    ///
    /// # Errors
    /// No header's name, one of the hub's own headers, or a prefix that cannot be sent.
    pub fn new(name: &str, prefix: &str) -> Result<Self, VaultFault> {
        let refused = |why| VaultFault::Header { name: name.chars().take(80).collect(), why };
        let lower = name.to_ascii_lowercase();
        let parsed = HeaderName::new(lower.as_str()).map_err(|_| refused("it is not a header's name"))?;
        // `proxy-…` is for the next hop, `mcp-…` is the protocol's, `sec-…` a browser's.
        let families = ["proxy-", "mcp-", "sec-"];
        if OWN.contains(&lower.as_str()) || families.iter().any(|family| lower.starts_with(family)) {
            return Err(refused("the hub sets this header itself"));
        }
        if prefix.len() > 64 || !prefix.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(refused("the prefix is longer than 64 bytes, or not printable ASCII"));
        }
        Ok(Self { name: parsed, prefix: prefix.to_owned() })
    }

    /// `Authorization: Bearer …`.
    ///
    /// # Errors
    /// None: both are good.
    pub fn bearer() -> Result<Self, VaultFault> {
        Self::new("authorization", "Bearer ")
    }

    /// The name, in lower case.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The bytes of a value that can be sent.
    pub(super) fn checked(&self, value: Secret<String>) -> Result<Secret<Vec<u8>>, VaultFault> {
        let text = value.expose();
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !printable || text.trim() != text.as_str() {
            return Err(VaultFault::Unsendable);
        }
        Ok(Secret::new(text.as_bytes().to_vec()))
    }
}

/// What stands in the header: prefix and secret.
pub(super) fn value(place: &Place, secret: &Secret<Vec<u8>>) -> Result<Secret<String>, VaultFault> {
    let text = std::str::from_utf8(secret.expose()).map_err(|_| VaultFault::Unsendable)?;
    // Room for both from the beginning: a buffer that grew would leave a copy behind.
    let mut whole = Zeroizing::new(String::with_capacity(place.prefix.len() + text.len()));
    whole.push_str(&place.prefix);
    whole.push_str(text);
    Ok(Secret::new(std::mem::take(&mut *whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_the_hub_sets_itself_carries_no_secret() {
        for own in
            ["Host", "CONTENT-LENGTH", "Mcp-Session-Id", "Proxy-Authorization", "Sec-Fetch-Mode", "x y", ""]
        {
            assert_eq!(Header::new(own, "").expect_err(own).code(), "header_not_allowed");
        }
        for good in ["Authorization", "X-API-Key", "Cookie", "PRIVATE-TOKEN"] {
            assert_eq!(Header::new(good, "").expect(good).name().as_str(), good.to_ascii_lowercase());
        }
        assert!(Header::new("authorization", "Bearer\r\nx: y").is_err());
    }

    #[test]
    fn what_no_header_can_carry_is_refused_and_not_repeated() {
        let header = Header::bearer().expect("good");
        for text in ["hunter\n2", " hunter", "hunter ", "hunter\u{7f}", "hunter\u{e9}"] {
            let fault = header.checked(Secret::new(text.to_owned())).err().expect("refused");
            assert!(fault.code() == "secret_unsendable" && !fault.to_string().contains("hunter"));
        }
        assert!(header.checked(Secret::new("two words".to_owned())).is_ok());
    }
}
