//! Whether an identity provider's keys can be fetched and used.

use super::Finding;
use crate::cli::terminal::harmless;
use deputy_hub::ports::{FetchError, KeySource};
use deputy_identity::Provider;
use deputy_identity::keys::KeySet;
use std::collections::BTreeSet;

/// Discovery and key set, as the hub would fetch them.
pub(super) async fn reach(keys: &dyn KeySource, provider: &Provider) -> Finding {
    let (name, issuer) = (provider.name(), provider.issuer());
    let fetched = match keys.fetch(provider).await {
        Ok(fetched) => fetched,
        Err(error) => {
            let mend = match error {
                FetchError::Unreachable { .. } => {
                    "see whether this machine reaches it (curl), and whether `issuer` is right"
                }
                FetchError::Unusable { .. } => {
                    "compare `issuer` with `issuer` in its discovery document, letter by letter"
                }
            };
            let why = harmless(&error.to_string());
            return Finding::bad(format!("identity provider `{name}` ({issuer}): {why}"), mend);
        }
    };
    let uri = harmless(&fetched.jwks_uri);
    let set = match KeySet::parse(&fetched.set) {
        Ok(set) => set,
        Err(error) => {
            let mend =
                "look at the key set: it needs a public signing key (RSA from 2048 bits, EC or Ed25519)";
            return Finding::bad(format!("identity provider `{name}`: `{uri}`: {error}"), mend);
        }
    };
    let usable: BTreeSet<&str> = provider
        .settings()
        .algorithms
        .iter()
        .filter(|algorithm| set.serves(**algorithm))
        .map(|algorithm| algorithm.name())
        .collect();
    let count = set.len();
    if usable.is_empty() {
        let text =
            format!("identity provider `{name}`: none of its {count} keys serves a configured algorithm");
        return Finding::bad(text, "add the algorithm that it signs with to `algorithms`");
    }
    let usable: Vec<&str> = usable.into_iter().collect();
    Finding::good(format!(
        "identity provider `{name}` ({issuer}): {count} usable key(s) at {uri}, for {}",
        usable.join(", ")
    ))
}
