//! Whom an event is about: subject identifiers (RFC 9493, and the complex subjects of the Shared Signals Framework).

use crate::members::{Json, Members};
use crate::provider::Provider;
use deputy_core::{Issuer, Subject, User};

const MAX_ID_BYTES: usize = 255;

/// Whom something ended for. Nothing in it: nobody that we know, so nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The person, one of this provider's.
    pub user: Option<User>,
    /// The provider's session (`sid`).
    pub session: Option<String>,
    /// The provider's own tenant, to narrow the person or session. Alone it is nobody.
    pub tenant: Option<String>,
}

impl Target {
    /// Whether it names neither a person nor a session.
    #[must_use]
    pub const fn is_nobody(&self) -> bool {
        self.user.is_none() && self.session.is_none()
    }
}

/// The person of this issuer and subject, if they can be told by that: the issuer is the provider's, and its `sub` is what
/// people are known by here (A11).
pub(super) fn user(provider: &Provider, issuer: &str, subject: &str) -> Option<User> {
    let shape = provider.shape();
    let by_subject = shape.subject.id_token == "sub" && shape.subject.access_token == "sub";
    let own = provider.issuers().iter().find(|own| Issuer::as_str(own) == issuer)?;
    if !by_subject || shape.subject.within_tenant {
        return None;
    }
    let issuer = if shape.other_spelling.is_some() { provider.issuer() } else { own };
    Some(User {
        tenant: provider.tenant().clone(),
        issuer: issuer.clone(),
        subject: Subject::new(subject).ok()?,
    })
}

/// Reads a subject identifier. What identifies nobody here (an e-mail, a telephone number, an opaque id) is left out.
pub(super) fn target(provider: &Provider, subject: &Members<'_>) -> Target {
    let part = |name| subject.get(name).and_then(Json::as_object);
    match subject.get("format").map(Json::as_str) {
        Some(Some("iss_sub")) => Target { user: iss_sub(provider, subject), ..Target::default() },
        None | Some(Some("complex")) => Target {
            user: part("user").filter(|user| is(user, "iss_sub")).and_then(|user| iss_sub(provider, user)),
            session: part("session").and_then(opaque),
            tenant: part("tenant").and_then(opaque),
        },
        Some(_) => Target::default(),
    }
}

fn is(subject: &Members<'_>, format: &str) -> bool {
    subject.get("format").and_then(Json::as_str) == Some(format)
}

fn iss_sub(provider: &Provider, subject: &Members<'_>) -> Option<User> {
    user(provider, subject.get("iss")?.as_str()?, subject.get("sub")?.as_str()?)
}

fn opaque(subject: &Members<'_>) -> Option<String> {
    let id = subject.get("id")?.as_str().filter(|_| is(subject, "opaque"))?;
    let fits = (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    fits.then(|| id.to_owned())
}
