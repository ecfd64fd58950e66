//! From the arguments of a call to a request. What is sent decodes to exactly what was given, in the place where it was
//! given.

use super::body::{Body, Format};
use super::encode::{self, Pair};
use super::exchange::Request;
use super::operation::Operation;
use super::parameter::{Parameter, Place, Style, Writing};
use super::path::{Piece, is_dots};
use super::{MAXIMUM_BODY_BYTES, MAXIMUM_HEADER_BYTES, MAXIMUM_TARGET_BYTES};
use crate::relay::Object;
use deputy_core::canonical::parse_strict;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Why arguments make no request. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// Not a JSON object, or a member twice.
    #[error("the arguments cannot be read: {0}")]
    Unreadable(String),
    /// One that must be there is not.
    #[error("the argument `{0}` is missing")]
    Missing(String),
    /// One that the tool does not have.
    #[error("there is no argument `{0}`")]
    Unknown(String),
    /// One whose value cannot be sent.
    #[error("the argument `{argument}` {why}")]
    Unfit {
        /// Which.
        argument: String,
        /// Why.
        why: String,
    },
    /// More than is sent.
    #[error("the {part} of the request has more than {limit_bytes} bytes")]
    TooLong {
        /// Of what.
        part: &'static str,
        /// How much is sent.
        limit_bytes: usize,
    },
}

impl Operation {
    /// The request of a call.
    ///
    /// # Errors
    /// Names the argument that cannot be sent, and why.
    pub fn request(&self, arguments: &RawValue) -> Result<Request, ArgumentError> {
        let unreadable = |why: String| ArgumentError::Unreadable(why);
        let value =
            parse_strict(arguments.get().as_bytes()).map_err(|error| unreadable(error.to_string()))?;
        let Value::Object(given) = value else {
            return Err(unreadable("they are not a JSON object".to_owned()));
        };
        if let Some(unknown) = given.keys().find(|name| !self.takes(name)) {
            return Err(ArgumentError::Unknown(unknown.chars().take(100).collect()));
        }
        let path = self.path(&given)?;
        let query = self.query(&given)?;
        let target_bytes = path.len() + query.as_deref().map_or(0, str::len);
        bounded("address", target_bytes, MAXIMUM_TARGET_BYTES)?;
        let mut headers = self.headers(&given)?;
        let body = match &self.body {
            Some(body) => sent(body, arguments, &given)?,
            None => None,
        };
        if let (Some(body), Some(_)) = (&self.body, &body) {
            headers.push(("content-type".to_owned(), body.media.clone()));
        }
        Ok(Request { method: self.method, path, query, headers, body })
    }

    fn takes(&self, argument: &str) -> bool {
        let of_body = self.body.as_ref().is_some_and(|body| body.argument == argument);
        of_body || self.parameters.iter().any(|parameter| parameter.argument == argument)
    }

    /// The parameters of one place with their values. Null is as good as absent.
    fn given<'a>(
        &'a self,
        place: Place,
        given: &'a Map<String, Value>,
    ) -> impl Iterator<Item = Result<(&'a Parameter, &'a Value), ArgumentError>> {
        let here = self.parameters.iter().filter(move |parameter| parameter.place == place);
        here.filter_map(|parameter| {
            let is_there = |value: &&Value| !value.is_null() || parameter.writing.style == Style::Json;
            match given.get(&parameter.argument).filter(is_there) {
                Some(value) => Some(Ok((parameter, value))),
                None if parameter.is_required => {
                    Some(Err(ArgumentError::Missing(parameter.argument.clone())))
                }
                None => None,
            }
        })
    }

    fn path(&self, given: &Map<String, Value>) -> Result<String, ArgumentError> {
        let mut written: Vec<(&str, &str, String)> = Vec::new();
        for one in self.given(Place::Path, given) {
            let (parameter, value) = one?;
            self.keeps_to_itself(parameter, value, Place::Path)?;
            let text = encode::in_path(parameter.writing, &parameter.name, value)
                .map_err(|why| unfit(&parameter.argument, why))?;
            written.push((&parameter.name, &parameter.argument, text));
        }
        let mut path = String::new();
        for segment in &self.template.0 {
            let mut text = String::new();
            let mut last = "";
            for piece in segment {
                match piece {
                    Piece::Literal(literal) => text.push_str(literal),
                    Piece::Variable(name) => {
                        let found = written.iter().find(|(known, ..)| known == name);
                        let (_, argument, value) =
                            found.ok_or_else(|| ArgumentError::Missing(name.clone()))?;
                        text.push_str(value);
                        last = argument;
                    }
                }
            }
            if is_dots(&text) {
                return Err(unfit(last, "makes a segment of dots in the path".to_owned()));
            }
            path.push('/');
            path.push_str(&text);
        }
        Ok(path)
    }

    fn query(&self, given: &Map<String, Value>) -> Result<Option<String>, ArgumentError> {
        let mut pairs: Vec<Pair> = Vec::new();
        for one in self.given(Place::Query, given) {
            let (parameter, value) = one?;
            self.keeps_to_itself(parameter, value, Place::Query)?;
            let more = encode::as_pairs(parameter.writing, &parameter.name, value)
                .map_err(|why| unfit(&parameter.argument, why))?;
            if more.iter().any(|(name, _)| pairs.iter().any(|(taken, _)| taken == name)) {
                return Err(unfit(&parameter.argument, "has a member that another argument has".to_owned()));
            }
            pairs.extend(more);
        }
        Ok((!pairs.is_empty()).then(|| encode::query(&pairs)))
    }

    /// An object that is written member by member must not write what another parameter stands for.
    fn keeps_to_itself(
        &self,
        parameter: &Parameter,
        value: &Value,
        place: Place,
    ) -> Result<(), ArgumentError> {
        let Writing { style, explode } = parameter.writing;
        let Value::Object(members) = value else { return Ok(()) };
        if !explode || matches!(style, Style::DeepObject | Style::Json | Style::Simple | Style::Label) {
            return Ok(());
        }
        let others = self.parameters.iter().filter(|other| other.place == place);
        for other in others.filter(|other| other.name != parameter.name) {
            let deep = format!("{}[", other.name);
            let meant = |name: &String| {
                *name == other.name || (other.writing.style == Style::DeepObject && name.starts_with(&deep))
            };
            if members.keys().any(meant) {
                let why = format!("has a member that is the parameter `{}`", other.name);
                return Err(unfit(&parameter.argument, why));
            }
        }
        Ok(())
    }

    fn headers(&self, given: &Map<String, Value>) -> Result<Vec<(String, String)>, ArgumentError> {
        let mut headers = vec![("accept".to_owned(), self.accept.clone())];
        for one in self.given(Place::Header, given) {
            let (parameter, value) = one?;
            let text =
                encode::in_header(parameter.writing, value).map_err(|why| unfit(&parameter.argument, why))?;
            bounded("header", text.len(), MAXIMUM_HEADER_BYTES)?;
            headers.push((parameter.name.to_ascii_lowercase(), text));
        }
        let mut cookies = Vec::new();
        for one in self.given(Place::Cookie, given) {
            let (parameter, value) = one?;
            let text =
                encode::in_cookie(parameter.writing, value).map_err(|why| unfit(&parameter.argument, why))?;
            cookies.push(format!("{}={text}", parameter.name));
        }
        let cookies = cookies.join("; ");
        bounded("header", cookies.len(), MAXIMUM_HEADER_BYTES)?;
        if !cookies.is_empty() {
            headers.push(("cookie".to_owned(), cookies));
        }
        Ok(headers)
    }
}

/// The body as it is sent. JSON is the very text that was given.
fn sent(
    body: &Body,
    arguments: &RawValue,
    given: &Map<String, Value>,
) -> Result<Option<Vec<u8>>, ArgumentError> {
    let Some(value) = given.get(&body.argument) else {
        return if body.is_required { Err(ArgumentError::Missing(body.argument.clone())) } else { Ok(None) };
    };
    let wrong = |why: String| unfit(&body.argument, why);
    let bytes = match (&body.format, value) {
        (Format::Json, _) => {
            let object =
                Object::parse(arguments).map_err(|error| ArgumentError::Unreadable(error.to_string()))?;
            let raw = object.get(&body.argument).map(|raw| raw.get().as_bytes().to_vec());
            raw.ok_or_else(|| ArgumentError::Missing(body.argument.clone()))?
        }
        (Format::Text, Value::String(text)) => text.as_bytes().to_vec(),
        (Format::Text, _) => return Err(wrong("must be a string".to_owned())),
        (Format::Form(encoding), Value::Object(members)) => {
            let mut pairs: Vec<Pair> = Vec::new();
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                let writing = encoding.get(name).copied().unwrap_or_else(|| usual(value));
                let more = encode::as_pairs(writing, name, value)
                    .map_err(|why| wrong(format!("has a member `{name}` that {why}")))?;
                let is_of_another = |(new, _): &Pair| {
                    new != name && (members.contains_key(new) || pairs.iter().any(|(old, _)| old == new))
                };
                if more.iter().any(is_of_another) {
                    return Err(wrong(format!("has a member `{name}` with the name of another in it")));
                }
                pairs.extend(more);
            }
            encode::query(&pairs).into_bytes()
        }
        (Format::Form(_), _) => return Err(wrong("must be an object".to_owned())),
    };
    bounded("body", bytes.len(), MAXIMUM_BODY_BYTES)?;
    Ok(Some(bytes))
}

/// A form's member of which nothing is said: plain values and lists of them each by itself, everything else as JSON.
fn usual(value: &Value) -> Writing {
    let nested = |value: &Value| value.is_object() || value.is_array();
    let is_deep = match value {
        Value::Array(items) => items.iter().any(nested),
        value => value.is_object(),
    };
    if is_deep {
        Writing { style: Style::Json, explode: false }
    } else {
        Writing { style: Style::Form, explode: true }
    }
}

fn unfit(argument: &str, why: String) -> ArgumentError {
    ArgumentError::Unfit { argument: argument.to_owned(), why }
}

fn bounded(part: &'static str, bytes: usize, limit_bytes: usize) -> Result<(), ArgumentError> {
    if bytes > limit_bytes { Err(ArgumentError::TooLong { part, limit_bytes }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
