//! What identity providers tell the hub by themselves: that a session ended (OpenID Connect Back-Channel Logout 1.0; C1), and
//! what happened to an account (Shared Signals Framework, by push after RFC 8935 and by poll after RFC 8936; C2).
//!
//! Whatever is told is in force before it is acknowledged, and on disk before that too. A token is acted on once; that is
//! remembered in memory. After a restart one that comes again ends only what there was at its own time, so nothing has to be
//! kept.

mod poll;
mod seen;

use crate::access::Access;
use crate::authenticate::Authenticator;
use crate::ports::{Clock, Endpoints, Revoked};
use crate::revocations::{BACK_CHANNEL_LOGOUT, Revocations, SHARED_SIGNALS};
use crate::sign_in::Logins;
use crate::supervisor::Supervisor;
use deputy_core::{Digest, Issuer, Secret, Timestamp, User};
use deputy_identity::TokenError;
use deputy_identity::claims::Audiences;
use deputy_identity::provider::{Provider, ProviderName};
use deputy_identity::revocation::{
    EventKind, Happened, LogoutExpectations, LogoutType, SecurityEvent, SecurityEventExpectations, Target,
};
use seen::Seen;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use url::Url;

/// How long an acknowledgement waits for the disk; what is told is in force without it.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);
/// How long it waits for the provider, where that is asked what is so now.
const ASKED_WITHIN: Duration = Duration::from_secs(3);
/// How long a security event is remembered, which itself has no end.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// What one provider may tell.
pub struct SignalsSetup {
    /// The hub's client ids there: for whom its logout tokens are. `None`: it has no client, so none is taken.
    pub clients: Option<Audiences>,
    /// How its logout tokens say what they are.
    pub declared: LogoutType,
    /// Its stream of security events; `None`: it has none.
    pub events: Option<EventStream>,
}

/// A provider's stream of security events.
pub struct EventStream {
    /// What the stream calls the hub.
    pub audiences: Audiences,
    /// What a push brings in `Authorization`, where the operator agreed on something with the provider.
    pub push_token: Option<Secret<String>>,
    /// Where events are fetched; `None`: they are pushed.
    pub poll: Option<PollAt>,
}

/// Where events are fetched (RFC 8936).
pub struct PollAt {
    /// The address.
    pub url: Url,
    /// What the hub shows there: a bearer token.
    pub token: Option<Secret<String>>,
}

/// Why what was told is not acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalFault {
    /// Of no provider that tells the hub anything.
    #[error("nothing is expected of this issuer")]
    Issuer,
    /// Whoever brings it did not show what was agreed on.
    #[error("the sender did not prove who it is")]
    Sender,
    /// It is not what it should be.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It came before.
    #[error("this token was used already")]
    Replayed,
    /// It cannot be checked, or not be recorded, now: it should be sent again.
    #[error("it cannot be taken now")]
    Unavailable,
}

/// What signals work upon.
pub(crate) struct Parts {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) access: Arc<Access>,
    pub(crate) logins: Option<Arc<Logins>>,
    pub(crate) endpoints: Arc<dyn Endpoints>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervisor: Supervisor,
}

/// Takes what providers tell.
pub struct Signals {
    parts: Parts,
    of: HashMap<ProviderName, SignalsSetup>,
    seen: Seen,
}

type Recorded = Vec<oneshot::Receiver<()>>;

impl Signals {
    pub(crate) fn new(parts: Parts, of: HashMap<ProviderName, SignalsSetup>) -> Self {
        Self { parts, of, seen: Seen::default() }
    }

    /// A logout token was posted (OpenID Connect Back-Channel Logout 1.0 section 2.5).
    ///
    /// # Errors
    /// See [`SignalFault`].
    pub async fn logout(&self, token: &str) -> Result<(), SignalFault> {
        let (provider, setup) = self.claimed(token).ok_or(SignalFault::Issuer)?;
        let expectations = LogoutExpectations {
            provider: provider.name().clone(),
            clients: setup.clients.clone().ok_or(SignalFault::Issuer)?,
            declared: setup.declared,
        };
        let verified = self.parts.authenticator.verify_logout(token, &expectations).await;
        let verified = verified.map_err(refused)?;
        let mark =
            Digest::of_parts(&[b"logout", verified.issuer.as_str().as_bytes(), verified.id.as_bytes()]);
        if !self.seen.take(mark, verified.remember_until, self.parts.clock.now())? {
            return Err(SignalFault::Replayed);
        }
        let told = (&verified.issuer, verified.issued_at, BACK_CHANNEL_LOGOUT);
        let recorded = self.ended(&provider, &verified.target, told);
        self.recorded(recorded, mark).await
    }

    /// A security event token was pushed (RFC 8935), with this whole `Authorization`.
    ///
    /// # Errors
    /// See [`SignalFault`].
    pub async fn pushed(&self, token: &str, authorization: Option<&str>) -> Result<(), SignalFault> {
        let (provider, setup) = self.claimed(token).ok_or(SignalFault::Issuer)?;
        let stream = setup.events.as_ref().filter(|stream| stream.poll.is_none());
        let stream = stream.ok_or(SignalFault::Issuer)?;
        if let Some(secret) = &stream.push_token
            && !shows(authorization, secret)
        {
            return Err(SignalFault::Sender);
        }
        self.take(&provider, stream, token).await
    }

    /// Whether anybody may push security events.
    #[must_use]
    pub fn are_pushed(&self) -> bool {
        self.of.values().any(|setup| setup.events.as_ref().is_some_and(|stream| stream.poll.is_none()))
    }

    /// Checks a security event token and does what it says.
    async fn take(&self, provider: &Provider, stream: &EventStream, token: &str) -> Result<(), SignalFault> {
        let expectations = SecurityEventExpectations {
            provider: provider.name().clone(),
            audiences: stream.audiences.clone(),
        };
        let verified = self.parts.authenticator.verify_event(token, &expectations).await.map_err(refused)?;
        let mark = Digest::of_parts(&[b"set", verified.issuer.as_str().as_bytes(), verified.id.as_bytes()]);
        let now = self.parts.clock.now();
        if !self.seen.take(mark, now.plus(REMEMBERED), now)? {
            // Its acknowledgement was lost, so it is given again (RFC 8935 section 2.2).
            return Ok(());
        }
        let mut recorded = Vec::new();
        for happened in &verified.events {
            match self.happened(provider, &verified, happened).await {
                Ok(more) => recorded.extend(more),
                Err(fault) => {
                    self.seen.forget(&mark);
                    return Err(fault);
                }
            }
        }
        self.recorded(recorded, mark).await
    }

    async fn happened(
        &self,
        provider: &Provider,
        event: &SecurityEvent,
        happened: &Happened,
    ) -> Result<Recorded, SignalFault> {
        let at = happened.at.unwrap_or(event.issued_at);
        let told = (&event.issuer, at, SHARED_SIGNALS);
        let user = happened.target.user.as_ref();
        let revocations = &self.parts.revocations;
        match (happened.kind, user) {
            (EventKind::SessionRevoked, _) => Ok(self.ended(provider, &happened.target, told)),
            // By whichever credential somebody is signed in: all of it is had anew.
            (EventKind::CredentialChange, Some(user)) => {
                let whole = Target { user: Some(user.clone()), ..Target::default() };
                Ok(self.ended(provider, &whole, told))
            }
            (EventKind::AccountDisabled | EventKind::AccountPurged, Some(user)) => {
                Ok(vec![revocations.shut_out_since(user, at, SHARED_SIGNALS)])
            }
            (EventKind::AccountEnabled, Some(user)) => {
                let done = revocations.readmit_since(user, at).await;
                done.map(|_| Vec::new()).map_err(|_| SignalFault::Unavailable)
            }
            (EventKind::TokenClaimsChange, Some(user)) => Ok(self.claims_changed(user, at)),
            (EventKind::Verification | EventKind::Unknown, _) | (_, None) => Ok(Vec::new()),
        }
    }

    /// A session ended, or all of a person's. Where a session is named, another one stays; what nobody can tell the session
    /// of ends too.
    fn ended(
        &self,
        provider: &Provider,
        target: &Target,
        (issuer, at, by): (&Issuer, Timestamp, &str),
    ) -> Recorded {
        let tenant = provider.tenant();
        let end = |target| self.parts.revocations.end_since(tenant.clone(), target, at, by);
        let Some(session) = &target.session else {
            return target.user.iter().map(|user| end(whole(user))).collect();
        };
        // A provider's people may be known by another spelling of its issuer.
        let issuer = target.user.as_ref().map_or(issuer, |user| &user.issuer);
        let issuer = if provider.issuers().contains(issuer) { issuer } else { provider.issuer() };
        let mut people = self.parts.access.people_in(tenant, issuer, session);
        people.extend(target.user.iter().filter(|user| !people.contains(user)).cloned().collect::<Vec<_>>());
        let outside = people.iter().map(|user| Revoked::OutsideSessions {
            issuer: user.issuer.clone(),
            subject: user.subject.clone(),
        });
        let session = Revoked::Session { issuer: issuer.clone(), session: session.clone() };
        std::iter::once(session).chain(outside).map(end).collect()
    }

    /// What tokens say of a person is no longer so. Nothing old is relied on from now on; whoever is signed in at the hub is
    /// asked about at once.
    fn claims_changed(&self, user: &User, at: Timestamp) -> Recorded {
        let target = Revoked::Claims { issuer: user.issuer.clone(), subject: user.subject.clone() };
        let since = self.parts.clock.now();
        let revocations = &self.parts.revocations;
        let mut recorded = vec![revocations.end_since(user.tenant.clone(), target, at, SHARED_SIGNALS)];
        let Some(logins) = &self.parts.logins else { return recorded };
        for login in self.parts.access.logins_of(user) {
            let (tell, told) = oneshot::channel();
            let logins = Arc::clone(logins);
            self.parts.supervisor.start_until_shutdown(async move {
                let (mut tell, mut wait) = (Some(tell), Duration::from_secs(1));
                loop {
                    let asked = tokio::time::timeout(ASKED_WITHIN * 4, logins.ask_since(&login, since)).await;
                    // Whoever waits has waited for the first try.
                    if let Some(tell) = tell.take() {
                        let _ = tell.send(());
                    }
                    match asked {
                        Ok(Err(fault)) if fault.is_passing() => {
                            tracing::warn!(provider = %login.provider, %fault, "somebody cannot be asked about");
                        }
                        Err(_) => {}
                        Ok(_) => return,
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(60));
                }
            });
            recorded.push(told);
        }
        recorded
    }

    /// Waits until it is on disk. If that takes long it is in force all the same, and should be sent again.
    async fn recorded(&self, recorded: Recorded, mark: Digest) -> Result<(), SignalFault> {
        let all = async {
            for one in recorded {
                // The hub stops.
                one.await.map_err(|_| SignalFault::Unavailable)?;
            }
            Ok(())
        };
        let done = tokio::time::timeout(RECORDED_WITHIN, all).await.unwrap_or(Err(SignalFault::Unavailable));
        if done.is_err() {
            self.seen.forget(&mark);
        }
        done
    }

    fn claimed(&self, token: &str) -> Option<(Arc<Provider>, &SignalsSetup)> {
        let provider = self.parts.authenticator.claimed(token)?;
        let setup = self.of.get(provider.name())?;
        Some((provider, setup))
    }
}

fn whole(user: &User) -> Revoked {
    Revoked::User { issuer: user.issuer.clone(), subject: user.subject.clone() }
}

fn refused(error: TokenError) -> SignalFault {
    if error.is_unavailable() { SignalFault::Unavailable } else { SignalFault::Token(error) }
}

/// Whether `Authorization` is the secret, or the secret as a bearer token. By their digests, so that the time it takes tells
/// nothing.
fn shows(authorization: Option<&str>, secret: &Secret<String>) -> bool {
    let digest = |text: &str| Digest::of_bytes(text.as_bytes());
    let wanted = digest(secret.expose());
    let bearer = authorization.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
    });
    [authorization, bearer].into_iter().flatten().any(|shown| digest(shown) == wanted)
}
