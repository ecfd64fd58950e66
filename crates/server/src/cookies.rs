//! The two cookies of the hub: who is signed in, and who is about to.

use http::{HeaderMap, HeaderValue, header};

/// Who is signed in.
pub(crate) const LOGIN: &str = "deputy_login";
/// Who was sent to their provider.
pub(crate) const SIGNING: &str = "deputy_signing";

/// How cookies are named and marked at this address: over https bound to this very host (RFC 6265bis section 4.1.3.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    is_secure: bool,
}

impl Cookies {
    pub(crate) fn of(public_url: &str) -> Self {
        Self { is_secure: public_url.starts_with("https://") }
    }

    fn name(self, name: &str) -> String {
        if self.is_secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// What a browser shows under a name; none if it shows two, for one of them is somebody else's.
    pub(crate) fn read(self, headers: &HeaderMap, name: &str) -> Option<String> {
        let wanted = self.name(name);
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut found = all.flat_map(|line| line.split(';')).filter_map(|pair| {
            let (own, value) = pair.trim().split_once('=')?;
            (own == wanted).then(|| value.to_owned())
        });
        match (found.next(), found.next()) {
            (Some(value), None) if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// Sets one. No script reads it, and no other site's form brings it along (`SameSite=Lax`).
    pub(crate) fn set(self, headers: &mut HeaderMap, name: &str, value: &str, seconds: u64) {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let name = self.name(name);
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            headers.append(header::SET_COOKIE, value);
        }
    }

    /// Takes one away.
    pub(crate) fn clear(self, headers: &mut HeaderMap, name: &str) {
        self.set(headers, name, "", 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).expect("a header"))])
    }

    #[test]
    fn over_https_only_a_cookie_bound_to_this_host_counts() {
        let cookies = Cookies::of("https://hub.example");
        assert_eq!(cookies.read(&headers("deputy_login=a"), LOGIN), None);
        assert_eq!(cookies.read(&headers("x=1; __Host-deputy_login=a"), LOGIN).as_deref(), Some("a"));
    }

    #[test]
    fn session_fixation_two_cookies_of_one_name_are_none() {
        let cookies = Cookies::of("http://127.0.0.1:7070");
        assert_eq!(cookies.read(&headers("deputy_login=a; deputy_login=b"), LOGIN), None);
    }
}
