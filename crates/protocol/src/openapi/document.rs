//! The whole document.

use super::exchange::Method;
use super::name;
use super::operation::Operation;
use super::reading::read;
use super::reference::Root;
use super::schema::Dialect;
use super::select::{Named, Options};
use super::tool::{self, Found};
use super::{MAXIMUM_TOOLS, OpenApiError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Paths of one document.
const PATHS: usize = 20_000;

/// A document that was read: its tools, and what became none.
#[derive(Debug, Clone)]
pub struct Document {
    openapi: String,
    title: String,
    version: String,
    server: Option<String>,
    operations: Vec<Arc<Operation>>,
    by_name: BTreeMap<String, usize>,
    left_out: Vec<LeftOut>,
}

/// An operation that is not offered though it was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Method and path.
    pub operation: String,
    /// Why.
    pub why: String,
}

impl Document {
    /// Reads a document and makes a tool of each operation that `options` offers.
    ///
    /// # Errors
    /// It is no such document, beyond a bound, or `options` names an operation that it does not have.
    pub fn parse(bytes: &[u8], options: &Options) -> Result<Self, OpenApiError> {
        let document = read(bytes)?;
        let text = |place: &str| document.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let dialect = dialect(&document)?;
        let root = Root(&document);
        let found = operations(root)?;
        let named: Vec<Named<'_>> = found.iter().map(named).collect();
        for entry in options.entries() {
            if !named.iter().any(|named| named.is_meant_by(entry)) {
                return Err(OpenApiError::NoSuchOperation(entry.chars().take(200).collect()));
            }
        }
        // Names are of the whole document, so that what is offered does not change them.
        let names = name::of_tools(&named);
        let wanted: Vec<_> =
            found.iter().zip(&named).zip(names).filter(|((_, named), _)| options.offers(named)).collect();
        if wanted.len() > MAXIMUM_TOOLS {
            return Err(OpenApiError::TooMany { tools: wanted.len() });
        }
        let (mut operations, mut left_out) = (Vec::new(), Vec::new());
        for ((found, _), name) in wanted {
            let name = name.ok_or_else(|| "its name is another operation's too".to_owned());
            match name.and_then(|name| tool::of(root, dialect, options, name, *found)) {
                Ok(operation) => operations.push(Arc::new(operation)),
                Err(why) => left_out.push(LeftOut { operation: shown(found), why }),
            }
        }
        if operations.is_empty() {
            let first = left_out.first().map(|one| format!("`{}`: {}", one.operation, one.why));
            return Err(OpenApiError::NoTools(first.unwrap_or_else(|| "there is none".to_owned())));
        }
        operations.sort_by(|one, other| one.name.cmp(&other.name));
        let by_name =
            operations.iter().enumerate().map(|(at, operation)| (operation.name.clone(), at)).collect();
        Ok(Self {
            openapi: text("/openapi").to_owned(),
            title: text("/info/title").chars().take(200).collect(),
            version: text("/info/version").chars().take(100).collect(),
            server: server(&document),
            operations,
            by_name,
            left_out,
        })
    }

    /// The version of OpenAPI that it is written in.
    #[must_use]
    pub fn openapi(&self) -> &str {
        &self.openapi
    }

    /// What it calls itself; perhaps empty.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its own version; perhaps empty.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The first of its servers, with the defaults of its variables: an address, or a part of one.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// What is offered, sorted by name.
    #[must_use]
    pub fn operations(&self) -> &[Arc<Operation>] {
        &self.operations
    }

    /// The operation of a tool.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&Arc<Operation>> {
        self.operations.get(*self.by_name.get(name)?)
    }

    /// What could not be offered, and why.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

fn dialect(document: &Value) -> Result<Dialect, OpenApiError> {
    if let Some(swagger) = document.get("swagger") {
        return Err(OpenApiError::Version(format!("swagger {}", swagger.as_str().unwrap_or("2.0"))));
    }
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    let dialect = if version == "3.0" || version.starts_with("3.0.") {
        Dialect::V30
    } else if version == "3.1" || version.starts_with("3.1.") {
        Dialect::V31
    } else {
        return Err(OpenApiError::Version(format!(
            "openapi {}",
            version.chars().take(40).collect::<String>()
        )));
    };
    let spoken =
        ["https://spec.openapis.org/oas/3.1/dialect/", "https://json-schema.org/draft/2020-12/schema"];
    match document.get("jsonSchemaDialect").and_then(Value::as_str) {
        Some(other) if !spoken.iter().any(|known| other.starts_with(known)) => Err(OpenApiError::Version(
            format!("jsonSchemaDialect {}", other.chars().take(100).collect::<String>()),
        )),
        _ => Ok(dialect),
    }
}

/// All operations, in the order of the document.
fn operations(root: Root<'_>) -> Result<Vec<Found<'_>>, OpenApiError> {
    let malformed =
        |place: &str, why: String| OpenApiError::Malformed { place: place.chars().take(200).collect(), why };
    let paths = root.0.get("paths").and_then(Value::as_object);
    let paths = paths.ok_or_else(|| malformed("paths", "is no object".to_owned()))?;
    if paths.len() > PATHS {
        return Err(malformed("paths", format!("has more than {PATHS} members")));
    }
    let mut found = Vec::new();
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
        let item = root.follow(item).map_err(|why| malformed(path, format!("cannot be followed: {why}")))?;
        let Some(item) = item.as_object() else {
            return Err(malformed(path, "is no object".to_owned()));
        };
        let shared = item.get("parameters");
        for method in Method::ALL {
            if let Some(operation) = item.get(&method.member()).filter(|operation| operation.is_object()) {
                found.push(Found { method, path, shared, operation });
            }
        }
    }
    Ok(found)
}

fn named<'a>(found: &Found<'a>) -> Named<'a> {
    let id = found.operation.get("operationId").and_then(Value::as_str).filter(|id| !id.is_empty());
    Named { method: found.method, path: found.path, id }
}

fn shown(found: &Found<'_>) -> String {
    format!("{} {}", found.method, found.path).chars().take(200).collect()
}

/// `servers[0].url`, its variables replaced by their defaults (once: a default is no template).
fn server(document: &Value) -> Option<String> {
    let server = document.get("servers")?.as_array()?.first()?;
    let mut rest = server.get("url")?.as_str().filter(|url| url.len() <= 2000)?;
    let mut url = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        url.push_str(before);
        url.push_str(server.get("variables")?.get(name)?.get("default")?.as_str()?);
        rest = behind;
    }
    url.push_str(rest);
    Some(url)
}
