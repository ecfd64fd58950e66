//! Who is signed in: sessions in memory, found by the random value of a cookie.

use crate::people::Person;
use axum::http::{HeaderMap, HeaderValue, header};
use openidconnect::CsrfToken;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The cookie of a signed-in browser.
pub(crate) const SESSION_COOKIE: &str = "crm_session";

/// A browser in which somebody is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Who.
    pub(crate) person: Person,
    /// What the identity provider said of them, as it came: the hub verifies it by itself.
    pub(crate) id_token: String,
    /// When it ends: with the ID token.
    pub(crate) expires_at: SystemTime,
    /// What the hub is told of which session this is. Not the cookie's value: it opens nothing.
    pub(crate) name: String,
    /// What came with the newest ticket, and ends the tabs of this session.
    pub(crate) deputy_end: Option<String>,
}

impl Session {
    /// Seconds since 1970 at which it ends.
    pub(crate) fn expires_at_unix(&self) -> u64 {
        self.expires_at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
    }
}

/// All sessions, by the value of their cookie.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    /// Opens a session and returns the header that tells the browser. A session the browser had before ends.
    pub(crate) fn open(
        &self,
        headers: &HeaderMap,
        session: Session,
    ) -> Result<HeaderValue, axum::http::Error> {
        let key = CsrfToken::new_random_len(32).secret().clone();
        let cookie = cookie(SESSION_COOKIE, &key)?;
        let mut sessions = self.lock();
        if let Some(old) = cookie_value(headers, SESSION_COOKIE) {
            sessions.remove(old);
        }
        let now = SystemTime::now();
        sessions.retain(|_, session| session.expires_at > now);
        sessions.insert(key, session);
        Ok(cookie)
    }

    /// Who is signed in in the browser that sent these headers.
    pub(crate) fn current(&self, headers: &HeaderMap) -> Option<Session> {
        let session = self.lock().get(cookie_value(headers, SESSION_COOKIE)?)?.clone();
        (session.expires_at > SystemTime::now()).then_some(session)
    }

    /// Keeps what ends the tabs of a session. False if the session has ended while the ticket was bought.
    pub(crate) fn keep_end(&self, headers: &HeaderMap, name: &str, end: &str) -> bool {
        let mut sessions = self.lock();
        let session = cookie_value(headers, SESSION_COOKIE).and_then(|key| sessions.get_mut(key));
        let Some(session) = session.filter(|session| session.name == name) else { return false };
        session.deputy_end = Some(end.to_owned());
        true
    }

    /// Ends the browser's session and returns what it was.
    pub(crate) fn close(&self, headers: &HeaderMap) -> Option<Session> {
        self.lock().remove(cookie_value(headers, SESSION_COOKIE)?)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A `Set-Cookie` value. No `Secure`: the small world speaks http on loopback.
pub(crate) fn cookie(name: &str, value: &str) -> Result<HeaderValue, axum::http::Error> {
    Ok(HeaderValue::from_str(&format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/"))?)
}

/// The value of a cookie that the browser sent.
pub(crate) fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split("; "))
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(subject: &str, expires_at: SystemTime) -> Session {
        Session {
            person: Person::new(subject, None),
            id_token: "t".to_owned(),
            expires_at,
            name: format!("{subject}'s"),
            deputy_end: None,
        }
    }

    fn headers(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().expect("text").split(';').next().expect("a pair").to_owned();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&pair).expect("a header"))])
    }

    #[test]
    fn signing_in_as_somebody_else_ends_the_session_before() {
        let sessions = Sessions::default();
        let later = SystemTime::now() + Duration::from_secs(60);
        let first = headers(&sessions.open(&HeaderMap::new(), session("alice", later)).expect("a cookie"));
        let second = headers(&sessions.open(&first, session("bob", later)).expect("a cookie"));
        assert!(sessions.current(&first).is_none());
        assert_eq!(sessions.current(&second).map(|s| s.person.subject).as_deref(), Some("bob"));
    }

    #[test]
    fn a_session_ends_with_its_token() {
        let sessions = Sessions::default();
        let cookie = sessions.open(&HeaderMap::new(), session("alice", SystemTime::now())).expect("a cookie");
        assert!(cookie.to_str().expect("text").ends_with("; HttpOnly; SameSite=Lax; Path=/"));
        assert!(sessions.current(&headers(&cookie)).is_none());
    }

    #[test]
    fn what_ends_a_sessions_tabs_is_kept_with_that_session_and_comes_back_at_its_end() {
        let sessions = Sessions::default();
        let later = SystemTime::now() + Duration::from_secs(60);
        let cookie = headers(&sessions.open(&HeaderMap::new(), session("alice", later)).expect("a cookie"));
        assert!(
            sessions.keep_end(&cookie, "alice's", "first") && sessions.keep_end(&cookie, "alice's", "second")
        );
        assert!(!sessions.keep_end(&cookie, "bob's", "third"), "the browser's session is another one by now");
        assert_eq!(sessions.close(&cookie).and_then(|ended| ended.deputy_end).as_deref(), Some("second"));
        assert!(!sessions.keep_end(&cookie, "alice's", "fourth"), "it has ended");
    }
}
