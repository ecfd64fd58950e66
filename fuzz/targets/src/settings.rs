//! The configuration.

use crate::text;
use deputy::settings::Settings;
use std::collections::BTreeSet;
use std::path::Path;

/// A `deputy.toml`. What is taken leaves nobody out and nothing open: there is somebody who vouches, no two apps share an
/// origin or an audience, and what is reached over the network is reached by TLS. What is refused says where, and what to do.
pub(crate) fn settings(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let settings = match Settings::parse(text, Path::new("deputy.toml")) {
        Ok(settings) => settings,
        Err(faults) => {
            assert!(!faults.faults.is_empty());
            let lines = text.split('\n').count();
            for fault in &faults.faults {
                assert!((1..=lines).contains(&fault.line) && fault.column >= 1, "{fault:?}");
                assert!(!fault.message.is_empty() && !fault.mend.is_empty(), "{fault:?}");
            }
            return;
        }
    };
    assert!(!settings.identity_providers.is_empty() && !settings.tenants.is_empty());
    let issuers = settings.identity_providers.iter().flat_map(|one| one.provider.issuers());
    once(issuers.map(|issuer| issuer.as_str()));
    once(settings.apps.iter().flat_map(|app| app.origins.iter().map(|origin| origin.as_str())));
    once(settings.apps.iter().flat_map(|app| app.audiences.iter()));
    for app in &settings.apps {
        assert!(!app.origins.is_empty() && app.audiences.iter().next().is_some());
        let provider = settings.identity_provider(&app.identity_provider).expect("one that is configured");
        assert_eq!(provider.provider.tenant(), &app.tenant, "somebody vouches for another tenant's users");
    }
    assert!(settings.identity_providers.iter().all(|one| !one.provider.settings().algorithms.is_empty()));
    let hub = settings.hub.public_url.as_str();
    assert!(hub.starts_with("https://") || is_here(hub), "{hub}");
}

fn once<'a>(words: impl Iterator<Item = &'a str>) {
    let words: Vec<&str> = words.collect();
    assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "twice: {words:?}");
}

fn is_here(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default();
    host.starts_with("127.") || host.starts_with("[::1]") || host.contains("localhost")
}
