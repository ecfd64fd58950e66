//! Patterns of issuers: text with `{host}`, `{label}`, `{segment}` and `{guid}` in it.

/// What Entra ID's discovery for every tenant writes in the place of one.
pub(in crate::provider) const EVERY_TENANT: &str = "{tenantid}";

/// What varied last if `text` fits `pattern`. A host of one's own may be plain http: whether it may here is for the
/// config to say.
pub(super) fn varying<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
    let (mut pattern, mut text) = match (pattern.strip_prefix("https://{host}"), text.strip_prefix("http://"))
    {
        (Some(_), Some(rest)) => (pattern.strip_prefix("https://")?, rest),
        _ => (pattern, text),
    };
    let mut last = "";
    while let Some((literal, rest)) = pattern.split_once('{') {
        text = text.strip_prefix(literal)?;
        let (name, after) = rest.split_once('}')?;
        let end = match (name, text.starts_with(EVERY_TENANT)) {
            ("guid", true) => EVERY_TENANT.len(),
            _ => text.find(|letter| !may_contain(name, letter)).unwrap_or(text.len()),
        };
        (last, text) = text.split_at_checked(end)?;
        if last.is_empty() || (name == "guid" && last != EVERY_TENANT && !is_guid(last)) {
            return None;
        }
        pattern = after;
    }
    (text == pattern).then_some(last)
}

fn may_contain(name: &str, letter: char) -> bool {
    let plain = letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    match name {
        "host" => plain || matches!(letter, '.' | ':' | '[' | ']'),
        "label" => plain,
        "segment" => letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '~' | '%' | '@'),
        "guid" => letter.is_ascii_hexdigit() || letter == '-',
        _ => false,
    }
}

/// A GUID as Entra ID writes it: lower case, with hyphens.
pub(in crate::provider) fn is_guid(text: &str) -> bool {
    let hyphen = |index| matches!(index, 8 | 13 | 18 | 23);
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(index, byte)| if hyphen(index) { byte == b'-' } else { digit(byte) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

    #[test]
    fn a_pattern_fits_whole_issuers_only() {
        for (pattern, text, varies) in [
            ("https://{host}/", "https://acme.eu.auth0.example/", Some("acme.eu.auth0.example")),
            ("https://{host}/", "https://acme.eu.auth0.example", None),
            ("https://{host}/", "https://acme.example/x/", None),
            ("https://{host}/", "http://localhost:4000/", Some("localhost:4000")),
            ("https://{host}/", "ftp://acme.example/", None),
            ("https://{host}/realms/{segment}", "https://h.example/realms/acme", Some("acme")),
            ("https://{host}/realms/{segment}", "https://h.example/realms/", None),
            ("https://{host}/realms/{segment}", "https://h.example/realms/a/b", None),
            ("https://accounts.google.com", "https://accounts.google.com", Some("")),
            ("https://accounts.google.com", "http://accounts.google.com", None),
            ("https://accounts.google.com", "https://accounts.google.com.evil.example", None),
            ("https://x.{label}.amazonaws.com/{segment}", "https://x.eu-west-1.amazonaws.com/p", Some("p")),
            ("https://x.{label}.amazonaws.com/{segment}", "https://x.evil.example/.amazonaws.com/p", None),
        ] {
            assert_eq!(varying(pattern, text), varies, "{pattern} {text}");
        }
    }

    #[test]
    fn a12_a_guid_is_one_in_lower_case_or_the_word_for_every_tenant() {
        let pattern = "https://sts.windows.net/{guid}/";
        assert_eq!(varying(pattern, &format!("https://sts.windows.net/{GUID}/")), Some(GUID));
        assert_eq!(varying(pattern, "https://sts.windows.net/{tenantid}/"), Some(EVERY_TENANT));
        for bad in ["common", "organizations", &GUID.to_uppercase(), &GUID[1..], "contoso.onmicrosoft.com"] {
            assert_eq!(varying(pattern, &format!("https://sts.windows.net/{bad}/")), None, "{bad}");
        }
    }
}
