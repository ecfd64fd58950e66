//! What a status that is no success means (reference, sections 1, 2.2 and 3; gateway rules 4 and 10).

use super::session::Session;
use crate::upstream::call::{Event, Trouble, ended};
use deputy_hub::ports::upstream::{Failure, Reply};
use deputy_protocol::asking::answer;
use deputy_protocol::asking::message::{Message, Outcome};
use deputy_protocol::jsonrpc::{Id, code};
use http::StatusCode;

/// The event that ends the call, or the trouble.
pub(super) fn of(
    status: StatusCode,
    messages: Option<Vec<Message<'_>>>,
    id: u64,
    session: Option<&Session>,
) -> Result<Event, Trouble> {
    let answered = messages.into_iter().flatten().find_map(|message| match message {
        Message::Response { id: Some(Id::Integer(of)), outcome } if u64::try_from(of) == Ok(id) => {
            Some((true, outcome))
        }
        Message::Response { id: None, outcome: outcome @ Outcome::Error(_) } => Some((false, outcome)),
        _ => None,
    });
    let is_gone = session.is_some_and(|session| session.is_unknown(status));
    let fits_nothing = matches!(status.as_u16(), 400 | 404 | 405);
    match answered {
        // An unknown method, not an unknown session.
        Some((true, Outcome::Error(error))) if is_gone && error.code == code::METHOD_NOT_FOUND => {
            Ok(ended(&Outcome::Error(error)))
        }
        _ if is_gone => Err(Trouble::SessionGone),
        Some((is_ours, Outcome::Error(error))) => {
            let is_modern = answer::is_modern_error(error.code);
            let fits = if session.is_some() { is_ours && !is_modern } else { is_modern || is_ours };
            let fits = fits && (session.is_some() || error.code != code::UNSUPPORTED_VERSION);
            if fits || !fits_nothing {
                return Ok(ended(&Outcome::Error(error)));
            }
            let (code, message) = (error.code, error.message);
            let data = error.data.map(ToOwned::to_owned);
            Err(Trouble::Misfit(Ok(Reply::Fault { code, message, data })))
        }
        Some((_, outcome @ Outcome::Result(_))) => Ok(ended(&outcome)),
        None if fits_nothing => Err(Trouble::Misfit(Err(failure(status)))),
        None => Err(Trouble::Failed(failure(status))),
    }
}

/// A status alone.
pub(super) fn failure(status: StatusCode) -> Failure {
    match status.as_u16() {
        401 | 403 => Failure::NotSent(format!("it refused our credential (status {status})")),
        429 => Failure::NotSent("it wants fewer requests (status 429)".to_owned()),
        300..=399 => Failure::Unusable(format!(
            "it redirects elsewhere, which is not followed (status {status}): correct `url`"
        )),
        500..=599 => Failure::Lost(format!("it failed (status {status})")),
        _ => Failure::Unusable(format!("it answered with status {status} and no MCP message")),
    }
}
