//! Parameters: where a value goes, and in which style it is written there.

use super::reference::Root;
use serde_json::Value;

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header field of its own.
    Header,
    /// In `Cookie`.
    Cookie,
}

impl Place {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// How a value is written (OpenAPI 3.1.1, "Style Values").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `a,b`
    Simple,
    /// `.a.b`
    Label,
    /// `;name=a;name=b`
    Matrix,
    /// `name=a&name=b`
    Form,
    /// `name=a b`
    SpaceDelimited,
    /// `name=a|b`
    PipeDelimited,
    /// `name[member]=a`
    DeepObject,
    /// As JSON, for parameters with `content`.
    Json,
}

/// A way of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) style: Style,
    /// Each item and member by itself.
    pub(super) explode: bool,
}

/// One parameter.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    /// The argument that it is given by.
    pub(super) argument: String,
    /// Its name in the request.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) writing: Writing,
    pub(super) is_required: bool,
}

/// A parameter as the document has it.
pub(super) struct Described<'d> {
    pub(super) name: &'d str,
    pub(super) place: Place,
    pub(super) writing: Writing,
    pub(super) is_required: bool,
    pub(super) schema: Option<&'d Value>,
    pub(super) description: Option<&'d str>,
}

/// Header fields that are not a caller's to say: of the connection, of the message, of who asks, and what proxies add.
const FORBIDDEN: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
const FORBIDDEN_BEGINNINGS: &[&str] = &["proxy-", "sec-", "x-forwarded-", "x-http-method", "x-original-"];
/// What OpenAPI says is to be ignored.
const IGNORED: &[&str] = &["accept", "authorization", "content-type"];

impl<'d> Described<'d> {
    /// Reads one. `None`: it is not a caller's to give, and need not be given.
    pub(super) fn read(root: Root<'d>, parameter: &'d Value) -> Result<Option<Self>, String> {
        let parameter = root.follow(parameter)?;
        let text = |name: &str| parameter.get(name).and_then(Value::as_str);
        let name = text("name").filter(|name| !name.is_empty()).ok_or("a parameter has no name")?;
        let place = match text("in") {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            Some("cookie") => Place::Cookie,
            _ => return Err(format!("its parameter `{name}` is nowhere that is known")),
        };
        let is_required = place == Place::Path || parameter.get("required") == Some(&Value::Bool(true));
        if matches!(place, Place::Header | Place::Cookie) && !can_name_a_field(name) {
            return Err(format!("its parameter `{name}` cannot name a header field or cookie"));
        }
        if place == Place::Header {
            let lower = name.to_ascii_lowercase();
            if IGNORED.contains(&lower.as_str()) {
                return Ok(None);
            }
            let begins = |beginning: &&str| lower.starts_with(*beginning);
            if FORBIDDEN.contains(&lower.as_str()) || FORBIDDEN_BEGINNINGS.iter().any(begins) {
                let why =
                    || format!("it requires the header field `{name}`, which is not a caller's to give");
                return if is_required { Err(why()) } else { Ok(None) };
            }
        }
        let (schema, writing) = match content(parameter) {
            Some((media, schema)) if is_json(media) => {
                (schema, Writing { style: Style::Json, explode: false })
            }
            Some((media, _)) => {
                let why = || format!("its parameter `{name}` is of the type `{media}`");
                return if is_required { Err(why()) } else { Ok(None) };
            }
            None => (parameter.get("schema"), writing(parameter, place, name)?),
        };
        Ok(Some(Self { name, place, writing, is_required, schema, description: text("description") }))
    }
}

/// How a value is written, by what is said beside its schema.
pub(super) fn writing(said: &Value, place: Place, name: &str) -> Result<Writing, String> {
    let style = match (said.get("style").and_then(Value::as_str), place) {
        (None | Some("simple"), Place::Path | Place::Header) => Style::Simple,
        (None | Some("form"), Place::Query | Place::Cookie) => Style::Form,
        (Some("label"), Place::Path) => Style::Label,
        (Some("matrix"), Place::Path) => Style::Matrix,
        (Some("spaceDelimited"), Place::Query) => Style::SpaceDelimited,
        (Some("pipeDelimited"), Place::Query) => Style::PipeDelimited,
        (Some("deepObject"), Place::Query) => Style::DeepObject,
        (Some(style), place) => {
            return Err(format!("its parameter `{name}` has the style `{style}` in the {}", place.text()));
        }
    };
    let explode = said.get("explode").and_then(Value::as_bool).unwrap_or(style == Style::Form);
    Ok(Writing { style, explode })
}

/// The one media type of a parameter that has one.
fn content(parameter: &Value) -> Option<(&str, Option<&Value>)> {
    let (media, content) = parameter.get("content")?.as_object()?.iter().next()?;
    Some((media, content.get("schema")))
}

/// `application/json`, or a type that ends in `+json` (RFC 6839 section 3.1).
pub(super) fn is_json(media: &str) -> bool {
    let kind = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || (kind.contains('/') && kind.ends_with("+json"))
}

/// A token of RFC 9110 section 5.6.2.
fn can_name_a_field(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}
