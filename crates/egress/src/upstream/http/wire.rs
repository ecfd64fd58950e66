//! One HTTP exchange with a server: headers from zero (gateway rule 11), credentials at the socket's edge.

use super::Inner;
use crate::client::{EgressError, NEVER, Outgoing, Streamed, Undelivered};
use crate::upstream::settings::Challenge;
use bytes::Bytes;
use deputy_core::{Digest, Secret};
use deputy_hub::ports::upstream::{Ask, Failure};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use url::Url;

/// The revision, on every modern request and in later legacy sessions.
pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The method (modern).
pub(super) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The name, address or task (modern).
pub(super) const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The session (legacy).
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Where a stream is resumed (legacy).
pub(super) const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const EVENT_STREAM: &str = "text/event-stream";

/// Posts a message.
pub(super) async fn post(
    inner: &Inner,
    place: Option<&Url>,
    principal: &str,
    headers: HeaderMap,
    body: String,
    repeats: Repeats,
) -> Result<Streamed, Failure> {
    send(inner, place, principal, Method::POST, headers, Bytes::from(body), repeats).await
}

/// Whether a request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// It may have had an effect, or it is not known whether it could have.
    Never,
    /// It changes nothing: if its connection ended where the answer should have begun (a server that was started anew leaves
    /// us with such connections), it is sent once more over a connection of its own.
    Once,
}

impl Repeats {
    pub(super) const fn of(ask: &Ask) -> Self {
        if ask.changes_nothing { Self::Once } else { Self::Never }
    }
}

/// Sends, to the server's address where it has named no other place; a refused credential is renewed once, if it can be.
pub(super) async fn send(
    inner: &Inner,
    place: Option<&Url>,
    principal: &str,
    method: Method,
    mut headers: HeaderMap,
    body: Bytes,
    repeats: Repeats,
) -> Result<Streamed, Failure> {
    if method == Method::GET {
        headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    } else if method == Method::POST {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let (mut is_renewed, mut is_repeated) = (false, false);
    loop {
        let mut headers = headers.clone();
        let credential = inner.settings.credential.headers(principal).await?;
        let sent = credential.last().map(|(_, value)| Digest::of_bytes(value.expose().as_bytes()));
        for (name, value) in credential {
            let (name, value) = credential_header(&name, &value)?;
            headers.insert(name, value);
        }
        let outgoing = Outgoing {
            method: method.clone(),
            headers,
            body: body.clone(),
            timeout: NEVER,
            afresh: is_repeated,
        };
        let streamed = match (place, &inner.direct) {
            (None, Some(direct)) => direct.stream(outgoing).await,
            (place, _) => {
                let url = place.unwrap_or(&inner.settings.url);
                // Boxed: the usual way does not carry this one along.
                Box::pin(inner.settings.client.stream(url, outgoing)).await
            }
        };
        let streamed = match streamed {
            Err(Undelivered::Unanswered(_)) if repeats == Repeats::Once && !is_repeated => {
                is_repeated = true;
                continue;
            }
            streamed => streamed.map_err(failure)?,
        };
        let status = streamed.status();
        let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !is_refused || is_renewed {
            return Ok(streamed);
        }
        let www_authenticate = streamed.headers().get(WWW_AUTHENTICATE);
        let www_authenticate = www_authenticate.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let challenge = Challenge { status: status.as_u16(), www_authenticate, sent };
        if !inner.settings.credential.refused(principal, &challenge).await? {
            return Ok(streamed);
        }
        is_renewed = true;
    }
}

/// Whether the answer is a stream of events.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(EVENT_STREAM)
}

/// The whole body of an answer, at most so long.
pub(super) async fn whole(mut streamed: Streamed, limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    within(streamed.announced(), limit_bytes)?;
    let mut body = Vec::new();
    while let Some(chunk) = streamed.chunk().await.map_err(lost)? {
        add(&mut body, &chunk, limit_bytes)?;
    }
    Ok(body)
}

/// One more piece, if there is room.
pub(super) fn add(body: &mut Vec<u8>, chunk: &[u8], limit_bytes: usize) -> Result<(), Failure> {
    if body.len().saturating_add(chunk.len()) > limit_bytes {
        return Err(Failure::TooLarge { limit_bytes });
    }
    body.extend_from_slice(chunk);
    Ok(())
}

/// Whether as much as was announced may come.
pub(super) fn within(announced: Option<u64>, limit_bytes: usize) -> Result<(), Failure> {
    let length = announced.unwrap_or_default();
    if usize::try_from(length).map_or(true, |length| length > limit_bytes) {
        return Err(Failure::TooLarge { limit_bytes });
    }
    Ok(())
}

/// The connection ended before the answer did.
pub(super) fn lost(error: EgressError) -> Failure {
    Failure::Lost(error.to_string())
}

/// A value that a header can hold: one that was encoded, or is a word of the protocol.
pub(super) fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text)
        .map_err(|_| Failure::Untranslatable(format!("`{text}` cannot stand in a header")))
}

fn failure(undelivered: Undelivered) -> Failure {
    match undelivered {
        Undelivered::Before(error) => Failure::NotSent(error.to_string()),
        Undelivered::After(error @ EgressError::Encoded { .. }) => Failure::Unusable(error.to_string()),
        Undelivered::Unanswered(error) | Undelivered::After(error) => lost(error),
    }
}

/// Marked sensitive, so that no layer below writes it into a log. The protocol's own headers are never a credential's.
fn credential_header(name: &str, value: &Secret<String>) -> Result<(HeaderName, HeaderValue), Failure> {
    let wrong = |what: &str| Failure::NotSent(format!("the credential's header `{name}` {what}"));
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is no header name"))?;
    let is_ours = parsed.as_str().starts_with("mcp-")
        || [ACCEPT, CONTENT_TYPE, LAST_EVENT].contains(&parsed)
        || matches!(
            parsed.as_str(),
            "host" | "content-length" | "transfer-encoding" | "connection" | "accept-encoding"
        );
    if is_ours {
        return Err(wrong("is the protocol's own"));
    }
    let mut value =
        HeaderValue::from_str(value.expose()).map_err(|_| wrong("has a value that no header can hold"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}
